"""Columns that are the same but for their names are found, and others are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_info

from mmcore.config import DataConfig
from mmcore.data import alike
from mmcore.data.alike import likeness_notes, likenesses
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared, open_prepared
from mmcore.data.sources.written import WrittenCorpus
from mmcore.facts import Alike, Copied, Likenesses

STEPS = 40


@pytest.fixture
def prepared_of(write_tiny: Callable[..., Path], tmp_path: Path) -> Callable[..., Prepared]:
    """A corpus of two modalities and labels per step; ``bend`` changes the tables of an item."""

    def build(bend: Callable[[dict[str, pd.DataFrame]], None], scope: str = "step", items: int = 12) -> Prepared:
        rng = np.random.default_rng(0)
        time = np.arange(float(STEPS))
        tables: dict[str, dict[str, pd.DataFrame]] = {"sound": {}, "image": {}, "mood": {}}
        for i in range(items):
            mood = rng.integers(0, 3, STEPS) if scope == "step" else np.array([i % 3])
            one = {
                "sound": pd.DataFrame({"time": time, "level": rng.normal(size=STEPS)}),
                "image": pd.DataFrame({"time": time, "bright": rng.normal(size=STEPS)}),
                "mood": pd.DataFrame({"time": time[: len(mood)], "mood": mood.astype(float)}),
            }
            bend(one)
            for name, frame in one.items():
                tables[name][f"item{i}"] = frame
        schema: WrittenCorpus = {
            "format": 1,
            "name": "moods",
            "step": 1.0,
            "reference": "sound",
            "modalities": {
                "sound": {"features": [{"name": "level"}]},
                "image": {"features": [{"name": "bright"}]},
            },
            "targets": {
                "from": "mood",
                "scope": scope,
                "parameters": [{"name": "mood", "kind": "categorical", "classes": 3, "component": "mood"}],
            },
        }
        return prepare(write_tiny(schema=schema, tables=tables), DataConfig(), tmp_path / "cache")

    return build


def test_columns_of_their_own_are_not_alike(prepared_of: Callable[..., Prepared]) -> None:
    prepared = prepared_of(lambda one: None)
    assert prepared.likenesses == Likenesses((), ())
    assert json.loads((prepared.path / "columns.json").read_text()) == {"alike": [], "copies": []}


def test_a_column_that_another_modality_has_in_other_units_is_named(prepared_of: Callable[..., Prepared]) -> None:
    def bend(one: dict[str, pd.DataFrame]) -> None:
        one["image"]["bright"] = 7 - 20 * one["sound"]["level"]
        one["image"].loc[:3, "bright"] = np.nan

    (found,) = prepared_of(bend).likenesses.alike or ()
    assert found == Alike("sound", "image", (("level", "bright"),), 1)


def test_a_sentinel_in_common_makes_no_likeness(prepared_of: Callable[..., Prepared]) -> None:
    def bend(one: dict[str, pd.DataFrame]) -> None:
        for name, column in (("sound", "level"), ("image", "bright")):
            one[name].loc[::9, column] = -99999.0

    assert prepared_of(bend).likenesses.alike == ()


@pytest.mark.parametrize("lag", [-2, 0, 3])
def test_a_label_among_the_inputs_is_named_with_its_lag(prepared_of: Callable[..., Prepared], lag: int) -> None:
    def bend(one: dict[str, pd.DataFrame]) -> None:
        one["sound"]["level"] = one["mood"]["mood"].shift(lag)

    assert prepared_of(bend).likenesses.copies == (Copied("mood", "sound", "level", lag, 1.0),)


def test_a_class_as_a_column_of_zeros_and_ones_is_named(prepared_of: Callable[..., Prepared]) -> None:
    def bend(one: dict[str, pd.DataFrame]) -> None:
        one["image"]["bright"] = (one["mood"]["mood"] == 2).astype(float)

    (copy,) = prepared_of(bend).likenesses.copies or ()
    assert (copy.target, copy.modality, copy.column, copy.lag) == ("mood = 2", "image", "bright", 0)


def test_a_label_of_an_item_among_the_inputs_is_named(prepared_of: Callable[..., Prepared]) -> None:
    def bend(one: dict[str, pd.DataFrame]) -> None:
        one["image"]["bright"] = one["mood"]["mood"].iloc[0] * 5

    (copy,) = prepared_of(bend, scope="item").likenesses.copies or ()
    assert (copy.target, copy.modality, copy.column) == ("mood", "image", "bright")


def test_columns_are_compared_by_one_thread(
    prepared_of: Callable[..., Prepared], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def counted(*given: np.ndarray) -> np.ndarray:
        threads.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return correlation(*given)

    correlation = alike._correlation
    monkeypatch.setattr(alike, "_correlation", counted)
    prepared_of(lambda tables: None)
    assert set(threads) == {1}


def test_few_rows_and_single_events_are_no_likeness() -> None:
    x = np.arange(19.0)[:, None]
    assert likenesses(x, x, 20) == []
    event = (np.arange(100) == 50).astype(float)[:, None]
    assert likenesses(event, event, 20) == []
    assert likenesses(np.full((100, 1), np.nan), event, 20) == []
    assert likenesses(np.arange(100.0)[:, None], -np.arange(100.0)[:, None], 20) == [(0, 0, -1.0)]


def test_two_stretches_that_coincide_are_no_likeness() -> None:
    """In edits with 1 to 20 % of active cells, a class may be on for one clip; its many rows are one event."""
    item_R = np.repeat(np.arange(3), 100)
    clip = np.zeros((300, 1))
    clip[20:60] = clip[150:180] = 1
    assert likenesses(clip, clip, 20, item_R) == []
    clip[230:260] = 1
    assert likenesses(clip, clip, 20, item_R) == [(0, 0, 1.0)]
    # What never changes within an item is an event in each.
    whole = np.repeat([0.0, 0, 0, 1, 1, 1], 50)[:, None]
    assert likenesses(whole, whole, 20, np.repeat(np.arange(6), 50)) == [(0, 0, 1.0)]


def test_what_is_alike_is_told_in_sentences(prepared_of: Callable[..., Prepared]) -> None:
    def bend(one: dict[str, pd.DataFrame]) -> None:
        one["sound"]["level"] = one["mood"]["mood"].shift(-2)
        one["image"]["bright"] = 3 * one["sound"]["level"] + 1

    assert likeness_notes(prepared_of(bend)) == [
        "sound.level and image.bright are the same but for unit and sign",
        "sound.level, read 2 steps before, reveals the target 'mood'",
        "image.bright, read 2 steps before, reveals the target 'mood'",
    ]


def test_a_store_from_before_columns_were_compared_tells_nothing(prepared_of: Callable[..., Prepared]) -> None:
    prepared = prepared_of(lambda one: None)
    (prepared.path / "columns.json").unlink()
    assert likeness_notes(open_prepared(prepared.path)) == []
