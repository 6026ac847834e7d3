"""Computational sequences: segments in time, groups by video, and files that are torn or laid out in another way."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmcore.data.importers.csd import MOSEI, import_csd
from mmcore.data.importers.sample import Options
from mmcore.data.sources.folder import FolderSource
from mmcore.errors import CorpusError

h5py = pytest.importorskip("h5py")

Entries = Mapping[str, tuple[Any, Any]]


def write(path: Path, name: str, entries: Entries, metadata: Mapping[str, Any] | None = None) -> Path:
    """A sequence, as the SDK writes it: compressed, metadata as JSON in variable-length text."""
    with h5py.File(path, "w") as file:
        root = file.create_group(name)
        data = root.create_group("data")
        for item, (features, intervals) in entries.items():
            one = data.create_group(item)
            one.create_dataset("features", data=features, compression="gzip", compression_opts=9)
            one.create_dataset("intervals", data=intervals, compression="gzip", compression_opts=9)
        said = root.create_group("metadata")
        for key, value in {"root name": name, **(metadata or {})}.items():
            said.create_dataset(key, (1,), dtype=h5py.string_dtype())
            said[key][0] = json.dumps(value)
    return path


def even(count: int, width: float, start: float = 0.0) -> np.ndarray:
    first = start + width * np.arange(count)
    return np.stack([first, first + width], axis=1)


@pytest.fixture
def mosi(tmp_path: Path) -> Path:
    """Two videos with three opinions each; words, 100 Hz acoustics with -inf, and spoken words as text."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "mosi"
    folder.mkdir()
    videos = ("abc_1", "xyz")
    opinions = np.array([[0.0, 1.0], [1.5, 2.5], [2.5, 3.0]])
    labels = {name: (np.arange(3.0)[:, None] - at, opinions) for at, name in enumerate(videos)}
    acoustics = {name: (rng.normal(size=(300, 4)), even(300, 0.01)) for name in videos}
    acoustics["abc_1"][0][5, 1] = -np.inf
    words = {name: (rng.normal(size=(10, 60)), even(10, 0.3)) for name in videos}
    spoken = {name: (np.array([[b"well"]] * 10), even(10, 0.3)) for name in videos}
    write(folder / "labels.csd", "Opinion Segment Labels", labels)
    write(folder / "covarep.csd", "COVAREP", acoustics)
    write(folder / "glove.csd", "glove vectors", {**words, "other": words["xyz"]})
    write(folder / "words.csd", "words", spoken)
    return folder


def test_sequences_become_modalities_with_segments(
    mosi: Path, tmp_path: Path, prepared: Callable[..., Any], of_item: Callable[..., Any]
) -> None:
    made = import_csd([mosi], tmp_path / "corpus", Options())
    store = prepared(made.folder)
    assert list(store.schema.modalities) == ["COVAREP", "glove_vectors"]
    assert [(item.name, item.group) for item in store.items] == [("abc_1", "abc_1"), ("xyz", "xyz")]
    told = "\n".join(made.lines())
    assert "words: holds text and no numbers" in told
    assert "1 entry without a label: 'other'" in told
    assert "1 infinite cell written as empty" in told
    assert "glove_vectors (was 'glove vectors')" in told
    assert "--item segment" in told
    # A label holds for its interval, and between intervals nothing is counted.
    targets = store.target[: store.items[0].steps, 0, 0]
    np.testing.assert_array_equal(targets[:10], 0.0)
    assert np.isnan(targets[10:15]).all()
    np.testing.assert_array_equal(targets[15:25], 1.0)
    # 100 rows a second are pooled to 10, so that no row is lost.
    with h5py.File(mosi / "covarep.csd") as file:
        values = np.asarray(file["COVAREP/data/xyz/features"])
    pooled = of_item(store, "xyz", "COVAREP")
    np.testing.assert_allclose(pooled[10], values[95:105].mean(axis=0), rtol=1e-4, atol=1e-6)


