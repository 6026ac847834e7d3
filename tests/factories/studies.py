"""Fixtures for tests that run whole studies: a corpus of a second, and homes and workers that are there at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from factories.once import made_once
from factories.workers import WarmPool
from mlflow.store.db import utils as schema

from experiments.home import Home
from experiments.launchers import choose
from experiments.mirror import Background
from experiments.tracking import client

if TYPE_CHECKING:
    from reports.figures.base import FigureBase

BLANK = '<svg xmlns="http://www.w3.org/2000/svg" width="9pt" height="9pt" viewBox="0 0 9 9"><path d="M0 0h9"/></svg>'

MAKE_DATABASE = client.create_database

CORPUS = """\
format: 1
name: tiny
step: 0.1
reference: track
modalities:
  audio: {features: [{name: level}]}
  track: {features: [{name: 0_x}]}
targets:
  from: track
  tracks: 1
  parameters:
    - {name: x, component: position}
"""


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve items of 40 steps; x copies the level of the same step, which history cannot know."""
    return made_once(tmp_path_factory, "tiny_corpus", lambda folder: _write_tiny(folder / "tiny")) / "tiny"


def _write_tiny(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("audio", "track"):
        (folder / name).mkdir(parents=True)
    rows = []
    for index in range(12):
        item = f"item{index:02}"
        time = np.arange(40) * 0.1
        level = rng.normal(size=40)
        pd.DataFrame({"time": time, "level": level}).to_parquet(folder / "audio" / f"{item}.parquet")
        pd.DataFrame({"time": time, "0_x": level}).to_parquet(folder / "track" / f"{item}.parquet")
        rows.append({"item": item, "group": item})
    pd.DataFrame(rows).to_csv(folder / "items.csv", index=False)
    (folder / "corpus.yaml").write_text(CORPUS, encoding="utf-8")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh store's database, made once: creating one costs seconds, copying it nothing."""
    return made_once(tmp_path_factory, "migrated", lambda folder: MAKE_DATABASE(Home(folder).make())) / "mlflow.db"


@pytest.fixture(scope="session")
def with_database(migrated: Path) -> Callable[[Home], Home]:
    """Gives a home its database before a process of its own opens it."""

    def copied(home: Home) -> Home:
        if not (home.make().root / "mlflow.db").exists():
            shutil.copy(migrated, home.root / "mlflow.db")
        return home

    return copied


@pytest.fixture(scope="session", autouse=True)
def quick_starts(with_database: Callable[[Home], Home]) -> Iterator[None]:
    """In this process, homes get a copy of the database and studies get workers that are there already.

    MLflow finds out once which version of a database is the newest, not from all its migrations for each home.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "_get_latest_schema_revision", cache(schema._get_latest_schema_revision))
        patch.setattr(client, "create_database", with_database)
        patch.setattr(choose, "LocalPool", WarmPool)
        yield
        WarmPool.end()


SKETCHED: set[tuple[type, str, str, str]] = set()
"""Figures that were built in this process: class, name, description and numbers without times."""


def sketched(figure: FigureBase) -> str:
    """Builds a figure from the study's numbers, once in a process for equal ones, and gives a blank one back."""
    known = (type(figure), figure.name, figure.description, _without_times(figure.frame()).to_csv())
    if known not in SKETCHED:
        figure.draw()
        SKETCHED.add(known)
    return BLANK


def _without_times(frame: pd.DataFrame) -> pd.DataFrame:
    """The seconds that runs took, which no two runs share, by their order."""
    if "kind" not in frame or "cost" not in frame:
        return frame
    seconds = frame["kind"] == "seconds"
    return frame.assign(cost=frame["cost"].where(~seconds, frame["cost"].where(seconds).rank()))


@contextmanager
def sketching() -> Iterator[None]:
    """Figures are built from the study's numbers but not rendered, which takes most of a small report's time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.figures.svg.rendered", sketched)
        # A copy of this process takes longer than what there is to do, and forgets what it has built.
        patch.setattr("reports.output.drawing.copies", lambda: 0)
        yield


@contextmanager
def unmirrored() -> Iterator[None]:
    """MLflow hears nothing of the studies of this process, which takes a third of the driver's time."""

    def deaf(self: Background) -> None:
        while self._tasks.get() is not None:
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Background, "_work", deaf)
        yield


@pytest.fixture(autouse=True)
def blank_figures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Reports are sketched; the marker ``rendered`` leaves a test's reports as a user has them."""
    with sketching() if request.node.get_closest_marker("rendered") is None else nullcontext():
        yield


@pytest.fixture
def no_mirror(request: pytest.FixtureRequest) -> Iterator[None]:
    """For files about what is trained, searched and reported.

    What MLflow is told has tests of its own, and those in such a file have the marker ``mirrored``.
    """
    with unmirrored() if request.node.get_closest_marker("mirrored") is None else nullcontext():
        yield


@pytest.fixture
def database_from_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a test about how a database comes about."""
    monkeypatch.setattr(client, "create_database", MAKE_DATABASE)
