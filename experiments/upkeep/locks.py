"""Which locks of a home are held now. Looking changes no file, and works in a home that may not be written to."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from experiments.home import Home

WORK = "work"
"""The folder with a lock for each command at work."""
WORKING = ("run", "analyse", "sync", "report")
"""Verbs that write results into a home."""
ENDINGS = (".lock", ".guard")


def is_held(path: Path) -> bool:
    """Whether a process holds a lock; False where there is no such file, or this user may not read it."""
    if not path.is_file():
        return False
    if sys.platform == "win32":
        try:
            with FileLock(path, timeout=0):
                return False
        except (Timeout, OSError) as problem:
            return isinstance(problem, Timeout)
    import fcntl

    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # A shared lock is refused as long as a process has the lock for itself.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False


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
