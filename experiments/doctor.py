"""What a bug report should say about a machine: versions, cores, number formats, disk, tracking store, storage."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.environment import environment
from experiments.home import Home
from mmcore.errors import MMStudyError
from mmcore.language import counted, later, say
from reports.numbers import listing


@dataclass(frozen=True)
class Finding:
    """One fact of the machine.

    Args:
        topic: what it is about. text: what was found. fine: False where a study could not run as it is.
    """

    topic: str
    text: str
    fine: bool = True


def examine_machine(home: Home, storage: str | None) -> tuple[Finding, ...]:
    """Look at everything that a study needs; changes nothing but an empty home, whose database is made.

    Args:
        home: where studies would be kept.
        storage: address of a database for searches; None: a file in the home.
    """
    here = environment()
    return (
        Finding("mmstudy", version_text()),
        Finding("Python", say("{version} on {system}", version=platform.python_version(), system=platform.platform())),
        Finding(
            later("packages"),
            ", ".join(f"{name} {version or say('missing')}" for name, version in here.packages.items()),
        ),
        Finding(later("cores"), _cores()),
        Finding("bf16", _bf16()),
        Finding("GPU", _gpu()),
        _disk(home),
        _store(home),
        _searches(home, storage),
    )


def version_text() -> str:
    """Version and commit, as ``mmstudy --version`` prints them."""
    here = environment()
    if here.commit is None:
        return str(here.mmstudy)
    facts = {"version": here.mmstudy, "commit": here.commit[:12]}
    if here.dirty:
        return say("{version} (commit {commit}, with uncommitted changes)", **facts)
    return say("{version} (commit {commit})", **facts)


def as_json(findings: tuple[Finding, ...]) -> list[dict[str, object]]:
    """The findings as plain values."""
    return [asdict(one) for one in findings]


def _cores() -> str:
    ours = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return say("{n} of {all} for this process", n=ours, all=os.cpu_count())


def _bf16() -> str:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return say("not known on this system")
    found = [name for name in ("amx_bf16", "avx512_bf16") if name in flags]
    if not found:
        return say("the processor has no units for it")
    return say("the processor has {units}", units=listing(found))


def _gpu() -> str:
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return f"{', '.join(names)}; CUDA {torch.version.cuda}"
    if torch.backends.mps.is_available():
        return "MPS"
    return say("none that torch can use")


def _disk(home: Home) -> Finding:
    place = next(folder for folder in (home.root, *home.root.parents) if folder.exists())
    runs = sum(1 for _ in home.runs.iterdir()) if home.runs.is_dir() else 0
    free = shutil.disk_usage(place).free / 2**30
    fine = os.access(place, os.W_OK) and free > 0.1
    facts = {"home": home.root, "runs": counted(runs, "run"), "free": free}
    text = (
        say("{home}: {runs}, {free:.1f} GiB free", **facts)
        if os.access(place, os.W_OK)
        else say("{home}: {runs}, {free:.1f} GiB free, no permission to write", **facts)
    )
    return Finding(later("home"), text, fine)


def _store(home: Home) -> Finding:
    from experiments.tracking.store import Store, tracking_uri

    try:
        Store(home)
    except MMStudyError as problem:
        return Finding("MLflow", str(problem), fine=False)
    return Finding("MLflow", say("{address} answers", address=tracking_uri(home)))


def _searches(home: Home, storage: str | None) -> Finding:
    from experiments.tuning.storage import open_storage, place_of, storage_url

    url = storage_url(storage)
    if url is None:
        return Finding(later("Optuna storage"), say("files in {folder}", folder=home.root / "search"))
    try:
        with open_storage(home, "doctor", url):
            pass
    except MMStudyError as problem:
        return Finding(later("Optuna storage"), str(problem), fine=False)
    return Finding(later("Optuna storage"), say("{address} answers", address=place_of(home, "doctor", url)))
