"""The rows of many records as long tables, built part by part: all rows as Python objects would take gigabytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from mmcore.record import Record

SCORE_COLUMNS = ("arm", "repeat", "split", "items", "metric", "component", "parameter", "value")
BASELINE_COLUMNS = ("repeat", "baseline", "split", "items", "metric", "component", "parameter", "value")
CALIBRATION_COLUMNS = ("arm", "repeat", "component", "bin", "count", "confidence", "accuracy")
ITEM_COLUMNS = ("arm", "repeat", "item", "group", "complete", "component", "loss", "count", "naive_loss")
OUTCOME_COLUMNS = (
    "arm", "repeat", "item", "parameter", "component", "count", "loss", "naive_loss", "error", "cells",
)  # fmt: skip

PART = 100
"""Records that are in memory at a time."""


@dataclass(frozen=True)
class LongTables:
    """The tables of :class:`reports.records.frame.StudyResults` that have rows of records."""

    scores: pd.DataFrame
    baselines: pd.DataFrame
    history: pd.DataFrame
    items: pd.DataFrame
    outcomes: pd.DataFrame
    calibration: pd.DataFrame


def long_tables(records: Sequence[Record]) -> LongTables:
    """The tables of some records; finished runs alone have scores."""
    done = [r for r in records if r.done]
    baselines = _long([(r, [s for s in r.scores if s.baseline is not None]) for r in done], BASELINE_COLUMNS)
    return LongTables(
        scores=_long([(r, [s for s in r.scores if s.baseline is None]) for r in done], SCORE_COLUMNS).astype(
            {"value": float}
        ),
        baselines=_without_copies(baselines.astype({"value": float})),
        history=_history(records),
        items=_long([(r, r.items) for r in done], ITEM_COLUMNS).astype(
            {"loss": float, "count": int, "naive_loss": float}
        ),
        outcomes=_long([(r, r.outcomes) for r in done], OUTCOME_COLUMNS).astype(
            {"count": int, "loss": float, "naive_loss": float, "error": float}
        ),
        calibration=_long([(r, r.calibration) for r in done], CALIBRATION_COLUMNS),
    )


def joined(parts: Sequence[LongTables]) -> LongTables:
    """Parts one below the other, as if their records had been one part."""
    if len(parts) < 2:
        return parts[0] if parts else long_tables(())
    made = {each.name: _below(each.name, parts) for each in fields(LongTables)}
    return LongTables(**{**made, "baselines": _without_copies(made["baselines"])})


def _below(name: str, parts: Sequence[LongTables]) -> pd.DataFrame:
    tables = [table for part in parts if len(table := getattr(part, name))] or [getattr(parts[0], name)]
    # A column of text that is empty in a whole part has another type there.
    return pd.concat(tables, ignore_index=True).infer_objects()


def _without_copies(baselines: pd.DataFrame) -> pd.DataFrame:
    """Arms of a repeat share their naive predictors: each number once."""
    return baselines.drop_duplicates([c for c in BASELINE_COLUMNS if c != "value"], ignore_index=True)


_OF_RECORD = ("arm", "repeat", "status")


def _long(parts: Sequence[tuple[Record, Sequence[object]]], columns: tuple[str, ...]) -> pd.DataFrame:
    """One long table of the rows of many records, column by column: rows as Python objects would take a gigabyte."""
    own = [name for name in columns if name not in _OF_RECORD]
    data: dict[str, list[Any]] = {name: [] for name in own}
    rows_of = attrgetter(*own)
    for _, rows in parts:
        for name, values in zip(own, zip(*map(rows_of, rows), strict=True), strict=False):
            data[name] += values
    return _table_of(parts, data, columns)


def _history(records: Sequence[Record]) -> pd.DataFrame:
    """One row an epoch; columns that any run has, in order of mention. NaN where a run lacks one."""
    names = dict.fromkeys(name for r in records for row in r.history for name in row)
    data = {name: [row.get(name) for r in records for row in r.history] for name in names or ("epoch",)}
    table = _table_of([(r, r.history) for r in records], data, (*_OF_RECORD, *data))
    return table.astype({name: int for name in ("epoch", "steps") if name in names})


def _table_of(
    parts: Sequence[tuple[Record, Sequence[object]]], data: Mapping[str, list[Any]], columns: Sequence[str]
) -> pd.DataFrame:
    which = np.repeat(np.arange(len(parts)), [len(rows) for _, rows in parts])
    known = {
        name: pd.Series([getattr(record, name) for record, _ in parts]).take(which).array
        for name in _OF_RECORD
        if name in columns
    }
    return pd.DataFrame({name: known.get(name, data.get(name)) for name in columns})
