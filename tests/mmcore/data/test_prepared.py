"""The prepared store: whole or not there, keyed by content, read-only, and true to the tables."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.data.prepared import open_prepared
from mmcore.data.sources.written import WrittenCorpus
from mmcore.errors import CorpusError
from mmcore.events import Event, Note

Write = Callable[..., Path]


def test_the_store_holds_what_the_tables_hold(
    write_tiny: Write, tiny_tables: Callable[..., Any], tmp_path: Path
) -> None:
    prepared, tables = prepare(write_tiny(), DataConfig(), tmp_path / "cache"), tiny_tables()
    assert [(i.name, i.group, i.offset, i.steps, i.complete) for i in prepared.items] == [
        ("a", "ga", 0, 12, True),
        ("b", "gb", 12, 7, True),
        ("c", "gc", 19, 9, False),
        ("d", "gd", 28, 5, True),
    ]
    assert prepared.items[2].has == (True, False, True)
    level = np.concatenate([tables["sound"][name]["level"] for name in "abcd"])
    np.testing.assert_allclose(prepared.values["sound"][:, 0], level, rtol=1e-6)
    assert prepared.values["image"].dtype == np.float16
    clip = np.array(tables["image"]["d"].iloc[:, 1:])
    clip /= np.linalg.norm(clip, axis=1, keepdims=True)
    np.testing.assert_allclose(prepared.values["image"][28:33], clip, atol=1e-3)
    assert np.isnan(prepared.values["image"][19:28]).all()
    np.testing.assert_array_equal(prepared.present[:, 1], ~np.isin(np.arange(33), range(19, 28)))
    for k in range(2):
        for p, parameter in enumerate(("on", "kind", "x")):
            column = np.concatenate([tables["track"][name][f"{k}_{parameter}"] for name in "abcd"])
            np.testing.assert_allclose(prepared.target[:, k, p], column, rtol=1e-6)


def test_arrays_are_read_only_maps(write_tiny: Write, tmp_path: Path) -> None:
    prepared = prepare(write_tiny(), DataConfig(), tmp_path / "cache")
    for array in (*prepared.values.values(), prepared.present, prepared.target):
        assert isinstance(array, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_it_is_built_once_and_says_so(write_tiny: Write, tmp_path: Path) -> None:
    folder, cache = write_tiny(), tmp_path / "cache"
    events: list[Event] = []
    first = prepare(folder, DataConfig(), cache, events.append)
    built = (first.path / "target.npy").stat().st_mtime_ns
    assert len(events) >= 2
    assert all(isinstance(event, Note) for event in events)
    again = prepare(folder, DataConfig(window=7, stride=3, clip=2.0), cache, events.append)
    assert (again.key, again.path.parent) == (first.key, cache)
    assert (again.path / "target.npy").stat().st_mtime_ns == built
    assert [i for i in cache.iterdir() if i.is_dir()] == [first.path]


def test_the_key_follows_content_and_alignment(write_tiny: Write, tmp_path: Path) -> None:
    folder, cache = write_tiny(), tmp_path / "cache"
    configs = (DataConfig(), DataConfig(tolerance=0.1), DataConfig(max_gap=2.0), DataConfig(interpolation="last"))
    keys = [prepare(folder, config, cache).key for config in configs]
    path = folder / "sound" / "a.csv"
    path.write_text(path.read_text().replace(".", ".1", 1))
    keys.append(prepare(folder, DataConfig(), cache).key)
    assert len(set(keys)) == 5


@pytest.mark.parametrize("interpolation", ["linear", "last"])
def test_where_the_last_value_holds_no_later_sample_changes_an_earlier_step(
    write_tiny: Write, tiny_tables: Callable[..., Any], tmp_path: Path, interpolation: Literal["linear", "last"]
) -> None:
    """From the table on: content every 3 s on a grid of 1 s; linear, which reads ahead, shows that the test can see."""
    config, tables = DataConfig(interpolation=interpolation), tiny_tables({"a": 12, "b": 7})
    for name in ("sound", "image"):
        tables[name]["a"] = tables[name]["a"].iloc[::3].reset_index(drop=True)
    clean = prepare(write_tiny("clean", tables=tables), config, tmp_path / "cache")
    assert clean.present[:10].all()
    for name in ("sound", "image"):
        later = tables[name]["a"]["time"] >= 6
        tables[name]["a"].loc[later, tables[name]["a"].columns[1:]] += 1.0
    changed = prepare(write_tiny("changed", tables=tables), config, tmp_path / "cache")
    for name in ("sound", "image"):
        before, after = np.array(clean.values[name][:12]), np.array(changed.values[name][:12])
        moved = np.flatnonzero(((before != after) & ~(np.isnan(before) & np.isnan(after))).any(axis=1))
        assert moved[0] == (6 if interpolation == "last" else 4)
        if interpolation == "last":
            np.testing.assert_array_equal(before[3:6], before[[3, 3, 3]])


def test_what_a_killed_build_left_is_never_used(write_tiny: Write, tmp_path: Path) -> None:
    folder, cache = write_tiny(), tmp_path / "cache"
    key = prepare(folder, DataConfig(), tmp_path / "elsewhere").key
    (cache / key).mkdir(parents=True)
    (cache / key / "target.npy").write_bytes(b"half")
    (cache / f"{key}.partial-1").mkdir()
    with pytest.raises(CorpusError, match="not a complete prepared store"):
        open_prepared(cache / key)
    assert prepare(folder, DataConfig(), cache).items[0].steps == 12
    [aside] = cache.glob(f"{key}.broken-*")
    assert [*aside.iterdir()] == [aside / "target.npy"]
    assert {i for i in cache.iterdir() if i.is_dir()} == {cache / key, aside}


@pytest.mark.parametrize("name", ["index.json", "quality.json", "values.sound.npy", "present.npy", "target.npy"])
def test_a_store_that_lost_a_part_is_built_again(write_tiny: Write, tmp_path: Path, name: str) -> None:
    folder, cache = write_tiny(), tmp_path / "cache"
    path = prepare(folder, DataConfig(), cache).path
    (path / name).write_bytes((path / name).read_bytes()[:100])
    with pytest.raises(CorpusError):
        open_prepared(path)
    said: list[str] = []
    assert prepare(folder, DataConfig(), cache, lambda event: said.append(getattr(event, "text", ""))).path == path
    assert open_prepared(path).target.shape == (33, 2, 3)
    assert any("the prepared store was broken" in text and ".broken-" in text for text in said)
    assert len([*cache.glob("*.broken-*")]) == 1


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_kill_in_mid_build_then_build_again(write_tiny: Write, tmp_path: Path) -> None:
    folder, cache = write_tiny(), tmp_path / "cache"
    code = f"""
        import os, signal, pathlib
        import mmcore.data.prepare as building
        from mmcore.config import DataConfig
        real, seen = building.on_grid, []
        def on_grid(*arguments):
            seen.append(1)
            if len(seen) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments)
        building.on_grid = on_grid
        building.prepare(pathlib.Path({str(folder)!r}), DataConfig(), pathlib.Path({str(cache)!r}))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -signal.SIGKILL
    left = [entry for entry in cache.iterdir() if entry.is_dir()]
    assert len(left) == 1
    assert ".partial-" in left[0].name
    with pytest.raises(CorpusError):
        open_prepared(left[0])
    whole = prepare(folder, DataConfig(), cache)
    assert len(whole.target) == 33
    assert [entry for entry in cache.iterdir() if entry.is_dir()] == [whole.path]


