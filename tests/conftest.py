"""What every test shares: each process computes with one thread, and writes to memory where there is room.

Two test processes with as many threads each as the machine has cores wait for one another more than they compute.
Set before torch and numpy are imported; tests about threads set their own, and mmstudy's workers are told theirs.
"""

from __future__ import annotations

import gc
import os
import shutil
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

from mmcore.garbage import keep

# How long an example takes says more of the machine's other work than of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# Tests read English sentences, on every machine.
os.environ["MMSTUDY_LANG"] = "en"

# Tests flush tens of thousands of records, checkpoints and transactions to the disk (fsync). To wait for that proves
# nothing here. pytest removes the files of every test that passed.
_MEMORY = Path("/dev/shm")
if _MEMORY.is_dir() and min(shutil.disk_usage(_MEMORY).free, psutil.virtual_memory().available) > 6 * 2**30:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))

# Collecting makes nothing but what stays: looking for garbage in it costs a quarter of its time.
gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Files with slow tests come first in the share of each process: at the end of a run there are short tests left to
    take over from one another.

    xdist deals out what is collected in as many equal parts as there are processes, one after the other.
    """
    shares = int(getattr(config, "workerinput", {}).get("workercount", 1))
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    place = {path: at % shares for at, path in enumerate(dict.fromkeys(i.path for i in items if i.path in slow))}
    rest = [item for item in items if item.path not in slow]
    ordered: list[pytest.Item] = []
    for share in range(shares):
        own = [item for item in items if place.get(item.path) == share]
        room = max(0, (len(items) - len(ordered)) // (shares - share) - len(own))
        ordered += own + rest[:room]
        del rest[:room]
    items[:] = ordered + rest


def pytest_collection_finish() -> None:
    """What collecting left stays to the end: the garbage collector need not go through it again in every test.

    So does its garbage, a few megabytes: to look for it takes most of a second.
    """
    keep()
    gc.set_threshold(100_000, 10, 50)
    gc.enable()


MANY = 50_000
"""New objects after which garbage is looked for between two tests."""


@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish() -> None:
    """Between two tests few objects are left to look through; within a test most are still in use."""
    if gc.get_count()[0] > MANY:
        gc.collect(1)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """pytest looks for garbage ten times when it ends. One search is enough: what it leaves is no garbage."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def each_epoch_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints after every epoch, however short it is, in this process."""
    monkeypatch.setattr("mmcore.training.loop.SECONDS_BETWEEN_CHECKPOINTS", 0.0)
