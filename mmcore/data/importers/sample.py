"""What importers share: the options of a command, one item as it was read, and what came of it all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmcore.errors import CorpusError
from mmcore.language import say, sentence, shown
from mmcore.shell import argument

SIDES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""Names that published splits use, and what items.csv calls them."""
ITEM_LIMIT = 1 << 30
"""Bytes that one item's array may claim: a longer one is most likely a bomb, or all items in one."""


@dataclass(frozen=True)
class Options:
    """What a user may say about the files.

    Args:
        target: the column, array or key to predict; None: the importer's own choice.
        group: the column or array that says what must stay on one side of a split.
        item: the column or array that names items; for csd ``segment`` or ``video``.
        rates: rows a second by modality, as written: ``30`` or ``30000/1001``.
    """

    target: str | None = None
    group: str | None = None
    item: str | None = None
    rates: Mapping[str, str] = field(default_factory=dict)

    def hertz(self, modality: str) -> float | None:
        """Rows a second of a modality; None where the user gave none."""
        text = self.rates.get(modality)
        return None if text is None else hertz(text)


@dataclass(frozen=True)
class Stream:
    """One modality of one item.

    Args:
        values_TF: numbers; NaN where there is no value.
        times: columns with times in front of the numbers (``time``, or ``start`` and ``end``), each (T,); none where
            rows are steps, or have a rate.
    """

    values_TF: np.ndarray
    times: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """One item as it was read.

    Args:
        name: as the files have it; made fit for a file name later.
        group: what must stay on one side of a split; None: the item itself.
        side: as the files name it; None where they give no split.
        streams: by modality; one that is not there, or has no rows, is absent.
        labels: columns of the table of labels, equally long, times included.
        conditions: further columns of items.csv.
    """

    name: str
    group: str | None
    side: str | None
    streams: Mapping[str, Stream]
    labels: Mapping[str, np.ndarray]
    conditions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Args:
        folder: the new corpus.
        wrote: a line for the items, each modality and the labels.
        left_out: what was not taken over, with the reason.
        guessed: what the files do not say, and what was assumed.
        notes: what else is to be known of single files.
    """

    folder: Path
    wrote: tuple[str, ...]
    left_out: tuple[str, ...]
    guessed: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The whole as text for a terminal, with the next command last."""
        report = [say("wrote {folder}", folder=self.folder), *(f"  {shown(line)}" for line in self.wrote)]
        for title, lines in (
            (say("left out:"), self.left_out),
            (say("noted:"), self.notes),
            (say("guessed; change it in corpus.yaml:"), self.guessed),
        ):
            if lines:
                report += [title, *(f"  {shown(line)}" for line in lines)]
        return [*report, say("next: mmstudy data inspect {folder}", folder=argument(self.folder))]


def parse_rates(texts: Iterable[str]) -> dict[str, str]:
    """``MODALITY=HZ`` as the command line has it, HZ a number or a fraction.

    Raises:
        CorpusError: another form, a rate that is not above 0, a modality named twice.
    """
    rates: dict[str, str] = {}
    for text in texts:
        name, equals, rate = (part.strip() for part in text.rpartition("="))
        if not equals or not name or hertz(rate, text) <= 0:
            raise _no_rate(text)
        if name in rates:
            raise CorpusError(f"--sampling-rate names '{name}' twice", found=text, next_step="Keep one of them")
        rates[name] = rate
    return rates


def hertz(rate: str, text: str | None = None) -> float:
    """Rows a second of ``30`` or ``30000/1001``.

    Raises:
        CorpusError: no number or fraction above 0.
    """
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)(?:/(\d+(?:\.\d*)?))?", rate)
    below = float(found[2]) if found and found[2] else 1.0
    if found is None or not below or not float(found[1]):
        raise _no_rate(text or rate)
    return float(found[1]) / below


def _no_rate(text: str) -> CorpusError:
    return CorpusError(
        "--sampling-rate takes a modality and its rows a second",
        expected="MODALITY=HZ, for example visual=30000/1001",
        found=repr(text)[:80],
        next_step="Give the option once for each modality",
    )


def side_of(name: str, where: str) -> str:
    """What items.csv calls a side of a published split.

    Raises:
        CorpusError: a name that is none of :data:`SIDES`.
    """
    side = SIDES.get(name.strip().lower())
    if side is None:
        raise CorpusError(
            "a split names the sides train, validation and test",
            expected=", ".join(SIDES),
            found=repr(name)[:60],
            next_step="Rename it in the file, or leave the split out",
            where=where,
        )
    return side


def folder_name(name: str) -> str:
    """A modality's name, made fit for a folder: spaces and signs become ``_``."""
    text = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", name)).strip("_.-")
    return text[:60] or "modality"


def clean(text: str) -> str:
    """Text fit for a cell: line breaks and control characters become spaces, halves of characters ``?``."""
    spaced = "".join(" " if ord(c) < 32 or c == "\x7f" else c for c in text)
    return spaced.encode("utf-8", "replace").decode().strip()


def some(names: Sequence[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - most
    text = ", ".join(f"'{name}'" for name in names[:most])
    return sentence("{names} and {n} more", names=text, n=more) if more > 0 else text


def check_claim(shape: Sequence[int], itemsize: int, what: str, where: str) -> None:
    """Refuse to read an array of one item that claims more than :data:`ITEM_LIMIT`, before any memory is taken.

    Raises:
        CorpusError: shape × size exceeds the limit.
    """
    claimed = itemsize
    for axis in shape:
        claimed *= int(axis)
    if claimed > ITEM_LIMIT:
        raise CorpusError(
            f"an array of one item may take at most {ITEM_LIMIT >> 20} MiB",
            found=f"{what} of shape {tuple(shape)}, {claimed / (1 << 20):,.0f} MiB",
            next_step="Split long recordings into several items, or save fewer rows",
            where=where,
        )
