"""Where scores come from: a data frame, a file, a folder, or a tracker that is named by a scheme."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from experiments.home import Home
from experiments.scores.exported import exported, is_exported, report_beside
from experiments.scores.files import read_file
from experiments.scores.table import ScoreTable
from experiments.scores.wandb import is_wandb, of_wandb
from mmcore.errors import ScoresError

SCHEMES = ("mlflow:EXPERIMENT", "optuna:STORAGE-URL[#STUDY]")


def read_scores(
    scores: str | Path | pd.DataFrame, score: str | None = None, step: str = "last", home: Home | None = None
) -> ScoreTable:
    """Read a source of scores.

    Args:
        scores: a data frame; the path of a file, of the folder of a study's report, or of a folder of TensorBoard
            events; or ``mlflow:EXPERIMENT``, ``optuna:URL``.
        score: the metric, for sources that hold several. step: ``last``, ``max`` or ``min``: which value of a metric
            with many steps is the run's score.
        home: whose tracking store is read where no address is given; None: the usual one.

    Raises:
        ScoresError: nothing is there, or it cannot be read.
    """
    match scores:
        case pd.DataFrame():
            rows = scores.copy()
            if not isinstance(rows.index, pd.RangeIndex):
                rows = rows.reset_index()
            rows.columns = [str(name) for name in rows.columns]
            if not len(rows):
                raise ScoresError("a table of scores must have rows", found="an empty data frame")
            return ScoreTable(rows.reset_index(drop=True), "scores", "the data frame", unit="row")
        case str() if scores.startswith("mlflow:"):
            from experiments.scores.tracked import read_mlflow

            return read_mlflow(scores.removeprefix("mlflow:"), score, step, home or Home.choose())
        case str() if scores.startswith("optuna:"):
            from experiments.scores.searched import read_optuna

            return read_optuna(scores.removeprefix("optuna:"), score)
        case _:
            return _read_path(Path(scores), score, step)


def _read_path(path: Path, score: str | None, step: str) -> ScoreTable:
    if path.is_dir():
        inside = path / "tables" / "scores.csv"
        if inside.is_file():
            path = inside
        elif any(path.rglob("events.out.tfevents*")):
            from experiments.scores.tensorboard import read_tensorboard

            return read_tensorboard(path, score, step)
    table = read_file(path)
    if is_exported(table):
        return exported(table, report_beside(path), score)
    if is_wandb(table):
        return of_wandb(table, score, step)
    return table
