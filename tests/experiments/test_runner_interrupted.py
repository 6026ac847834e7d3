"""Studies with training code of the user's own, killed and interrupted: the same command ends with the same table."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from factories.deaths import COMMAND, Process, begun, script
from factories.training_code import SCRIPT, STUDY, project

from experiments.driver import run_study
from experiments.home import Home
from reports.output.times import without_times

pytestmark = pytest.mark.usefixtures("no_mirror")

SLOW = (
    SCRIPT
    + """\
import os, time
started = asked.out.parents[3] / "started"
started.mkdir(exist_ok=True)
(started / str(os.getpid())).touch()
if not (started.parent / "quick").exists():
    time.sleep(0.3)
"""
)
"""Leaves its process id outside its home; lives for a moment after its scores are written, unless it may be quick."""


def start(path: Path, home: Home) -> Process:
    words = ["--home", home.root, "run", path, "--workers", "2"]
    return begun(script(COMMAND, *words), home.make().root / "out.log")


def let_it_be_quick(home: Home) -> None:
    home.make().root.with_name("quick").touch()


def started(home: Home) -> list[int]:
    folder = home.root.parent / "started"
    return [int(file.name) for file in folder.iterdir()] if folder.exists() else []


def wait_for(done: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int, script: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(script.name) in " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def table(home: Home) -> str:
    (file,) = home.root.glob("reports/gate*/report.json")
    return json.dumps(without_times(json.loads(file.read_text(encoding="utf-8"))))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and sessions are POSIX")
def test_the_table_is_the_same_after_kills_at_random_moments(
    tmp_path: Path, with_database: Callable[[Home], Home]
) -> None:
    path = project(tmp_path / "project", STUDY, train=SLOW)
    quiet = Home(tmp_path / "quiet" / "home")
    let_it_be_quick(quiet)
    run_study(str(path), quiet.root)
    home, rng = with_database(Home(tmp_path / "killed" / "home")), random.Random(0)
    for killed in range(3):
        before, process = len(started(home)), start(path, home)
        try:
            wait_for(lambda before=before, one=process: len(started(home)) > before + 1 or one.poll() is not None)
            time.sleep(rng.uniform(0, 0.4))
            # The driver, and once a worker first, each without a chance to tell anybody.
            for child in psutil.Process(process.pid).children() if killed == 1 else []:
                child.kill()
            process.kill()
        finally:
            process.kill()
            process.wait()
    assert len(list(home.runs.glob("*/record.json"))) < 16
    let_it_be_quick(home)
    run_study(str(path), home.root)
    assert table(home) == table(quiet)
    assert not [pid for pid in started(home) if alive(pid, path.with_name("train.py"))]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_training_code_ends_with_its_driver(
    tmp_path: Path, with_database: Callable[[Home], Home], number: signal.Signals
) -> None:
    path = project(tmp_path / "project", STUDY, train=SLOW.replace("sleep(0.3)", "sleep(600)"))
    home = with_database(Home(tmp_path / "home" / "home"))
    process = start(path, home)
    try:
        wait_for(lambda: len(started(home)) == 2)
        os.kill(process.pid, number)
        assert process.wait(timeout=60) == (130 if number == signal.SIGINT else -signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: not any(alive(pid, path.with_name("train.py")) for pid in started(home)))
    assert not list(home.runs.glob("*/record.json"))
