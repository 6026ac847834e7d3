"""What can be said of the columns of a stream after one pass over its tables; only sums and samples are kept.

T rows, W columns of a numbered range.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

MANY = 200
"""Different values of a column after which no more are kept: they are no classes."""
SHORTEST_RANGE = 3
"""Numbered columns that make a range."""
_SAMPLED_ROWS = 300
_SAMPLED_TABLES = 20


@dataclass
class Column:
    """One column over all tables.

    Args:
        rows, known: rows, and those with a value.
        numbers: values that are numbers. low, high: of them.
        whole, fractional: every number is whole; some number is not.
        values: different values as text with their counts; None where there are more than :data:`MANY`.
        counts_up: in every table each value is the one before plus 1.
        rises: in every table with two rows no value is below the one before, and some is above.
        odd: the first few values of a column of numbers that are none.
    """

    rows: int = 0
    known: int = 0
    numbers: int = 0
    low: float = np.inf
    high: float = -np.inf
    whole: bool = True
    boolean: bool = True
    values: dict[str, int] | None = field(default_factory=dict)
    counts_up: bool = True
    rises: bool = True
    odd: list[str] = field(default_factory=list)

    @property
    def numeric(self) -> bool:
        """Nearly all known values are numbers."""
        return self.numbers > 0 and self.numbers >= 0.5 * self.known

    @property
    def constant(self) -> bool:
        """It holds one value, or none."""
        return self.values is not None and len(self.values) <= 1

    def add(self, column: Any) -> np.ndarray:
        """Count one table's column; its numbers (T,), float64, NaN where there is none."""
        self.rows += len(column)
        known = column.notna()
        self.known += int(known.sum())
        self.boolean &= pd.api.types.is_bool_dtype(column) or not known.any()
        numbers_T = _numbers(column)
        finite_T = np.isfinite(numbers_T)
        self.numbers += int(finite_T.sum())
        if finite_T.any():
            mine = numbers_T[finite_T]
            self.low, self.high = min(self.low, float(mine.min())), max(self.high, float(mine.max()))
            self.whole &= bool((mine == np.floor(mine)).all())
        if not pd.api.types.is_numeric_dtype(column):
            odd = column[known & ~pd.Series(finite_T, index=column.index)]
            self.odd.extend(str(cell) for cell in odd.unique()[: max(0, 3 - len(self.odd))])
        self._count(column[known])
        steps = np.diff(numbers_T)
        if len(steps):
            self.counts_up &= bool((steps == 1).all())
            self.rises &= bool((steps >= 0).all() and (steps > 0).any())
        return numbers_T

    def _count(self, known: Any) -> None:
        if self.values is None:
            return
        if pd.api.types.is_float_dtype(known) and known.head(50).nunique() > 40 and not self.whole:
            self.values = None
            return
        counts = known.value_counts()
        if len(counts) > MANY:
            self.values = None
            return
        for value, count in counts.items():
            text = plain(value)
            self.values[text] = self.values.get(text, 0) + int(count)
        if len(self.values) > MANY:
            self.values = None


def plain(value: object) -> str:
    """A cell as text; whole numbers without a decimal point."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _numbers(column: Any) -> np.ndarray:
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float64, na_value=np.nan)
    if pd.api.types.is_datetime64_any_dtype(column):
        return np.full(len(column), np.nan)
    return np.asarray(pd.to_numeric(column, errors="coerce"), np.float64)


@dataclass
class Range:
    """Numbered columns ``prefix0`` … that are all numbers.

    Args:
        prefix: what stands before the number. first, last: of the numbers. digits: of padded numbers; 0: not padded.
        sample_TW: rows of several tables.
    """

    prefix: str
    first: int
    last: int
    digits: int = 0
    samples: list[np.ndarray] = field(default_factory=list)
    low: float = np.inf
    high: float = -np.inf

    @property
    def width(self) -> int:
        """W."""
        return self.last - self.first + 1

    @property
    def name(self) -> str:
        """As corpus.yaml writes it."""
        return f"{self.prefix}{{{self.first}..{self.last}}}"

    @property
    def columns(self) -> list[str]:
        """Names in the raw files."""
        return [f"{self.prefix}{number:0{self.digits}d}" for number in range(self.first, self.last + 1)]

    @property
    def new_names(self) -> dict[str, str]:
        """Padded names to those that a range of corpus.yaml stands for; empty where none is padded."""
        numbers = range(self.first, self.last + 1)
        pairs = zip(self.columns, (f"{self.prefix}{number}" for number in numbers), strict=True)
        return {old: new for old, new in pairs if old != new}

    def add(self, values_TW: np.ndarray) -> None:
        """Count one table."""
        finite = values_TW[np.isfinite(values_TW)]
        if len(finite):
            self.low, self.high = min(self.low, float(finite.min())), max(self.high, float(finite.max()))
        if len(self.samples) < _SAMPLED_TABLES:
            stride = max(1, len(values_TW) // _SAMPLED_ROWS)
            self.samples.append(values_TW[::stride])

    def sample_TW(self) -> np.ndarray:
        """Rows of several tables; only those without an empty cell."""
        rows_TW = np.concatenate(self.samples) if self.samples else np.empty((0, self.width))
        return rows_TW[np.isfinite(rows_TW).all(axis=1)]


@dataclass
class Facts:
    """The columns of one stream.

    Args:
        columns: by name, without those of ranges. ranges: numbered columns that belong together.
        shapes: columns of each table, with the number of tables that have them.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    ranges: list[Range] = field(default_factory=list)
    shapes: dict[tuple[str, ...], int] = field(default_factory=dict)
    tables: int = 0

    def add(self, frame: pd.DataFrame, skip: tuple[str, ...] = ()) -> None:
        """Count one table; its first table decides which columns are ranges.

        Args:
            skip: columns that are not looked at.
        """
        names = tuple(str(name) for name in frame.columns if name not in skip)
        self.shapes[names] = self.shapes.get(names, 0) + 1
        if not self.tables:
            self.ranges = ranges_of(frame, names)
        self.tables += 1
        inside: set[str] = set()
        for block in self.ranges:
            if set(block.columns) <= set(names):
                inside |= set(block.columns)
                block.add(np.column_stack([_numbers(frame[name]) for name in block.columns]))
        for name in names:
            if name not in inside:
                self.columns.setdefault(name, Column()).add(frame[name])


def ranges_of(frame: pd.DataFrame, names: tuple[str, ...]) -> list[Range]:
    """Numbered columns of numbers without a gap, at least :data:`SHORTEST_RANGE` of them."""
    numbered: dict[str, dict[int, str]] = {}
    for name in names:
        found = re.fullmatch(r"(.*?)(\d{1,6})", name)
        if found and "{" not in name and pd.api.types.is_numeric_dtype(frame[name]):
            numbered.setdefault(found[1], {}).setdefault(int(found[2]), found[2])
    ranges = []
    for prefix, written in numbered.items():
        first, last = min(written), max(written)
        widths = {len(text) for text in written.values()}
        padded = any(text != str(number) for number, text in written.items())
        whole = len(written) == last - first + 1 >= SHORTEST_RANGE
        if whole and not (padded and len(widths) > 1):
            ranges.append(Range(prefix, first, last, widths.pop() if padded else 0))
    return ranges
