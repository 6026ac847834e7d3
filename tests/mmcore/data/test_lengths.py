"""How long items will be, counted before anything is aligned, against what alignment makes of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmcore.config import DataConfig
from mmcore.data.lengths import TIMES_READ, counted_steps
from mmcore.data.prepare import prepare
from mmcore.data.sources.folder import read_schema
from mmcore.data.sources.written import WrittenCorpus

Write = Callable[..., Path]


def of(folder: Path, items: list[str], tmp_path: Path) -> tuple[dict[str, int], dict[str, int]]:
    prepared = prepare(folder, DataConfig(), tmp_path / "cache")
    return counted_steps(folder, read_schema(folder), items), {item.name: item.steps for item in prepared.items}


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
@pytest.mark.parametrize("reference", ["track", None])
@pytest.mark.parametrize("step", [1.0, 0.5, None])
def test_what_is_counted_is_what_alignment_finds(
    write_tiny: Write, tiny_schema: WrittenCorpus, tmp_path: Path, suffix: str, reference: str | None, step: Any
) -> None:
    folder = write_tiny(schema=tiny_schema | {"reference": reference, "step": step}, suffix=suffix)
    counted, found = of(folder, ["a", "b", "c", "d"], tmp_path)
    assert counted == found


def test_labels_a_sampling_rate_and_segments_are_counted_in_seconds(
    write_tiny: Write, tiny_schema: WrittenCorpus, tiny_tables: Callable[..., Any], tmp_path: Path
) -> None:
    tables, parameters = tiny_tables(), [{"name": "mood", "component": "mood"}]
    tiny_schema |= {"reference": None}
    targets = {"from": "moods", "start": "s", "end": "e", "rate": 0.001, "parameters": parameters}
    tables["moods"] = {"a": pd.DataFrame({"s": [2000, 4000], "e": [3000, 9500], "mood": [1, 2]})}
    folder = write_tiny("segments", schema=tiny_schema | {"targets": targets}, tables=tables)
    counted, found = of(folder, ["a"], tmp_path)
    assert counted == {"a": 8} == {"a": found["a"]}
    targets = {"from": "moods", "sampling_rate": 4, "parameters": parameters}
    tables["moods"] = {"a": pd.DataFrame({"mood": np.arange(41.0)})}
    folder = write_tiny("sampled", schema=tiny_schema | {"targets": targets}, tables=tables)
    counted, found = of(folder, ["a", "b"], tmp_path)
    assert counted == {"a": 11, "b": 0}
    assert found["a"] == 11


def test_times_are_read_of_the_first_items_alone(
    write_tiny: Write, tiny_schema: WrittenCorpus, tiny_tables: Callable[..., Any]
) -> None:
    names = [f"v{at}" for at in range(TIMES_READ + 5)]
    tables = tiny_tables(dict.fromkeys(names, 4))
    by_rows = write_tiny("rows", tables=tables)
    assert len(counted_steps(by_rows, read_schema(by_rows), names)) == len(names)
    by_times = write_tiny("times", tables=tables, schema=tiny_schema | {"reference": None})
    assert counted_steps(by_times, read_schema(by_times), names) == dict.fromkeys(names[:TIMES_READ], 4)
