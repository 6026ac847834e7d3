"""Which file belongs to which item and modality, from names alone."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mmcore.data.file_kinds import FOOTAGE, SPREADSHEETS
from mmcore.data.guess.raw import SUFFIXES
from mmcore.data.guess.words import (
    COUNTED,
    DESCRIPTIONS,
    MODALITIES,
    NO_ITEMS,
    SIDES,
    common,
    holds,
    names_stream,
    tokens,
)
from mmcore.errors import CorpusError
from mmcore.language import number_of, sentence
from mmcore.names import refuse_torn_text
from mmcore.shell import argument

_SEPARATORS = re.compile(r"[_\-. ]+")
ONE = "data"
"""Name of the one modality where files have no other."""


@dataclass(frozen=True)
class Placed:
    """A file of one item and one modality."""

    modality: str
    item: str
    path: Path


@dataclass
class Layout:
    """The files of a folder, each in its place.

    Args:
        root: where the files lie; below the folder that was named where that holds a single folder.
        files: one item and modality each.
        tables: files that hold many items, or describe them.
        side: item to train, validation or test, where folders say so.
        left_out: path relative to the folder that was named, and why.
        notes: how the files were read, a sentence each.
    """

    root: Path
    files: list[Placed] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    side: dict[str, str] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_layout(folder: Path) -> Layout:
    """Find items and modalities in the names of files and folders.

    Understood: ``MODALITY/ITEM.ext``, ``ITEM/MODALITY.ext``, ``ITEM_MODALITY.ext`` and ``MODALITY_ITEM.ext``, each also
    below ``train``, ``validation`` and ``test``; files that hold many items; a flat folder of one modality. Hidden
    files are passed over. Names are compared in Unicode's form NFC.

    Raises:
        CorpusError: no such folder, no file in it that can be read, or one whose path is no UTF-8.
    """
    if not folder.is_dir():
        raise CorpusError(
            "the raw data must be a folder",
            found="a file" if folder.exists() else "no such folder",
            next_step="Name the folder that holds it" if folder.exists() else "Check the path",
            where=str(folder),
        )
    everything = sorted(path for path in folder.rglob("*") if path.is_file() and not _hidden(path, folder))
    for path in everything:
        refuse_torn_text(path.relative_to(folder), "the name of a raw file", CorpusError)
    layout = Layout(folder)
    paths = []
    for path in everything:
        if path.suffix.lower() in SUFFIXES:
            paths.append(path)
        else:
            layout.left_out.append((_shown(path, folder), _no_rows(path.suffix)))
    if not paths:
        raise CorpusError(
            "the folder must hold files of rows",
            expected="files " + ", ".join(SUFFIXES),
            found=_others(everything),
            next_step=f"Video and sound become features with mmstudy data import footage {argument(folder)} --out DIR"
            if any(_is_footage(path) for path in everything)
            else None,
            where=str(folder),
        )
    while (inner := _only_folder(layout.root, paths)) is not None:
        layout.root = inner
    root = layout.root
    parts = {path: path.relative_to(root).parts for path in paths}
    sides: dict[Path, str] = {}
    tops = {part[0].lower() for part in parts.values() if len(part) > 1}
    if tops and tops <= set(SIDES) and {SIDES[top] for top in tops} >= {"train", "test"}:
        for path, part in parts.items():
            if len(part) > 1:
                sides[path] = SIDES[part[0].lower()]
                parts[path] = part[1:]
        layout.notes.append(
            sentence("sides: the folders {tops} say which items train and test", tops=common(sorted(tops)))
        )
    nested = [path for path in paths if len(parts[path]) == 2]
    for path in paths:
        if len(parts[path]) > 2:
            layout.left_out.append((_shown(path, folder), sentence("lies deeper than MODALITY/ITEM or ITEM/MODALITY")))
    flat = [path for path in paths if len(parts[path]) == 1]
    if nested:
        _place_nested(layout, {path: parts[path] for path in nested})
        layout.tables.extend(flat)
    else:
        _place_flat(layout, flat)
    of_path = {placed.path: placed.item for placed in layout.files}
    layout.side = {of_path[path]: side for path, side in sides.items() if path in of_path}
    return layout


def _is_footage(path: Path) -> bool:
    return path.suffix.lower() in FOOTAGE


def _others(files: list[Path]) -> str:
    return number_of(len(files), "other file") if files else "no file"


def _no_rows(suffix: str) -> str:
    if suffix.lower() in FOOTAGE:
        return sentence("{suffix}: mmstudy data import footage computes features of it", suffix=suffix)
    if suffix.lower() in SPREADSHEETS:
        return sentence("{suffix}: a spreadsheet; save its sheet as CSV", suffix=suffix)
    return (
        sentence("{suffix}: not a file of rows", suffix=suffix) if suffix else sentence("no ending: not a file of rows")
    )


def _only_folder(root: Path, paths: list[Path]) -> Path | None:
    """The one folder that holds all else, unless it is that of a modality; None where there is no such folder."""
    inner = root / paths[0].relative_to(root).parts[0]
    depths = {len(path.relative_to(root).parts) for path in paths}
    alone = all(path.is_relative_to(inner) for path in paths) and min(depths) > 1
    return inner if alone and max(depths) > 2 and not names_stream(inner.name) else None


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)


def _shown(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _stem(path: Path) -> str:
    return unicodedata.normalize("NFC", path.stem)


# MODALITY/ITEM and ITEM/MODALITY -------------------------------------------------------------------------------------
def _place_nested(layout: Layout, parts: dict[Path, tuple[str, ...]]) -> None:
    folders = {path: unicodedata.normalize("NFC", part[0]) for path, part in parts.items()}
    names, stems = sorted(set(folders.values())), sorted({_stem(path) for path in parts})
    bare = {path: _strip(_stem(path), folders[path]) for path in parts}
    by_word = sum(map(names_stream, names)) / len(names) - sum(map(names_stream, set(bare.values()))) / len(
        set(bare.values())
    )
    if by_word:
        outside, reason = by_word > 0, sentence("by the words in their names")
    else:
        outside = len(names) <= len(set(bare.values()))
        reason = sentence(
            "{folders} folders and {files} different file names: there are more items",
            folders=len(names),
            files=len(set(bare.values())),
        )
    if outside:
        layout.notes.append(sentence("layout: MODALITY/ITEM, folders are modalities ({reason})", reason=reason))
        items = _items_in_folders(parts, folders, len(stems))
        counts = Counter(folders.values())
        for path, item in items.items():
            if counts[folders[path]] == 1 and max(counts.values()) > 2 and names_stream(_stem(path)):
                layout.tables.append(path)
            else:
                layout.files.append(Placed(folders[path], item, path))
    else:
        layout.notes.append(sentence("layout: ITEM/MODALITY, folders are items ({reason})", reason=reason))
        for path in parts:
            layout.files.append(Placed(bare[path], folders[path], path))


def _strip(stem: str, folder: str) -> str:
    """A file's name without the name of its folder before or behind it."""
    for pattern in (rf"^{re.escape(folder)}[_\-. ]+(.+)$", rf"^(.+?)[_\-. ]+{re.escape(folder)}$"):
        found = re.match(pattern, stem)
        if found:
            return found[1]
    return stem


