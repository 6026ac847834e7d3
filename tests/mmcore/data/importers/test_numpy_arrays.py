"""NumPy archives and folders: what becomes of each array, and archives that claim more than they hold."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmcore.data.importers import stored
from mmcore.data.importers.arrays import import_numpy
from mmcore.data.importers.sample import Options
from mmcore.data.sources.folder import FolderSource
from mmcore.errors import CorpusError

RNG = np.random.default_rng(0)
N, T = 12, 7


def arrays(**changes: np.ndarray | None) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    data = {
        "audio": rng.normal(size=(N, T, 4)).astype(np.float32),
        "face": rng.normal(size=(N, T, 2)),
        "y": np.arange(N) % 3,
    }
    return {name: value for name, value in (data | changes).items() if value is not None}


def saved(tmp_path: Path, how: str, data: Mapping[str, np.ndarray]) -> Path:
    path = tmp_path / "data"
    match how:
        case "npz":
            np.savez(path.with_suffix(".npz"), **data)
            return path.with_suffix(".npz")
        case "compressed":
            np.savez_compressed(path.with_suffix(".npz"), **data)
            return path.with_suffix(".npz")
        case _:
            path.mkdir()
            for name, array in data.items():
                np.save(path / f"{name}.npy", array)
            return path


@pytest.mark.parametrize("how", ["npz", "compressed", "folder"])
def test_arrays_become_a_corpus(
    tmp_path: Path, prepared: Callable[..., Any], of_item: Callable[..., Any], how: str
) -> None:
    lengths = np.arange(N) % 4 + 3
    data = arrays(
        groups=np.array([f"speaker {at % 4}" for at in range(N)]),
        split=np.array(["train"] * 8 + ["dev", "dev", "test", "test"]),
        items=np.array([f"録音 {at}" for at in range(N)]),
        lengths_audio=lengths,
        lengths_face=lengths,
        genre=np.array([b"talk", b"song"] * 6),
        extra=np.zeros((3, 3)),
    )
    data["groups"][8:10], data["groups"][10:] = "speaker 8", "speaker 9"
    made = import_numpy(saved(tmp_path, how, data), tmp_path / "corpus", Options())
    store = prepared(made.folder)
    assert [item.steps for item in store.items] == lengths.tolist()
    assert [item.split for item in store.items[7:11]] == ["train", "validation", "validation", "test"]
    assert store.items[1].group == "speaker 1"
    assert store.items[1].metadata == {"genre": "song"}
    for at, item in enumerate(store.items):
        for modality in ("audio", "face"):
            expected = data[modality][at, : lengths[at]].astype(np.float32)
            np.testing.assert_array_equal(of_item(store, item.name, modality), expected)
    assert store.target[:, 0, 0].tolist() == data["y"].tolist()
    assert store.schema.targets.parameters[0].classes == 3
    assert "extra: float64 of shape (3, 3)" in "\n".join(made.left_out)


@pytest.mark.parametrize(
    ("y", "names", "scope", "kind"),
    [
        (RNG.normal(size=N), ["y"], "item", "continuous"),
        (RNG.normal(size=(N, 1)), ["y"], "item", "continuous"),
        (RNG.normal(size=(N, 2)), ["y_0", "y_1"], "item", "continuous"),
        (RNG.normal(size=(N, T)), ["y"], "step", "continuous"),
        (RNG.normal(size=(N, T, 2)), ["y_0", "y_1"], "step", "continuous"),
        (np.arange(N) % 2 == 1, ["y"], "item", "binary"),
        (np.arange(N) % 2 * 5, ["y"], "item", "binary"),
        (np.array(["悲", "喜", "怒"] * 4), ["y"], "item", "categorical"),
        (np.array([b"sad", b"glad", b"sad"] * 4), ["y"], "item", "binary"),
        (np.arange(N * T).reshape(N, T) % 3, ["y"], "step", "categorical"),
    ],
)
def test_labels_of_every_shape(
    tmp_path: Path, prepared: Callable[..., Any], y: np.ndarray, names: list[str], scope: str, kind: str
) -> None:
    made = import_numpy(saved(tmp_path, "npz", arrays(y=y)), tmp_path / "corpus", Options())
    store = prepared(made.folder)
    assert [p.name for p in store.schema.targets.parameters] == names
    assert (store.schema.targets.scope, store.schema.targets.parameters[0].kind) == (scope, kind)
    if y.dtype.kind in "US":
        words = [word.decode() if isinstance(word, bytes) else word for word in y.tolist()]
        labels = store.schema.targets.parameters[0].labels
        assert labels is not None
        assert [labels[int(code)] for code in store.target[:, 0, 0]] == words
    elif kind != "binary":
        np.testing.assert_allclose(store.target[:, 0].reshape(-1), y.reshape(-1), rtol=1e-6)
    else:
        np.testing.assert_array_equal(store.target[:, 0, 0] == 1, y.astype(bool))


def test_rates_let_modalities_differ(tmp_path: Path, prepared: Callable[..., Any]) -> None:
    data = arrays(face=RNG.normal(size=(N, 14, 2)))
    path = saved(tmp_path, "npz", data)
    with pytest.raises(CorpusError, match=r"--sampling-rate audio=HZ --sampling-rate face=HZ"):
        import_numpy(path, tmp_path / "corpus", Options())
    with pytest.raises(CorpusError, match="found none for face"):
        import_numpy(path, tmp_path / "corpus", Options(rates={"audio": "10"}))
    made = import_numpy(path, tmp_path / "corpus", Options(rates={"audio": "10", "face": "20"}))
    store = prepared(made.folder)
    assert store.schema.step == 0.1
    np.testing.assert_allclose(FolderSource(made.folder).table("item_00003", "face")["time"], np.arange(14) / 20)
    np.testing.assert_allclose(store.values["audio"][:T], data["audio"][0], rtol=1e-6)


def test_labels_per_step_need_a_rate_where_modalities_have_one(tmp_path: Path, prepared: Callable[..., Any]) -> None:
    path = saved(tmp_path, "npz", arrays(y=RNG.normal(size=(N, T, 1))))
    with pytest.raises(CorpusError, match="--sampling-rate y=HZ"):
        import_numpy(path, tmp_path / "corpus", Options(rates={"audio": "10", "face": "10"}))
    made = import_numpy(path, tmp_path / "corpus", Options(rates={"audio": "10", "face": "10", "y": "10"}))
    assert prepared(made.folder).items[0].steps == T


def test_arrays_have_other_names(tmp_path: Path) -> None:
    data = arrays(y=None, mood=np.arange(N) % 2, speaker=np.arange(N) // 3, key=np.array([f"k{at}" for at in range(N)]))
    options = Options(target="mood", group="speaker", item="key")
    made = import_numpy(saved(tmp_path, "npz", data), tmp_path / "corpus", options)
    items = FolderSource(made.folder).items
    assert [(item.name, item.group) for item in items[:4]] == [("k0", "0"), ("k1", "0"), ("k2", "0"), ("k3", "1")]


def test_missing_labels_and_infinite_cells_are_told(tmp_path: Path, prepared: Callable[..., Any]) -> None:
    data = arrays(y=np.where(np.arange(N) < 2, np.nan, np.arange(N)))
    data["audio"][3, 0, 0] = np.inf
    made = import_numpy(saved(tmp_path, "npz", data), tmp_path / "corpus", Options())
    assert "2 × item without a label" in made.left_out
    assert "1 infinite cell written as empty" in "\n".join(made.wrote)
    assert len(prepared(made.folder).items) == N - 2


def test_names_that_differ_in_capitals_or_hold_slashes_become_files(tmp_path: Path) -> None:
    data = arrays(items=np.array(["aB", "Ab", "a/b", "..", "x"] + [f"k{at}" for at in range(N - 5)]))
    made = import_numpy(saved(tmp_path, "npz", data), tmp_path / "corpus", Options())
    assert [item.name for item in FolderSource(made.folder).items[:5]] == ["aB", "Ab~2", "a_b", "item", "x"]
    assert "3 names that cannot name a file" in "\n".join(made.left_out)


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"y": None}, Options(), "must hold labels"),
        ({}, Options(target="z"), "which is not there"),
        ({}, Options(group="speaker"), "which is not there"),
        ({}, Options(rates={"sound": "3"}), "which is not there"),
        ({"y": np.zeros(5)}, Options(), "one entry per item"),
        ({"y": np.zeros(N)}, Options(), "at least two values"),
        ({"y": np.zeros((N, 2, 2, 2))}, Options(), "one or a few per item"),
        ({"y": np.array([f"sentence {at}" for at in range(60)])}, Options(), "one entry per item"),
        ({"face": np.zeros((5, T, 2))}, Options(), "one entry per item"),
        ({"audio": None, "face": None}, Options(), "x\\[:, :, None\\]"),
        ({"groups": np.zeros((N, 2))}, Options(), "one entry per item"),
        ({"split": np.array(["train", "holdout"] * 6)}, Options(), "a split names the sides"),
        ({"lengths_audio": np.full(N, T + 1)}, Options(), f"from 0 to {T}"),
        ({"lengths_audio": np.zeros(3, int)}, Options(), "a number of rows for every item"),
        ({"lengths_audio": np.full(N, 2)}, Options(), "2 rows of audio, 7 rows of face"),
        ({"names": np.array([{"a": 1}] * N, object)}, Options(), "nothing is unpickled"),
        ({"fields": np.zeros(N, [("a", "f4")])}, Options(), "nothing is unpickled"),
    ],
)
@pytest.mark.parametrize("how", ["npz", "folder"])
def test_arrays_that_do_not_fit_are_told(
    tmp_path: Path, how: str, changes: Mapping[str, np.ndarray | None], options: Options, message: str
) -> None:
    with pytest.raises(CorpusError, match=message) as told:
        import_numpy(saved(tmp_path, how, arrays(**changes)), tmp_path / "corpus", options)
    assert not (tmp_path / "corpus").exists()
    assert told.value.next_step


def test_more_texts_than_can_be_classes_are_told(tmp_path: Path) -> None:
    y = np.array([f"sentence {at}" for at in range(60)])
    path = saved(tmp_path, "npz", {"x": np.zeros((60, 2, 1)), "y": y})
    with pytest.raises(CorpusError, match="at most 50 classes"):
        import_numpy(path, tmp_path / "corpus", Options())


def header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return path


def test_bombs_are_refused_by_their_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    y = io.BytesIO()
    np.save(y, np.arange(2))
    lie = archive(tmp_path / "lie.npz", x=header((2, 10**9, 100)) + bytes(80), y=y.getvalue())
    with pytest.raises(CorpusError, match="must fit its data"):
        import_numpy(lie, tmp_path / "corpus", Options())
    overflow = archive(tmp_path / "overflow.npz", x=header((2**40, 2**40, 2**40)), y=y.getvalue())
    with pytest.raises(CorpusError, match="must fit its data"):
        import_numpy(overflow, tmp_path / "corpus", Options())
    # A true bomb: 64 MB of zeros in 64 kB. The limits are lowered so that the test stays small.
    size = 4_000_000
    bomb = archive(tmp_path / "bomb.npz", x=header((2, size, 1)) + bytes(2 * 8 * size), y=y.getvalue())
    assert bomb.stat().st_size < 100_000
    monkeypatch.setattr(stored, "ARCHIVE_LIMIT", 1 << 20)
    with pytest.raises(CorpusError, match="may claim at most 0 GiB together"):
        import_numpy(bomb, tmp_path / "corpus", Options())
    monkeypatch.undo()
    monkeypatch.setattr("mmcore.data.importers.sample.ITEM_LIMIT", 1 << 20)
    with pytest.raises(CorpusError, match="at most 1 MiB"):
        import_numpy(bomb, tmp_path / "corpus", Options())


def test_torn_files_are_told(tmp_path: Path) -> None:
    path = saved(tmp_path, "compressed", arrays())
    whole = path.read_bytes()
    bent = bytearray(whole)
    bent[200:260] = bytes(60)
    for name, data in {"half": whole[: len(whole) // 2], "none": b"", "text": b"text", "bent": bytes(bent)}.items():
        path.write_bytes(data)
        with pytest.raises(CorpusError) as told:
            import_numpy(path, tmp_path / "corpus", Options())
        assert told.value.next_step, name
    folder = saved(tmp_path, "folder", arrays())
    (folder / "face.npy").write_bytes((folder / "face.npy").read_bytes()[:-8])
    with pytest.raises(CorpusError, match="must fit its data"):
        import_numpy(folder, tmp_path / "corpus", Options())
    (folder / "face.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': ('<f8', 'shape': ((}\n")
    with pytest.raises(CorpusError, match="cannot be read"):
        import_numpy(folder, tmp_path / "corpus", Options())
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="at least one"):
        import_numpy(tmp_path / "empty", tmp_path / "corpus", Options())


def test_items_are_read_one_by_one(tmp_path: Path) -> None:
    """Memory stays at the size of an item, whatever the archive holds."""
    import tracemalloc

    data = {"x": np.zeros((50, 1000, 100), np.float32), "y": np.arange(50) % 2}
    path = saved(tmp_path, "compressed", data)
    import_numpy(path, tmp_path / "first", Options())
    tracemalloc.start()
    import_numpy(path, tmp_path / "corpus", Options())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20 < data["x"].nbytes


def test_numbers_of_any_type_are_read(tmp_path: Path, prepared: Callable[..., Any]) -> None:
    data = arrays(audio=np.full((N, T, 2), 1e300), face=np.arange(N * T * 2, dtype=">i2").reshape(N, T, 2))
    for at, dtype in enumerate((">f8", "<f2", ">i4", ">U8")):
        (tmp_path / str(at)).mkdir()
        y = np.array(["4", "7", "9"] * 4).astype(dtype)
        made = import_numpy(saved(tmp_path / str(at), "npz", data | {"y": y}), tmp_path / str(at) / "c", Options())
        assert "infinite cells" in "\n".join(made.wrote)
        store = prepared(made.folder)
        labels = store.schema.targets.parameters[0].labels
        codes = store.target[:3, 0, 0].tolist()
        assert ([float(labels[int(code)]) for code in codes] if labels else codes) == [4.0, 7.0, 9.0]


def test_text_of_any_kind_fits_cells_and_file_names(tmp_path: Path, prepared: Callable[..., Any]) -> None:
    words = np.array(["a\nb", "\ud800", "x" * 400, "tab\there", "NA", "\x00z"] * 2)
    data = arrays(items=words, groups=words, genre=words, y=np.array(["so\nso", "well"] * 6))
    made = import_numpy(saved(tmp_path, "npz", data), tmp_path / "corpus", Options())
    store = prepared(made.folder)
    assert len(store.items) == N
    assert store.schema.targets.parameters[0].labels == ("so so", "well")
    assert store.target[:4, 0, 0].tolist() == [0, 1, 0, 1]
    assert store.items[0].group == "a b"
