"""The streams of a raw folder: for each modality, and each item, where its rows are."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from mmcore.data.guess.clocks import with_seconds
from mmcore.data.guess.layout import Layout
from mmcore.data.guess.raw import Raw, read_raw
from mmcore.data.guess.words import DESCRIPTIONS, GROUPS, ITEMS, LABELS, SPLITS, common, holds, tokens
from mmcore.data.sources.folder import check_item_name
from mmcore.errors import CorpusError
from mmcore.language import sentence, sentence_of

_ALIKE = 0.75
"""Likeness of two names from which one may be the other misspelt."""
_MOSTLY = 0.5
_MOST_KEPT = 2**28
"""Bytes of a stream that are kept in memory between looking and writing."""


@dataclass
class Stream:
    """One modality, or the table of labels.

    Args:
        name: also the folder's name in the corpus.
        load: item to a function that reads its rows.
        sources: item to the raw file, relative to the raw folder.
    """

    name: str
    load: dict[str, Callable[[], Raw]] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    _kept: dict[str, Raw] = field(default_factory=dict)
    _bytes: int = 0

    def read(self, item: str) -> Raw:
        """The rows of an item; small streams are kept in memory, large ones are read again.

        Raises:
            CorpusError: the file cannot be read.
        """
        if item not in self._kept:
            raw = with_seconds(self.load[item]().named(self.name))
            self._bytes += int(raw.frame.memory_usage(deep=False).sum())
            if self._bytes > _MOST_KEPT:
                return raw
            self._kept[item] = raw
        return self._kept[item]

    def turn(self) -> None:
        """Read arrays with rows and columns exchanged from now on."""
        self.load = {item: lambda load=load: load().transposed() for item, load in self.load.items()}
        self._kept.clear()

    def drop(self, item: str) -> str:
        """Leave an item's rows out; the file that they are in."""
        del self.load[item]
        self._kept.pop(item, None)
        return self.sources.pop(item)


@dataclass
class Streams:
    """Everything that was found in the raw files.

    Args:
        streams: by name, in the order of first mention.
        describing: tables of one row an item, with the name of their item column; indexed by item.
        left_out: path and reason. notes: how items were found. doubts: what the reader should look at.
    """

    streams: dict[str, Stream] = field(default_factory=dict)
    describing: dict[str, pd.DataFrame] = field(default_factory=dict)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @property
    def items(self) -> list[str]:
        """Names of all items, sorted as people count: ``clip2`` before ``clip10``."""
        names = {item for stream in self.streams.values() for item in stream.load}
        return sorted(names, key=lambda name: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", name)])


def find_streams(folder: Path, layout: Layout) -> Streams:
    """Put files into streams, and split tables that hold many items.

    A name that one stream has and no other, but for a slip of a letter, is left out and listed with the nearest item.
    """
    found = Streams(left_out=list(layout.left_out), notes=list(layout.notes))
    for placed in layout.files:
        shown = placed.path.relative_to(folder).as_posix()
        if check_item_name(placed.item) != "ok":
            found.left_out.append((shown, sentence("'{item}' cannot name an item", item=placed.item)))
            continue
        stream = found.streams.setdefault(_safe(placed.modality), Stream(_safe(placed.modality)))
        if placed.item in stream.load:
            found.left_out.append(
                (
                    shown,
                    sentence(
                        "item '{item}' has {source} already", item=placed.item, source=stream.sources[placed.item]
                    ),
                )
            )
            continue
        stream.load[placed.item] = lambda path=placed.path: read_raw(path)
        stream.sources[placed.item] = shown
    tables = []
    for path in layout.tables:
        shown = path.relative_to(folder).as_posix()
        try:
            tables.append((path, shown, read_raw(path)))
        except CorpusError as error:
            found.left_out.append((shown, _short(error, path)))
    # Tables of streams first: they say which items there are.
    tables.sort(key=lambda one: holds(one[0].stem, DESCRIPTIONS))
    for path, shown, raw in tables:
        _take_table(found, path, shown, raw)
    _drop_misspelt(found)
    return found


def _short(error: CorpusError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ").removeprefix(str(path)).lstrip(": ")[:200]


def _safe(name: str) -> str:
    """A name that may name a folder."""
    plain = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name)).strip("._-")
    return plain or "data"


# Tables of many items ------------------------------------------------------------------------------------------------
def _take_table(found: Streams, path: Path, shown: str, raw: Raw) -> None:
    known = set(found.items)
    column, names = _item_column(raw.frame, known)
    if column is None:
        why = (
            sentence("none of its columns names the items") if known else sentence("no column with the names of items")
        )
        if raw.form == "array" or raw.form == "subtitles":
            why = sentence("it holds no item's name")
        found.left_out.append((shown, why))
        return
    frame = raw.frame.drop(columns=[column])
    rows = names.groupby(names).groups
    once = all(len(index) == 1 for index in rows.values())
    if once and _describes(path, frame):
        frame.index = pd.Index(names)
        found.describing[shown] = frame
        found.notes.append(sentence("{shown}: one row an item ('{column}' names it)", shown=shown, column=column))
        return
    name = _stream_name(path)
    stream = found.streams.setdefault(name, Stream(name))
    for item, index in rows.items():
        item = str(item)
        if check_item_name(item) != "ok":
            found.left_out.append(
                (
                    sentence("{shown}, rows of '{item}'", shown=shown, item=item),
                    sentence("'{item}' cannot name an item", item=item),
                )
            )
            continue
        part = Raw(frame.loc[index].reset_index(drop=True))
        stream.load[item] = lambda part=part: part
        stream.sources[item] = shown
    found.notes.append(
        sentence_of(
            len(rows),
            "{shown}: rows of 1 item ('{column}' names the item)",
            "{shown}: rows of {n} items ('{column}' names the item)",
            shown=shown,
            column=column,
        )
    )


