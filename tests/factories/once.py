"""Things that cost much to make and that no test changes: made once a run, whichever test process needs them first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder ``name`` as ``make`` filled it, shared by all test processes of this run.

    The other processes wait while one makes it. Where ``make`` failed, the next test tries again and fails the same.

    Args:
        factory: pytest's own; each test process has a folder in the folder of the run.
        name: names the folder; two makers need two names.
        make: fills the folder, which exists and is empty.
    """
    base = factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made_once"
    shared.mkdir(exist_ok=True)
    folder, finished = shared / name, shared / f"{name}.finished"
    with FileLock(shared / f"{name}.lock"):
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            finished.touch()
    return folder