def _items_in_folders(parts: dict[Path, tuple[str, ...]], folders: dict[Path, str], stems: int) -> dict[Path, str]:
    """Item names without the word that all files of one folder share and those of another folder do not."""
    items: dict[Path, str] = {}
    last: dict[str, set[str]] = {}
    for path in parts:
        last.setdefault(folders[path], set()).add(_SEPARATORS.split(_stem(path))[-1])
    for path in parts:
        mine = last[folders[path]]
        word = next(iter(mine))
        shared = len(mine) == 1 and not word.isdigit() and any(other != mine for other in last.values())
        several = sum(folder == folders[path] for folder in folders.values()) > 1
        stem = _stem(path)
        if shared and several and len(stem) > len(word):
            items[path] = _SEPARATORS.sub("_", stem)[: -len(word) - 1] if "  " in stem else stem[: -len(word) - 1]
        else:
            items[path] = _strip(stem, folders[path])
    return items


# ITEM_MODALITY and MODALITY_ITEM -------------------------------------------------------------------------------------
def _place_flat(layout: Layout, paths: list[Path]) -> None:
    options = {path: _splits(_stem(path)) for path in paths}
    counts = Counter(modality for several in options.values() for modality, _ in several)
    leftover: list[Path] = []
    for path in paths:
        usable = [(m, i) for m, i in options[path] if counts[m] > 1]
        if not usable:
            leftover.append(path)
            continue
        # Words first, then what most files share; the shorter name where both are equal.
        modality, item = max(usable, key=lambda pair: (_sureness(pair[0]), counts[pair[0]], -len(pair[0])))
        layout.files.append(Placed(modality, item, path))
    if layout.files and not any(names_stream(placed.modality) for placed in layout.files):
        modalities = {placed.modality for placed in layout.files}
        if len(modalities) == 1 and len(layout.files) > 1:
            # ``clip_01``, ``clip_02``: the shared word is a part of the items' names.
            leftover.extend(placed.path for placed in layout.files)
            layout.files.clear()
    if layout.files:
        layout.notes.append(sentence("layout: ITEM_MODALITY in the names of the files"))
    single = [path for path in leftover if names_stream(_stem(path)) or holds(_stem(path), DESCRIPTIONS)]
    rest = [path for path in leftover if path not in single]
    if not layout.files and len(rest) > 1:
        layout.notes.append(sentence("layout: one file an item, all of one modality, here called '{name}'", name=ONE))
        layout.files.extend(Placed(ONE, _stem(path), path) for path in rest)
        rest = []
    layout.tables.extend(sorted([*single, *rest]))


def _sureness(modality: str) -> int:
    return names_stream(modality) + holds(modality, MODALITIES - COUNTED)


def _splits(stem: str) -> list[tuple[str, str]]:
    """Every way to read a name as (modality, item)."""
    found = []
    for separator in _SEPARATORS.finditer(stem):
        before, after = stem[: separator.start()], stem[separator.end() :]
        for modality, item in ((after, before), (before, after)):
            words = tokens(item)
            if not before or not after or not re.search(r"[^\W\d_]", modality):
                continue
            if not words or names_stream(item) or all(word in NO_ITEMS or word in DESCRIPTIONS for word in words):
                continue
            found.append((modality, item))
    return found
