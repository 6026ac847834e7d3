"""Files that are written whole or not at all. No torch."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from mmcore.errors import MMStudyError

_NUMBERS = itertools.count()
FULL = (errno.ENOSPC, errno.EDQUOT)
"""Of an OSError: the disk is full, or the user's share of it."""
NO_ROOM = "there is no space left on the disk"
"""The rule of :func:`disk_full`."""


def write_atomically(path: Path, write: Callable[[IO[bytes]], object], *, flush: bool = True) -> None:
    """Write a file beside its place, then move it there in one step. Its mode is the one that the umask gives.

    Args:
        path: its folder is made when missing.
        write: receives the open file.
        flush: wait until the bytes are on the disk, for what cannot be made again.

    Raises:
        OSError: names ``path``; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_NUMBERS)}.tmp")
    try:
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            if flush:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as problem:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(problem, OSError) and problem.errno is not None:
            # An error of writing knows no name, one of opening the temporary one.
            problem.filename, problem.filename2 = str(path), None
        raise


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder; the caller knows that nobody writes there."""
    for torn in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            torn.unlink()


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder has so little room left that even words about it find none."""
    return shutil.disk_usage(folder).free < _LEAST_ROOM


_LEAST_ROOM = 64 * 1024
"""Bytes."""


@contextlib.contextmanager
def room_in(place: Path) -> Iterator[None]:
    """Say it as an error of ours when there is no room to write.

    Args:
        place: the folder that is written to, for an error that names no file.

    Raises:
        MMStudyError: the disk is full. Other errors pass unchanged.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise disk_full(error, place) from error


def disk_full(error: OSError, place: Path) -> MMStudyError:
    """What to say when there is no room to write; ``place`` where the error names no file."""
    return MMStudyError(
        NO_ROOM,
        where=str(error.filename or place),
        next_step="Make room, then repeat the command; what is finished is kept, and runs go on where they were",
    )
