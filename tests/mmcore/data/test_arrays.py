"""Arrays as scikit-learn and PyTorch have them become a corpus: padding, absence, targets of every shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from factories.tables import written

from mmcore.data.sources.arrays import tables_from_arrays
from mmcore.data.sources.folder import FolderSource
from mmcore.errors import CorpusError


def of_arrays(folder: Path, X: Any, y: Any, **options: Any) -> FolderSource:
    return written(folder, *tables_from_arrays(X, y, **options))


def test_padding_is_cut_off_and_absence_stays_absence(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X_NTF = rng.normal(size=(3, 8, 2))
    X_NTF[0, 5:] = np.nan
    X_NTF[0, 2] = np.nan
    X_NTF[1] = np.nan
    ragged = [rng.normal(size=(4, 3)), rng.normal(size=(6, 3)), None]
    source = of_arrays(tmp_path / "c", {"x": X_NTF, "r": ragged}, np.array(["u", "v", "u"]), sampling_rate=10)
    first = source.table("item_000", "x")
    assert first["time"].tolist() == [0, 0.1, 0.2, 0.3, 0.4]
    np.testing.assert_array_equal(first[["x_0", "x_1"]].to_numpy(), X_NTF[0, :5].astype(np.float32))
    assert not source.has("item_001", "x")
    assert not source.has("item_002", "r")
    assert source.schema.step == 0.1
    assert source.schema.targets.parameters[0].labels == ("u", "v")


def test_lengths_cut_padding_that_is_not_nan(tmp_path: Path) -> None:
    source = of_arrays(tmp_path / "c", {"x": np.zeros((2, 5, 1))}, np.array([0.1, 0.2]), lengths=[3, 5])
    assert [len(source.table(item, "x")) for item in ("item_000", "item_001")] == [3, 5]
    assert source.schema.step is None


@pytest.mark.parametrize(
    ("y", "scope", "kinds"),
    [
        (np.array([0, 2, 1]), "item", ["categorical"]),
        (np.array([True, False, True]), "item", ["binary"]),
        (np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]), "item", ["continuous", "continuous"]),
        ([np.arange(4) / 3, np.arange(2) / 3, np.arange(3) / 3], "step", ["continuous"]),
        (np.zeros((3, 4, 2)) + 0.5, "step", ["continuous", "continuous"]),
        (pd.DataFrame({"mood": ["u", "v", "w"], "score": [0.1, 0.2, 0.3]}), "item", ["categorical", "continuous"]),
    ],
    ids=["codes", "booleans", "two columns", "ragged steps", "steps", "frame"],
)
def test_targets_of_every_shape(tmp_path: Path, y: Any, scope: str, kinds: list[str]) -> None:
    source = of_arrays(tmp_path / "c", {"x": np.ones((3, 4, 2))}, y, groups=[0, 0, 1], split=["train", "train", "test"])
    assert source.schema.targets.scope == scope
    assert [p.kind for p in source.schema.targets.parameters] == kinds
    assert [(item.group, item.split) for item in source.items] == [("0", "train"), ("0", "train"), ("1", "test")]


def test_tensors_are_arrays(tmp_path: Path) -> None:
    import torch

    source = of_arrays(tmp_path / "c", {"x": torch.ones(3, 4, 2)}, torch.tensor([1, 0, 2]))
    assert source.table("item_001", "x").shape == (4, 2)
    assert source.schema.targets.parameters[0].classes == 3


@pytest.mark.parametrize(
    ("X", "y", "options", "words"),
    [
        (np.ones((3, 4, 2)), np.zeros(3), {}, ["X must be a mapping of modality to arrays", '{"audio": X}']),
        ({"x": np.ones((3, 4))}, np.zeros(3), {}, ["axes item, time and feature", "shape (3, 4)", "X[:, :, None]"]),
        (
            {"x": np.ones((3, 4, 2)), "z": [np.ones((2, 2))]},
            np.zeros(3),
            {},
            ["'z': all modalities must have the same items"],
        ),
        ({"x": np.ones((3, 4, 2))}, np.zeros(4), {}, ["y must have a value for every item of X", "4"]),
        ({"x": np.ones((3, 4, 2))}, np.zeros(3), {"groups": [1]}, ["groups must have a value for every item"]),
        (
            {"x": np.ones((3, 4, 2))},
            np.zeros(3),
            {"lengths": [1, 9, 1]},
            ["'x', item 'item_001': a length must not go beyond"],
        ),
        ({"x": np.ones((3, 4, 2))}, np.zeros((3, 2)), {"target_names": ["u"]}, ["target_names must name every column"]),
        ({"x": np.ones((3, 4, 2))}, np.zeros(3), {"items": ["a"]}, ["items must name every item of X"]),
    ],
)
def test_faults_of_arrays(X: Any, y: Any, options: Mapping[str, list[Any]], words: list[str]) -> None:
    with pytest.raises(CorpusError) as caught:
        tables_from_arrays(X, y, **options)
    for word in words:
        assert word in str(caught.value), str(caught.value)