def test_several_at_once_build_one_store(write_tiny: Write, tmp_path: Path) -> None:
    folder, cache, notes = write_tiny(), tmp_path / "cache", []
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: prepare(folder, DataConfig(), cache, notes.append), range(4)))
    assert len({store.path for store in stores}) == 1
    assert sum(note.text.startswith("preparing") for note in notes) == 1
    assert multiprocessing.active_children() == []


def test_an_error_leaves_nothing_behind(write_tiny: Write, tiny_tables: Callable[..., Any], tmp_path: Path) -> None:
    tables = tiny_tables()
    tables["track"]["c"].loc[4, ["1_on", "1_kind"]] = [1, 3]
    with pytest.raises(CorpusError, match=r"item 'c'.*'kind' of track 1.*0 … 2; found 3 at step 4"):
        prepare(write_tiny(tables=tables), DataConfig(), tmp_path / "cache")
    assert not [entry for entry in (tmp_path / "cache").iterdir() if entry.is_dir()]


def test_a_code_that_does_not_count_is_no_error(
    write_tiny: Write, tiny_tables: Callable[..., Any], tmp_path: Path
) -> None:
    tables = tiny_tables()
    tables["track"]["c"].loc[4, ["1_on", "1_kind"]] = [0, -1]
    prepared = prepare(write_tiny(tables=tables), DataConfig(), tmp_path / "cache")
    assert np.isnan(prepared.target[19 + 4, 1, 1])
    assert prepared.values["track"][19 + 4, 3] == -1