def test_segments_become_items(
    mosi: Path, tmp_path: Path, prepared: Callable[..., Any], of_item: Callable[..., Any]
) -> None:
    made = import_csd([mosi], tmp_path / "corpus", Options(item="segment"))
    store = prepared(made.folder)
    assert [item.name for item in store.items] == [f"{name}[{at}]" for name in ("abc_1", "xyz") for at in range(3)]
    assert {item.group for item in store.items} == {"abc_1", "xyz"}
    assert store.schema.targets.scope == "item"
    assert store.target[:, 0, 0].tolist() == [0.0, 1.0, 2.0, -1.0, 0.0, 1.0]
    with h5py.File(mosi / "glove.csd") as file:
        words = np.asarray(file["glove vectors/data/xyz/features"])
    table = FolderSource(made.folder).table("xyz[1]", "glove_vectors")
    # Words 5 to 8 lie within 1.5 to 2.5 s, the last of them in part.
    np.testing.assert_allclose(table["start"], [0.0, 0.3, 0.6, 0.9], atol=1e-9)
    np.testing.assert_allclose(table["end"], [0.3, 0.6, 0.9, 1.0], atol=1e-9)
    np.testing.assert_allclose(table.iloc[:, 2:], words[5:9], rtol=1e-6)


def test_aligned_files_keep_their_segments_and_group_by_video(tmp_path: Path, prepared: Callable[..., Any]) -> None:
    names = [f"{video}[{at}]" for video in ("a", "b") for at in range(2)]
    rng = np.random.default_rng(1)
    label = {name: (rng.normal(size=(1, 7)), [[3.0, 5.0]]) for name in names}
    audio = {name: (rng.normal(size=(4, 2)), even(4, 0.5, 3.0)) for name in names}
    files = [
        write(tmp_path / "labels.csd", "All Labels", label),
        write(tmp_path / "audio.csd", "audio", audio),
    ]
    made = import_csd(files, tmp_path / "corpus", Options(target="happy"))
    store = prepared(made.folder)
    assert [item.group for item in store.items] == ["a", "a", "b", "b"]
    np.testing.assert_allclose(store.target[:, 0, 0], [label[name][0][0, 1] for name in names], rtol=1e-6)
    assert store.schema.targets.parameters[0].name == "happy"
    assert f"also in the table: {', '.join(name for name in MOSEI if name != 'happy')}" in "\n".join(made.wrote)


def test_names_of_columns_come_from_the_metadata(tmp_path: Path) -> None:
    entries = {"a": ([[1.0, 2.0]], [[0, 1]]), "b": ([[0.0, 3.0]], [[0, 1]])}
    write(tmp_path / "l.csd", "labels", entries, {"dimension names": ["valence", "arousal"]})
    write(tmp_path / "x.csd", "x", {"a": ([[1.0]], [[0, 1]]), "b": ([[2.0]], [[0, 1]])})
    made = import_csd([tmp_path], tmp_path / "corpus", Options(target="arousal"))
    assert FolderSource(made.folder).table("b", "labels")["arousal"].tolist() == [3.0]


def test_intervals_that_do_not_last_and_empty_labels_are_told(tmp_path: Path) -> None:
    write(tmp_path / "l.csd", "labels", {n: ([[v]], [[0, 1]]) for n, v in {"a": 1.0, "b": 2.0, "c": np.nan}.items()})
    times = {"a": [[0, 1]], "b": [[2, 2]], "c": [[0, 1]]}
    write(tmp_path / "x.csd", "x", {name: ([[1.0]], times[name]) for name in times})
    write(tmp_path / "y.csd", "y", {name: ([[1.0]], [[0, 1]]) for name in times})
    made = import_csd([tmp_path], tmp_path / "corpus", Options())
    assert "entry of x without an interval that lasts" in made.left_out
    assert "entry without a label" in made.left_out
    assert not FolderSource(made.folder).has("b", "x")


