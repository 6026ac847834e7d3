"""Conditions that items have as a whole: the columns of items.csv besides item, group and split.

I items.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmcore.data.prepared import PreparedItem
from mmcore.errors import ConfigError, nearest

MOST_VALUES = 6
"""Different values of a column up to which each is a group by itself."""
MOST_COLUMNS = 8
"""Columns that are looked at where none are named."""
THIRDS = 3
UNKNOWN = -1
"""Code of an item whose cell is empty."""


@dataclass(frozen=True)
class ItemCondition:
    """A division of the items into groups by one column.

    Args:
        column: of items.csv. groups: names; the first is the one that others are held against.
        code_I: index into ``groups`` of each item, or :data:`UNKNOWN`.
    """

    column: str
    groups: tuple[str, ...]
    code_I: np.ndarray


def item_conditions(items: Sequence[PreparedItem], columns: Sequence[str] | None = None) -> list[ItemCondition]:
    """The columns that divide the items, in the order of items.csv, or as they are named.

    A column of numbers with more than :data:`MOST_VALUES` different ones is cut into thirds of the items, low to high,
    and the low third is the base. Of other columns each value is a group, the most frequent first; the most frequent
    is the base. Empty cells belong to no group. A column with one value divides nothing.

    Args:
        items: of the corpus.
        columns: None: the first :data:`MOST_COLUMNS` that are numbers (but no running ones, 1, 2, …), or texts with at
            most :data:`MOST_VALUES` values that repeat. Of a named column with more texts the rarest share one group,
            ``others``.

    Raises:
        ConfigError: a named column that items.csv does not have.
    """
    there = list(items[0].metadata) if items else []
    for column in columns or ():
        if column not in there:
            raise ConfigError(
                f"'{column}' is not a column of items.csv that can be a condition",
                next_step=nearest(column, there),
                where="analyses.errors.columns",
            )
    found = []
    for column in there if columns is None else columns:
        condition = _condition(column, [item.metadata[column] for item in items], named=columns is not None)
        if condition is not None:
            found.append(condition)
    return found if columns is not None else found[:MOST_COLUMNS]


def _condition(column: str, cells: Sequence[str], named: bool) -> ItemCondition | None:
    counts = Counter(cell for cell in cells if cell)
    numbers = [_number(cell) for cell in cells]
    if len(counts) > MOST_VALUES and sum(number is not None for number in numbers) == sum(counts.values()):
        number_I = np.array([math.nan if number is None else number for number in numbers])
        return None if not named and _running(number_I) else _thirds(column, number_I)
    # Of texts that hardly repeat, such as titles, a group would be an item.
    if len(counts) < 2 or (not named and (len(counts) > MOST_VALUES or 2 * len(counts) > sum(counts.values()))):
        return None
    order = sorted(counts, key=lambda value: (-counts[value], value))
    groups = order if len(order) <= MOST_VALUES else [*order[: MOST_VALUES - 1], "others"]
    place = {value: min(at, len(groups) - 1) for at, value in enumerate(order)}
    return ItemCondition(column, tuple(groups), np.array([place.get(cell, UNKNOWN) for cell in cells], np.int64))


def _thirds(column: str, number_I: np.ndarray) -> ItemCondition | None:
    known_I = np.isfinite(number_I)
    low, high = np.quantile(number_I[known_I], [1 / THIRDS, 2 / THIRDS])
    code_I = np.where(known_I, (number_I > low).astype(np.int64) + (number_I > high), UNKNOWN)
    groups = (f"up to {low:.6g}", f"above {low:.6g}, up to {high:.6g}", f"above {high:.6g}")
    return ItemCondition(column, groups, code_I) if len(np.unique(code_I[known_I])) == THIRDS else None


def _running(number_I: np.ndarray) -> bool:
    """Whether these are the numbers 0, 1, … or 1, 2, … of the items in some order: names, and no measure."""
    order_I = np.sort(number_I)
    return order_I[0] in (0, 1) and bool((np.diff(order_I) == 1).all())


def _number(cell: str) -> float | None:
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
