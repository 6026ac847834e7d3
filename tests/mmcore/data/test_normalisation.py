"""Normalisation knows the training items, and only them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmcore.config import DataConfig
from mmcore.data.normalisation import Normaliser, _Moments, fit_normaliser
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.errors import CorpusError


@pytest.fixture
def tiny(write_tiny: Callable[..., Path], tiny_tables: Callable[..., Any], tmp_path: Path) -> Prepared:
    tables = tiny_tables()
    tables["sound"]["a"].loc[2, "level"] = np.nan
    return prepare(write_tiny(tables=tables), DataConfig(), tmp_path / "cache")


def rows_of(prepared: Prepared, items: tuple[int, ...]) -> np.ndarray:
    chosen = [prepared.items[i] for i in items]
    return np.concatenate([np.arange(item.offset, item.offset + item.steps) for item in chosen])


def test_it_is_what_numpy_says_of_the_training_rows(tiny: Prepared) -> None:
    normaliser = fit_normaliser(tiny, (0, 2))
    rows = rows_of(tiny, (0, 2))
    level = tiny.values["sound"][rows, 0].astype(np.float64)
    assert normaliser.mean["sound"][0] == pytest.approx(np.nanmean(level), rel=1e-6)
    assert normaliser.deviation["sound"][0] == pytest.approx(np.nanstd(level), rel=1e-6)
    codes = tiny.values["track"][rows, 2].astype(np.float64)
    assert normaliser.deviation["track"][2] == pytest.approx(codes.std(), rel=1e-6)


def test_binary_columns_and_embeddings_stay_as_they_are(tiny: Prepared) -> None:
    normaliser = fit_normaliser(tiny, (0, 1))
    for name, columns in (("sound", [1]), ("image", [0, 1, 2]), ("track", [0, 1])):
        assert (normaliser.mean[name][columns] == 0).all()
        assert (normaliser.deviation[name][columns] == 1).all()


def test_targets_are_pooled_over_tracks_where_they_count(tiny: Prepared) -> None:
    normaliser = fit_normaliser(tiny, (0, 1, 3))
    target_NKP = tiny.target[rows_of(tiny, (0, 1, 3))].astype(np.float64)
    counted = target_NKP[:, :, 2][target_NKP[:, :, 0] == 1]
    np.testing.assert_allclose(normaliser.target_mean_P, [0, 0, counted.mean()], rtol=1e-6)
    np.testing.assert_allclose(normaliser.target_deviation_P, [1, 1, counted.std()], rtol=1e-6)


def test_other_items_do_not_matter(
    write_tiny: Callable[..., Path], tiny_tables: Callable[..., Any], tiny: Prepared, tmp_path: Path
) -> None:
    tables = tiny_tables()
    tables["sound"]["a"].loc[2, "level"] = np.nan
    tables["sound"]["b"]["level"] += 1000
    tables["track"]["d"]["0_x"] += 1000
    other = prepare(write_tiny("other", tables=tables), DataConfig(), tmp_path / "cache")
    assert fit_normaliser(other, (0, 2)).to_json() == fit_normaliser(tiny, (0, 2)).to_json()
    assert fit_normaliser(other, (0, 1)).to_json() != fit_normaliser(tiny, (0, 1)).to_json()


def test_json_gives_back_the_same_bits(tiny: Prepared) -> None:
    one = fit_normaliser(tiny, (0, 1, 2))
    two = Normaliser.from_json(one.to_json())
    for name in one.mean:
        np.testing.assert_array_equal(one.mean[name], two.mean[name])
        np.testing.assert_array_equal(one.deviation[name], two.deviation[name])
        assert two.mean[name].dtype == np.float32
    np.testing.assert_array_equal(one.target_deviation_P, two.target_deviation_P)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "modalities": 3, "target": 1}'])
def test_what_is_no_normaliser_is_refused(text: str) -> None:
    with pytest.raises(CorpusError):
        Normaliser.from_json(text)


def test_moments_merge_to_those_of_the_whole_and_survive_large_means() -> None:
    rng = np.random.default_rng(0)
    values = (1e4 + rng.normal(size=(500, 3))).astype(np.float32)
    values[rng.random((500, 3)) < 0.1] = np.nan
    moments = _Moments(3)
    for block in np.split(values, [0, 1, 7, 300]):
        moments.add(block)
    mean, deviation = moments.finish()
    np.testing.assert_allclose(mean, np.nanmean(values.astype(np.float64), axis=0), rtol=1e-6)
    np.testing.assert_allclose(deviation, np.nanstd(values.astype(np.float64), axis=0), rtol=1e-5)


def test_constant_and_unseen_columns_are_divided_by_one() -> None:
    moments = _Moments(4)
    moments.add(np.array([[7, np.nan, 1e-4, 0.1], [7, np.nan, 3e-4, 0.1]], np.float32))
    mean, deviation = moments.finish()
    np.testing.assert_allclose(mean, [7, 0, 2e-4, 0.1], rtol=1e-6)
    np.testing.assert_allclose(deviation, [1, 1, 1e-4, 1], rtol=1e-4)
