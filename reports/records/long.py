"""The rows of records as long tables. Each record is added and then forgotten: what stays is columns of numbers."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Literal, cast

import numpy as np
import pandas as pd

from mmcore.record import Run
from mmcore.rows import Column, Columns, Rows
from mmcore.scores import Cell

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
_NAIVE = ("baseline", "split", "items", "metric", "component", "parameter")


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
        self._scores = _Table(SCORE_COLUMNS)
        self._items, self._outcomes = _Table(ITEM_COLUMNS), _Table(OUTCOME_COLUMNS)
        self._calibration, self._history = _Table(CALIBRATION_COLUMNS), _History()
        self._naive = _Naive()
        # What the latest record's scores are of. Nearly always the next one has the same.
        self._named: list[Column] = []
        self._of_model: list[bool] = []
        self._of_naive: list[bool] = []
        self._words: dict[str, Column] = {}
        self._kind = 0

    def add(self, run: Run, rows: Rows) -> None:
        """Take over the rows of a record."""
        self._history.add(run, rows.history)
        if not run.done:
            return
        words = [rows.scores[name] for name in _NAIVE]
        if words != self._named:
            self._named = words
            self._of_model = [name is None for name in rows.scores["baseline"]]
            self._words = {
                name: [*compress(rows.scores[name], self._of_model)] for name in SCORE_COLUMNS if name in _NAIVE
            }
            self._of_naive = [not own for own in self._of_model]
            self._kind = self._naive.kind([*compress(zip(*words, strict=True), self._of_naive)])
        values = rows.scores["value"]
        self._scores.add(run, {**self._words, "value": [*compress(values, self._of_model)]})
        self._naive.add(run.repeat, self._kind, compress(values, self._of_naive))
        self._items.add(run, rows.items)
        self._outcomes.add(run, rows.outcomes)
        self._calibration.add(run, rows.calibration)

    def join(self, later: LongTables) -> None:
        """Take over the tables of records that come after these."""
        self._scores.join(later._scores)
        self._naive.join(later._naive)
        self._history.join(later._history)
        self._items.join(later._items)
        self._outcomes.join(later._outcomes)
        self._calibration.join(later._calibration)

    def tables(self) -> Tables:
        """The tables of all records so far. Nothing may be added after that."""
        return Tables(
            scores=self._scores.frame(),
            baselines=self._naive.frame(),
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
        self._latest: tuple[Column, array[int]] = ((), array("i"))

    def extend(self, words: Column) -> None:
        # Nearly always a record says the same as the one before.
        if words is not self._latest[0] and words != self._latest[0]:
            self._latest = words, array("i", map(self._known.__getitem__, cast("Sequence[str | None]", words)))
        self._codes.extend(self._latest[1])

    def join(self, later: _Words) -> None:
        # None comes first and is −1, which is the last place, too.
        mine_W = np.array([self._known[word] for word in [*later._known][1:]] + [-1], np.int32)
        self._codes.frombytes(mine_W[np.frombuffer(later._codes, np.int32)].tobytes())

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
        self.held = array(code)

    def extend(self, values: Column) -> None:
        try:
            self.held += array(self._code, cast("Sequence[float]", values))
        except TypeError:
            # None is rare, and to look for it takes longer than all else.
            self.held.extend([math.nan if value is None else value for value in cast("Sequence[float | None]", values)])

    def join(self, later: _Numbers) -> None:
        self.held.extend(later.held)

    def repeat(self, value: float, times: int) -> None:
        self.held.extend(array(self._code, [value]) * times)

    def values(self) -> np.ndarray:
        held = np.frombuffer(self.held, self._code)
        return held.astype(bool) if self._code == "b" else held


class _Cells:
    """A column of confusion matrices. Many of their cells are alike, and equal ones are kept once."""

    def __init__(self) -> None:
        self._known: dict[Cell, Cell] = {}
        self._held: list[tuple[Cell, ...] | None] = []

    def extend(self, values: Column) -> None:
        kept = self._known.setdefault
        rows = cast("Sequence[tuple[Cell, ...] | None]", values)
        self._held += [None if cells is None else tuple([kept(cell, cell) for cell in cells]) for cells in rows]

    def join(self, later: _Cells) -> None:
        self.extend(later._held)

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

    def add(self, run: Run, rows: Columns) -> None:
        """Take over the rows of a record."""
        for name in _OF_RECORD:
            column = self._columns.get(name)
            if column is not None:
                assert not isinstance(column, _Cells)
                column.repeat(getattr(run, name), len(rows[self._own[0]]))
        for name in self._own:
            self._columns[name].extend(rows[name])

    def join(self, later: _Table) -> None:
        """Take over later rows."""
        for name, column in self._columns.items():
            column.join(later._columns[name])  # pyright: ignore[reportArgumentType]

    def frame(self) -> pd.DataFrame:
        """The table; the columns are given away one by one, so that none is held twice."""
        names = [*self._columns]
        return pd.DataFrame({name: self._columns.pop(name).values() for name in names}, copy=False)


class _Naive:
    """Scores of naive predictors. Arms of a repeat share them, so each number is kept once."""

    def __init__(self) -> None:
        self._kinds: list[list[tuple[object, ...]]] = []
        self._of: dict[tuple[int, int], array[float]] = {}

    def add(self, repeat: int, kind: int, values: Iterable[object]) -> None:
        """Take over the numbers of a record that are of naive predictors.

        Args:
            kind: what they are of, by :meth:`kind`.
        """
        if (repeat, kind) not in self._of:
            column = _Numbers("d")
            column.extend([*values])
            self._of[repeat, kind] = column.held

    def kind(self, keys: list[tuple[object, ...]]) -> int:
        """The number of a list of scores."""
        if keys not in self._kinds:
            self._kinds.append(keys)
        return self._kinds.index(keys)

    def join(self, later: _Naive) -> None:
        """Take over later rows."""
        kinds = [self.kind(keys) for keys in later._kinds]
        for (repeat, kind), values in later._of.items():
            self._of.setdefault((repeat, kinds[kind]), values)

    def frame(self) -> pd.DataFrame:
        """The table, in the order in which the numbers were first mentioned."""
        columns = {name: _column(name) for name in BASELINE_COLUMNS}
        known: dict[int, set[tuple[object, ...]]] = {}
        for (repeat, kind), values in self._of.items():
            keys, mentioned = self._kinds[kind], known.setdefault(repeat, set())
            new = [key not in mentioned for key in keys]
            mentioned.update(keys)
            columns["repeat"].extend([repeat] * sum(new))
            columns["value"].extend([*compress(values, new)])
            for at, name in enumerate(_NAIVE):
                columns[name].extend([key[at] for key in compress(keys, new)])
        return pd.DataFrame({name: column.values() for name, column in columns.items()}, copy=False)


class _History:
    """One row an epoch; columns that any run has, in order of mention. NaN where a run lacks one."""

    def __init__(self) -> None:
        self._of = {"arm": _Words(), "repeat": _Numbers("q"), "status": _Words()}
        self._own: dict[str, _Numbers] = {}
        self._rows = 0

    def add(self, run: Run, columns: Columns) -> None:
        """Take over the epochs of a record."""
        rows = len(next(iter(columns.values()), ()))
        for name, column in self._of.items():
            column.repeat(getattr(run, name), rows)
        self._mention(columns)
        for name, column in self._own.items():
            column.extend(columns[name]) if name in columns else column.repeat(math.nan, rows)
        self._rows += rows

    def join(self, later: _History) -> None:
        """Take over later rows."""
        for name, column in self._of.items():
            column.join(later._of[name])
        self._mention(later._own)
        for name, column in self._own.items():
            column.join(later._own[name]) if name in later._own else column.repeat(math.nan, later._rows)
        self._rows += later._rows

    def _mention(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._own:
                self._own[name] = _Numbers("d")
                self._own[name].repeat(math.nan, self._rows)

    def frame(self) -> pd.DataFrame:
        """The table; as that of a :class:`_Table`."""
        data: dict[str, object] = {name: column.values() for name, column in self._of.items()}
        for name in [*self._own] or ["epoch"]:
            values = self._own.pop(name, _Numbers("d")).values()
            whole = name in ("epoch", "steps") and np.isfinite(values).all()
            data[name] = values.astype(int) if whole else values
        return pd.DataFrame(data, copy=False)
