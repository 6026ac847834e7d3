"""The simulated corpus does what its declaration says: checked by least squares, which knows nothing of it."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmcore.config import DataConfig
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.data.sources.folder import content_key, read_schema
from mmcore.data.sources.simulated import Truth, read_truth, simulate, simulated_schema
from mmcore.errors import CorpusError
from mmcore.quality import summarise

HALF = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("simulated") / "quick", "quick")


@pytest.fixture(scope="module")
def truth(folder: Path) -> Truth:
    return read_truth(folder)


@pytest.fixture(scope="module")
def store(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(folder, DataConfig(), tmp_path_factory.mktemp("cache"))


def explained(x_train: np.ndarray, y_train: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:
    """Share of the variance of unseen items that least squares explains; at most 0 where there is nothing to learn."""
    ones = [np.column_stack([x, np.ones(len(x))]) for x in (x_train, x_test)]
    weights = np.linalg.lstsq(ones[0], y_train, rcond=None)[0]
    return float(1 - np.mean((y_test - ones[1] @ weights) ** 2) / np.mean((y_test - y_train.mean()) ** 2))


@pytest.fixture(scope="module")
def score(store: Prepared) -> Callable[..., float]:
    """R² on unseen complete items of predicting a parameter, where it counts, from columns of the same step and
    (``@lag``) of steps before; mean over tracks. ``K`` in a name stands for the track."""
    schema = store.schema
    names = [p.name for p in schema.targets.parameters]
    place = {column: (modality, at) for modality, m in schema.modalities.items() for at, column in enumerate(m.columns)}
    complete = [item for item in store.items if item.complete]

    def column(name: str, rows: np.ndarray, k: int) -> np.ndarray:
        name, _, lag = name.partition("@")
        modality, at = place[name.replace("K", str(k))]
        return store.values[modality][rows - int(lag or 0), at].astype(float)

    def measure(parameter: str, build: Callable[..., list[np.ndarray]]) -> float:
        scores = []
        for k in range(schema.targets.tracks):
            sides = []
            for items in (complete[:HALF], complete[HALF:]):
                rows = np.concatenate([np.arange(i.offset + 2, i.offset + i.steps) for i in items])
                rows = rows[store.present[rows].all(axis=1)]
                y = store.target[rows, k, names.index(parameter)].astype(float)
                x = np.column_stack(build(lambda name, rows=rows, k=k: column(name, rows, k)))
                counted = ~np.isnan(x).any(axis=1) & ((parameter == "active") | (store.target[rows, k, 0] == 1))
                sides += [x[counted], y[counted]]
            scores.append(explained(*sides))
        return float(np.mean(scores))

    return measure


def loud(c: Callable[[str], np.ndarray]) -> np.ndarray:
    return np.sign(c("audio_energy_rms") - 0.1)


def motion(c: Callable[[str], np.ndarray]) -> np.ndarray:
    return 2 * c("visual_motion") - 1


def test_active_follows_speech_and_not_the_picture(score: Callable[..., float]) -> None:
    assert score("active", lambda c: [c("audio_is_speaking")]) > 0.7
    assert score("active", lambda c: [c("visual_motion"), c("face_count"), c("face_mouth_open"), c("clip_0")]) < 0.02
    assert score("active", lambda c: [c("K_active@1"), c("K_active@2")]) < 0.1


def test_scale_needs_speech_and_motion_together(score: Callable[..., float]) -> None:
    assert score("scale", lambda c: [loud(c) * motion(c)]) > 0.8
    assert score("scale", lambda c: [loud(c), c("audio_is_speaking"), c("silence_duration_ms")]) < 0.02
    assert score("scale", lambda c: [motion(c), motion(c) ** 2, c("scene_change"), c("face_count")]) < 0.02
    assert score("scale", lambda c: [loud(c), motion(c), c("audio_is_speaking")]) < 0.02
    assert score("scale", lambda c: [c("K_scale@1"), c("K_scale@2")]) < 0.05


@pytest.mark.parametrize(("parameter", "feature"), [("x", "face_center_x"), ("y", "face_center_y")])
def test_position_follows_the_face(score: Callable[..., float], parameter: str, feature: str) -> None:
    assert score(parameter, lambda c: [c(feature), c("face_count") > 0]) > 0.7
    assert score(parameter, lambda c: [c("audio_energy_rms"), c("audio_is_speaking")]) < 0.02
    assert score(parameter, lambda c: [c(f"K_{parameter}@1"), c(f"K_{parameter}@2")]) < 0.15


def test_anchors_follow_the_saliency(score: Callable[..., float]) -> None:
    assert score("anchor_x", lambda c: [c("saliency_x")]) > 0.7
    assert score("anchor_y", lambda c: [c("saliency_x")]) < 0.02


def test_asset_follows_the_scene_at_a_cut_and_its_own_past_between(store: Prepared, truth: Truth) -> None:
    visual = list(store.schema.modalities["visual"].columns)
    cut, first = visual.index("scene_change"), visual.index("clip_0")
    rows = np.concatenate([np.arange(i.offset + 1, i.offset + i.steps) for i in store.items if i.complete])
    rows = rows[store.present[rows].all(axis=1)]
    cuts = store.values["visual"][rows, cut] == 1
    asset = store.target[:, 0, 1]
    assert (asset[rows[~cuts]] == asset[rows[~cuts] - 1]).mean() > 0.98
    assert (asset[rows[cuts]] == asset[rows[cuts] - 1]).mean() < 0.5
    # The clip's nearest class mean names the asset at a cut, and says little elsewhere.
    clip = np.asarray(store.values["visual"][:, first:], np.float32)
    means = np.stack([clip[rows[cuts]][asset[rows[cuts]] == c].mean(axis=0) for c in range(3)])
    named = (clip[rows] @ means.T).argmax(axis=1) == asset[rows]
    assert named[cuts].mean() > 0.9
    assert named[~cuts].mean() < 0.75
    assert truth.components["asset"].history


def test_crop_follows_its_own_last_two_values(score: Callable[..., float]) -> None:
    last = score("crop_l", lambda c: [c("K_crop_l@1")])
    assert score("crop_l", lambda c: [c("K_crop_l@1"), c("K_crop_l@2")]) > max(0.8, last + 0.15)
    assert score("crop_l", lambda c: [c("audio_energy_rms"), c("visual_motion"), c("face_center_x")]) < 0.02


def test_rotation_follows_nothing(store: Prepared, score: Callable[..., float]) -> None:
    content = [c for m in ("audio", "visual") for c in store.schema.modalities[m].columns if not c.startswith("sal")]
    assert score("rotation", lambda c: [c(name) for name in content]) < 0.01
    assert score("rotation", lambda c: [c(f"{k}_{p}@1") for k in range(4) for p in ("x", "rotation", "active")]) < 0.01
    assert score("rotation", lambda c: [c("K_rotation@1"), c("K_rotation@2"), loud(c) * motion(c)]) < 0.01


def test_the_declaration_names_every_component_and_its_drivers(folder: Path, truth: Truth) -> None:
    schema = read_schema(folder)
    assert set(truth.components) == set(schema.targets.components)
    drivers = {name: set(component.modalities) for name, component in truth.components.items()}
    assert drivers == {
        "active": {"audio"},
        "asset": {"visual"},
        "scale": {"audio", "visual"},
        "position": {"visual"},
        "rotation": set(),
        "crop": set(),
    }
    assert [name for name, c in truth.components.items() if c.together] == ["scale"]
    assert {name for name, c in truth.components.items() if c.history} == {"asset", "crop"}
    assert len(truth.polarity) == len(truth.gain) == 4


def test_the_declared_troubles_are_there(store: Prepared, truth: Truth) -> None:
    bare = {item.name for item in store.items if not item.has[0] and not item.has[1]}
    assert bare == set(truth.without_content)
    assert len(bare) / len(store.items) == pytest.approx(0.27, abs=0.02)
    gaps = {row.item for row in store.quality if row.modality == "visual" and row.largest_gap > 5}
    assert gaps == set(truth.with_gap)
    assert gaps
    lines = {line.modality: line for line in summarise(store.quality)}
    assert 0 < lines["visual"].interpolated < 0.01
    assert lines["visual"].nan > 0
    visual = list(store.schema.modalities["visual"].columns)
    faces = store.values["visual"][store.present[:, 1]][:, visual.index("face_count") : visual.index("clip_0")]
    assert not faces[faces[:, 0] == 0].any()
    assert 0.02 < (faces[:, 0] == 0).mean() < 0.6


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_equal_arguments_give_equal_bytes(folder: Path, tmp_path: Path) -> None:
    assert tree(simulate(tmp_path / "again", "quick")) == tree(folder)
    assert content_key(simulate(tmp_path / "other", "quick", seed=1)) != content_key(folder)


def test_it_appears_whole_or_not_at_all(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CorpusError, match="new folder"):
        simulate(folder, "quick")
    monkeypatch.setattr("mmcore.data.sources.simulated.write_items", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        simulate(tmp_path / "new", "quick")
    assert list(tmp_path.iterdir()) == []


def test_the_schema_is_known_without_a_corpus(folder: Path) -> None:
    assert simulated_schema("quick") == read_schema(folder)


def test_the_seeds_size() -> None:
    from mmcore.data.sources.simulated import _plan

    plan, schema = _plan("seed", 0), simulated_schema("seed")
    assert len(plan.steps) == 110
    for ahead in (0, 1, 5):
        assert sum(-(-(steps - ahead) // 100) for steps in plan.steps) == 836 + 202
    widths = {name: len(modality.columns) for name, modality in schema.modalities.items()}
    assert widths == {"audio": 4, "visual": 522, "track": 240}
    assert (schema.targets.tracks, schema.targets.outputs) == (20, 22)
    assert plan.without_content == 30
    with pytest.raises(CorpusError, match="quick, seed or noisy"):
        simulated_schema("huge")  # type: ignore[arg-type]


def test_a_corpus_that_declares_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"truth\.yaml"):
        read_truth(tmp_path)
    (tmp_path / "truth.yaml").write_text("size: quick\n")
    with pytest.raises(CorpusError, match="broken"):
        read_truth(tmp_path)


def test_simulating_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from mmcore.data.sources.simulated import simulate; "
        f"simulate(pathlib.Path({str(tmp_path / 'c')!r}), 'quick'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_noisy_corpus_differs_in_the_outliers_of_rotation_alone(folder: Path, tmp_path: Path) -> None:
    noisy = simulate(tmp_path / "noisy", "noisy")
    for name in ("audio", "visual"):
        for file in (folder / name).glob("*.parquet"):
            assert (noisy / name / file.name).read_bytes() == file.read_bytes()
    rotations = []
    for file in sorted((folder / "track").glob("*.parquet")):
        plain, other = pd.read_parquet(file), pd.read_parquet(noisy / "track" / file.name)
        rotation = [c for c in plain.columns if c.endswith("_rotation")]
        pd.testing.assert_frame_equal(plain.drop(columns=rotation), other.drop(columns=rotation))
        rotations.append(other[rotation].to_numpy().ravel())
    square = np.sort(np.concatenate(rotations) ** 2)
    top = square[-len(square) // 100 :].sum() / square.sum()
    assert top > 0.8, "one step in a hundred makes up nearly all of the squared error"
    assert "Student" in read_truth(noisy).components["rotation"].rule
    assert read_truth(noisy).components["crop"] == read_truth(folder).components["crop"]
