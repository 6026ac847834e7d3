"""Cells far outside the usual range are named, masked where the schema says so, and never decide a scale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmcore.config import DataConfig
from mmcore.data.normalisation import fit_normaliser
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.data.sources.written import WrittenCorpus
from mmcore.data.usual import LEAST_VALUES, usual_range
from mmcore.errors import CorpusError
from mmcore.quality import QualityRow, summarise

TRAIN = (0, 1, 2, 3)


@pytest.fixture
def prepared_with(
    write_tiny: Callable[..., Path], tiny_tables: Callable[..., Any], tmp_path: Path
) -> Callable[..., Prepared]:
    """The tiny corpus with one cell of a column replaced (item a, time 5), and its schema bent."""

    def build(name: str, table: str = "sound", column: str = "level", value: float | None = None, schema: Any = None):
        tables = tiny_tables({"a": 40, "b": 30, "c": 20, "d": 20})
        # A target counts only where its track is on.
        tables["track"]["a"].loc[5, "0_on"] = 1
        if value is not None:
            tables[table]["a"][column] = tables[table]["a"][column].astype(float)
            tables[table]["a"].loc[5, column] = value
        return prepare(write_tiny(name, schema=schema, tables=tables), DataConfig(), tmp_path / "cache")

    return build


def row_of(prepared: Prepared, item: str, modality: str) -> QualityRow:
    return next(row for row in prepared.quality if (row.item, row.modality) == (item, modality))


@pytest.mark.parametrize("value", [-99999.0, 1e30])
def test_one_loud_cell_hardly_moves_the_scale_of_the_others(
    prepared_with: Callable[..., Prepared], value: float
) -> None:
    clean, loud = (
        fit_normaliser(prepared_with("clean"), TRAIN),
        fit_normaliser(prepared_with("loud", value=value), TRAIN),
    )
    assert loud.deviation["sound"][0] == pytest.approx(clean.deviation["sound"][0], rel=0.1)
    assert loud.mean["sound"][0] == pytest.approx(clean.mean["sound"][0], abs=0.1)


@pytest.mark.parametrize("value", [-99999.0, 1e30])
def test_one_loud_target_hardly_moves_the_scale_of_targets(
    prepared_with: Callable[..., Prepared], value: float
) -> None:
    clean = fit_normaliser(prepared_with("clean"), TRAIN)
    prepared = prepared_with("loud", "track", "0_x", value)
    loud = fit_normaliser(prepared, TRAIN)
    np.testing.assert_allclose(loud.target_deviation_P, clean.target_deviation_P, rtol=0.1)


def test_a_loud_cell_is_named_with_item_modality_time_and_next_step(prepared_with: Callable[..., Prepared]) -> None:
    prepared = prepared_with("loud", value=-99999.0)
    row = row_of(prepared, "a", "sound")
    assert row.loud == 1
    assert row.loud_values is not None
    assert "1 value of 'level' up to" in row.loud_values[0]
    assert "such as -99999 at 5 s" in row.loud_values[0]
    (line,) = (line for line in summarise(prepared.quality) if line.modality == "sound")
    assert line.loud == 1
    assert line.examples[0].startswith("a: loud: 1 value of 'level'")
    assert "modalities.sound.missing_values" in line.examples[0]
    assert sum(row.loud or 0 for row in prepared.quality) == 1


def test_missing_values_are_read_as_empty_cells(
    prepared_with: Callable[..., Prepared], tiny_schema: WrittenCorpus
) -> None:
    tiny_schema["modalities"]["sound"]["missing_values"] = [-99999]
    prepared = prepared_with("masked", value=-99999.0, schema=tiny_schema)
    assert np.isnan(prepared.values["sound"][5, 0])
    assert (row_of(prepared, "a", "sound").nan, row_of(prepared, "a", "sound").loud) == (1, 0)


def test_a_loud_target_in_a_table_of_its_own_is_named_and_masked(
    write_tiny: Callable[..., Path], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    time = np.arange(20.0)
    tables = {
        "sound": {i: pd.DataFrame({"time": time, "level": rng.normal(size=20)}) for i in "abcd"},
        "mood": {i: pd.DataFrame({"time": time, "valence": rng.normal(size=20)}) for i in "abcd"},
    }
    tables["mood"]["c"].loc[7, "valence"] = -99999.0
    schema: WrittenCorpus = {
        "format": 1,
        "name": "moods",
        "step": 1.0,
        "reference": "sound",
        "modalities": {"sound": {"features": [{"name": "level"}]}},
        "targets": {"from": "mood", "parameters": [{"name": "valence", "component": "valence"}]},
    }
    prepared = prepare(write_tiny("loud", schema=schema, tables=tables), DataConfig(), tmp_path / "cache")
    row = row_of(prepared, "c", "mood")
    assert row.loud_values is not None
    assert "'valence'" in row.loud_values[0]
    assert "-99999 at 7 s" in row.loud_values[0]
    assert "targets.missing_values" in row.warnings[-1]
    schema["targets"]["missing_values"] = [-99999]
    masked = prepare(write_tiny("masked", schema=schema, tables=tables), DataConfig(), tmp_path / "cache")
    assert np.isnan(masked.target[47, 0, 0])
    assert row_of(masked, "c", "mood").loud == 0
    loud, clean = fit_normaliser(prepared, TRAIN), fit_normaliser(masked, TRAIN)
    np.testing.assert_allclose(loud.target_deviation_P, clean.target_deviation_P, rtol=0.1)


def test_missing_values_of_targets_belong_to_their_modality(
    write_tiny: Callable[..., Path], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tiny_schema["targets"]["missing_values"] = [-1]
    with pytest.raises(CorpusError, match=r"Write them in modalities\.track"):
        prepare(write_tiny(schema=tiny_schema), DataConfig(), tmp_path / "cache")


@pytest.mark.parametrize("draw", ["normal", "lognormal", "standard_t", "rare", "constant", "silence"])
def test_what_is_no_fault_is_left_as_it_is(draw: str) -> None:
    rng = np.random.default_rng(0)
    columns = {
        "normal": lambda: rng.normal(size=4000),
        "lognormal": lambda: rng.lognormal(size=4000),
        "standard_t": lambda: rng.standard_t(3, size=4000),
        "rare": lambda: (rng.random(4000) < 0.01) * rng.normal(5, 1, 4000),
        "constant": lambda: np.full(4000, 7.0),
        "silence": lambda: np.where(rng.random(4000) < 0.8, 1e-4, 1.0) * np.abs(rng.normal(size=4000)),
    }
    values_SF = columns[draw]().astype(np.float32)[:, None]
    assert usual_range(values_SF[::2]).tamed(values_SF) is values_SF


def test_sentinels_in_a_fifth_of_the_cells_are_loud_and_tamed() -> None:
    rng = np.random.default_rng(0)
    values_SF = rng.normal(size=(1000, 2)).astype(np.float32)
    values_SF[::5, 1] = -99999
    usual = usual_range(values_SF)
    assert usual.loud(values_SF).sum(axis=0).tolist() == [0, 200]
    assert np.abs(usual.tamed(values_SF)).max() < 5
    assert np.isinf(usual_range(values_SF[: LEAST_VALUES - 1]).reach_F).all()
    assert np.isnan(usual.tamed(np.full((1, 2), np.nan, np.float32))).all()
