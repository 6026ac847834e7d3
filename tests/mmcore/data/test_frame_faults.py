"""Whatever is wrong with frames in memory is told with modality, item and the next step, all at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from factories.tables import MOOD, NAMES, sound, sounds

from mmcore.data.sources.frames import draft_corpus
from mmcore.data.sources.given import ModalityData, TargetData
from mmcore.errors import CorpusError


def message(*args: Any, **options: Any) -> str:
    with pytest.raises(CorpusError) as caught:
        draft_corpus(*args, **options)
    return str(caught.value)


def broken(**columns: Any) -> dict[str, pd.DataFrame]:
    """Three tables; the second has other columns."""
    tables = sounds()
    tables["b"] = tables["b"].assign(**columns)
    return tables


FAULTS: dict[str, tuple[Any, Any, Any, list[str]]] = {
    "no modality": (NAMES, {}, MOOD, ["modalities must be a mapping of name to tables", "an empty one"]),
    "no items": ([], {"m": sounds()}, MOOD, ["a corpus has at least one item"]),
    "bare item": ([*NAMES, "d"], {"m": sounds()}, MOOD, ["every item must have a table", "none of 'd'"]),
    "unlisted": (
        ["a", "b", "cc"],
        {"m": sounds()},
        MOOD,
        ["'m' has a table of item 'c', which is not listed", "Did you mean"],
    ),
    "twice": (["a", "b", "c", "a"], {"m": sounds()}, MOOD, ["two items must not have one name", "'a' twice"]),
    "case": (["a", "b", "c", "A"], {"m": sounds()}, MOOD, ["'a' and 'A', one file on some systems"]),
    "slash": (["a", "b", "c/d"], {"m": {**sounds(), "c/d": sound()}}, MOOD, ["file name on every system", "'c/d'"]),
    "split": (
        pd.DataFrame({"item": NAMES, "split": ["train", "tset", ""]}),
        {"m": sounds()},
        MOOD,
        ["item 'b': split 'tset' is unknown. Did you mean 'test'?"],
    ),
    "no item column": (pd.DataFrame({"itm": NAMES}), {"m": sounds()}, MOOD, ["column or an index 'item'", "'itm'"]),
    "a column twice": (
        NAMES,
        {"m": {**sounds(), "b": pd.DataFrame([[0.0, 1.0, 2.0]], columns=["time", "x", "x"])}},
        MOOD,
        ["'m', item 'b': column 'x' appears twice"],
    ),
    "ragged": (NAMES, {"m": broken(extra=1.0)}, MOOD, ["same columns", "'extra' in item 'b' and not in item 'a'"]),
    "ragged arrays": (
        NAMES,
        {"m": {"a": np.ones((3, 2)), "b": np.ones((3, 4)), "c": np.ones((3, 2))}},
        MOOD,
        ["'m_2'", "item 'b'"],
    ),
    "three axes": (
        NAMES,
        {"m": {n: np.ones((3, 2, 2)) for n in NAMES}},
        MOOD,
        ["shape (T, F)", "(3, 2, 2)", "reshape", "2 more times"],
    ),
    "lists in cells": (
        NAMES,
        {"m": broken(level=[[1.0, 2.0]] * 6)},
        MOOD,
        ["'m', item 'b'", "objects: [1.0, 2.0] in row 0", "np.stack"],
    ),
    "mixed cells": (NAMES, {"m": broken(level=[1.0, "loud", 2.0, 3.0, 4.0, 5.0])}, MOOD, ["item 'b'", "beside text"]),
    "text here": (
        NAMES,
        {"m": broken(level=["1", "2", "3", "4", "5", "6"])},
        MOOD,
        ["numbers in all items, or text in all items", "item 'b'"],
    ),
    "dates as a feature": (
        NAMES,
        {"m": broken(level=pd.Timestamp("2026-01-01"))},
        MOOD,
        ["numbers or text", "datetime64"],
    ),
    "infinite": (
        NAMES,
        {"m": broken(level=[0, 1, np.inf, 3, 4, 5.0])},
        MOOD,
        ["'level' must be finite", "inf in row 2", "np.nan"],
    ),
    "back in time": (
        NAMES,
        {"m": broken(time=[0, 1, 0.5, 2, 3, 4.0])},
        MOOD,
        ["times must increase", "1 before 0.5, rows 1 and 2", "sort_values"],
    ),
    "one time twice": (
        NAMES,
        {"m": broken(time=[0, 1, 1.0, 2, 3, 4.0])},
        MOOD,
        ["times must increase", "drop_duplicates"],
    ),
    "no time": (
        NAMES,
        {"m": broken(time=[0, 1, np.nan, 2, 3, 4.0])},
        MOOD,
        ["'time' must be known in every row", "1 row without it", "dropna"],
    ),
    "time as text": (
        NAMES,
        {"m": broken(time=["00:00:01"] * 6)},
        MOOD,
        ["seconds, timedeltas or dates", "pd.to_timedelta"],
    ),
    "empty": (
        NAMES,
        {"m": {**sounds(), "b": sound(0)}},
        MOOD,
        ["'m', item 'b': a table must have rows", "Leave the item out"],
    ),
    "zone": (
        None,
        {
            "m": {"a": pd.DataFrame({"x": [1.0]}, index=pd.date_range("2026-01-01", periods=1, tz="UTC"))},
            "n": {"a": pd.DataFrame({"x": [1.0]}, index=pd.date_range("2026-01-01", periods=1))},
        },
        {"a": 0.5},
        ["item 'a': all tables of an item must be on one clock", "'m' in dates in UTC, 'n' in dates"],
    ),
    "dates and seconds": (
        None,
        {"m": {"a": sound()}, "n": {"a": pd.DataFrame({"x": [1.0]}, index=pd.date_range("2026-01-01", periods=1))}},
        {"a": 0.5},
        ["one clock", "'m' in seconds, 'n' in dates", "total_seconds"],
    ),
    "times in some": (
        NAMES,
        {"m": {**sounds(), "b": sound().drop(columns="time")}},
        MOOD,
        ["times, or segments, or none", "no times in item 'b'"],
    ),
    "no rate": (
        NAMES,
        {"m": sounds(), "n": {n: np.ones((3, 2)) for n in NAMES}},
        MOOD,
        ["'n', item 'a': every table needs times", "sampling_rate=25"],
    ),
    "rate and times": (
        NAMES,
        {"m": ModalityData(sounds(), sampling_rate=5)},
        MOOD,
        ["sampling_rate is for tables without times"],
    ),
    "rate of 0": (
        NAMES,
        {"m": ModalityData({n: np.ones(3) for n in NAMES}, sampling_rate=0)},
        MOOD,
        ["a number above 0"],
    ),
    "segment": (
        None,
        {"m": {"a": pd.DataFrame({"start": [1.0], "end": [1.0], "x": [0.5]})}},
        {"a": 0.5},
        ["must end after its start", "1 to 1 in row 0"],
    ),
    "no step": (
        NAMES,
        {"m": sounds(), "n": ModalityData({n: np.ones(3) for n in NAMES}, sampling_rate=100)},
        MOOD,
        ["needs a step", "'m' every 0.5 s, 'n' every 0.01 s", "step=0.5"],
    ),
    "label": (
        NAMES,
        {"m": sounds()},
        TargetData(MOOD, labels={"mood": ["glad", "saad"]}),
        ["class names that labels lists", "item 'a'", "'sad'", "Did you mean 'saad'?"],
    ),
    "unknown option": (
        NAMES,
        {"m": ModalityData(sounds(), kinds={"levle": "binary"})},
        MOOD,
        ["kinds names column 'levle'", "'level'"],
    ),
    "unknown kind": (
        NAMES,
        {"m": ModalityData(sounds(), kinds={"level": "nominal"})},
        MOOD,
        ["kind 'nominal' is unknown"],
    ),
    "no class": (
        NAMES,
        {"m": ModalityData(broken(level=7), labels={"level": ["low", "high"]})},
        MOOD,
        ["names or codes of its classes", "codes 0 … 1 of low, high"],
    ),
    "targets without items": (
        NAMES,
        {"m": sounds()},
        pd.DataFrame({"mood": [0.1, 0.2, 0.3]}),
        ["names its items in a column or index 'item'", "columns mood; index 0, 1, 2", "set_index"],
    ),
    "names of an array": (
        NAMES,
        {"m": ModalityData({n: np.ones((3, 2)) for n in NAMES}, columns=["x"])},
        MOOD,
        ["columns must name every column of an array", "expected 1 column;", "shape (3, 2)"],
    ),
    "names of a frame without any": (
        NAMES,
        {"m": ModalityData({n: pd.DataFrame(np.ones((3, 2))) for n in NAMES}, columns=["x", "y", "z"])},
        MOOD,
        ["columns must name every column of an array", "expected 3 columns"],
    ),
    "missing column": (
        NAMES,
        {"m": ModalityData(sounds(), columns=["levle"])},
        MOOD,
        ["column 'levle' is missing", "columns level, on", "Correct the name in columns"],
    ),
    "column without a name": (
        NAMES,
        {"m": {n: t.rename(columns={"level": ""}) for n, t in sounds().items()}},
        MOOD,
        ["a column must have a name"],
    ),
    "lone embedding": (
        NAMES,
        {"m": ModalityData(sounds(), kinds={"level": "embedding"})},
        MOOD,
        ["'level' alone is not an embedding"],
    ),
    "not 0 and 1": (NAMES, {"m": ModalityData(sounds(), kinds={"level": "binary"})}, MOOD, ["must hold 0 and 1"]),
    "not a modality": (NAMES, {"m": sounds()}, "n", ["targets name the modality 'n', which is not there", "Valid: m"]),
    "two targets": (
        NAMES,
        {"m": sounds()},
        pd.DataFrame({"item": ["a", "a", "b"], "mood": [1.0, 2.0, 3.0]}),
        ["one row per item", "2 rows"],
    ),
    "name of targets": (NAMES, {"targets": sounds()}, MOOD, ["targets need another name than a modality"]),
    "name of a folder": (NAMES, {"a/b": sounds()}, MOOD, ["name 'a/b'"]),
    "named time": (
        NAMES,
        {"m": {n: t.rename(columns={"level": "x{0..1}"}) for n, t in sounds().items()}},
        MOOD,
        ["range of columns"],
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_every_fault_says_where_and_what_next(case: str) -> None:
    items, modalities, targets, words = FAULTS[case]
    told = message(items, modalities, targets)
    for word in words:
        assert word in told, told


def test_all_faults_are_told_at_once() -> None:
    one, two = broken(level=[0, 1, np.inf, 3, 4, 5.0]), broken(time=[0, 1, 0.5, 2, 3, 4.0])
    told = message([*NAMES, "d"], {"one": one, "two": two}, MOOD)
    assert told.startswith("3 faults in these tables\n  1. ")
    assert "'one', item 'b': column 'level' must be finite" in told
    assert "'two', item 'b': times must increase" in told
    assert "none of 'd'" in told
