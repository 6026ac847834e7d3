"""Folders of Hugging Face datasets: those that the library wrote, and files that are torn or do not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmcore.data.importers.hugging_face import import_datasets
from mmcore.data.importers.sample import Options
from mmcore.data.sources.folder import FolderSource
from mmcore.errors import CorpusError

MADE = Path(__file__).parent / "made_by_datasets"
"""Written by datasets 5.2.0: save_to_disk of a DatasetDict, the first split in two shards, and to_parquet."""
RATES = {"audio": "10", "video": "20", "level": "10"}


def rows(count: int = 6, **changes: list[Any] | None) -> dict[str, list[Any]]:
    rng = np.random.default_rng(0)
    data = {
        "face": [rng.normal(size=(5 + at, 3)).tolist() for at in range(count)],
        "level": [rng.normal(size=5 + at).tolist() for at in range(count)],
        "label": [at % 2 for at in range(count)],
    }
    return {name: value for name, value in (data | changes).items() if value is not None}


def write(path: Path, data: Mapping[str, Any], features: Mapping[str, Any] | None = None) -> Path:
    table = pa.table(dict(data))
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    return path


@pytest.mark.parametrize("how", ["saved", "parquet"])
def test_what_the_library_wrote_arrives_whole(
    tmp_path: Path, prepared: Callable[..., Any], of_item: Callable[..., Any], how: str
) -> None:
    options = Options(target="emotion", group="speaker", rates=RATES)
    made = import_datasets(MADE / how, tmp_path / "corpus", options)
    store = prepared(made.folder)
    assert sorted(item.name for item in store.items) == sorted(f"c{at}" for at in range(10))
    by_name = {item.name: item for item in store.items}
    assert by_name["c7"].metadata["score"] == "1.0"
    assert by_name["c4"].group == "s1"
    assert store.schema.targets.parameters[0].labels == ("sad", "happy")
    assert list(store.schema.modalities) == ["audio", "video", "level"]
    reader = pa.ipc.open_stream(pa.OSFile(str(MADE / "saved" / "train" / "data-00000-of-00002.arrow"))).read_all()
    expected = np.array(reader.column("audio")[2].as_py(), np.float32)
    np.testing.assert_allclose(of_item(store, "c2", "audio"), expected, rtol=1e-6)
    codes = {item.name: int(store.target[at, 0, 0]) for at, item in enumerate(store.items)}
    assert codes["c3"] == 1
    assert codes["c6"] == 0
    told = "\n".join(made.lines())
    assert "words: list<" in told
    assert "meta: struct<" in told
    # Speakers are on both sides, so that the split would leak.
    assert "groups lie on two of its sides" in told
    assert by_name["c7"].metadata["published_split"] == "test"


def test_the_split_of_the_folder_is_kept(tmp_path: Path, prepared: Callable[..., Any]) -> None:
    made = import_datasets(MADE / "saved", tmp_path / "corpus", Options(target="emotion", rates=RATES))
    sides = {item.name: item.split for item in prepared(made.folder).items}
    assert sides == {f"c{at}": "train" if at < 6 else "test" for at in range(10)}


def test_one_split_alone_is_no_split(tmp_path: Path) -> None:
    made = import_datasets(MADE / "saved" / "train", tmp_path / "corpus", Options(target="emotion", rates=RATES))
    assert {item.split for item in FolderSource(made.folder).items} == {None}


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_rows_are_steps_without_rates(
    tmp_path: Path, prepared: Callable[..., Any], of_item: Callable[..., Any], suffix: str
) -> None:
    data = rows()
    made = import_datasets(write(tmp_path / f"data{suffix}", data), tmp_path / "corpus", Options())
    store = prepared(made.folder)
    assert [item.steps for item in store.items] == [5, 6, 7, 8, 9, 10]
    for at, item in enumerate(store.items):
        np.testing.assert_allclose(of_item(store, item.name, "face"), np.float32(data["face"][at]))
        np.testing.assert_allclose(of_item(store, item.name, "level")[:, 0], np.float32(data["level"][at]))


def test_a_list_can_be_the_target(tmp_path: Path, prepared: Callable[..., Any]) -> None:
    moods = [[at % 3 for at in range(5 + item)] for item in range(6)]
    features = {"mood": {"feature": {"names": ["悲", "喜", "怒"], "_type": "ClassLabel"}, "_type": "List"}}
    path = write(tmp_path / "data.arrow", rows(mood=moods), features)
    store = prepared(import_datasets(path, tmp_path / "corpus", Options(target="mood")).folder)
    assert store.schema.targets.scope == "step"
    assert store.schema.targets.parameters[0].labels == ("悲", "喜", "怒")
    assert store.target[:, 0, 0].tolist() == [mood for row in moods for mood in row]


def test_nulls_are_missing(tmp_path: Path, prepared: Callable[..., Any]) -> None:
    data = rows(label=[0, None, 1, 0, 1, 2])
    data["level"][2] = None
    data["level"][3][1] = None
    made = import_datasets(write(tmp_path / "data.parquet", data), tmp_path / "corpus", Options())
    store = prepared(made.folder)
    assert "item without a label" in made.left_out
    assert store.schema.targets.parameters[0].classes == 3
    assert [item.has for item in store.items] == [(True, True), (True, False), (True, True), (True, True), (True, True)]
    assert np.isnan(FolderSource(made.folder).table("item_00003", "level")["level_0"][1])


def test_codes_without_a_label_are_left_out(tmp_path: Path) -> None:
    features = {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}
    path = write(tmp_path / "data.parquet", rows(label=[0, 1, -1, 1, 0, 1]), features)
    made = import_datasets(path, tmp_path / "corpus", Options())
    table = FolderSource(made.folder).table("item_00002", "labels")
    assert np.isnan(table["label"][0])


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"label": None}, Options(), "a column of labels"),
        ({}, Options(target="lable"), "Did you mean 'label'"),
        ({}, Options(target="face"), "which is not there"),
        ({}, Options(group="speaker"), "which is not there"),
        ({"level": None, "face": None}, Options(), "a column of lists of numbers"),
        ({"face": [[[1.0], [1.0, 2.0]]] * 6, "level": None}, Options(), "rows of 1 to 2 numbers"),
        ({"face": [[[1.0], None]] * 6, "level": None}, Options(), "a row that is null"),
        ({"level": [[1.0]] * 6}, Options(), "--sampling-rate face=HZ --sampling-rate level=HZ"),
        ({}, Options(rates={"face": "10"}), "found none for level"),
        ({"label": [1] * 6}, Options(), "at least two values"),
        ({"face": [[[1.0] * (at + 1)] for at in range(6)], "level": None}, Options(), "same columns in every item"),
    ],
)
def test_columns_that_do_not_fit_are_told(
    tmp_path: Path, changes: Mapping[str, list[Any] | None], options: Options, message: str
) -> None:
    with pytest.raises(CorpusError, match=message) as told:
        import_datasets(write(tmp_path / "data.parquet", rows(**changes)), tmp_path / "corpus", options)
    assert not (tmp_path / "corpus").exists()
    assert told.value.next_step


def test_codes_beyond_their_names_are_told(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.parquet", rows(label=[0, 1, 7, 0, 1, 0]), {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}
    )
    with pytest.raises(CorpusError, match="codes of its 2 classes"):
        import_datasets(path, tmp_path / "corpus", Options())


def test_torn_and_foreign_files_are_told(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    shutil.copytree(MADE / "saved", saved)
    options = Options(target="emotion", rates=RATES)
    shard = saved / "train" / "data-00001-of-00002.arrow"
    whole = shard.read_bytes()
    for name, data in {"half": whole[: len(whole) // 2], "none": b"", "text": b"no arrow at all"}.items():
        shard.write_bytes(data)
        with pytest.raises(CorpusError, match="cannot be read") as told:
            import_datasets(saved, tmp_path / f"corpus_{name}", options)
        assert str(shard) in str(told.value.where)
        assert not (tmp_path / f"corpus_{name}").exists()
    shard.unlink()
    with pytest.raises(CorpusError, match="cannot be read"):
        import_datasets(saved, tmp_path / "corpus", options)
    other = write(tmp_path / "other.arrow", rows())
    shard.write_bytes(other.read_bytes())
    with pytest.raises(CorpusError, match="all files of a dataset"):
        import_datasets(saved, tmp_path / "corpus", options)
    parquet = write(tmp_path / "one.parquet", rows())
    parquet.write_bytes(parquet.read_bytes()[:-10])
    with pytest.raises(CorpusError, match="cannot be read"):
        import_datasets(parquet, tmp_path / "corpus", Options())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train/state.json", {"_data_files": [{"filename": "../../secret.arrow"}]}),
        ("train/state.json", {"_data_files": [{"filename": "/etc/passwd"}]}),
        ("train/state.json", {"_data_files": [{"file": "x"}]}),
        ("train/state.json", {"_data_files": []}),
        ("train/state.json", {}),
        ("train/state.json", []),
        ("dataset_dict.json", {"splits": ["../train"]}),
        ("dataset_dict.json", {"splits": "train"}),
    ],
)
def test_lists_of_files_that_lead_elsewhere_are_told(tmp_path: Path, name: str, content: Any) -> None:
    saved = tmp_path / "saved"
    shutil.copytree(MADE / "saved", saved)
    (saved / name).write_text(json.dumps(content))
    with pytest.raises(CorpusError, match="as save_to_disk writes it"):
        import_datasets(saved, tmp_path / "corpus", Options(target="emotion", rates=RATES))
    (saved / name).write_text("{")
    with pytest.raises(CorpusError, match="cannot be read"):
        import_datasets(saved, tmp_path / "corpus", Options(target="emotion", rates=RATES))


def test_a_folder_without_data_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="holds Arrow or Parquet files"):
        import_datasets(tmp_path / "empty", tmp_path / "corpus", Options())


def test_a_row_that_claims_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A million equal numbers take a few kilobytes; the limit is lowered so that the test stays small."""
    path = write(tmp_path / "x.parquet", {"x": [np.zeros(1_000_000), np.zeros(1_000_000)], "label": [0, 1]})
    assert path.stat().st_size < 20_000
    monkeypatch.setattr("mmcore.data.importers.sample.ITEM_LIMIT", 1 << 20)
    with pytest.raises(CorpusError, match="at most 1 MiB"):
        import_datasets(path, tmp_path / "corpus", Options())
