"""A study small enough to train in a second or two, and an empty home."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories.once import made_once
from factories.studies import (
    blank_figures,
    database_from_nothing,
    migrated,
    no_mirror,
    quick_starts,
    sketching,
    tiny_corpus,
    with_database,
)

import mmstudy
from experiments.driver import run_study
from experiments.home import Home
from experiments.planning.request import Options
from experiments.trained_arm import TrainedArm

__all__ = [
    "blank_figures", "database_from_nothing", "migrated", "no_mirror", "quick_starts", "tiny_corpus", "with_database",
]  # fmt: skip

STUDY = """\
question: Does the level help?
preset: null
repeats: 2
reference: track
base:
  data.window: 20
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8, dropout: 0.1}
  training: {epochs: 2, batch: 8}
arms:
  both: {}
  track: {model.modalities: [track]}
"""


@pytest.fixture(scope="session")
def tiny_study_text() -> str:
    """A study with two arms."""
    return STUDY


@pytest.fixture
def tiny_study(tmp_path: Path, tiny_study_text: str) -> Path:
    """The study's file."""
    path = tmp_path / "level.yaml"
    path.write_text(tiny_study_text, encoding="utf-8")
    return path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home."""
    return Home(tmp_path / "home")


@pytest.fixture(autouse=True)
def _own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may talk to a tracking server of the machine's user."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MMSTUDY_HOME", raising=False)


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, tiny_study_text: str, tiny_corpus: Path, quick_starts: None
) -> tuple[Path, Path, Home]:
    """A finished study, its corpus and its home; nobody changes them."""

    def make(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        study = folder / "level.yaml"
        placebo = "  placebo: {data.placebo: [audio]}\n"
        study.write_text(tiny_study_text + placebo, encoding="utf-8")
        with sketching():
            assert run_study(str(study), folder / "home", Options(corpus=str(tiny_corpus), workers=1)).failed == 0

    folder = made_once(tmp_path_factory, "trained_for_predictions", make)
    return folder / "level.yaml", tiny_corpus, Home(folder / "home")


@pytest.fixture
def arm(trained: tuple[Path, Path, Home]) -> TrainedArm:
    study, corpus, home = trained
    return mmstudy.load(home.root, study, "both", corpus=str(corpus))
