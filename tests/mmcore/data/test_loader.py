"""Windows: what is read when, against a loop; what is absent, padded or later cannot show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcore.batch import Batch
from mmcore.config import DataConfig, Forecast, Label, Reconstruct, Task
from mmcore.data.loader import Loader
from mmcore.data.normalisation import Normaliser, fit_normaliser
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.data.sources.written import WrittenCorpus
from mmcore.errors import ConfigError

ALL = ("sound", "image", "track")
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def tiny(write_corpus: Write, tiny_tables: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """With every trouble: NaN, an image that ends early, no image, a break, an item of one step."""
    tables = tiny_tables({"a": 40, "b": 7, "c": 19, "d": 1, "e": 23})
    tables["sound"]["a"].loc[[3, 5], "level"] = np.nan
    tables["track"]["a"].loc[11, "0_x"] = np.nan
    tables["image"]["e"] = tables["image"]["e"].iloc[:15]
    tables["track"]["e"] = tables["track"]["e"].drop(index=range(6, 14))
    folder = tmp_path_factory.mktemp("loader")
    return prepare(write_corpus(folder / "corpus", tables=tables), DataConfig(), folder / "cache")


@dataclass
class SlowStep:
    """A step of a window; None where there is no target, or none before it."""

    valid: bool
    values: dict[str, np.ndarray] = field(default_factory=dict)
    target: np.ndarray | None = None
    previous: np.ndarray | None = None


@dataclass
class SlowWindow:
    item: int
    start: int
    steps: list[SlowStep] = field(default_factory=list)


def slow_batches(
    prepared: Prepared, normaliser: Normaliser, config: DataConfig, task: Task, names: tuple[str, ...], items: list[int]
) -> list[SlowWindow]:
    """By the table in the loader's docstring, one step at a time."""
    schema, windows = prepared.schema, []
    ahead = task.horizon if isinstance(task, Forecast) else 0
    content = task.lookahead if isinstance(task, Forecast) else 0
    for index in items:
        item = prepared.items[index]
        edges = [0, *item.breaks, item.steps]
        for low, high in pairwise(edges):
            for start in range(low, high - ahead, config.window):
                window = SlowWindow(index, start)
                for s in range(start, start + config.window):
                    step = SlowStep(valid=s + ahead < high)
                    for name in names:
                        at = s + (0 if name == schema.targets.from_ else content)
                        row = item.offset + at
                        m = list(schema.modalities).index(name)
                        if step.valid and at < high and prepared.present[row, m]:
                            kinds = schema.modalities[name].kinds
                            raw = prepared.values[name][row].astype(np.float32)
                            scaled = (raw - normaliser.mean[name]) / normaliser.deviation[name]
                            limited = np.clip(scaled, -config.clip, config.clip)
                            coded = [kind in ("continuous", "categorical") for kind in kinds]
                            step.values[name] = np.nan_to_num(np.where(coded, limited, raw))
                    if step.valid:
                        step.target = prepared.target[item.offset + s + ahead]
                        before = s if isinstance(task, Forecast) else s - 1
                        if not isinstance(task, Label) and before >= low:
                            step.previous = prepared.target[item.offset + before]
                    window.steps.append(step)
                windows.append(window)
    return windows


def check_against_loop(
    prepared: Prepared, config: DataConfig, task: Task, names: tuple[str, ...], items: list[int], batch: int
) -> None:
    normaliser = fit_normaliser(prepared, items)
    loader = Loader(prepared, normaliser, config, task, names, items, batch)
    expected = slow_batches(prepared, normaliser, config, task, names, items)
    assert loader.windows == len(expected)
    got = [b.check() for b in loader.batches()]
    assert len(got) == len(loader)
    rows = [(b, i) for b in got for i in range(len(b.item_B))]
    empty = np.full(prepared.target.shape[1:], np.nan, np.float32)
    for (b, i), window in zip(rows, expected, strict=True):
        assert (int(b.item_B[i]), int(b.start_B[i])) == (window.item, window.start)
        for t, step in enumerate(window.steps):
            assert bool(b.valid_BT[i, t]) == step.valid
            for m, name in enumerate(names):
                assert bool(b.present_BTM[i, t, m]) == (name in step.values)
                values = step.values.get(name, np.zeros(b.values[name].shape[-1], np.float32))
                np.testing.assert_allclose(b.values[name][i, t], values, rtol=1e-6, atol=1e-7)
            for what, known in (("target", step.target), ("previous", step.previous)):
                raw = empty if known is None else known
                scaled = (raw - normaliser.target_mean_P) / normaliser.target_deviation_P
                np.testing.assert_array_equal(getattr(b, f"{what}_valid_BTKP")[i, t], ~np.isnan(raw))
                np.testing.assert_allclose(getattr(b, f"{what}_BTKP")[i, t], np.nan_to_num(scaled), rtol=1e-6)