GOOD = {"a": ([[1.0]], [[0.0, 1.0]]), "b": ([[2.0]], [[0.0, 1.0]])}


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({"l.csd": ("labels", GOOD)}, Options(), "labels and at least one modality"),
        ({"l.csd": ("one", GOOD), "x.csd": ("two", GOOD)}, Options(), "must hold the labels"),
        ({"l.csd": ("labels", GOOD), "x.csd": ("labels 2", GOOD)}, Options(), "must hold the labels"),
        ({"l.csd": ("labels", GOOD), "x.csd": ("labels", GOOD)}, Options(), "a name of its own"),
        ({"l.csd": ("labels", GOOD), "x.csd": ("x", GOOD)}, Options(target="lable"), "Did you mean 'label'"),
        ({"l.csd": ("labels", GOOD), "x.csd": ("x", GOOD)}, Options(item="segments"), "Did you mean 'segment'"),
        ({"l.csd": ("labels", GOOD), "x.csd": ("x", GOOD)}, Options(group="a"), "--group has no meaning"),
        ({"l.csd": ("labels", GOOD), "x.csd": ("x", GOOD)}, Options(rates={"x": "30"}), "--sampling-rate has no"),
        ({"l.csd": ("labels", GOOD), "x.csd": ("x", {"a[0]": GOOD["a"]})}, Options(), "common entries"),
        (
            {"l.csd": ("labels", GOOD), "x.csd": ("x", GOOD | {"b": ([[1.0, 2.0]], [[0, 1]])})},
            Options(),
            "same columns",
        ),
        (
            {"l.csd": ("labels", GOOD), "x.csd": ("x", GOOD | {"b": ([[1.0]], [[0, 1], [1, 2]])})},
            Options(),
            "start and",
        ),
        ({"l.csd": ("labels", GOOD), "x.csd": ("x", GOOD | {"b": ([[[1.0]]], [[0, 1]])})}, Options(), "start and end"),
        ({"l.csd": ("labels", {"a": ([[b"x"]], [[0, 1]])}), "x.csd": ("x", GOOD)}, Options(), "must be numbers"),
        ({"l.csd": ("labels", GOOD | {"b": ([[1.0]], [[0, 1]])}), "x.csd": ("x", GOOD)}, Options(), "two values"),
    ],
)
def test_files_that_do_not_fit_are_told(
    tmp_path: Path, files: dict[str, tuple[str, Entries]], options: Options, message: str
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name, (root, entries) in files.items():
        write(source / name, root, entries)
    with pytest.raises(CorpusError, match=message) as told:
        import_csd([source], tmp_path / "corpus", options)
    assert not (tmp_path / "corpus").exists()
    assert told.value.next_step


def test_torn_and_foreign_files_are_told(tmp_path: Path) -> None:
    labels = write(tmp_path / "l.csd", "labels", GOOD)
    whole = write(tmp_path / "x.csd", "x", {"a": (np.random.default_rng(0).normal(size=(500, 9)), even(500, 0.1))})
    data = whole.read_bytes()
    bent = bytearray(data)
    bent[len(bent) // 2 : len(bent) // 2 + 2000] = bytes(2000)
    cases = {"half": data[: len(data) // 2], "text": b"no HDF5", "nothing": b"", "bent": bytes(bent)}
    for name, content in cases.items():
        whole.write_bytes(content)
        with pytest.raises(CorpusError, match="computational sequence"):
            import_csd([labels, whole], tmp_path / f"corpus_{name}", Options())
    with h5py.File(whole, "w") as file:
        file["x/data/a/features"] = np.zeros((3, 2))
    with pytest.raises(CorpusError, match="computational sequence"):
        import_csd([labels, whole], tmp_path / "corpus", Options())
    with h5py.File(whole, "w") as file:
        file["x"] = np.zeros(3)
    with pytest.raises(CorpusError, match="one root group"):
        import_csd([labels, whole], tmp_path / "corpus", Options())


def test_a_claim_of_terabytes_takes_no_memory(tmp_path: Path) -> None:
    labels = write(tmp_path / "l.csd", "labels", GOOD)
    with h5py.File(tmp_path / "x.csd", "w") as file:
        entry = file.create_group("x/data/a")
        entry.create_dataset("features", (10**10, 100), dtype="f8", chunks=(1000, 100), compression="gzip")
        entry.create_dataset("intervals", (10**10, 2), dtype="f8", chunks=(1000, 2), compression="gzip")
    assert (tmp_path / "x.csd").stat().st_size < 100_000
    with pytest.raises(CorpusError, match="at most 1024 MiB"):
        import_csd([labels, tmp_path / "x.csd"], tmp_path / "corpus", Options())


def test_without_h5py_the_error_says_what_to_install(mosi: Path, tmp_path: Path, monkeypatch: Any) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "h5py":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(CorpusError, match=r'pip install "mmstudy\[hdf5\]"'):
        import_csd([mosi], tmp_path / "corpus", Options())
