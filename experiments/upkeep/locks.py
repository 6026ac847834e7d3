"""Which locks of a home are held now. Looking changes no file, and works in a home that may not be written to."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from experiments.held import is_held
from experiments.home import Home

WORK = "work"
"""The folder with a lock for each command at work."""
WORKING = ("run", "analyse", "sync", "report")
"""Verbs that write results into a home."""
ENDINGS = (".lock", ".guard")


def held(home: Home) -> Iterator[Path]:
    """The locks of a home that are held now."""
    places = (home.root, home.runs, home.prepared, home.corpora, home.root / "search", home.root / WORK)
    for place in places:
        patterns = ("*/*", "*") if place == home.runs else ("*",)
        for pattern in patterns:
            for path in sorted(place.glob(pattern)):
                if path.suffix in ENDINGS and is_held(path):
                    yield path


@contextlib.contextmanager
def at_work(home: Home, verb: str | None) -> Iterator[None]:
    """Say that a command works in a home, so that the home is not moved meanwhile; it ends with the process.

    Args:
        home: where nothing can be written, or no home is made yet, nothing is said.
        verb: of the command; those that write no results say nothing.
    """
    if verb not in WORKING or not home.root.is_dir():
        yield
        return
    place = home.root / WORK / f"{os.getpid()}.lock"
    lock = FileLock(place)
    with contextlib.suppress(OSError):
        place.parent.mkdir(exist_ok=True)
        lock.acquire(timeout=0)
    try:
        yield
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            place.unlink()
            place.parent.rmdir()