def test_a_value_too_large_for_half_precision_is_told(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables = tiny_tables()
    tables["sound"]["b"].loc[1, "level"] = 1e5
    tiny_schema["modalities"]["sound"]["storage"] = "float16"
    with pytest.raises(CorpusError, match=r"float16.*100000 in column 'level'"):
        prepare(write_tiny(tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")


def test_a_changing_corpus_is_noticed(write_tiny: Write, tmp_path: Path) -> None:
    folder = write_tiny()

    def meddle(event: Event) -> None:
        (folder / "sound" / "a.csv").write_text("time,level,speaking\n0,1,1\n")

    with pytest.raises(CorpusError, match="changed while"):
        prepare(folder, DataConfig(), tmp_path / "cache", meddle)


# Grids -------------------------------------------------------------------------------------------------------------
def test_without_a_reference_the_grid_is_all_that_any_stream_covers(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables = tiny_tables()
    tables["sound"]["a"]["time"] += 2.5
    tables["sound"]["d"]["time"] += 100
    tiny_schema["reference"], tiny_schema["step"] = None, 0.5
    events: list[Event] = []
    prepared = prepare(write_tiny(tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache", events.append)
    # a: from 0 to 13.5 every half second; b: 0 to 6; d: 0 to 4, and 100 to 104, with nothing between.
    assert [item.steps for item in prepared.items] == [28, 13, 17, 18]
    assert [item.breaks for item in prepared.items] == [(), (), (), (9,)]
    track = prepared.values["track"][:23]
    # The targets' own modality takes the last value, never one from ahead.
    np.testing.assert_allclose(track[6:22:2], track[7:23:2])
    assert prepared.present[:28, 0].tolist() == [False] * 5 + [True] * 23
    assert prepared.present[:28, 2].tolist() == [True] * 23 + [False] * 5
    level = tables["sound"]["a"]["level"].to_numpy()
    np.testing.assert_allclose(prepared.values["sound"][6, 0], (level[0] + level[1]) / 2, rtol=1e-5)
    notes = [event.text for event in events if isinstance(event, Note)]
    assert any("sound does not meet the other streams in 1 of 4 items. d: times 100–104 s" in note for note in notes)


def test_without_a_reference_labels_decide_which_steps_there_are(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    """Sparse sentences must not take labelled steps away, and nothing is predicted where nothing is labelled."""
    tables = tiny_tables({"a": 12, "b": 12})
    tables["image"]["a"] = tables["image"]["a"].iloc[4:7]
    time = np.arange(1.0, 11.0)
    columns = {"label_0": 1, "label_1": 2, "force_0": 0.5, "force_1": 1.5}
    tables["mood"] = {name: pd.DataFrame({"time": time, **columns}) for name in "ab"}
    tiny_schema["reference"] = None
    prepared = prepare(
        write_tiny(tables=tables, schema=label_schema(tiny_schema, "step")), DataConfig(), tmp_path / "cache"
    )
    assert [item.steps for item in prepared.items] == [10, 10]
    assert not np.isnan(prepared.target).any()
    assert prepared.present[:10, 1].tolist() == [False] * 3 + [True] * 3 + [False] * 4
    rows = {(row.item, row.modality): row for row in prepared.quality}
    assert (rows["a", "image"].seconds_absent, rows["a", "image"].seconds_outside) == (7.0, 0.0)
    assert (rows["a", "sound"].seconds_absent, rows["a", "sound"].seconds_outside) == (0.0, 2.0)
    assert rows["a", "sound"].warnings == ("2.0 s of its 11.0 s lie outside the grid and are not read",)
    assert rows["a", "mood"].warnings == ()


def test_without_a_step_rows_are_steps(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables = {m: {n: f.drop(columns="time") for n, f in frames.items()} for m, frames in tiny_tables().items()}
    tables["sound"]["a"] = tables["sound"]["a"].iloc[:9]
    tiny_schema["step"] = None
    by_track = prepare(write_tiny("r", tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    assert [item.steps for item in by_track.items] == [12, 7, 9, 5]
    assert by_track.present[:12, 0].tolist() == [True] * 9 + [False] * 3
    tiny_schema["reference"] = None
    longest = prepare(write_tiny("s", tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    assert [item.steps for item in longest.items] == [12, 7, 9, 5]


def test_an_item_without_the_reference_still_has_a_grid(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables = tiny_tables()
    tiny_schema["reference"] = "image"
    prepared = prepare(write_tiny(tables=tables, schema=tiny_schema), DataConfig(), tmp_path / "cache")
    assert [item.steps for item in prepared.items] == [12, 7, 9, 5]


def test_a_gap_in_the_reference_breaks_the_item(
    write_tiny: Write, tiny_tables: Callable[..., Any], tmp_path: Path
) -> None:
    tables = tiny_tables()
    tables["track"]["a"] = tables["track"]["a"].drop(index=range(3, 9))
    prepared = prepare(write_tiny(tables=tables), DataConfig(), tmp_path / "cache")
    assert (prepared.items[0].steps, prepared.items[0].breaks) == (6, (3,))
    assert open_prepared(prepared.path).items == prepared.items


# Targets in a table of their own -----------------------------------------------------------------------------------
def label_schema(schema: WrittenCorpus, scope: str) -> WrittenCorpus:
    schema["targets"] = {
        "from": "mood",
        "scope": scope,
        "tracks": 2,
        "parameters": [
            {"name": "label", "kind": "categorical", "classes": 4, "component": "label"},
            {"name": "force", "component": "force"},
        ],
    }
    return schema


def test_item_targets(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables = tiny_tables()
    tables["mood"] = {
        name: pd.DataFrame({"force_1": [3.5], "label_0": [at], "force_0": [0.5], "label_1": [3 - at]})
        for at, name in enumerate("abc")
    }
    schema = label_schema(tiny_schema, "item")
    prepared = prepare(write_tiny(tables=tables, schema=schema), DataConfig(), tmp_path / "cache")
    assert prepared.target.shape == (4, 2, 2)
    np.testing.assert_array_equal(prepared.target[1], [[1, 0.5], [2, 3.5]])
    assert np.isnan(prepared.target[3]).all()
    rows = [row for row in prepared.quality if row.modality == "mood"]
    assert [row.missing for row in rows] == [False, False, False, True]
    tables["mood"]["b"] = pd.concat([tables["mood"]["b"]] * 2)
    with pytest.raises(CorpusError, match="one row per item; expected 1 row; found 2 rows"):
        prepare(write_tiny("two", tables=tables, schema=schema), DataConfig(), tmp_path / "cache")


def test_step_targets_are_put_on_the_grid(
    write_tiny: Write, tiny_tables: Callable[..., Any], tiny_schema: WrittenCorpus, tmp_path: Path
) -> None:
    tables = tiny_tables()
    columns = {"time": [0.0, 2.0], "label_0": [1, 2], "label_1": [0, 3], "force_0": [0, 1], "force_1": [2, 4]}
    tables["mood"] = {"a": pd.DataFrame(columns)}
    schema = label_schema(tiny_schema, "step")
    prepared = prepare(write_tiny(tables=tables, schema=schema), DataConfig(), tmp_path / "cache")
    np.testing.assert_array_equal(prepared.target[1], [[1, 0.5], [0, 3]])
    assert np.isnan(prepared.target[3:]).all()


def test_a_folder_that_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(CorpusError):
        open_prepared(tmp_path / "nowhere")
    (tmp_path / "index.json").write_text('{"format": "another"}')
    (tmp_path / "quality.json").write_text("[]")
    with pytest.raises(CorpusError, match="another"):
        open_prepared(tmp_path)


def test_a_corpus_without_a_single_step_is_refused(
    write_tiny: Write, tiny_tables: Callable[..., Any], tmp_path: Path
) -> None:
    tables = tiny_tables()
    tables["track"] = {name: frame.iloc[:0] for name, frame in tables["track"].items()}
    with pytest.raises(CorpusError, match="single step"):
        prepare(write_tiny(tables=tables), DataConfig(), tmp_path / "cache")