TASKS: list[Task] = [
    Forecast(),
    Forecast(horizon=3),
    Forecast(horizon=2, content_lookahead=0),
    Forecast(horizon=1, content_lookahead=4),
    Reconstruct(),
    Label(),
]


@pytest.mark.parametrize("task", TASKS, ids=lambda t: f"{t.kind}{getattr(t, 'horizon', '')}")
def test_batches_are_what_the_slow_loop_says(tiny: Prepared, task: Task) -> None:
    check_against_loop(tiny, DataConfig(window=8, clip=1.5), task, ALL, [0, 1, 2, 3, 4], batch=3)
    check_against_loop(tiny, DataConfig(window=100), task, ("image",), [4, 2], batch=16)


@given(
    st.integers(1, 50), st.integers(1, 9), st.integers(0, 9), st.sampled_from([ALL, ("track",), ("sound", "image")]),
    st.lists(st.integers(0, 4), min_size=1, max_size=5, unique=True),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_any_window_horizon_and_lookahead(
    tiny: Prepared, window: int, horizon: int, lookahead: int, names: tuple[str, ...], items: list[int]
) -> None:
    task = Forecast(horizon=horizon, content_lookahead=lookahead)
    check_against_loop(tiny, DataConfig(window=window), task, names, items, batch=4)


def whole(loader: Loader) -> Batch:
    (batch,) = loader.batches()
    return batch


@pytest.mark.parametrize("cut", [0, 5, 11])
def test_a_later_source_value_changes_nothing_earlier(
    write_tiny: Write, tiny_tables: Callable[..., Any], tmp_path: Path, cut: int
) -> None:
    task, config, tables = Forecast(horizon=2), DataConfig(window=20), tiny_tables({"a": 20, "b": 20, "c": 20})
    before = prepare(write_tiny("one", tables=tables), config, tmp_path / "cache")
    later = tables["track"]["a"]["time"] > cut
    tables["track"]["a"].loc[later, ["0_x", "1_x", "0_on"]] = [99.0, -99.0, 1]
    beyond = tables["sound"]["a"]["time"] > cut + task.lookahead
    tables["sound"]["a"].loc[beyond, ["level", "speaking"]] = [77.0, 1]
    tables["image"]["a"].loc[beyond, "clip_1"] = 66.0
    after = prepare(write_tiny("two", tables=tables), config, tmp_path / "cache")
    normaliser = fit_normaliser(before, [1])
    old, new = (whole(Loader(p, normaliser, config, task, ALL, [0], 4)) for p in (before, after))
    for name in ALL:
        assert torch.equal(old.values[name][:, : cut + 1], new.values[name][:, : cut + 1])
        assert not torch.equal(old.values[name], new.values[name])
    for name in ("present_BTM", "previous_BTKP", "previous_valid_BTKP"):
        assert torch.equal(getattr(old, name)[:, : cut + 1], getattr(new, name)[:, : cut + 1])


def test_a_target_on_a_foreign_grid_does_not_know_its_future(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    """Tracks at 1 s on a grid at 0.25 s: interpolating them would show the next value up to 0.75 s early."""
    tables, config = tiny_tables({"a": 8, "b": 8, "c": 8}), DataConfig(window=40)
    for frames in tables.values():
        for name, frame in frames.items():
            if "level" in frame:
                time = np.arange(0, 7.01, 0.25)
                frames[name] = pd.DataFrame({"time": time, "level": np.sin(time), "speaking": 0})
    tiny_schema["reference"] = "sound"
    before = prepare(write_tiny("one", tables=tables, schema=tiny_schema), config, tmp_path / "cache")
    tables["track"]["a"].loc[tables["track"]["a"]["time"] >= 4, ["0_x", "1_x"]] = 99.0
    after = prepare(write_tiny("two", tables=tables, schema=tiny_schema), config, tmp_path / "cache")
    columns = list(before.schema.modalities["track"].columns)
    x = columns.index("0_x")
    old, new = before.values["track"][:29, x], after.values["track"][:29, x]
    np.testing.assert_array_equal(old[:16], new[:16])
    assert (new[16:] == 99).all()
    assert set(old[:16].tolist()) == set(tables["track"]["a"]["0_x"][:4].astype(np.float32).tolist())


def test_batches_follow_the_order_given(tiny: Prepared) -> None:
    loader = Loader(tiny, fit_normaliser(tiny, [0]), DataConfig(window=8), Forecast(), ALL, [0, 2], 3)
    order = np.random.default_rng(0).permutation(loader.windows)
    straight = list(loader.batches())
    mixed = list(loader.batches(order))
    for name in ("item_B", "start_B", "target_BTKP", "present_BTM"):
        one = torch.cat([getattr(b, name) for b in straight])[torch.from_numpy(order)]
        assert torch.equal(one, torch.cat([getattr(b, name) for b in mixed]))
    assert [len(b.item_B) for b in mixed] == [3, 3, 2]


@given(st.integers(1, 60), st.integers(1, 30), st.integers(1, 60))
@settings(deadline=None)
def test_windows_cover_every_position(tiny: Prepared, window: int, horizon: int, stride: int) -> None:
    task = Forecast(horizon=horizon)
    loader = Loader(tiny, fit_normaliser(tiny, [0]), DataConfig(window=window), task, ("track",), [0], 64, stride)
    seen = np.zeros(40, int)
    for batch in loader.batches():
        assert batch.valid_BT.any(dim=1).all()
        for start, valid in zip(batch.start_B.tolist(), batch.valid_BT.sum(dim=1).tolist(), strict=True):
            seen[start : start + valid] += 1
    positions = max(0, 40 - horizon)
    assert not seen[positions:].any()
    if stride <= window:
        assert (seen[:positions] > 0).all()
    if stride == window:
        assert (seen[:positions] == 1).all()


def test_item_targets_go_with_every_window(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables = tiny_tables({"a": 20, "b": 7, "c": 9})
    tables["mood"] = {"a": pd.DataFrame({"mood": [2]}), "c": pd.DataFrame({"mood": [1]})}
    tiny_schema["targets"] = {
        "from": "mood",
        "scope": "item",
        "parameters": [{"name": "mood", "kind": "categorical", "classes": 3, "component": "mood"}],
    }
    prepared = prepare(write_tiny(tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    normaliser = fit_normaliser(prepared, [0, 1])
    batch = whole(Loader(prepared, normaliser, DataConfig(window=8), Label(), ALL, [0, 1, 2], 16)).check()
    assert batch.item_B.tolist() == [0, 0, 0, 1, 2, 2]
    assert batch.target_BTKP.flatten().tolist() == [2, 2, 2, 0, 1, 1]
    assert batch.target_valid_BTKP.flatten().tolist() == [True, True, True, False, True, True]
    assert not batch.previous_valid_BTKP.any()
    assert batch.valid_BT.sum(dim=1).tolist() == [8, 8, 4, 7, 8, 1]


def test_an_item_too_short_has_no_window(tiny: Prepared) -> None:
    loader = Loader(tiny, fit_normaliser(tiny, [0]), DataConfig(window=8), Forecast(), ALL, [3], 4)
    assert (loader.windows, len(loader), list(loader.batches())) == (0, 0, [])


def test_an_unknown_modality_names_the_nearest(tiny: Prepared) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'sound'"):
        Loader(tiny, fit_normaliser(tiny, [0]), DataConfig(), Forecast(), ["sonud"], [0], 4)
    with pytest.raises(ConfigError, match="at least one"):
        Loader(tiny, fit_normaliser(tiny, [0]), DataConfig(), Forecast(), [], [0], 4)
