"""The importer of the seed experiment's files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.data.sources.folder import FolderSource
from mmcore.data.sources.seed_layout import LAYOUTS, import_seed_layout
from mmcore.errors import CorpusError

S, K = 10, 2


def write_source(folder: Path, parameters: int = 12, **arrays: Any) -> Path:
    """Video v1 has three sequences, the last of them padded; v2 one, and no features."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    sequences = rng.normal(size=(4, S, K, parameters)).astype(np.float32)
    sequences[..., 0] = rng.integers(0, 2, (4, S, K))
    sequences[..., 1] = rng.integers(0, 10, (4, S, K))
    masks = np.ones((4, S), bool)
    masks[2, 6:] = False
    saved: dict[str, np.ndarray | None] = {
        "sequences": sequences,
        "masks": masks,
        "video_ids": np.array(["v1", "v1", "v2", "v1"]),
    }
    saved |= arrays
    np.savez(folder / "all_sequences.npz", **{name: a for name, a in saved.items() if a is not None})
    time = np.arange(29) * 0.1
    audio = ("audio_energy_rms", "audio_is_speaking", "silence_duration_ms", "text_is_active")
    pd.DataFrame({"time": time, **{name: rng.integers(0, 2, 29) for name in audio}}).to_csv(
        folder / "v1_features.csv", index=False
    )
    visual = {"scene_change": 0, "saliency_x": rng.normal(size=29), "face_count": 1}
    visual |= {f"clip_{e}": rng.normal(size=29) for e in range(6)}
    pd.DataFrame({"time": time, **visual}).to_csv(folder / "v1_visual_features.csv", index=False)
    return folder


def sequences_of(source: Path) -> np.ndarray:
    with np.load(source / "all_sequences.npz") as file:
        return file["sequences"]


@pytest.mark.parametrize("parameters", [12, 9])
def test_sequences_are_joined_and_named(tmp_path: Path, parameters: int) -> None:
    source = write_source(tmp_path / "seed", parameters)
    folder = import_seed_layout(source, tmp_path / "corpus")
    corpus = FolderSource(folder)
    assert [item.name for item in corpus.items] == ["v1", "v2"]
    sequences, frame = sequences_of(source), corpus.table("v1", "track")
    np.testing.assert_allclose(frame["time"], np.arange(30) * 0.1, atol=1e-9)
    joined = np.concatenate(sequences[[0, 1, 3]])
    for k in range(K):
        for at, name in enumerate(LAYOUTS[parameters]):
            np.testing.assert_array_equal(frame[f"{k}_{name}"], joined[:, k, at])
    assert len(corpus.table("v2", "track")) == 6
    assert [p.name for p in corpus.schema.targets.parameters] == list(LAYOUTS[parameters])
    rotation = ("rotation",) if parameters == 12 else ()
    assert corpus.schema.targets.components == ("active", "asset", "scale", "position", *rotation, "crop")


def test_it_prepares(tmp_path: Path) -> None:
    folder = import_seed_layout(write_source(tmp_path / "seed"), tmp_path / "corpus")
    prepared = prepare(folder, DataConfig(), tmp_path / "cache")
    assert [(item.steps, item.has) for item in prepared.items] == [(30, (True,) * 3), (6, (False, False, True))]
    schema = prepared.schema
    assert schema.modalities["visual"].storage == "float16"
    assert schema.modalities["visual"].embedding_groups == ((3, 9),)
    assert schema.modalities["audio"].kinds == ("continuous", "binary", "continuous", "binary")
    assert prepared.present[:30, 0].tolist() == [True] * 29 + [False]


def test_other_names_three_axes_and_byte_ids(tmp_path: Path) -> None:
    plain = import_seed_layout(write_source(tmp_path / "one"), tmp_path / "plain")
    with np.load(tmp_path / "one" / "all_sequences.npz") as file:
        flat = file["sequences"].reshape(4, S, -1)
        renamed = {"X": flat, "mask": file["masks"].astype(np.int64), "ids": file["video_ids"].astype("S")}
    source = write_source(tmp_path / "two", sequences=None, masks=None, video_ids=None, **renamed)
    other = import_seed_layout(source, tmp_path / "other")
    for item in ("v1", "v2"):
        one, two = (FolderSource(f).table(item, "track") for f in (plain, other))
        pd.testing.assert_frame_equal(one, two)


