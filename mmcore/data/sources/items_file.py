"""Reads ``items.csv``; reports whatever is wrong with file and line."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Literal

from mmcore.data.sources.csv_file import refuse_separator
from mmcore.data.sources.problems import Tell, stop
from mmcore.data.sources.table_files import no_utf8, refuse_outside, unreadable
from mmcore.errors import CorpusError, nearest
from mmcore.files import read_bytes
from mmcore.language import number_of
from mmcore.names import is_text, nfc

SIDES = ("train", "validation", "test")
MOST_BYTES = 1 << 28
"""Of an items.csv."""


@dataclass(frozen=True)
class Item:
    """One recording, as a line of ``items.csv`` declares it.

    Args:
        name: names the item's files; in NFC.
        group: what must never be split between train and test; the name where the cell is empty.
        split: ``train``, ``validation`` or ``test``; None where the corpus gives no split.
        metadata: every other column: the item's conditions.
    """

    name: str
    group: str
    split: str | None
    metadata: dict[str, str]


def read_items(path: Path, tell: Tell = stop) -> tuple[Item, ...]:
    """The lines of an ``items.csv``; no table is opened.

    Args:
        tell: see :mod:`mmcore.data.sources.problems`; lines with a fault are left out.

    Raises:
        CorpusError: the file is missing or empty, or has no column of items; by default also where a line breaks a
            rule of format 1, with file and line.
    """
    where = f"{path}:1"
    refuse_outside(path.parent, path)
    try:
        text = read_bytes(path, MOST_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise CorpusError(
            "the file does not exist", expected="one line per item: item,group[,split]", where=str(path)
        ) from None
    except OSError as error:
        raise unreadable(path, "file", error) from None
    except UnicodeDecodeError as error:
        raise no_utf8(path, error) from None
    reader = csv.reader(StringIO(text, newline=""))
    try:
        header = [nfc(cell.strip()) for cell in next(reader, [])]
        rows = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        found = str(error)
        raise CorpusError("the file cannot be read", found=found, where=f"{path}:{reader.line_num}") from None
    if not header and not rows:
        raise CorpusError(
            "the file is empty", expected="a header and one line per item: item,group[,split]", where=where
        )
    refuse_separator(path, header)
    for column in ("item", "group"):
        if column not in header:
            raise CorpusError(f"column '{column}' is missing", next_step=nearest(column, header), where=where)
    for column in header:
        if header.count(column) > 1:
            raise CorpusError(f"column '{column}' appears twice", where=where)
    if not rows:
        raise CorpusError("a corpus has at least one item", found="a header alone", where=str(path))
    items: list[Item] = []
    first_line: dict[str, int] = {}
    for line, cells in rows:
        where = f"{path}:{line}"
        if len(cells) != len(header):
            tell(
                CorpusError(
                    "every row must have as many cells as the header",
                    expected=number_of(len(header), "cell"),
                    found=number_of(len(cells), "cell"),
                    where=where,
                )
            )
            continue
        row = {column: nfc(cell.strip()) for column, cell in zip(header, cells, strict=True)}
        name = row.pop("item")
        if not _name_is_good(name, where, tell):
            continue
        # Folded, since two names that differ in case alone are one file on Windows and macOS.
        if name.casefold() in first_line:
            first = f"it first on line {first_line[name.casefold()]}"
            tell(CorpusError(f"item '{name}' is listed twice", found=first, where=where))
            continue
        first_line[name.casefold()] = line
        group, split = row.pop("group") or name, row.pop("split", "") or None
        if split is not None and split not in SIDES:
            tell(CorpusError(f"split '{split}' is unknown", next_step=nearest(split, SIDES), where=where))
        items.append(Item(name, group, split, row))
    return tuple(items)


def check_item_name(name: str) -> Literal["ok", "empty", "escapes"]:
    """Whether a name can name a file inside a folder, on every system."""
    if not name:
        return "empty"
    bad = set('/\\:*?"<>|') & set(name) or name.strip(".") == "" or any(ord(c) < 32 for c in name)
    return "escapes" if bad or not is_text(name) else "ok"


def _name_is_good(name: str, where: str, tell: Tell) -> bool:
    match check_item_name(name):
        case "ok":
            return True
        case "empty":
            tell(CorpusError("an item must have a name", where=where))
        case "escapes":
            tell(
                CorpusError(
                    "an item's name must name a file inside the corpus folder",
                    expected='no / \\ : * ? " < > | and no control characters, and more than dots',
                    found=repr(name),
                    where=where,
                )
            )
    return False
