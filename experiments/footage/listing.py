"""Which files of a folder are footage, what their items are called, and which subtitles lie beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmcore.data.file_kinds import FOOTAGE
from mmcore.data.guess.subtitles import read_subtitles
from mmcore.data.sources.folder import check_item_name
from mmcore.errors import CorpusError, not_utf8
from mmcore.names import nfc, refuse_torn_text

SUFFIXES = FOOTAGE
"""Of files that are taken for footage, in small letters."""
SUBTITLES = (".srt", ".vtt")


@dataclass(frozen=True)
class Clip:
    """A file of footage.

    Args:
        path: where it lies. item: what its item is called. shown: its path within the folder. folder: the part of it
            before the last one; empty at the top. size: in bytes.
    """

    path: Path
    item: str
    shown: str
    folder: str
    size: int = 0


def find_clips(folder: Path) -> list[Clip]:
    """The footage of a folder and the folders in it, in the order of their names.

    An item has the name of its file without the ending, after those of the folders it lies in; if two files would give
    one name, the ending is kept.

    Raises:
        CorpusError: no such folder, no footage in it, or a file whose path is no UTF-8.
    """
    if not folder.is_dir():
        raise CorpusError(
            "footage is imported from a folder",
            found="a file" if folder.exists() else "nothing of that name",
            next_step="Name the folder that the files lie in",
            where=str(folder),
        )
    paths = sorted(_files(folder))
    if not paths:
        raise CorpusError(
            "the folder must hold footage",
            expected=f"files that end in {', '.join(sorted(SUFFIXES))}",
            found="none",
            where=str(folder),
        )
    for path in paths:
        refuse_torn_text(path.relative_to(folder), "the name of footage", CorpusError)
    names = ["_".join(path.relative_to(folder).with_suffix("").parts) for path in paths]
    folded = [nfc(name).casefold() for name in names]
    clips, taken = [], set()
    for path, name, fold in zip(paths, names, folded, strict=True):
        wanted = name if folded.count(fold) == 1 else f"{name}_{path.suffix[1:]}"
        item = _free(_fit(nfc(wanted)), taken)
        taken.add(item.casefold())
        inside = path.relative_to(folder)
        # A link that leads nowhere is left out with the files that cannot be opened.
        size = path.stat().st_size if path.exists() else 0
        clips.append(Clip(path, item, inside.as_posix(), inside.parent.as_posix().removeprefix("."), size))
    return clips


def subtitles_beside(path: Path) -> Path | None:
    """NAME.srt or NAME.vtt beside NAME.mp4, else the first NAME.LANGUAGE.srt or .vtt."""
    exact = [path.with_suffix(suffix) for suffix in SUBTITLES]
    others = sorted(
        one for one in path.parent.glob(f"{_literal(path.stem)}.*") if one.suffix.lower() in SUBTITLES
    )  # fmt: skip
    return next((one for one in [*exact, *others] if one.is_file()), None)


def cues_beside(path: Path) -> tuple[tuple[float, float], ...]:
    """Start and end, in seconds, of the cues with text in a file of subtitles.

    Raises:
        CorpusError: see :func:`~mmcore.data.guess.subtitles.read_subtitles`; the file is not UTF-8.
    """
    try:
        table = read_subtitles(path)
    except UnicodeDecodeError as error:
        byte, line = not_utf8(error)
        raise CorpusError(
            "subtitles must be UTF-8", found=byte, next_step="Save them as UTF-8", where=f"{path}:{line}"
        ) from None
    rows = zip(table["start"], table["end"], table["text"], strict=True)
    return tuple((float(start), float(end)) for start, end, text in rows if str(text).strip())


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            # Names that begin with a dot are what macOS and others leave beside the files of a user.
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(place) / name


def _fit(name: str) -> str:
    if check_item_name(name) == "ok":
        return name
    fit = "".join("_" if c in '/\\:*?"<>|' or ord(c) < 32 else c for c in name)
    return fit if check_item_name(fit) == "ok" else "clip"


def _free(name: str, taken: set[str]) -> str:
    count, free = 2, name
    while free.casefold() in taken:
        free, count = f"{name}~{count}", count + 1
    return free


def _literal(stem: str) -> str:
    return "".join(f"[{c}]" if c in "[*?" else c for c in stem)


def groups_of(clips: Sequence[Clip], contents: Sequence[str], by_folder: bool) -> list[str]:
    """The group of each clip: its item, or its folder; files with the same content share the group of the first.

    Args:
        contents: the hash of each file's content.
    """
    first: dict[str, str] = {}
    groups = []
    for clip, content in zip(clips, contents, strict=True):
        own = (clip.folder or clip.item) if by_folder else clip.item
        groups.append(first.setdefault(content, own))
    return groups
