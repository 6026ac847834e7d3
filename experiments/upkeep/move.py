"""``mmstudy home move``: a home goes to another folder or disk, and nothing is lost on the way.

On one disk the folder is renamed. To another disk it is copied beside its new place; every copy is read back and
compared; then it takes its place in one step, and only then is the old one removed. A note beside the new place says
what is under way, so that the same command goes on after an interruption.
"""

from __future__ import annotations

import contextlib
import errno
import filecmp
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from experiments.home import Home
from experiments.relocation import follow
from experiments.upkeep.locks import held
from mmcore.atomic import room_in, write_atomically
from mmcore.errors import StoreError
from mmcore.files import read_kept


@dataclass(frozen=True)
class Moved:
    """A home at its new place.

    Args:
        home: there.
        files: that it has.
    """

    home: Home
    files: int


@dataclass(frozen=True)
class _Note:
    """What is under way: the place that a home comes from."""

    origin: str


_NOTE = TypeAdapter(_Note)


def move_home(home: Home, new: Path) -> Moved:
    """Move a home.

    Args:
        home: the old place.
        new: the new one; its parents are made.

    Raises:
        StoreError: there is no home, a process works in it, ``new`` exists or lies inside it, a copy differs, or files
            were changed meanwhile. The old home is then whole.
        MMStudyError: the disk is full; make room, and the same call goes on.
    """
    new = Path(os.path.abspath(new))
    above = next(part for part in new.parents if os.path.lexists(part))
    if not above.is_dir():
        raise StoreError(
            "the folder above the new place must be a folder",
            found="a file",
            where=str(above),
            next_step="Name another folder",
        )
    note = new.with_name(f".{new.name}.moving.json")
    known = _read_note(note)
    if known is not None and known != home.root:
        raise StoreError(
            "another home is on its way to this folder",
            found=f"that from {known}",
            where=str(note),
            next_step=f"Finish it first: mmstudy home move {new} --home {known}",
        )
    place = Home(new)
    arrived = known is not None and new.is_dir() and (not home.root.exists() or home.root in _roots(place))
    if not arrived:
        _refuse(home, new)
        _begin(home, new, note)
    with room_in(new.parent):
        if not arrived:
            _to_its_place(home, new)
        _settle(home, place)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(_old(home))
        note.unlink(missing_ok=True)
    return Moved(place, sum(len(files) for _, _, files in os.walk(new)))


def _read_note(note: Path) -> Path | None:
    try:
        step = "Look at both folders; remove this note to begin anew"
        return Path(read_kept(note, _NOTE, "the note of a home on its way", step).origin)
    except FileNotFoundError:
        return None


def _roots(home: Home) -> list[Path]:
    return [one.root for one in home.earlier]


def _refuse(home: Home, new: Path) -> None:
    if not home.root.is_dir() or not any(home.root.iterdir()):
        raise StoreError("there is no home to move", where=str(home.root), next_step="Name one with --home")
    if home.read_only:
        raise StoreError(
            "only a home that may be written to can be moved",
            found="one that you may only read",
            where=str(home.root),
            next_step="Copy the folder, and name the copy with --home DIR",
        )
    if os.path.lexists(new):
        raise StoreError(
            "a home is moved to a folder that does not exist yet",
            found="a folder of that name" if new.is_dir() else "a file of that name",
            where=str(new),
            next_step=f"Name a folder in it: {new / home.root.name}" if new.is_dir() else "Choose another name",
        )
    if new.is_relative_to(home.root):
        raise StoreError("a home cannot be moved into itself", where=str(new), next_step="Name a folder outside it")
    _refuse_busy(home)


def _refuse_busy(home: Home) -> None:
    busy = next(held(home), None)
    if busy is not None:
        raise _busy(home, busy)


def _busy(home: Home, lock: Path) -> StoreError:
    return StoreError(
        "a home is moved when nothing works in it",
        found=f"a process that holds {lock.relative_to(home.root)}",
        where=str(home.root),
        next_step="Wait until mmstudy run has ended, or stop it with Ctrl-C; then move",
    )


def _begin(home: Home, new: Path, note: Path) -> None:
    with room_in(new.parent):
        new.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(note, lambda file: file.write(json.dumps({"origin": str(home.root)}).encode()))