def _describes(path: Path, frame: pd.DataFrame) -> bool:
    """Whether a table of one row an item describes items, rather than labels them."""
    if holds(path.stem, DESCRIPTIONS):
        return True
    return not holds(path.stem, LABELS) and any(set(tokens(str(c))) & (SPLITS | set(GROUPS)) for c in frame.columns)


def _stream_name(path: Path) -> str:
    words = [word for word in re.split(r"[_\-. ]+", path.stem) if word.lower() not in ("features", "feature", "table")]
    return _safe("_".join(words) or path.stem)


def _item_column(frame: pd.DataFrame, known: set[str]) -> tuple[str | None, pd.Series]:
    """The column that names items, and its names; by what it holds where items are known, else by its name."""
    best: tuple[float, str | None, pd.Series] = (0.0, None, pd.Series(dtype=str))
    if known:
        for column in frame.columns:
            if pd.api.types.is_float_dtype(frame[column]):
                continue
            names = _plain_names(frame[column], known)
            unique = set(names.unique())
            share = len(unique & known) / max(1, len(unique))
            if share > max(best[0], _MOSTLY - 1e-9):
                best = (share, str(column), names)
        return best[1], best[2]
    for word in ITEMS:
        for column in frame.columns:
            if word in tokens(str(column)) and not pd.api.types.is_float_dtype(frame[column]):
                return str(column), _plain_names(frame[column], set())
    return None, best[2]


def _plain_names(column: Any, known: set[str]) -> pd.Series:
    """Item names of a column: without folders, and without the ending of a file where the known items have none."""
    names = column.dropna().astype(str).str.strip().map(lambda name: unicodedata.normalize("NFC", name))
    if known and len(set(names) & known) >= len(set(names)) * _MOSTLY:
        return names
    bare = names.map(lambda name: PurePosixPath(name.replace("\\", "/")).name)
    bare = bare.map(lambda name: re.sub(r"\.[A-Za-z][A-Za-z0-9]{1,4}$", "", name))
    if not known:
        return bare
    # Tables lose the zeros of 007, which is a number for them.
    loose = {_loose(name): name for name in known}
    written = bare.map(lambda name: loose.get(_loose(name), name) if name.isdigit() else name)
    return max((names, bare, written), key=lambda one: len(set(one) & known))


# Misspelt names ------------------------------------------------------------------------------------------------------
def _drop_misspelt(found: Streams) -> None:
    streams = found.streams
    has: dict[str, set[str]] = {}
    for name, stream in streams.items():
        for item in stream.load:
            has.setdefault(item, set()).add(name)
    most = max(map(len, has.values()), default=0)
    for item, mine in sorted(has.items()):
        if len(mine) * 2 > most or most < 2:
            continue
        others = [o for o, theirs in has.items() if len(theirs) > len(mine) and not theirs & mine]
        near = misspelt(item, others)
        if near is None:
            continue
        for name in mine:
            source = streams[name].drop(item)
            where = (
                source
                if len(set(streams[name].sources.values())) != 1
                else sentence("{shown}, rows of '{item}'", shown=source, item=item)
            )
            found.left_out.append(
                (
                    where,
                    sentence(
                        "only {name} has an item '{item}'. Nearest: '{near}', which has no {name}. Misspelt?",
                        name=name,
                        item=item,
                        near=near,
                    ),
                )
            )
    for shown, frame in found.describing.items():
        strange = [str(item) for item in frame.index if str(item) not in has]
        if strange:
            listed = [
                sentence("'{item}' (nearest: '{near}')", item=item, near=near)
                if (near := misspelt(item, list(has)))
                else sentence("'{name}'", name=item)
                for item in strange
            ]
            found.doubts.append(
                sentence("{shown} names items without a file: {listed}", shown=shown, listed=common(listed))
            )


def misspelt(name: str, others: list[str]) -> str | None:
    """The one of these names that this name may have been meant to be; None where it is a name of its own.

    Names that differ only in the value of a number of as many digits (``clip_07``, ``clip_08``) are two items.

    Example:
        >>> misspelt("clip_O7", ["clip_07", "clip_08"]), misspelt("clip_31", ["clip_30"])
        ('clip_07', None)
    """
    plain = {_loose(other): other for other in others}
    if _loose(name) in plain:
        return plain[_loose(name)]
    close = difflib.get_close_matches(name, others, n=20, cutoff=_ALIKE)
    same = [other for other in close if _digits(other) == _digits(name)]
    # Names whose numbers differ are two items, however alike their words are.
    more = [other for other in close if len(_digits(other)) != len(_digits(name))]
    return next(iter(same or more), None)


def _digits(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]


def _loose(name: str) -> str:
    """A name without case, signs and leading zeros, and with letters that look like digits beside digits as digits."""
    name = re.sub(r"(?<=\d)[oO]|[oO](?=\d)", "0", name)
    name = re.sub(r"(?<=\d)[lI]|[lI](?=\d)", "1", name)
    return "".join(str(int(part)) if part.isdigit() else part for part in tokens(re.sub(r"(\d+)", r" \1 ", name)))
