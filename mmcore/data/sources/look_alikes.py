"""What looks like a slip: groups whose names differ in their writing alone, files that belong to no item although an
item lacks one, tables whose end is missing."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mmcore.language import number_of

_SHOWN = 3


def alike_groups(groups: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups whose names differ in case, in width or in spaces alone, sorted.

    Example:
        >>> alike_groups(["Alice", "bob", "alice"])
        [('Alice', 'alice')]
    """
    by_form: dict[str, set[str]] = {}
    for group in groups:
        form = "".join(unicodedata.normalize("NFKC", group).casefold().split())
        by_form.setdefault(form, set()).add(group)
    return sorted(tuple(sorted(names)) for names in by_form.values() if len(names) > 1)


def group_notes(groups: Iterable[str]) -> list[str]:
    """What to say of such groups; [] where there are none."""
    alike = alike_groups(groups)
    if not alike:
        return []
    listed = ", ".join(" and ".join(f"'{name}'" for name in names) for names in alike[:_SHOWN])
    more = f" and {len(alike) - _SHOWN} more" if len(alike) > _SHOWN else ""
    return [f"groups that differ in their writing alone are read as different and may lie on two sides: {listed}{more}"]


def stranger_notes(lacking: Mapping[str, Sequence[str]], strangers: Mapping[str, Sequence[str]]) -> list[str]:
    """A table that belongs to no item, where items lack one, is most likely misspelt.

    Args:
        lacking: table name to items without a file. strangers: table name to files that belong to no item.
    """
    notes = []
    for name, files in strangers.items():
        if files and lacking.get(name):
            items, others = number_of(len(lacking[name]), "item"), number_of(len(files), "file")
            lack, belong = ("lacks" if len(lacking[name]) == 1 else "lack"), "belongs" if len(files) == 1 else "belong"
            notes.append(
                f"{name}: {items} {lack} a table, such as '{lacking[name][0]}', and {others} {belong} to no item of "
                f"items.csv, such as '{files[0]}': check their names"
            )
    return notes


def ends_within_a_line(path: Path) -> bool:
    """Whether a text file does not end with a line break: its last row may be cut off, even within a number."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) not in b"\r\n"
    except OSError:
        return False


def cut_notes(paths: Iterable[Path], folder: Path) -> list[str]:
    """What to say of .csv tables that end within a line; [] where there are none."""
    cut = [path.relative_to(folder).as_posix() for path in paths if path.suffix == ".csv" and ends_within_a_line(path)]
    if not cut:
        return []
    more = f" and {len(cut) - _SHOWN} more" if len(cut) > _SHOWN else ""
    return [
        "tables that do not end with a line break may be cut off, so their last number may be wrong: "
        f"{', '.join(cut[:_SHOWN])}{more}"
    ]
