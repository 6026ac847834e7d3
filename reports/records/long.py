"""The rows of records as long tables. Each record is added and then forgotten: what stays is columns of numbers."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

import numpy as np
import pandas as pd

from mmcore.record import Record
from mmcore.scores import Cell, Score

SCORE_COLUMNS = ("arm", "repeat", "split", "items", "metric", "component", "parameter", "value")
BASELINE_COLUMNS = ("repeat", "baseline", "split", "items", "metric", "component", "parameter", "value")
CALIBRATION_COLUMNS = ("arm", "repeat", "component", "bin", "count", "confidence", "accuracy")
ITEM_COLUMNS = ("arm", "repeat", "item", "group", "complete", "component", "loss", "count", "naive_loss")
OUTCOME_COLUMNS = (
    "arm", "repeat", "item", "parameter", "component", "count", "loss", "naive_loss", "error", "cells",
)  # fmt: skip
HISTORY_COLUMNS = ("arm", "repeat", "status")
"""The first columns of a history; those of the records' own rows follow."""

Kind = Literal["whole", "number", "truth", "cells", "text"]
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("repeat", "bin", "count"), "whole"),
    **dict.fromkeys(("value", "loss", "naive_loss", "error", "confidence", "accuracy"), "number"),
    "complete": "truth",
    "cells": "cells",
}
"""What a column holds; text where it is not named. Text is categorical: each word is kept once."""
_OF_RECORD = ("arm", "repeat", "status")
_NAIVE = attrgetter("baseline", "split", "items", "metric", "component", "parameter")


@dataclass(frozen=True)
class Tables:
    """The tables of :class:`reports.records.frame.StudyResults` that have rows of records."""

    scores: pd.DataFrame
    baselines: pd.DataFrame
    history: pd.DataFrame
    items: pd.DataFrame
    outcomes: pd.DataFrame
    calibration: pd.DataFrame


