"""Tiny corpora on disk whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import yaml

if TYPE_CHECKING:
    import torch

EDITING_SCHEMA = {
    "format": 1,
    "name": "tiny",
    "step": None,
    "reference": "track",
    "modalities": {
        "speech": {"features": [{"name": "level"}]},
        "noise": {"features": [{"name": "hiss_{0..1}"}]},
        "track": {"features": [{"name": f"{k}_{p}", "kind": kind} for k in range(2) for p, kind in (
            ("active", "binary"), ("asset", "categorical"), ("x", "continuous"))]},
    },
    "targets": {
        "from": "track",
        "tracks": 2,
        "parameters": [
            {"name": "active", "kind": "binary", "component": "active"},
            {"name": "asset", "kind": "categorical", "classes": 3, "component": "asset", "when": "active"},
            {"name": "x", "component": "position", "when": "active", "unit": "px"},
        ],
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test gets what the runs of another one have computed."""
    from mmcore import once

    monkeypatch.setattr(once, "_kept", type(once._kept)())


def write_corpus(folder: Path, schema: dict, tables: dict[str, dict[str, pd.DataFrame]], items: pd.DataFrame) -> Path:
    """A corpus of format 1: name of modality or target → item → table."""
    folder.mkdir(parents=True)
    (folder / "corpus.yaml").write_text(yaml.safe_dump(schema, sort_keys=False))
    items.to_csv(folder / "items.csv", index=False)
    for name, by_item in tables.items():
        (folder / name).mkdir()
        for item, table in by_item.items():
            table.to_parquet(folder / name / f"{item}.parquet", index=False)
    return folder


def write_editing(folder: Path, items: int = 20, steps: int = 60, seed: int = 0) -> Path:
    """Every edit copies the speech of its own step: x is its level, active its sign, asset its third.

    Speech has no memory, so the past of the track says nothing about its future. Item 0 lacks noise, item 1 speech.
    """
    rng = np.random.default_rng(seed)
    names = [f"clip{i:02d}" for i in range(items)]
    tables: dict[str, dict[str, pd.DataFrame]] = {"speech": {}, "noise": {}, "track": {}}
    for i, name in enumerate(names):
        level = rng.standard_normal(steps)
        time = np.arange(steps, dtype=float)
        track = {"time": time}
        for k in range(2):
            track[f"{k}_active"] = (level > -1.0 if k == 0 else level < 1.0).astype(float)
            track[f"{k}_asset"] = np.digitize(level, [-0.4, 0.4]).astype(float)
            track[f"{k}_x"] = 100.0 * level * (1 if k == 0 else -1) + 500.0
        tables["track"][name] = pd.DataFrame(track)
        if i != 1:
            tables["speech"][name] = pd.DataFrame({"time": time, "level": level})
        if i != 0:
            hiss = rng.standard_normal((steps, 2))
            tables["noise"][name] = pd.DataFrame({"time": time, "hiss_0": hiss[:, 0], "hiss_1": hiss[:, 1]})
    listing = pd.DataFrame({"item": names, "group": names})
    return write_corpus(folder, EDITING_SCHEMA, tables, listing)


def write_labels(folder: Path, items: int = 24, steps: int = 30, seed: int = 0) -> Path:
    """One label per item of varying length: the mean of a sensor is 0, 2 or 4 with unit noise."""
    rng = np.random.default_rng(seed)
    names = [f"rec{i:02d}" for i in range(items)]
    schema = {
        "format": 1,
        "name": "labels",
        "modalities": {"sensor": {"features": [{"name": "value"}]}, "idle": {"features": [{"name": "value"}]}},
        "targets": {
            "from": "exercise",
            "scope": "item",
            "parameters": [{"name": "exercise", "kind": "categorical", "classes": 3, "component": "exercise"}],
        },
    }
    tables: dict[str, dict[str, pd.DataFrame]] = {"sensor": {}, "idle": {}, "exercise": {}}
    for i, name in enumerate(names):
        length = steps + i
        time = np.arange(length, dtype=float)
        tables["sensor"][name] = pd.DataFrame({"time": time, "value": 2.0 * (i % 3) + rng.standard_normal(length)})
        tables["idle"][name] = pd.DataFrame({"time": time, "value": rng.standard_normal(length)})
        tables["exercise"][name] = pd.DataFrame({"exercise": [float(i % 3)]})
    return write_corpus(folder, schema, tables, pd.DataFrame({"item": names, "group": names}))


