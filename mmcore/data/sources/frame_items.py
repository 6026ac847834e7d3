"""The items that a user hands over: names, groups, splits and conditions, as lines of items.csv."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mmcore.data.sources.folder import SIDES, check_item_name
from mmcore.data.sources.frame_tables import RawTable
from mmcore.data.sources.given import Faults, plain, suggest
from mmcore.errors import nearest


@dataclass(frozen=True)
class Listed:
    """The contents of items.csv.

    Args:
        header: ``item, group``, ``split`` where there is one, then conditions.
        rows: one per item, in the order given.
    """

    header: list[str]
    rows: list[list[str]]

    @property
    def names(self) -> list[str]:
        """The items."""
        return [row[0] for row in self.rows]


def list_items(items: Any, tables: Mapping[str, Mapping[str, RawTable]], faults: Faults) -> Listed:
    """Read the items, and check that they and the tables belong together.

    Args:
        items: a frame with a column or index ``item``, and columns ``group``, ``split`` and conditions where wanted;
            or names; None: every item that has a table, in order of first mention.
        tables: modality or targets to item to table.
        faults: receives names that cannot name a file or stand there twice, unknown splits, items without any table,
            tables of items that are not listed.
    """
    mentioned = list(dict.fromkeys(item for one in tables.values() for item in one))
    frame = _frame(mentioned if items is None else items, faults)
    if frame is None:
        return Listed(["item", "group"], [])
    names = frame.pop("item").tolist()
    header, rows = _rows(frame, names, faults)
    _check_names(names, faults)
    if names:
        for name, one in tables.items():
            for item in one:
                if item not in set(names):
                    faults.add(
                        f"'{name}' has a table of item '{item}', which is not listed",
                        next_step=suggest(item, names),
                    )
        have = set(mentioned)
        bare = [item for item in names if item not in have]
        if bare:
            faults.add(
                "every item must have a table",
                found=f"none of {', '.join(repr(item) for item in bare[:5])}"
                + (f" and {len(bare) - 5} more" if len(bare) > 5 else ""),
                next_step="Give one, or take the item out of items",
            )
    return Listed(header, rows)


def _frame(items: Any, faults: Faults) -> pd.DataFrame | None:
    """With a column ``item``, every cell as text."""
    if isinstance(items, pd.DataFrame):
        frame = items.set_axis([plain(column) for column in items.columns], axis=1)
        if "item" not in frame.columns:
            if frame.index.name != "item" and not (
                frame.index.name is None and pd.api.types.is_string_dtype(frame.index.dtype)
            ):
                faults.add(
                    "items must have a column or an index 'item'",
                    found=f"columns {', '.join(frame.columns)}",
                    next_step=suggest("item", list(frame.columns)),
                )
                return None
            frame = frame.rename_axis("item").reset_index()
        twice = frame.columns[frame.columns.duplicated()]
        if len(twice):
            faults.add(f"column '{twice[0]}' of items appears twice", next_step="Rename or drop one")
            return None
    elif isinstance(items, str | bytes | Mapping) or np.ndim(pd.Series(list(items), dtype=object).to_numpy()) != 1:
        faults.add("items must be a frame or a list of names", found=f"a {type(items).__name__}")
        return None
    else:
        frame = pd.DataFrame({"item": list(items)}, dtype=object)
    if not len(frame):
        faults.add("a corpus has at least one item", found="no item", next_step="Give a table for some item")
        return None
    return pd.DataFrame({column: [plain(cell) for cell in frame[column]] for column in frame.columns}, dtype=object)


def _rows(frame: pd.DataFrame, names: list[str], faults: Faults) -> tuple[list[str], list[list[str]]]:
    groups = frame.pop("group").tolist() if "group" in frame else list(names)
    header = ["item", "group"]
    parts = [names, [group or name for group, name in zip(groups, names, strict=True)]]
    if "split" in frame:
        splits = frame.pop("split").tolist()
        for item, side in zip(names, splits, strict=True):
            if side and side not in SIDES:
                faults.add(f"split '{side}' is unknown", item=item, next_step=nearest(side, SIDES))
        header.append("split")
        parts.append(splits)
    header += frame.columns.tolist()
    parts += [frame[column].tolist() for column in frame.columns]
    return header, [list(row) for row in zip(*parts, strict=True)]


def _check_names(names: list[str], faults: Faults) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if check_item_name(name) != "ok" or name != name.strip():
            faults.add(
                "an item's name names files, so it must be a file name on every system",
                expected='no / \\ : * ? " < > |, no blank at its ends, and more than dots',
                found=repr(name),
                next_step="Rename it",
            )
        # Folded, since two names that differ in case alone are one file on Windows and macOS.
        elif name.casefold() in seen:
            other = seen[name.casefold()]
            found = f"'{name}' twice" if other == name else f"'{other}' and '{name}', one file on some systems"
            faults.add("two items must not have one name", found=found, next_step="Rename one")
        seen.setdefault(name.casefold(), name)