def _to_its_place(home: Home, new: Path) -> None:
    try:
        with _alone(home):
            os.rename(home.root, new)
    except OSError as problem:
        if problem.errno != errno.EXDEV:
            raise
        partial = new.with_name(f".{new.name}.moving")
        before = _state(home.root)
        _copy(home.root, partial, before)
        _refuse_busy(home)
        with _alone(home):
            if _state(home.root) != before:
                raise StoreError(
                    "nothing may be written to a home while it is copied",
                    found="files that were changed meanwhile",
                    where=str(home.root),
                    next_step="Stop what writes there, then run the same command again: only these are copied anew",
                ) from None
            _note_origin(home, Home(partial))
            os.rename(partial, new)


@contextlib.contextmanager
def _alone(home: Home) -> Iterator[None]:
    """The lock of the tracking store, which every command that trains takes first."""
    if os.name != "posix":
        # Elsewhere a folder with an open file cannot be renamed, which is as good as a lock.
        yield
        return
    try:
        with FileLock(home.root / "mlflow.lock", timeout=0):
            yield
    except Timeout:
        raise _busy(home, home.root / "mlflow.lock") from None


def _state(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of each file; locks are no content."""
    found: dict[str, tuple[int, int]] = {}
    for folder, folders, files in os.walk(root):
        for name in (*files, *(one for one in folders if os.path.islink(os.path.join(folder, one)))):
            path = os.path.join(folder, name)
            state = os.lstat(path)
            lock = name.endswith((".lock", ".guard"))
            found[os.path.relpath(path, root)] = (0, 0) if lock else (state.st_size, state.st_mtime_ns)
    return found


def _copy(root: Path, partial: Path, files: dict[str, tuple[int, int]]) -> None:
    """Copy what is not there yet, and compare each copy with its original."""
    for folder, folders, _ in os.walk(root):
        for name in folders:
            path = Path(folder, name)
            if not path.is_symlink():
                (partial / path.relative_to(root)).mkdir(parents=True, exist_ok=True)
    partial.mkdir(parents=True, exist_ok=True)
    for name in files:
        source, target = root / name, partial / name
        if source.is_symlink():
            target.unlink(missing_ok=True)
            target.symlink_to(os.readlink(source))
            continue
        if not (target.is_file() and os.stat(target).st_mtime_ns == files[name][1] and _same(source, target)):
            shutil.copy2(source, target)
            if not _same(source, target):
                raise StoreError(
                    "a copy must be the same as its original",
                    found="other bytes",
                    where=str(target),
                    next_step="Check both disks, then run the same command again; the old home is whole",
                )
    for stranger in [name for name in _state(partial) if name not in files]:
        (partial / stranger).unlink()


def _same(source: Path, target: Path) -> bool:
    return filecmp.cmp(source, target, shallow=False)


def _old(home: Home) -> Path:
    return home.root.with_name(f".{home.root.name}.moved")


def _settle(home: Home, place: Home) -> None:
    """Take the old home out of the way, and let the moved one know its place."""
    if home.root.exists():
        _refuse_newer(home, place)
        # In one step: what is left of a home that is half removed must never look like one.
        os.rename(home.root, _old(home))
    _note_origin(home, place)
    if (place.root / "mlflow.db").exists():
        with FileLock(place.root / "mlflow.lock"):
            follow(place)


def _note_origin(home: Home, place: Home) -> None:
    roots = _roots(place)
    if home.root not in roots:
        text = json.dumps([str(root) for root in (*roots, home.root)]).encode()
        write_atomically(place.moves, lambda file: file.write(text))


def _refuse_newer(home: Home, place: Home) -> None:
    """Refuse to remove a home in which something was written after it was copied."""
    copied, now = _state(place.root), _state(home.root)
    now.pop(place.moves.name, None)
    for name, state in now.items():
        if copied.get(name) != state and not (
            state == (0, 0) or (name in copied and _same(home.root / name, place.root / name))
        ):
            raise StoreError(
                "nothing may be written to a home while it is moved",
                found=f"{name}, which is not the same in both",
                where=str(home.root),
                next_step=f"Look at both; copy what you need to {place.root}, and remove the old home yourself",
            )
