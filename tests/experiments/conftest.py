"""A study small enough to train in a second or two, and an empty home."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories.studies import (
    blank_figures,
    database_from_nothing,
    migrated,
    quick_starts,
    tiny_corpus,
    with_database,
)

from experiments.home import Home

__all__ = ["blank_figures", "database_from_nothing", "migrated", "quick_starts", "tiny_corpus", "with_database"]

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
