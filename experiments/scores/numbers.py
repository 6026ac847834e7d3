"""Cells that should be numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

import pandas as pd

MISSING = frozenset({"", "na", "n/a", "nan", "none", "null", "-", "–", "<na>"})
"""Texts that say that there is no number."""
MOSTLY = 0.8
"""Share of the cells of a column that must be numbers for it to be taken for a column of numbers."""


def number_of(cell: object) -> float | None:
    """A cell as a number; NaN where it says that there is none, and None where it is neither.

    True and false are 1 and 0: whether an item was answered right.

    Example:
        >>> number_of("0.5"), number_of("high")
        (0.5, None)
    """
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return math.nan
    if (truth := _truth(cell)) is not None:
        return truth
    if isinstance(cell, Real):
        return float(cell)
    text = str(cell).strip()
    if text.lower() in MISSING:
        return math.nan
    try:
        # Python would take 1_000 for a number.
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _truth(cell: object) -> float | None:
    """True and false as numbers; None where a cell is neither."""
    match str(cell).strip().lower():
        case "true":
            return 1.0
        case "false":
            return 0.0
        case _:
            return None


def looks_numeric(cells: Sequence[object]) -> bool:
    """Whether nearly all cells that say anything are numbers; true and false may as well be a setting."""
    found = [None if _truth(cell) is not None else number_of(cell) for cell in cells]
    said = [value for value in found if value is None or value == value]
    return bool(said) and sum(value is not None for value in said) >= MOSTLY * len(said)
