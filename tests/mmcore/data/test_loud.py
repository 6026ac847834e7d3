"""Cells far outside the usual range are named, masked where the schema says so, and never decide a scale."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmcore.config import DataConfig
from mmcore.data.loud import LEAST_ITEMS, beyond
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


# Items in other units -----------------------------------------------------------------------------------------------
@pytest.fixture
def levels_in(write_tiny: Callable[..., Path], tiny_tables: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """The warnings about units, by item and modality, of a corpus in which an item's levels are multiplied."""

    def build(items: int, factors: dict[int, float], level: float | None = None) -> dict[tuple[str, str], str]:
        tables = tiny_tables({f"i{n:02}": 20 for n in range(items)})
        for n, (item, table) in enumerate(sorted(tables["sound"].items())):
            values = np.random.default_rng(n).normal(size=len(table)) if level is None else np.full(len(table), level)
            table["level"] = values * factors.get(n, 1.0)
            tables["sound"][item] = table
        prepared = prepare(write_tiny(f"units{items}{factors}{level}", tables=tables), DataConfig(), tmp_path / "cache")
        return {
            (row.item, row.modality): text
            for row in prepared.quality
            for text in row.warnings
            if text.startswith("other units?")
        }

    return build


def test_an_item_in_other_units_is_named_with_column_range_and_next_step(levels_in: Callable[..., Any]) -> None:
    """One item of twelve is too many cells for faults of a sensor; it decided the scale of all, and nobody said so."""
    found = levels_in(12, {3: 1000.0})
    assert [*found] == [("i03", "sound")]
    text = found["i03", "sound"]
    assert re.search(r"'level' goes from -\d[\d.]+ to \d[\d.]+, \d[\d,]+ times as far from the median", text)
    assert text.endswith("if it has another unit, convert its table")
    assert [*levels_in(20, {0: 1e6, 7: 1e6})] == [("i00", "sound"), ("i07", "sound")]


@pytest.mark.parametrize(
    ("items", "factors", "level"),
    [
        (12, {}, None),
        (12, {3: 30.0}, None),
        (12, {3: 0.001}, None),
        (12, {3: 0.0}, None),
        (12, {3: 1000.0, 4: 1000.0}, None),
        (LEAST_ITEMS - 1, {3: 1000.0}, None),
        (12, {3: 0.0}, 1.0),
    ],
    ids=["equal", "thirtyfold", "quieter", "silent", "two of twelve", "few items", "constant in the others"],
)
def test_what_may_well_be_so_is_no_other_unit(
    levels_in: Callable[..., Any], items: int, factors: dict[int, float], level: float | None
) -> None:
    assert levels_in(items, factors, level) == {}


def test_items_without_values_and_with_loud_cells_neither_count_nor_hide_one() -> None:
    far_I = np.array([1.0, 1.1, 0.9, np.nan, 1.2, 0.8, 1.0, 1.3, 1.1, 500.0])
    assert beyond(far_I) == [(9, pytest.approx(500 / 1.3))]
    assert beyond(np.full(10, np.nan)) == []
    assert beyond(np.array([*np.zeros(9), 5.0])) == []
    assert beyond(np.array([*np.ones(9), np.inf])) == []
