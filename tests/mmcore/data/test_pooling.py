"""Pooling against a loop that says the rules one step and one cell at a time, and from the files on."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.config import DataConfig
from mmcore.data.alignment import align, tidy
from mmcore.data.pooling import Pooling
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.data.sources.tables import Table
from mmcore.data.sources.written import WrittenCorpus
from mmcore.errors import CorpusError
from mmcore.quality import QualityRow
from mmcore.schema import Feature, Kind, Resample

Write = Callable[..., Path]
HOWS: list[Resample] = ["mean", "max", "min", "last", "std", "mode", "nearest"]
KINDS: list[Kind] = ["continuous"] * 5 + ["categorical", "continuous"]
NAN = float("nan")


def slow_pool(known: list[float], how: Resample) -> float:
    if not known:
        return NAN
    match how:
        case "mean":
            return statistics.fmean(known)
        case "max":
            return max(known)
        case "min":
            return min(known)
        case "last":
            return known[-1]
        case "std":
            return statistics.pstdev(known)
        case _:
            most = max(known.count(value) for value in known)
            return next(value for value in reversed(known) if known.count(value) == most)


cells = st.one_of(st.integers(0, 3).map(float), st.just(NAN))


@given(
    # Tenths of a step, at least three rows in most steps; holes are where numbers are left out.
    st.lists(st.integers(0, 80), min_size=8, max_size=60, unique=True),
    st.booleans(),
    st.data(),
)
def test_every_row_of_a_window_has_its_part(ticks: list[int], causal: bool, data: st.DataObject) -> None:
    times = sorted(ticks)
    rows = [[data.draw(cells) for _ in HOWS] for _ in times]
    time_T, grid_S = np.array(times) / 10.0, np.arange(9.0)
    stream, pooling = tidy(Table(time_T, np.array(rows, np.float32), 0)), Pooling(1.0, HOWS)
    plain = align(stream, grid_S, KINDS, [], 0.05, 5.0, causal)
    pooled = align(stream, grid_S, KINDS, [], 0.05, 5.0, causal, pooling)
    if statistics.median(np.diff(times)) * 1.5 >= 10:
        np.testing.assert_array_equal(pooled.values_SF, plain.values_SF)
        assert pooled.pooled == 0
        return
    low, high = (-10, 0) if causal else (-5, 5)
    used = set()
    for step in range(9):
        window = [at for at, tick in enumerate(times) if low < tick - 10 * step <= high]
        used.update(window)
        for column, how in enumerate(HOWS):
            if window and how != "nearest":
                known = [rows[at][column] for at in window if not math.isnan(rows[at][column])]
                assert pooled.values_SF[step, column] == pytest.approx(slow_pool(known, how), abs=1e-5, nan_ok=True)
        if window:
            assert not pooled.interpolated_S[step]
    assert len(used) <= pooled.rows_used <= len(times)


def test_a_step_has_the_mean_of_its_rows_and_not_one_of_ten() -> None:
    time_T = np.arange(100) / 100.0
    values_TF = np.arange(100, dtype=np.float32)[:, None]
    stream, grid_S = tidy(Table(time_T, values_TF, 0)), np.arange(10) / 10.0
    centred = align(stream, grid_S, ["continuous"], [], 0.05, 5.0, False, Pooling(0.1, ["mean"]))
    causal = align(stream, grid_S, ["continuous"], [], 0.05, 5.0, True, Pooling(0.1, ["mean"]))
    np.testing.assert_allclose(centred.values_SF[1:, 0], 10 * np.arange(1, 10) + 0.5)
    np.testing.assert_allclose(causal.values_SF[1:, 0], 10 * np.arange(1, 10) - 4.5)
    # Rows of the last half step lie beyond the last window.
    assert (centred.rows_used, causal.rows_used) == (96, 91)
    assert centred.pooled == pytest.approx(10)


def test_steps_closer_than_a_window_may_share_the_last_rows() -> None:
    """The grid of a reference may be denser than its usual step."""
    stream = tidy(Table(np.arange(40) / 10.0, np.arange(40, dtype=np.float32)[:, None], 0))
    grid_S = np.array([1.0, 2.0, 3.6, 3.9])
    pooled = align(stream, grid_S, ["continuous"], [], 0.05, 5.0, False, Pooling(1.0, ["max"]))
    np.testing.assert_array_equal(pooled.values_SF[:, 0], [15, 25, 39, 39])


def test_pooled_embeddings_have_unit_length() -> None:
    rng = np.random.default_rng(0)
    stream = tidy(Table(np.arange(40) / 4.0, rng.normal(size=(40, 3)).astype(np.float32), 0))
    kinds: list[Kind] = ["embedding"] * 3
    pooled = align(stream, np.arange(10.0), kinds, [(0, 3)], 0.05, 5.0, False, Pooling(1.0, ["mean"] * 3))
    np.testing.assert_allclose(np.linalg.norm(pooled.values_SF, axis=1), 1, rtol=1e-5)
    mean_F = stream.values_TF[3:7].mean(axis=0)
    np.testing.assert_allclose(pooled.values_SF[1], mean_F / np.linalg.norm(mean_F), rtol=1e-5)


def test_what_has_no_meaning_for_a_kind_is_refused() -> None:
    for kind, resample in (("categorical", "mean"), ("categorical", "std"), ("continuous", "mode")):
        with pytest.raises(ValueError, match="'x'"):
            Feature.model_validate({"name": "x", "kind": kind, "resample": resample})


def test_a_misspelt_resample_names_the_nearest(write_tiny: Write, tiny_schema: WrittenCorpus) -> None:
    tiny_schema["modalities"]["sound"]["features"][0]["resample"] = "maen"
    with pytest.raises(CorpusError, match="mean"):
        prepare(write_tiny(schema=tiny_schema), DataConfig(), Path("unused"))


# From the files on -------------------------------------------------------------------------------------------------
def dense_sound(steps: int, per_step: int = 10) -> pd.DataFrame:
    time = np.arange(steps * per_step) / per_step
    rng = np.random.default_rng(steps)
    return pd.DataFrame({"time": time, "level": rng.normal(size=len(time)), "speaking": rng.random(len(time)) < 0.03})


def rows_of(prepared: Prepared, modality: str) -> dict[str, QualityRow]:
    return {row.item: row for row in prepared.quality if row.modality == modality}


def test_defaults_by_kind_and_what_was_read_is_counted(
    write_tiny: Write, tiny_tables: Callable[..., Any], tmp_path: Path
) -> None:
    tables = tiny_tables()
    tables["sound"]["a"] = sound = dense_sound(12)
    prepared = prepare(write_tiny(tables=tables), DataConfig(), tmp_path / "cache")
    for step in range(12):
        window = sound[(sound["time"] > step - 0.5 + 1e-6) & (sound["time"] <= step + 0.5 + 1e-6)]
        assert prepared.values["sound"][step, 0] == pytest.approx(window["level"].mean(), abs=1e-6)
        assert prepared.values["sound"][step, 1] == window["speaking"].max()
    rows = rows_of(prepared, "sound")
    assert (rows["a"].rows, rows["a"].rows_used, rows["a"].pooled) == (120, 116, pytest.approx(10))
    assert (rows["b"].rows, rows["b"].rows_used, rows["b"].pooled) == (7, 7, 0.0)
    assert rows_of(prepared, "image")["c"].rows_used == 0


@pytest.mark.parametrize("interpolation", ["linear", "last"])
def test_no_row_after_a_step_changes_it_where_the_last_value_holds(
    write_tiny: Write, tiny_tables: Callable[..., Any], tmp_path: Path, interpolation: Literal["linear", "last"]
) -> None:
    """Ten rows a step, some lost; linear, whose windows reach half a step ahead, shows that the test can see."""
    config, tables = DataConfig(interpolation=interpolation, tolerance=0.3), tiny_tables({"a": 12, "b": 7})
    sound = dense_sound(12)
    tables["sound"]["a"] = sound[~sound["time"].between(4.05, 6.25)].reset_index(drop=True)
    clean = prepare(write_tiny("clean", tables=tables), config, tmp_path / "cache")
    for step in (3, 6, 8):
        bent = tables["sound"]["a"].copy()
        bent.loc[bent["time"] > step + 1e-6, "level"] += 100.0
        changed = prepare(
            write_tiny(f"changed{step}", tables={**tables, "sound": {**tables["sound"], "a": bent}}),
            config,
            tmp_path / "cache",
        )
        before, after = np.array(clean.values["sound"][:12]), np.array(changed.values["sound"][:12])
        moved = np.flatnonzero((before != after).any(axis=1))
        assert moved[0] == (step + 1 if interpolation == "last" else step if step != 6 else 5)


def test_the_targets_own_modality_reads_no_later_row(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables, tiny_schema["reference"] = tiny_tables({"a": 12, "b": 7}), "sound"
    track = tables["track"]["a"]
    dense = track.loc[track.index.repeat(4)].reset_index(drop=True)
    dense["time"] = np.arange(48) / 4.0
    bent = dense.copy()
    bent.loc[bent["time"] > 5, "0_x"] += 100.0
    stores = []
    for name, frame in (("clean", dense), ("bent", bent)):
        tables["track"]["a"] = frame
        stores.append(prepare(write_tiny(name, tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache"))
    assert rows_of(stores[0], "track")["a"].pooled == pytest.approx(4)
    moved = np.flatnonzero((np.array(stores[0].values["track"]) != stores[1].values["track"]).any(axis=1))
    assert moved[0] == 6


def test_a_value_that_does_not_count_is_left_out_of_the_targets_pool(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    """Half of step 1 is on: its kind and x are those of that half, and the code -1 of the other half is no error."""
    tables, tiny_schema["reference"] = tiny_tables({"a": 3, "b": 3}), "sound"
    track = tables["track"]["a"]
    dense = track.loc[track.index.repeat(4)].reset_index(drop=True)
    dense["time"] = np.arange(12) / 4.0
    dense["0_on"], dense["0_kind"], dense["0_x"] = 0, -1, 0.0
    dense.loc[4, ["0_on", "0_kind", "0_x"]] = [1, 2, 7.0]
    tables["track"]["a"] = dense
    prepared = prepare(write_tiny(tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    np.testing.assert_array_equal(prepared.target[1, 0], [1, 2, 7])
    assert prepared.target[2, 0, 0] == 0
