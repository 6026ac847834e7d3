"""Files of runs on their way between the home and a node that does not see it.

A run may go on while its files are read, and whoever writes them may be killed between two of them. What is read first
is written last: a record never stands beside older files, nor a resumable checkpoint beside an older best one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from experiments.launchers.ray.orders import Tree
from experiments.records import LOCK, RECORD
from mmcore.atomic import write_atomically

_FIRST = (RECORD, "checkpoints/last.pt")
"""Read before all others and written after them, the last one before the record."""

Stamp: TypeAlias = tuple[int, int]
"""Time of change in nanoseconds, and size in bytes: a file with another one is another file."""


@dataclass(frozen=True)
class Parcel:
    """Files of one run that have changed.

    Args:
        run: the run's fingerprint.
        files: name in the run's folder, with ``/``, to content.
        gone: names of files that are there no more.
    """

    run: str
    files: Mapping[str, bytes]
    gone: tuple[str, ...] = ()


@dataclass
class Seen:
    """What is known of the files of a run's folder, so that only changes travel."""

    folder: Path
    stamps: dict[str, Stamp] = field(default_factory=dict)

    def parcel(self, without: str = "") -> Parcel | None:
        """The files that have changed since the last parcel; None: there are none.

        Args:
            without: folder of files that do not travel now; empty: all do.
        """
        now = stamps_of(self.folder)
        if without:
            now = {name: stamp for name, stamp in now.items() if not name.startswith(f"{without}/")}
        changed = _in_order(name for name, stamp in now.items() if self.stamps.get(name) != stamp)
        gone = tuple(
            name for name in self.stamps if name not in now and not (without and name.startswith(f"{without}/"))
        )
        files: dict[str, bytes] = {}
        for name in changed:
            try:
                files[name] = (self.folder / name).read_bytes()
            except FileNotFoundError:
                continue  # removed since; the next parcel says so
            self.stamps[name] = now[name]
        for name in gone:
            del self.stamps[name]
        return Parcel(self.folder.name, files, gone) if files or gone else None

    def put(self, parcel: Parcel) -> None:
        """Write the files of a parcel, and take note of them."""
        unpack(parcel, self.folder)
        now = stamps_of(self.folder)
        self.stamps |= {name: now[name] for name in parcel.files if name in now}


def stamps_of(folder: Path) -> dict[str, Stamp]:
    """The files of a run's folder, but for its lock and what is half written."""
    found: dict[str, Stamp] = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name == LOCK or (path.name.startswith(".") and path.name.endswith(".tmp")):
            continue
        try:
            about = path.stat()
        except OSError:
            continue
        if path.is_file():
            found[name] = (about.st_mtime_ns, about.st_size)
    return found


def pack(folder: Path) -> Parcel:
    """All files of a run's folder; none where it is not there."""
    return Seen(folder).parcel() or Parcel(folder.name, {})


def unpack(parcel: Parcel, folder: Path) -> None:
    """Write the files of a parcel into a run's folder, each in one step.

    Raises:
        OSError: there is no room for one; it names the file.
    """
    for name in parcel.gone:
        (folder / name).unlink(missing_ok=True)
    for name in reversed(_in_order(parcel.files)):
        write_atomically(folder / name, lambda file, name=name: file.write(parcel.files[name]))


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))


# What is only read ---------------------------------------------------------------------------------------------------
def digest_of(tree: Tree) -> str:
    """32 hexadecimal digits over the names and contents of files that are only read."""
    whole = hashlib.blake2b(digest_size=16)
    for name in sorted(tree.files):
        content = hashlib.blake2b(digest_size=16)
        with open(Path(tree.folder, name), "rb") as file:
            while part := file.read(2**20):
                content.update(part)
        whole.update(f"{name}\0{content.hexdigest()}\0".encode())
    return whole.hexdigest()
