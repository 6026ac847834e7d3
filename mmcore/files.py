"""Opening files from outside, and reading back what mmstudy itself wrote. No torch.

Only regular files are opened: a FIFO would wait for ever, and ``/dev/zero`` never ends. What mmstudy reads back is
checked against its type before anything uses it. A file that is torn is a :class:`BrokenFile`; one that this user may
not read is not, since nothing is wrong with its content.
"""

from __future__ import annotations

import errno
import os
import stat
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from mmcore.complaints import complaint, expectation
from mmcore.errors import MMStudyError, RecordError

T = TypeVar("T")
MOST_BYTES = 4 * 2**30
"""A file of ours above this size was not written by mmstudy."""


class BrokenFile(RecordError):
    """A file that mmstudy wrote is torn, or something in it has a wrong type.

    Args:
        path: the file.
    """

    def __init__(self, rule: str, path: Path, *, expected: str | None, found: str, next_step: str) -> None:
        self.path = path
        super().__init__(rule, expected=expected, found=found, where=str(path), next_step=next_step)


# Opening -----------------------------------------------------------------------------------------------------------
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def open_file(path: Path) -> BufferedReader:
    """Open a regular file for reading; never waits.

    Raises:
        OSError: the system refuses, or it is a folder, a FIFO, a socket or a device.
    """
    # Without O_NONBLOCK, opening a FIFO waits until someone writes into it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
    refuse_special(path)
    return os.fdopen(os.open(path, flags), "rb")


def refuse_special(path: Path) -> None:
    """Let regular files pass, by whatever link they are reached.

    Raises:
        OSError: it is not there, or it is a folder, a FIFO, a socket or a device.
    """
    kind = stat.S_IFMT(os.stat(path).st_mode)
    if kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, "a folder", str(path))
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"{_KINDS.get(kind, 'no regular file')} instead of a file", str(path))


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: as :func:`open_file`, or the file has more than ``most`` bytes.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise OSError(errno.EFBIG, f"{size:,} bytes, where {most:,} are the limit", str(path))
        return file.read(most + 1)


def unopened(error: type[MMStudyError], what: str, path: Path, problem: OSError) -> MMStudyError:
    """The error for a file or folder that the system does not open. It never advises to delete it.

    Args:
        error: its class. what: ``the record``. path: where it is. problem: as the system put it.
    """
    return error(
        f"{what} must be readable",
        found=found_by_system(problem),
        where=str(path),
        next_step=next_step_of(path, problem),
    )


def found_by_system(problem: OSError) -> str:
    """What the system says, in its own words."""
    return (problem.strerror or str(problem) or repr(problem)).replace("\n", " ")[:200]


def next_step_of(path: Path, problem: OSError) -> str:
    """What to do about a file that the system does not open."""
    match problem.errno:
        case errno.EACCES | errno.EPERM:
            rights = "u+rx" if os.path.isdir(path) else "u+r"
            return f"Give yourself the right to read it: chmod {rights} '{path}', and u+x on the folders above it"
        case errno.ENOENT:
            return "Check the path"
        case errno.ENOTDIR:
            return "A part of this path is a file where a folder must be; name another folder"
        case errno.EISDIR:
            return "Move the folder away, or name a file"
        case errno.ENAMETOOLONG:
            return "Choose a shorter path"
        case errno.EINVAL | errno.EFBIG:
            return "Name a regular file of a usual size"
        case _:
            return "Check the path and the disk, then run the same command again"


# Reading back ------------------------------------------------------------------------------------------------------
def read_kept(path: Path, kind: TypeAdapter[T], what: str, next_step: str) -> T:
    """A JSON file that mmstudy wrote, once every value in it has the right type.

    Args:
        what: ``the history``. next_step: where the file is broken.

    Raises:
        FileNotFoundError: there is none.
        RecordError: this user may not read it, or it is no file.
        BrokenFile: it is torn, or something in it has a wrong type.
    """
    try:
        return kind.validate_json(read_bytes(path), strict=True)
    except FileNotFoundError:
        raise
    except OSError as problem:
        raise unopened(RecordError, what, path, problem) from None
    except ValidationError as problem:
        raise broken_by(problem, path, what, next_step) from None


def broken_by(problem: ValidationError, path: Path, what: str, next_step: str) -> BrokenFile:
    """The error for a file that is no JSON, or has a wrong type somewhere."""
    first = problem.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "json_invalid":
        found = complaint(first)
        return BrokenFile(f"{what} must be whole JSON", path, expected=None, found=found, next_step=next_step)
    rule = f"'{place}' of {what} cannot be understood" if place else f"{what} cannot be understood"
    if first["type"] == "missing":
        return BrokenFile(
            f"{what} lacks '{place}'", path, expected="a whole file", found="no such key", next_step=next_step
        )
    found = repr(first["input"])[:60]
    return BrokenFile(rule, path, expected=expectation(first), found=found, next_step=next_step)


def set_aside(path: Path) -> Path:
    """Rename a broken file or folder to ``NAME.broken-TIME``, beside its place; returns its new path.

    Raises:
        OSError: the system does not allow it.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    number = 0
    while True:
        place = path.with_name(f"{path.name}.broken-{stamp}" + (f"-{number}" if number else ""))
        if not os.path.lexists(place):
            os.rename(path, place)
            return place
        number += 1
