"""Columns that no item has a value of: found in the store, said when it is built and before each run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmcore.config import DataConfig
from mmcore.data.prepare import prepare, quality_notes
from mmcore.data.prepared import Prepared
from mmcore.data.unknown import known_columns, unknown_in
from mmcore.events import Note

Stored = Callable[..., tuple[Prepared, list[str]]]


@pytest.fixture
def stored(write_tiny: Callable[..., Path], tiny_tables: Callable[..., dict], tmp_path: Path) -> Stored:
    """The tiny corpus without values in some columns of its modality ``image``, and what its building said."""

    def build(columns: dict[str, str]) -> tuple[Prepared, list[str]]:
        tables = tiny_tables()
        for item, empty in columns.items():
            tables["image"][item] = tables["image"][item].assign(**dict.fromkeys(empty.split(), np.nan))
        said: list[str] = []
        store = prepare(
            write_tiny(tables=tables),
            DataConfig(),
            tmp_path / "cache",
            lambda event: said.append(event.text) if isinstance(event, Note) else None,
        )
        return store, said

    return build


def test_a_column_without_a_value_is_said_when_the_store_is_built_and_again(stored: Stored) -> None:
    store, said = stored(dict.fromkeys("abd", "clip_1"))
    told = "image: column clip_1 has no value in any item"
    assert told in said
    assert told in quality_notes(store)
    assert known_columns(store.values["image"]).tolist() == [True, False, True]
    assert all(known_columns(store.values["sound"]))


def test_one_item_with_a_value_is_enough(stored: Stored) -> None:
    store, said = stored({"a": "clip_1", "b": "clip_1 clip_2"})
    assert not [text for text in [*said, *quality_notes(store)] if "no value in any item" in text]


def test_a_modality_of_empty_tables_is_told_and_one_without_tables_is_not(stored: Stored) -> None:
    store, said = stored(dict.fromkeys("abd", "clip_0 clip_1 clip_2"))
    assert not known_columns(store.values["image"]).any()
    assert "image: 3 of 3 columns have no value in any item: clip_0, clip_1, clip_2" in said
    without = tuple(replace(row, missing=True) if row.modality == "image" else row for row in store.quality)
    assert unknown_in(replace(store, quality=without)) == []
