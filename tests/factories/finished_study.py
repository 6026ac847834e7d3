"""A folder with a study, its corpus and its home: searched, trained, analysed and reported once for all tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from factories.command import mmstudy
from factories.once import made_once
from factories.studies import sketched

from experiments.driver import analyse_study, run_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options, trains_itself
from experiments.relocation import follow

STUDY = """\
question: Does the level help?
preset: null
repeats: 2
reference: track
base:
  data.window: 20
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8, dropout: 0.1}
  training: {epochs: 1, batch: 8}
arms:
  both: {}
  track: {model.modalities: [track]}
search:
  space: {training.optimiser.learning_rate: {kind: log_uniform, low: 0.0001, high: 0.01}}
  budget: {trials: 1}
  sampler: random
  repeats: 1
"""
OPTIONS = Options(corpus="corpus")
WORDS = ("level.yaml", "--corpus", "corpus")
"""The study and its options, on the command line."""


@contextmanager
def within(folder: Path) -> Iterator[Path]:
    """Work in a folder, as a user does."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _make(folder: Path, corpus: Path) -> None:
    shutil.copytree(corpus, folder / "corpus")
    (folder / "level.yaml").write_text(STUDY, encoding="utf-8")
    with within(folder), pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.figures.svg.rendered", sketched)
        patch.setattr("reports.output.drawing.copies", lambda: 0)
        home = Home.choose()
        run_study("level.yaml", None, OPTIONS)
        request = open_request("level.yaml", home, OPTIONS)
        assert trains_itself(request)
        analyse_study(request, home, ["errors"])
        done = mmstudy(home, "home", "export", *WORDS[:1], "level.zip", *WORDS[1:])
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def whole_project(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path, quick_starts: None) -> Path:
    """``level.yaml``, ``corpus/``, ``mlruns/`` and the archive ``level.zip``; tests must not change it."""
    return made_once(tmp_path_factory, "finished_study", lambda folder: _make(folder / "project", tiny_corpus)) / (
        "project"
    )


@pytest.fixture
def project(whole_project: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of :func:`whole_project` to work in, which is the current folder."""
    shutil.copytree(whole_project, tmp_path / "project")
    # As if the home had been made here, and not been copied.
    follow(Home(tmp_path / "project" / "mlruns"))
    with within(tmp_path / "project") as folder:
        yield folder
