"""Columns of items.csv as conditions: which ones, into which groups, and errors by genre with a truth built in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmcore.analyses import ErrorsAnalysis
from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.data.prepared import PreparedItem
from mmcore.errors import ConfigError
from mmcore.probes.error_analysis.probe import probe_errors
from mmcore.probes.item_conditions import MOST_COLUMNS, UNKNOWN, item_conditions
from mmcore.run import run
from mmcore.trained import open_trained


def items_of(**columns: list[str]) -> list[PreparedItem]:
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    return [PreparedItem(f"i{at}", f"g{at}", None, at, 1, (True,), (), row) for at, row in enumerate(rows)]


def test_each_value_of_a_text_is_a_group_and_the_most_frequent_is_the_base() -> None:
    (genre,) = item_conditions(items_of(genre=["b", "a", "", "b", "c", "a", "b", "c"]))
    assert (genre.column, genre.groups) == ("genre", ("b", "a", "c"))
    assert genre.code_I.tolist() == [0, 1, UNKNOWN, 0, 2, 1, 0, 2]


def test_numbers_are_cut_into_thirds_of_the_items() -> None:
    ages = [31.5, 20, 45, 52, 28, 39, 61, 24, 70]
    (age,) = item_conditions(items_of(age=[*(f"{age:g}" for age in ages), ""]))
    assert age.groups == ("up to 30.3333", "above 30.3333, up to 47.3333", "above 47.3333")
    assert age.code_I.tolist() == [1, 0, 1, 2, 0, 1, 2, 0, 2, UNKNOWN]


@pytest.mark.parametrize(
    "cells",
    [
        ["same"] * 9,
        ["", *["same"] * 8],
        [f"title {i}" for i in range(9)],
        ["one", "two", "three", "four", "four"],
        [str(i + 1) for i in range(9)],
        [str(8 - i) for i in range(9)],
        ["1", *["7"] * 5, "2", "3", "4", "5", "6"],
    ],
    ids=["constant", "constant but for a hole", "titles", "hardly repeated", "numbers of items", "down from 8", "ties"],
)
def test_columns_that_divide_nothing_are_no_conditions(cells: list[str]) -> None:
    assert item_conditions(items_of(column=cells)) == []


def test_named_columns_are_taken_as_they_are_named() -> None:
    titles = [f"t{i // 2}" for i in range(16)]
    items = items_of(title=titles, number=[str(i + 1) for i in range(16)], genre=["a", "b"] * 8)
    assert [one.column for one in item_conditions(items)] == ["genre"]
    number, title = item_conditions(items, ["number", "title"])
    assert number.groups[0] == "up to 6"
    assert title.groups == ("t0", "t1", "t2", "t3", "t4", "others")
    assert title.code_I.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, *[5] * 6]
    assert item_conditions(items, []) == []
    with pytest.raises(ConfigError, match="Did you mean 'genre'"):
        item_conditions(items, ["gener"])


def test_only_the_first_columns_are_looked_at_by_themselves() -> None:
    items = items_of(**{f"c{at}": ["a", "b"] * 4 for at in range(MOST_COLUMNS + 3)})
    assert [one.column for one in item_conditions(items)] == [f"c{at}" for at in range(MOST_COLUMNS)]


@pytest.fixture(scope="module")
def noisy(
    corpus_writer: Callable[..., Path], config: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """Targets are noise, with twice the variance in genre A: nobody can do better than an error of twice B's there."""
    folder, rng = tmp_path_factory.mktemp("genres"), np.random.default_rng(0)
    names = [f"rec{i:02d}" for i in range(40)]
    sides = ["train"] * 16 + ["validation"] * 4 + ["test"] * 20
    tables: dict[str, dict[str, pd.DataFrame]] = {"sensor": {}, "labels": {}}
    time = np.arange(100.0)
    for at, name in enumerate(names):
        tables["sensor"][name] = pd.DataFrame({"time": time, "value": rng.standard_normal(100)})
        deviation = np.sqrt(2.0) if at % 2 else 1.0
        tables["labels"][name] = pd.DataFrame({"time": time, "y": deviation * rng.standard_normal(100)})
    schema = {
        "format": 1,
        "name": "genres",
        "step": 1.0,
        "modalities": {"sensor": {"features": [{"name": "value"}]}},
        "targets": {"from": "labels", "parameters": [{"name": "y", "component": "y"}]},
    }
    genres = ["A" if at % 2 else "B" for at in range(40)]
    genres[20] = genres[21] = ""
    listing = pd.DataFrame({"item": names, "group": names, "split": sides, "genre": genres, "sensor": ["x", "y"] * 20})
    corpus = corpus_writer(folder / "corpus", schema, tables, listing)
    store = prepare(corpus, DataConfig(), folder / "prepared")
    asked = config(corpus, data__window=50, training__epochs=1)
    run(asked, folder / "run", prepared=store)
    return open_trained(asked, store, folder / "run")


def test_a_genre_of_twice_the_error_has_twice_the_loss(noisy: Any) -> None:
    found = {c.name: c for c in probe_errors(noisy, ErrorsAnalysis()).conditions}
    genre = found["genre"]
    assert genre.of_items
    groups = {g.group: g for g in genre.groups}
    assert list(groups) == [None, "A", "B"]
    assert groups["A"].loss["y"] / groups["B"].loss["y"] == pytest.approx(2.0, rel=0.2)
    assert groups["A"].naive["y"] / groups["B"].naive["y"] == pytest.approx(2.0, rel=0.2)
    assert [groups[g].count["y"] for g in groups] == [200, 900, 900]
    assert groups[None].items == ("rec20", "rec21")
    assert groups["A"].items == tuple(f"rec{at}" for at in range(23, 40, 2))
    assert groups["B"].items == tuple(f"rec{at}" for at in range(22, 40, 2))
    # A column with the name of a modality's condition is told apart from it.
    assert not found["sensor"].of_items
    assert found["items.csv: sensor"].of_items
    assert all(group.items is None for group in found["third of the item"].groups)


def test_columns_can_be_named_or_left_out(noisy: Any) -> None:
    def names(columns: list[str] | None) -> list[str]:
        told = probe_errors(noisy, ErrorsAnalysis.model_validate({"columns": columns}))
        return [c.name for c in told.conditions if c.of_items]

    assert names(["genre"]) == ["genre"]
    assert names([]) == []
    with pytest.raises(ConfigError, match=r"is not a column of items\.csv"):
        names(["mood"])