def test_a_hole_within_a_sequence_takes_time(tmp_path: Path) -> None:
    masks = np.ones((4, S), bool)
    masks[0, 3:5] = False
    masks[1, 8:] = False
    folder = import_seed_layout(write_source(tmp_path / "seed", masks=masks), tmp_path / "corpus")
    times = FolderSource(folder).table("v1", "track")["time"].to_numpy()
    expected = [0, 1, 2, 5, 6, 7, 8, 9, *range(10, 18), *range(18, 28)]
    np.testing.assert_allclose(times * 10, expected, atol=1e-9)


def test_twenty_tracks_of_nine_are_known_by_their_width(tmp_path: Path) -> None:
    sequences = np.zeros((4, S, 180), np.float32)
    folder = import_seed_layout(write_source(tmp_path / "seed", sequences=sequences), tmp_path / "corpus")
    assert FolderSource(folder).schema.targets.tracks == 20
    with pytest.raises(CorpusError, match="may be either"):
        import_seed_layout(write_source(tmp_path / "either", sequences=sequences[:, :, :36]), tmp_path / "no")


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"sequences": None}, "holds no sequences; expected sequences or X"),
        ({"video_ids": None}, "holds no video ids"),
        ({"video_ids": np.array(["v1", "v1", "v2", "v1"], dtype=object)}, r"ids\.astype\(str\)"),
        ({"video_ids": np.array(["v1", "v1"])}, "must agree"),
        ({"video_ids": np.array(["v1", "v1", "../v2", "v1"])}, "able to name a file"),
        ({"masks": np.ones((4, 3), bool)}, "must agree"),
        ({"masks": np.zeros((4, S), bool)}, "Invert the masks"),
        ({"sequences": np.zeros((4, S, 7))}, "12 or 9"),
        ({"sequences": np.zeros((4, S, 2, 7))}, "12 or 9"),
        ({"sequences": np.zeros((4, S))}, "must be numbers"),
        ({"sequences": np.zeros((4, S, 12), "U1")}, "must be numbers"),
    ],
)
def test_odd_arrays_are_told(tmp_path: Path, arrays: Mapping[str, np.ndarray | None], says: str) -> None:
    with pytest.raises(CorpusError, match=says):
        import_seed_layout(write_source(tmp_path / "seed", **arrays), tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_there_must_be_one_file_of_sequences(tmp_path: Path) -> None:
    source = write_source(tmp_path / "seed")
    with pytest.raises(CorpusError, match="must be a folder"):
        import_seed_layout(tmp_path / "nowhere", tmp_path / "corpus")
    (source / "more_sequences.npz").write_bytes((source / "all_sequences.npz").read_bytes())
    with pytest.raises(CorpusError, match=r"all_sequences\.npz, more_sequences\.npz"):
        import_seed_layout(source, tmp_path / "corpus")
    for path in source.glob("*.npz"):
        path.write_bytes(b"junk")
    (source / "more_sequences.npz").unlink()
    with pytest.raises(CorpusError, match="cannot be read"):
        import_seed_layout(source, tmp_path / "corpus")


def test_features_must_be_the_same_for_all_videos(tmp_path: Path) -> None:
    source = write_source(tmp_path / "seed")
    (source / "v2_features.csv").write_text("time,audio_energy_rms\n0,1\n")
    with pytest.raises(CorpusError, match="same features"):
        import_seed_layout(source, tmp_path / "corpus")


def test_clip_columns_without_holes(tmp_path: Path) -> None:
    source = write_source(tmp_path / "seed")
    path = source / "v1_visual_features.csv"
    path.write_text(path.read_text().replace("clip_5", "clip_7"))
    with pytest.raises(CorpusError, match="without gaps"):
        import_seed_layout(source, tmp_path / "corpus")