def spelt_out(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The table with plain text in columns that have each word once: they are sorted by name, not by first mention."""
    return frame.assign(**{name: pd.Series(frame[name].astype(str).array, index=frame.index) for name in columns})


class LongTables:
    """Long tables that grow record by record; finished runs alone have scores."""

    def __init__(self) -> None:
        self._scores, self._baselines = _Table(SCORE_COLUMNS), _Table(BASELINE_COLUMNS)
        self._items, self._outcomes = _Table(ITEM_COLUMNS), _Table(OUTCOME_COLUMNS)
        self._calibration, self._history = _Table(CALIBRATION_COLUMNS), _History()
        self._naive: dict[int, set[object]] = {}
        self._usual: dict[int, list[object]] = {}

    def add(self, record: Record) -> None:
        """Take over the rows of a record."""
        self._history.add(record)
        if not record.done:
            return
        self._scores.add(record, [score for score in record.scores if score.baseline is None])
        self._add_naive(record, [score for score in record.scores if score.baseline is not None])
        self._items.add(record, record.items)
        self._outcomes.add(record, record.outcomes)
        self._calibration.add(record, record.calibration)

    def _add_naive(self, record: Record, scores: Sequence[Score]) -> None:
        """Arms of a repeat share their naive predictors: each number once."""
        keys: list[object] = [*map(_NAIVE, scores)]
        # Nearly always a record says the same as the one before.
        if keys == self._usual.get(record.repeat):
            return
        known = self._naive.setdefault(record.repeat, set())
        new = []
        for key, score in zip(keys, scores, strict=True):
            if key not in known:
                known.add(key)
                new.append(score)
        self._usual.setdefault(record.repeat, keys)
        self._baselines.add(record, new)

    def tables(self) -> Tables:
        """The tables of all records so far. Nothing may be added after that."""
        return Tables(
            scores=self._scores.frame(),
            baselines=self._baselines.frame(),
            history=self._history.frame(),
            items=self._items.frame(),
            outcomes=self._outcomes.frame(),
            calibration=self._calibration.frame(),
        )


# Columns -------------------------------------------------------------------------------------------------------------
class _Words:
    """A column of text: each word once, and its number in each row; None is −1."""

    def __init__(self) -> None:
        self._known = _Known({None: -1})
        self._codes = array("i")

    def extend(self, words: Sequence[str | None]) -> None:
        self._codes.extend(map(self._known.__getitem__, words))

    def repeat(self, word: str | None, times: int) -> None:
        self._codes.extend(array("i", [self._known[word]]) * times)

    def values(self) -> pd.Categorical:
        words = [word for word in self._known if word is not None]
        return pd.Categorical.from_codes(np.frombuffer(self._codes, np.int32), pd.Index(words, dtype=str))


class _Known(dict[str | None, int]):
    def __missing__(self, word: str | None) -> int:
        self[word] = number = len(self) - 1
        return number


class _Numbers:
    """A column of numbers; None is NaN."""

    def __init__(self, code: Literal["d", "q", "b"]) -> None:
        self._code: Literal["d", "q", "b"] = code
        self._held = array(code)

    def extend(self, values: Sequence[float | None]) -> None:
        if None in values:
            values = [math.nan if value is None else value for value in values]
        self._held.extend(values)

    def repeat(self, value: float, times: int) -> None:
        self._held.extend(array(self._code, [value]) * times)

    def values(self) -> np.ndarray:
        held = np.frombuffer(self._held, self._code)
        return held.astype(bool) if self._code == "b" else held


class _Cells:
    """A column of confusion matrices. Many of their cells are alike, and equal ones are kept once."""

    def __init__(self) -> None:
        self._known: dict[Cell, Cell] = {}
        self._held: list[tuple[Cell, ...] | None] = []

    def extend(self, values: Sequence[tuple[Cell, ...] | None]) -> None:
        kept = self._known.setdefault
        self._held += [None if cells is None else tuple([kept(cell, cell) for cell in cells]) for cells in values]

    def values(self) -> np.ndarray:
        return np.fromiter(self._held, object, len(self._held))


def _column(name: str) -> _Words | _Numbers | _Cells:
    match _KINDS.get(name, "text"):
        case "whole":
            return _Numbers("q")
        case "number":
            return _Numbers("d")
        case "truth":
            return _Numbers("b")
        case "cells":
            return _Cells()
        case "text":
            return _Words()


class _Table:
    """Rows of records, column by column."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = {name: _column(name) for name in columns}
        self._own = [name for name in columns if name not in _OF_RECORD]
        self._row = attrgetter(*self._own)

    def add(self, record: Record, rows: Sequence[object]) -> None:
        for name in _OF_RECORD:
            column = self._columns.get(name)
            if column is not None:
                assert not isinstance(column, _Cells)
                column.repeat(getattr(record, name), len(rows))
        for name, values in zip(self._own, zip(*map(self._row, rows), strict=True), strict=False):
            self._columns[name].extend(values)

    def frame(self) -> pd.DataFrame:
        """The table; the columns are given away one by one, so that none is held twice."""
        names = [*self._columns]
        return pd.DataFrame({name: self._columns.pop(name).values() for name in names}, copy=False)


class _History:
    """One row an epoch; columns that any run has, in order of mention. NaN where a run lacks one."""

    def __init__(self) -> None:
        self._of = {"arm": _Words(), "repeat": _Numbers("q"), "status": _Words()}
        self._own: dict[str, _Numbers] = {}
        self._rows = 0

    def add(self, record: Record) -> None:
        rows = record.history
        for name, column in self._of.items():
            column.repeat(getattr(record, name), len(rows))
        names = [*rows[0]] if rows else []
        if all([*row] == names for row in rows):
            values = dict(zip(names, zip(*(row.values() for row in rows), strict=True), strict=True))
        else:
            names = [*dict.fromkeys(name for row in rows for name in row)]
            values = {name: tuple(row.get(name) for row in rows) for name in names}
        for name in names:
            if name not in self._own:
                self._own[name] = _Numbers("d")
                self._own[name].repeat(math.nan, self._rows)
        for name, column in self._own.items():
            column.extend(values[name]) if name in values else column.repeat(math.nan, len(rows))
        self._rows += len(rows)

    def frame(self) -> pd.DataFrame:
        data: dict[str, object] = {name: column.values() for name, column in self._of.items()}
        for name in [*self._own] or ["epoch"]:
            values = self._own.pop(name, _Numbers("d")).values()
            whole = name in ("epoch", "steps") and np.isfinite(values).all()
            data[name] = values.astype(int) if whole else values
        return pd.DataFrame(data, copy=False)
