"""The folders of calls in the home's logs: one for each pool, with what its driver and workers say to each other."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path

from experiments.launchers.slurm.spool import Beat, is_closed
from experiments.launchers.slurm.status import cancel
from experiments.owner import Owner

_DRIVER, _JOBS = "driver.json", "jobs"

_KEPT = 20
"""Folders of calls that are over and stay for their logs."""


def begin(root: Path) -> Path:
    """A new call's folder."""
    me = Owner.me()
    stamp = time.strftime("%Y%m%d-%H%M%S")
    count = 0
    while True:
        folder = root / f"{stamp}-{me.pid}-{count}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            count += 1
            continue
        driver = {"host": me.host, "pid": me.pid, "started": me.created, "since_boot": me.since_boot}
        (folder / _DRIVER).write_text(json.dumps(driver) + "\n", encoding="utf-8")
        return folder


def note_jobs(folder: Path, tasks: list[str]) -> None:
    """Keep the names of a call's tasks, for the case that its driver is killed."""
    with open(folder / _JOBS, "a", encoding="utf-8") as file:
        file.writelines(f"{task}\n" for task in tasks)


def end_those_without_driver(root: Path) -> None:
    """Cancel what a killed driver of this machine left in the queue, and remove the oldest folders that are over.

    Workers of a driver that was killed on another machine end by themselves, when they see no sign of life.
    """
    over: list[Path] = []
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        if not is_closed(folder):
            if not _is_orphaned(folder):
                continue
            with contextlib.suppress(OSError):
                cancel((folder / _JOBS).read_text(encoding="utf-8").split())
            Beat(folder).close()
        over.append(folder)
    for folder in over[:-_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)


def _is_orphaned(folder: Path) -> bool:
    """Whether the driver ran on this machine and is gone."""
    try:
        driver = json.loads((folder / _DRIVER).read_text(encoding="utf-8"))
        owner = Owner(driver["host"], int(driver["pid"]), float(driver["started"]), driver.get("since_boot"))
        return owner.here and not owner.alive
    except (OSError, ValueError, KeyError, TypeError):
        return False
