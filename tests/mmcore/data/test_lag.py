"""A lag that was built in is found, and none is found where none was or where nothing is shared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmcore.config import DataConfig
from mmcore.data.lag import change_of, lags_of
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared

STEPS = 300


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    return np.convolve(values, np.ones(width) / width, "same")


@pytest.fixture
def corpus(
    write_corpus: Callable[..., Path], tiny_tables: Callable[..., Any], tmp_path: Path
) -> Callable[..., Prepared]:
    """``image`` jumps when ``sound`` does, ``late`` seconds later, under as much noise of its own."""

    def make(late: float, items: int = 6, shared: bool = True) -> Prepared:
        tables = tiny_tables({f"v{index}": STEPS for index in range(items)})
        for index in range(items):
            rng = np.random.default_rng(index)
            time = np.arange(STEPS, dtype=float)
            scene = np.cumsum(rng.random(STEPS + 50) < 0.1)
            place = rng.normal(size=(STEPS + 50, 3))
            level = rng.normal(size=STEPS + 50)
            sound = level[scene[25 : STEPS + 25]] + 0.3 * rng.normal(size=STEPS)
            if not shared:
                scene = np.cumsum(rng.random(STEPS + 50) < 0.1)
            image = place[scene[25 : STEPS + 25]] + 0.3 * rng.normal(size=(STEPS, 3))
            speaking = (sound > 0).astype(int)
            tables["sound"][f"v{index}"] = pd.DataFrame({"time": time, "level": sound, "speaking": speaking})
            columns = {f"clip_{e}": image[:, e] for e in range(3)}
            tables["image"][f"v{index}"] = pd.DataFrame({"time": time + late, **columns})
        folder = write_corpus(tmp_path / f"corpus{late}-{shared}-{items}", tables=tables)
        return prepare(folder, DataConfig(), tmp_path / "cache")

    return make


@pytest.mark.parametrize("late", [-7.0, 3.0])
def test_a_lag_that_was_built_in_is_found_with_its_sign(corpus: Callable[..., Prepared], late: float) -> None:
    found = {(lag.modality, lag.against): lag for lag in lags_of(corpus(late))}
    lag = found["sound", "image"]
    assert (lag.verdict, lag.seconds) == ("lag", -late)
    assert lag.correlation > lag.at_zero + 0.1
    assert lag.agree == lag.items == 6
    # The track is noise: whatever the largest correlation, it is not called a lag.
    assert found["sound", "track"].verdict == found["image", "track"].verdict == "unknown"


def test_streams_that_meet_have_no_lag(corpus: Callable[..., Prepared]) -> None:
    lag = next(lag for lag in lags_of(corpus(0.0)) if lag.against == "image")
    assert (lag.verdict, lag.seconds) == ("none", 0.0)


def test_two_items_are_enough_for_a_clear_peak(corpus: Callable[..., Prepared]) -> None:
    lag = next(lag for lag in lags_of(corpus(5.0, items=2)) if lag.against == "image")
    assert (lag.verdict, lag.seconds) == ("lag", -5.0)


def test_streams_that_share_nothing_have_no_lag_to_tell(corpus: Callable[..., Prepared]) -> None:
    assert {lag.verdict for lag in lags_of(corpus(0.0, shared=False))} == {"unknown"}


@pytest.mark.parametrize("items", [1, 2, 5])
def test_noise_is_seldom_called_a_lag(items: int) -> None:
    """Two unrelated streams of slow and quick noise, 200 times."""
    from mmcore.data.lag import _correlation_L, _judge

    rng = np.random.default_rng(5)
    called = 0
    for _ in range(200):
        curves = []
        for _ in range(items):
            a_S, b_S = (smooth(rng.normal(size=200), width) for width in rng.choice([1, 3, 8], 2))
            curve_L = _correlation_L(change_of(a_S[:, None]), change_of(b_S[:, None]), 50)
            assert curve_L is not None
            curves.append(curve_L)
        called += _judge("a", "b", np.array(curves), 50, 0.1).verdict != "unknown"
    assert called <= 2


def test_unknown_and_constant_columns_say_nothing() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 1)).astype(np.float32)
    more = np.concatenate([values, np.ones((50, 1), np.float32), np.full((50, 1), np.nan, np.float32)], axis=1)
    np.testing.assert_allclose(change_of(more), change_of(values))
    assert not change_of(np.full((50, 2), np.nan)).any()
    assert len(change_of(np.empty((0, 2)))) == 0


def test_items_too_short_to_tell_are_left_out(write_tiny: Callable[..., Path], tmp_path: Path) -> None:
    assert {lag.verdict for lag in lags_of(prepare(write_tiny(), DataConfig(), tmp_path / "cache"))} <= {"unknown"}
