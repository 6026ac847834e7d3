"""The smartwatch importer on the real package, and on files that nobody should trust."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.data.sources.folder import FolderSource
from mmcore.data.sources.smartwatch import find_recordings, import_smartwatch, read_recordings
from mmcore.errors import CorpusError

installed = pytest.mark.skipif(importlib.util.find_spec("seglearn") is None, reason="needs the package seglearn")


def recordings(**changes: Any) -> dict[str, Sequence[Any] | np.ndarray]:
    rng = np.random.default_rng(0)
    data = {
        "X": [rng.normal(size=(steps, 6)) for steps in (60, 75, 50)],
        "X_labels": ["ax", "ay", "az", "wx", "wy", "wz"],
        "y": np.array([0, 1, 1]),
        "y_labels": ["PEN", "ABD"],
        "subject": np.array([7, 10, 7]),
        "side": np.array([1.0, 0.0, 0.0]),
    }
    return data | changes


def save(path: Path, data: object) -> Path:
    np.save(path, np.array(data, dtype=object), allow_pickle=True)
    return path


def test_a_small_file_becomes_a_corpus(tmp_path: Path) -> None:
    data = recordings()
    folder = import_smartwatch(tmp_path / "watch", save(tmp_path / "w.npy", data))
    source = FolderSource(folder)
    assert [(i.name, i.group, i.metadata) for i in source.items] == [
        ("recording_000", "subject_07", {"side": "right", "exercise": "PEN"}),
        ("recording_001", "subject_10", {"side": "left", "exercise": "ABD"}),
        ("recording_002", "subject_07", {"side": "left", "exercise": "ABD"}),
    ]
    prepared = prepare(folder, DataConfig(), tmp_path / "cache")
    assert [item.steps for item in prepared.items] == [6, 8, 5]
    samples_TF = data["X"][1][:, 3:]
    # The step at 0.4 s holds the samples after 0.3 s, up to 0.5 s.
    step_F = prepared.values["gyroscope"][6 + 2]
    np.testing.assert_allclose(step_F[:3], samples_TF[16:26].mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(step_F[3:], samples_TF[16:26].std(axis=0), rtol=1e-4)
    assert prepared.target.flatten().tolist() == [0, 1, 1]
    assert prepared.schema.targets.parameters[0].labels == ("PEN", "ABD")


@installed
def test_the_real_recordings_arrive_whole(tmp_path: Path) -> None:
    folder = import_smartwatch(tmp_path / "watch")
    source = FolderSource(folder)
    assert len(source.items) == 140
    assert len({item.group for item in source.items}) == 10
    assert Counter(item.metadata["exercise"] for item in source.items).keys() == {
        "PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW",
    }  # fmt: skip
    data = read_recordings(find_recordings())
    prepared = prepare(folder, DataConfig(), tmp_path / "cache")
    assert prepared.target[:, 0, 0].tolist() == data["y"].tolist()
    assert [item.steps for item in prepared.items] == [-(-len(x) // 10) for x in data["X"]]
    assert max(item.steps for item in prepared.items) == 262
    assert prepared.present.all()
    streams = ("accelerometer", "gyroscope")
    for index in (0, 139):
        read = [source.read(source.items[index].name, stream) for stream in streams]
        both_TF = np.hstack([table.values_TF[:, :3] for table in read if table is not None])
        np.testing.assert_allclose(both_TF, data["X"][index], rtol=1e-6, atol=1e-30)


@installed
def test_the_restricted_reader_reads_what_numpy_reads() -> None:
    path = find_recordings()
    ours, theirs = read_recordings(path), np.load(path, allow_pickle=True).item()
    assert ours.keys() == theirs.keys()
    for mine, other in zip(ours["X"], theirs["X"], strict=True):
        np.testing.assert_array_equal(mine, other)
        assert mine.dtype == other.dtype
    for name in ("y", "subject", "side"):
        np.testing.assert_array_equal(ours[name], theirs[name])


@installed
def test_seglearn_itself_is_never_imported() -> None:
    code = (
        "import sys; from mmcore.data.sources.smartwatch import *; read_recordings(find_recordings()); "
        "print([m for m in ('seglearn', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.marker,))


def test_a_pickle_that_calls_anything_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    path = save(tmp_path / "evil.npy", recordings(side=[Evil(marker)]))
    with pytest.raises(CorpusError, match="Do not trust this file"):
        read_recordings(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"X_labels": ["a", "b", "c", "d", "e", "f"]},
        {"y": np.array([0, 1])},
        {"y": np.array([0, 1, 2])},
        {"side": np.array([0.0, 1.0, 2.0])},
        {"X": [np.zeros((5, 6)), np.zeros((5, 5)), np.zeros((5, 6))]},
        {"X": None},
    ],
)
def test_a_file_with_other_contents_is_told(tmp_path: Path, changes: Mapping[str, object]) -> None:
    path = save(tmp_path / "w.npy", recordings(**changes))
    with pytest.raises(CorpusError, match="does not hold the smartwatch recordings"):
        read_recordings(path)


def test_files_of_another_kind_are_told(tmp_path: Path) -> None:
    np.save(tmp_path / "numbers.npy", np.zeros(3))
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps({}))
    whole = save(tmp_path / "whole.npy", recordings()).read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[: len(whole) // 2])
    for name in ("numbers", "text", "pickle", "cut", "nowhere"):
        with pytest.raises(CorpusError):
            read_recordings(tmp_path / f"{name}.npy")


def test_without_seglearn_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CorpusError, match=r'pip install "mmstudy\[smartwatch\]"'):
        import_smartwatch(tmp_path / "watch")
    assert not (tmp_path / "watch").exists()
