"""The quality report counts what was planted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.quality import QualityRow, read_quality, summarise


@pytest.fixture
def rows(
    write_tiny: Callable[..., Path], tiny_tables: Callable[..., Any], tmp_path: Path
) -> dict[tuple[str, str], QualityRow]:
    tables = tiny_tables({"a": 20, "b": 7, "c": 9, "d": 5})
    time = np.arange(20.0)
    level = np.linspace(0, 1, 20)
    level[3], level[4] = np.nan, np.inf
    sound = pd.DataFrame({"time": time, "level": level, "speaking": 1, "more": 0})
    # Rows 10–16 are lost (8 s from 9 to 17), rows 0 and 1 are swapped, row 2 appears twice, 18 is late.
    sound = pd.concat([sound.iloc[[1, 0, 2, 2]], sound.iloc[3:10], sound.iloc[17:]])
    sound.loc[18, "time"] = 18.3
    tables["sound"]["a"] = sound
    prepared = prepare(write_tiny(tables=tables), DataConfig(), tmp_path / "cache")
    assert read_quality(prepared.path) == prepared.quality
    told = json.loads((prepared.path / "quality.json").read_text())
    assert [row["rows"] for row in told] == [row.rows for row in prepared.quality]
    return {(row.item, row.modality): row for row in prepared.quality}


def test_there_is_a_row_per_item_and_modality(rows: dict[tuple[str, str], QualityRow]) -> None:
    assert set(rows) == {(item, m) for item in "abcd" for m in ("sound", "image", "track")}


def test_what_was_planted_is_counted(rows: dict[tuple[str, str], QualityRow]) -> None:
    row = rows["a", "sound"]
    counts = ("rows", "nan", "inf", "non_monotonic", "duplicate_times", "extra_columns", "no_time", "constant_columns")
    assert [getattr(row, name) for name in counts] == [14, 1, 1, 1, 1, 1, 0, 1]
    assert row.constant_names == ("speaking",)
    assert row.largest_gap == 8.0
    # 7 of 20 steps lie in the gap; step 18 lies between 17 and 18.3.
    assert row.coverage == pytest.approx(13 / 20)
    assert row.interpolated == pytest.approx(1 / 20)
    assert len(row.warnings) == 1
    assert "8.0 s" in row.warnings[0]


def test_a_missing_modality_is_a_row_too(rows: dict[tuple[str, str], QualityRow]) -> None:
    row = rows["c", "image"]
    assert (row.missing, row.rows, row.coverage, row.warnings) == (True, 0, 0.0, ())


def test_the_summary_adds_up(rows: dict[tuple[str, str], QualityRow]) -> None:
    lines = {line.modality: line for line in summarise(list(rows.values()))}
    assert list(lines) == ["sound", "image", "track"]
    assert (lines["image"].items, lines["image"].missing, lines["image"].coverage) == (4, 1, 1.0)
    assert lines["sound"].coverage == pytest.approx((13 + 7 + 9 + 5) / 41)
    assert (lines["sound"].nan, lines["sound"].warnings, lines["sound"].largest_gap) == (1, 1, 8.0)
    assert lines["sound"].examples[0].startswith("a: a gap")
    assert summarise([]) == []


def test_mostly_interpolated_is_a_warning(
    write_tiny: Callable[..., Path], tiny_tables: Callable[..., Any], tmp_path: Path
) -> None:
    tables = tiny_tables()
    tables["sound"]["b"]["time"] += 0.5
    prepared = prepare(write_tiny(tables=tables), DataConfig(), tmp_path / "cache")
    row = next(row for row in prepared.quality if (row.item, row.modality) == ("b", "sound"))
    assert row.interpolated == pytest.approx(6 / 7)
    assert row.warnings == ("86% of the steps are interpolated",)
