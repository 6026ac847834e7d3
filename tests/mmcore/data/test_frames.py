"""Frames become a corpus folder: what is written is what was given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from factories.tables import MOOD, NAMES, sounds, written
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.data.sources.frames import MADE, draft_corpus, write_draft
from mmcore.data.sources.given import ModalityData, TargetData
from mmcore.data.sources.written import WrittenCorpus
from mmcore.errors import CorpusError


def schema_of(*args: Any, **options: Any) -> WrittenCorpus:
    return draft_corpus(*args, **options).schema


def message(*args: Any, **options: Any) -> str:
    with pytest.raises(CorpusError) as caught:
        draft_corpus(*args, **options)
    return str(caught.value)


def same(one: Prepared, two: Prepared) -> None:
    assert [item.name for item in one.items] == [item.name for item in two.items]
    assert [item.steps for item in one.items] == [item.steps for item in two.items]
    for name in two.values:
        np.testing.assert_array_equal(one.values[name], two.values[name])
    np.testing.assert_array_equal(one.present, two.present)
    np.testing.assert_array_equal(one.target, two.target)


# What is written ---------------------------------------------------------------------------------------------------
def test_frames_give_the_arrays_of_a_folder_written_by_hand(tmp_path: Path) -> None:
    tables = sounds()
    clip = {"a": np.eye(12, 4, dtype=np.float32), "c": np.ones((9, 4), np.float32)}
    words = {"a": pd.DataFrame({"start": [0.2, 1.4], "end": [1.1, 2.2], "who": ["bo", "ann"]})}
    items = pd.DataFrame({"item": NAMES, "group": ["x", "x", "y"], "genre": ["talk", "talk", "news"]})
    made = tmp_path / "made"
    written(
        made,
        items,
        {"sound": tables, "clip": ModalityData(clip, kinds="embedding", sampling_rate=4), "words": words},
        MOOD,
        step=0.5,
        name="tiny",
    )

    hand = tmp_path / "hand"
    hand.mkdir()
    schema = {
        "format": 1,
        "name": "tiny",
        "step": 0.5,
        "modalities": {
            "sound": {"features": [{"name": "level"}, {"name": "on", "kind": "binary"}]},
            "clip": {"features": [{"name": "clip_{0..3}", "kind": "embedding"}]},
            "words": {
                "start": "start",
                "end": "end",
                "features": [{"name": "who", "kind": "categorical", "labels": ["ann", "bo"]}],
            },
        },
        "targets": {
            "from": "mood",
            "scope": "item",
            "parameters": [{"name": "mood", "kind": "categorical", "labels": ["glad", "sad"], "component": "mood"}],
        },
    }
    (hand / "corpus.yaml").write_text(yaml.safe_dump(schema, sort_keys=False))
    (hand / "items.csv").write_text("item,group,genre\na,x,talk\nb,x,talk\nc,y,news\n")
    for name in ("sound", "clip", "words", "mood"):
        (hand / name).mkdir()
    for item, table in tables.items():
        table.to_csv(hand / "sound" / f"{item}.csv", index=False)
    for item, array in clip.items():
        frame = pd.DataFrame(array, columns=[f"clip_{at}" for at in range(4)])
        frame.insert(0, "time", np.arange(len(array)) / 4)
        frame.to_csv(hand / "clip" / f"{item}.csv", index=False)
    words["a"].to_csv(hand / "words" / "a.csv", index=False)
    for item, mood in MOOD.items():
        (hand / "mood" / f"{item}.csv").write_text(f"mood\n{mood}\n")

    cache = tmp_path / "cache"
    one, two = prepare(made, DataConfig(), cache), prepare(hand, DataConfig(), cache)
    assert one.content != two.content
    same(one, two)
    assert [item.metadata for item in one.items] == [item.metadata for item in two.items]
    assert [item.group for item in one.items] == ["x", "x", "y"]


def test_cells_are_written_as_they_are(tmp_path: Path) -> None:
    """So that every guess is corrected in corpus.yaml alone."""
    table = pd.DataFrame({"time": [0.0, 0.5], "scene": ["street", None], "count": [3, 4], "mean": [0.1, np.nan]})
    source = written(tmp_path / "c", None, {"m": {"a": table}}, {"a": 1.5})
    back = pd.read_parquet(source.folder / "m" / "a.parquet")
    assert back["scene"].tolist()[0] == "street"
    assert back["scene"].isna().tolist() == [False, True]
    assert back["count"].tolist() == [3, 4]
    assert back["mean"].tolist()[0] == 0.1
    assert back["time"].tolist() == [0.0, 0.5]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_ragged_items_come_back_as_they_were_given(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    count = data.draw(st.integers(1, 5))
    names = [f"i{at}" for at in range(count)]
    cell = st.one_of(st.none(), st.floats(-1e6, 1e6, width=32))
    tables: dict[str, dict[str, pd.DataFrame]] = {"one": {}, "two": {}}
    for at, item in enumerate(names):
        for name in tables:
            if at and data.draw(st.booleans(), label=f"{item} lacks {name}"):
                continue
            rows = data.draw(st.integers(1, 6))
            gaps = data.draw(st.lists(st.floats(0.125, 4.0, width=16), min_size=rows, max_size=rows))
            values = data.draw(st.lists(cell, min_size=rows, max_size=rows))
            told = data.draw(st.lists(st.sampled_from(["yes", "no", None]), min_size=rows, max_size=rows))
            tables[name][item] = pd.DataFrame(
                {"time": np.cumsum(gaps), "x": pd.Series(values, dtype=float), "w": pd.Series(told, dtype=object)}
            )
    names = [item for item in names if any(item in one for one in tables.values())]
    targets = {item: float(at) + 0.5 for at, item in enumerate(names)}
    folder = tmp_path_factory.mktemp("ragged") / "c"
    source = written(folder, names, tables, targets, step=0.5)
    for name, one in tables.items():
        labels = source.schema.modalities[name].labels.get("w", ())
        for item in names:
            assert source.has(item, name) == (item in one)
            if item not in one:
                continue
            back = source.table(item, name)
            np.testing.assert_array_equal(back["time"], one[item]["time"])
            np.testing.assert_array_equal(back["x"].astype(np.float32), one[item]["x"].astype(np.float32))
            words = [None if np.isnan(code) else labels[int(code)] for code in back["w"]]
            assert words == one[item]["w"].tolist()
    assert {item: float(source.table(item, "targets")["target"].iloc[0]) for item in names} == targets
    assert draft_corpus(names, tables, targets, step=0.5).key == draft_corpus(names, tables, targets, step=0.5).key


def test_tables_of_other_libraries_keep_their_names(tmp_path: Path) -> None:
    import pyarrow as pa

    tables = {name: pa.Table.from_pandas(table, preserve_index=False) for name, table in sounds().items()}
    assert draft_corpus(NAMES, {"m": tables}, MOOD).key == draft_corpus(NAMES, {"m": sounds()}, MOOD).key


def test_chosen_columns_are_written_in_the_order_chosen() -> None:
    data = ModalityData(sounds(), columns=["on", "level", "on"])
    features = schema_of(NAMES, {"m": data}, MOOD)["modalities"]["m"]["features"]
    assert [feature["name"] for feature in features] == ["on", "level"]
    unnamed = ModalityData({n: pd.DataFrame(np.ones((3, 2))) for n in NAMES}, columns=["x", "y"])
    assert [f["name"] for f in schema_of(NAMES, {"m": unnamed}, MOOD)["modalities"]["m"]["features"]] == ["x", "y"]


# Times -------------------------------------------------------------------------------------------------------------
def test_dates_become_seconds_since_the_first_date_of_the_item(tmp_path: Path) -> None:
    begin = pd.Timestamp("2026-03-01 12:00:00")
    one = pd.DataFrame({"x": [1.0, 2.0]}, index=pd.date_range(begin + pd.Timedelta("1s"), periods=2, freq="500ms"))
    two = pd.DataFrame({"time": [begin, begin + pd.Timedelta("250ms")], "y": [3.0, 4.0]})
    later = one.set_axis(one.index + pd.Timedelta("9D"))
    source = written(
        tmp_path / "c", None, {"one": {"a": one, "b": later}, "two": {"a": two}}, {"a": 0.5, "b": 1.5}, step=0.5
    )
    assert source.table("a", "one")["time"].tolist() == [1.0, 1.5]
    assert source.table("a", "two")["time"].tolist() == [0.0, 0.25]
    assert source.table("b", "one")["time"].tolist() == [0.0, 0.5]


@pytest.mark.parametrize(
    ("index", "times"),
    [
        (pd.Index([0.5, 1.5]), [0.5, 1.5]),
        (pd.TimedeltaIndex(["100ms", "300ms"]), [0.1, 0.3]),
        (pd.Index([2, 3], name="time"), [2.0, 3.0]),
        (pd.date_range("2026-01-01", periods=2, freq="2s", tz="Asia/Tokyo"), [0.0, 2.0]),
    ],
    ids=["float", "timedelta", "named", "zone"],
)
def test_an_index_of_times_is_read(tmp_path: Path, index: pd.Index, times: list[float]) -> None:
    source = written(tmp_path / "c", None, {"m": {"a": pd.DataFrame({"x": [1.0, 2.0]}, index=index)}}, {"a": 0.5})
    assert source.table("a", "m")["time"].tolist() == times


def test_an_index_of_intervals_is_read_as_segments(tmp_path: Path) -> None:
    index = pd.IntervalIndex.from_tuples([(0.0, 1.0), (2.0, 2.5)])
    table = pd.DataFrame({"word": ["so", "well"]}, index=index)
    source = written(tmp_path / "c", None, {"m": {"a": table}}, {"a": 0.5}, step=0.5)
    assert source.table("a", "m").to_dict("list") == {"start": [0.0, 2.0], "end": [1.0, 2.5], "word": [0.0, 1.0]}


def test_one_frame_for_all_items_is_taken_apart() -> None:
    parts = [table.assign(item=item) for item, table in sounds().items()]
    long = pd.concat(parts, ignore_index=True)
    level = long.set_index(["item", "time"])
    key = draft_corpus(NAMES, {"m": sounds()}, MOOD).key
    assert draft_corpus(NAMES, {"m": long}, MOOD).key == key
    assert draft_corpus(NAMES, {"m": level}, MOOD).key == key


@pytest.mark.parametrize(
    ("modalities", "targets", "step"),
    [
        ({"m": sounds()}, MOOD, 0.5),
        ({"m": ModalityData({n: np.ones((3, 2)) for n in NAMES}, sampling_rate="30000/1001")}, MOOD, 0.0333667),
        ({"m": {n: np.ones((3, 2)) for n in NAMES}}, MOOD, None),
        ({"m": sounds()}, {n: pd.DataFrame({"time": [0.0, 2.0], "v": [0.1, 0.3]}) for n in NAMES}, 2.0),
        ({"m": sounds(), "n": ModalityData({n: np.ones(9) for n in NAMES}, sampling_rate=9)}, "m", 0.5),
    ],
    ids=["one rate", "sampling rate", "no times", "targets' own", "forecast"],
)
def test_the_step_follows_from_the_times(modalities: Mapping[str, object], targets: Any, step: float | None) -> None:
    assert schema_of(NAMES, modalities, targets)["step"] == step


# Kinds -------------------------------------------------------------------------------------------------------------
def test_kinds_follow_types() -> None:
    table = pd.DataFrame(
        {
            "number": [0.1, 0.2, 0.3],
            "flag": [True, False, True],
            "zero_one": [0, 1, 1],
            "count": [3, 7, 5],
            "word": ["b", "a", "b"],
            "level": pd.Categorical(["mid", "low", "mid"], categories=["low", "mid", "high"]),
            "maybe": pd.array([True, None, False], dtype="boolean"),
            "nothing": [None, None, None],
            "v_0": np.float32([1, 2, 3]),
            "v_1": np.float32([1, 2, 3]),
        }
    )
    features = schema_of(None, {"m": {"a": table}}, {"a": 0.5})["modalities"]["m"]["features"]
    assert features == [
        {"name": "number"},
        {"name": "flag", "kind": "binary"},
        {"name": "zero_one", "kind": "binary"},
        {"name": "count"},
        {"name": "word", "kind": "categorical", "labels": ["a", "b"]},
        {"name": "level", "kind": "categorical", "labels": ["low", "mid", "high"]},
        {"name": "maybe", "kind": "binary"},
        {"name": "nothing"},
        {"name": "v_{0..1}"},
    ]


def test_what_is_said_overrules_types() -> None:
    table = pd.DataFrame({"zero_one": [0, 1], "code": [2, 0], "word": ["no", "yes"], "e_3": [0.1, 0.2], "e_4": [1, 2]})
    data = ModalityData(
        {"a": table},
        kinds={"zero_one": "continuous", "word": "binary", "e_3": "embedding", "e_4": "embedding"},
        labels={"code": ["x", "y", "z"]},
        units={"zero_one": "dB"},
        resample={"zero_one": "max"},
        missing_values=[-99],
        storage="float16",
    )
    assert schema_of(None, {"m": data}, {"a": 0.5})["modalities"]["m"] == {
        "missing_values": [-99.0],
        "storage": "float16",
        "features": [
            {"name": "zero_one", "unit": "dB", "resample": "max"},
            {"name": "code", "kind": "categorical", "labels": ["x", "y", "z"]},
            {"name": "word", "kind": "binary", "labels": ["no", "yes"]},
            {"name": "e_{3..4}", "kind": "embedding"},
        ],
    }


@pytest.mark.parametrize(
    ("cells", "options", "feature"),
    [
        ([0, 1, -99], {"missing_values": [-99]}, {"kind": "binary"}),
        ([True, False, True], {"labels": {"x": ["off", "on"]}}, {"kind": "binary", "labels": ["off", "on"]}),
        ([1, 5, 3], {"labels": {"x": list("12345")}}, {"kind": "categorical", "labels": list("12345")}),
        ([2, 0, 1], {"kinds": "categorical"}, {"kind": "categorical"}),
    ],
    ids=["sentinel", "named booleans", "ratings", "codes"],
)
def test_numbers_that_are_classes(
    tmp_path: Path, cells: list[Any], options: Any, feature: Mapping[str, object]
) -> None:
    data = ModalityData({"a": pd.DataFrame({"x": cells})}, **options)
    source = written(tmp_path / "c", None, {"m": data}, {"a": 0.5})
    told = source.schema.modalities["m"].features[0].model_dump(mode="json", exclude_defaults=True)
    assert told == {"name": "x", **feature}
    back = source.table("a", "m")["x"].tolist()
    assert back[:2] == ([0, 4] if cells[0] == 1 and cells[1] == 5 else [float(cell) for cell in cells[:2]])


def test_codes_as_targets_are_classes_and_other_whole_numbers_must_be_said() -> None:
    tables = {"m": sounds()}
    codes = schema_of(NAMES, tables, {"a": 0, "b": 2, "c": 1})["targets"]["parameters"]
    assert codes == [{"name": "target", "kind": "categorical", "classes": 3, "component": "target"}]
    told = message(NAMES, tables, {"a": 10, "b": 20, "c": 30})
    assert "target 'target' holds whole numbers, which may be classes or a quantity" in told
    assert 'kinds={"target": "continuous"}' in told
    said = TargetData({"a": 10, "b": 20, "c": 30}, kinds="continuous")
    assert schema_of(NAMES, tables, said)["targets"]["parameters"][0]["kind"] == "continuous"


# Targets -----------------------------------------------------------------------------------------------------------
def test_a_modality_that_is_predicted_may_have_tracks_or_plain_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    plain = {
        n: pd.DataFrame({"time": np.arange(4.0), "x": rng.normal(size=4), "on": [True, False, True, True]})
        for n in NAMES
    }
    source = written(tmp_path / "plain", NAMES, {"m": plain}, "m")
    assert source.schema.targets.tracks == 1
    assert source.schema.target_columns() == (("x", "on"),)
    assert prepare(source.folder, DataConfig(), tmp_path / "cache").target.shape == (12, 1, 2)

    tracks = {
        n: t.drop(columns="on").rename(columns={"x": "0_x"}).assign(**{"1_x": 1.5, "0_y": 2.5, "1_y": 3.5})
        for n, t in plain.items()
    }
    targets = TargetData("m", components={"x": "place", "y": "place"})
    source = written(tmp_path / "tracks", NAMES, {"m": tracks}, targets)
    assert source.schema.target_columns() == (("0_x", "0_y"), ("1_x", "1_y"))
    assert source.schema.targets.components == ("place",)


# The folder --------------------------------------------------------------------------------------------------------
def test_the_same_data_leave_the_folder_as_it_is(tmp_path: Path) -> None:
    draft = draft_corpus(NAMES, {"m": sounds()}, MOOD)
    folder = write_draft(draft, tmp_path / "c")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = draft_corpus(NAMES, {"m": {k: v.copy() for k, v in sounds().items()}}, MOOD.copy())
    assert again.key == draft.key
    assert write_draft(again, folder) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_another_corpus_and_a_changed_one_are_not_overwritten(tmp_path: Path) -> None:
    folder = write_draft(draft_corpus(NAMES, {"m": sounds()}, MOOD), tmp_path / "c")
    other = draft_corpus(NAMES, {"m": sounds()}, {"a": 0.1, "b": 0.2, "c": 0.3})
    with pytest.raises(CorpusError, match="a corpus of other data"):
        write_draft(other, folder)
    (folder / "items.csv").write_text("item,group\na,a\nb,b\nc,b\n")
    with pytest.raises(CorpusError, match="was changed after it was written"):
        write_draft(draft_corpus(NAMES, {"m": sounds()}, MOOD), folder)
    assert (folder / MADE).is_file()


def test_one_cell_changes_the_key() -> None:
    tables = sounds()
    key = draft_corpus(NAMES, {"m": tables}, MOOD).key
    tables["b"].loc[3, "level"] += 1e-9
    assert draft_corpus(NAMES, {"m": tables}, MOOD).key != key