def write_flat(folder: Path, validation: float) -> Path:
    """A label per step that is 3 throughout, and ``validation`` in the items of that side."""
    rng = np.random.default_rng(0)
    sides = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    names = [f"item{i}" for i in range(len(sides))]
    schema = {
        "format": 1,
        "name": "flat",
        "modalities": {"sensor": {"features": [{"name": "value"}]}},
        "targets": {"from": "labels", "parameters": [{"name": "y", "component": "y"}]},
    }
    tables: dict[str, dict[str, pd.DataFrame]] = {"sensor": {}, "labels": {}}
    time = np.arange(30.0)
    for name, side in zip(names, sides, strict=True):
        tables["sensor"][name] = pd.DataFrame({"time": time, "value": rng.standard_normal(30)})
        tables["labels"][name] = pd.DataFrame({"time": time, "y": validation if side == "validation" else 3.0})
    return write_corpus(folder, schema, tables, pd.DataFrame({"item": names, "group": names, "split": sides}))


@pytest.fixture(scope="session")
def corpus_writer() -> Callable[..., Path]:
    """:func:`write_corpus`, for corpora that one test alone needs."""
    return write_corpus


@pytest.fixture
def flat_corpus(tmp_path: Path) -> Callable[[float], Path]:
    return lambda validation: write_flat(tmp_path / "flat", validation)


@pytest.fixture(scope="session")
def editing_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_editing(tmp_path_factory.mktemp("corpora") / "editing")


@pytest.fixture(scope="session")
def label_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_labels(tmp_path_factory.mktemp("corpora") / "labels")


# Small runs on them ------------------------------------------------------------------------------------------------
SMALL = {
    "data": {"window": 20},
    "model": {"width": 16, "layers": 1, "heads": 2, "feed_forward": 32, "dropout": 0.1},
    "training": {
        "epochs": 4,
        "batch": 4,
        "optimiser": {"kind": "adam", "learning_rate": 0.01},
        "schedule": {"kind": "cosine", "warmup_epochs": 0.5},
    },
}


@pytest.fixture(scope="session")
def config() -> Callable[..., Any]:
    """The small config of a corpus with ``a__b=value`` laid over it."""
    from mmcore.config import build_config, override

    def build(corpus: Path, **overrides: object) -> Any:
        paths = {name.replace("__", "."): value for name, value in overrides.items()}
        return build_config(override({"corpus": str(corpus), **SMALL}, paths))

    return build


@pytest.fixture(scope="session")
def prepared(editing_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from mmcore.config import DataConfig
    from mmcore.data.prepare import prepare

    return prepare(editing_corpus, DataConfig(), tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="session")
def finished(
    config: Callable[..., Any], editing_corpus: Path, prepared: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Path, list[Any]]:
    """An undisturbed run, its folder and what it told."""
    from mmcore.run import run

    folder, events = tmp_path_factory.mktemp("finished"), []
    return run(config(editing_corpus), folder, events.append, prepared), folder, events


@pytest.fixture(scope="session")
def without_time() -> Callable[[Any], str]:
    """A record as text that can be compared: without seconds, to the bit, NaN (which differs from itself) as a word."""

    def plain(record: Any) -> str:
        history = tuple({k: v for k, v in row.items() if k != "seconds"} for row in record.history)
        return repr(replace(record, seconds=0.0, history=history))

    return plain


@pytest.fixture(scope="session")
def weights() -> Callable[..., dict[str, torch.Tensor]]:
    """The weights in a checkpoint of a run's folder."""
    import torch

    return lambda folder, name: torch.load(folder / "checkpoints" / f"{name}.pt", weights_only=True)["model"]


@pytest.fixture(scope="session")
def same_weights(weights: Callable[..., dict[str, torch.Tensor]]) -> Callable[[Path, Path], bool]:
    """Whether two runs ended, and were scored, with the same weights to the bit."""
    import torch

    def same(a: Path, b: Path) -> bool:
        for name in ("last", "best"):
            # Each file is read once, not once for each of its fifty weights.
            ours, theirs = weights(a, name), weights(b, name)
            if ours.keys() != theirs.keys() or not all(torch.equal(ours[key], theirs[key]) for key in ours):
                return False
        return True

    return same


@pytest.fixture(scope="session")
def ragged(editing_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The editing corpus with items of 22 or 60 steps, so that repeats have other numbers of steps and windows."""
    from mmcore.config import DataConfig
    from mmcore.data.prepare import prepare

    folder = tmp_path_factory.mktemp("ragged") / "corpus"
    for path in editing_corpus.rglob("*"):
        target = folder / path.relative_to(editing_corpus)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            number = int(path.stem.removeprefix("clip"))
            pd.read_parquet(path).head(22 + 39 * (number % 3 == 0)).to_parquet(target, index=False)
        elif path.is_file():
            target.write_bytes(path.read_bytes())
    return folder, prepare(folder, DataConfig(), tmp_path_factory.mktemp("store"))
