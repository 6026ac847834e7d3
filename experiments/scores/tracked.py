"""The runs of an MLflow experiment as a table of scores."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from experiments.home import Home
from experiments.scores.steps import at_step
from experiments.scores.table import Given, ScoreTable
from experiments.tracking.client import client_of
from experiments.tracking.connection import ARM, REPEAT
from mmcore.errors import ScoresError, StoreError, nearest
from mmcore.language import say
from reports.numbers import counted, listing

OWN = {ARM: "arm", REPEAT: "repeat"}
"""Tags of mmstudy's own runs, as columns."""
OWN_RUNS = "the tracking store does not say how the splits of mmstudy's own runs were drawn"


def read_mlflow(name: str, score: str | None, step: str, home: Home) -> ScoreTable:
    """A row for each finished run that has the metric; columns are its parameters and tags.

    Args:
        name: of the experiment, with the store's address behind an @ where it is not the one of ``MLFLOW_TRACKING_URI``
            or of the home: ``digits@sqlite:///mlflow.db``.
        score: the metric. step: which of its values. home: whose store is the usual one.

    Raises:
        ScoresError: no file at the address, no finished run, or no such metric.
        StoreError: the store does not answer, or has no such experiment.
    """
    experiment, at, uri = name.rpartition("@")
    if not at or ("://" not in uri and not uri.startswith("file:")):
        experiment, uri = name, os.environ.get("MLFLOW_TRACKING_URI") or home.mlflow_uri
    _refuse_absent(uri)
    runs = tracked_runs(uri, experiment)
    source = f"mlflow:{experiment} at {uri}"
    done = [run for run in runs if run.status == "FINISHED"]
    if not done:
        states = Counter(run.status for run in runs)
        raise ScoresError(
            "an experiment must have finished runs", where=source,
            found=", ".join(f"{n} {state}" for state, n in states.items()) or "no run",
        )  # fmt: skip
    metrics = dict.fromkeys(metric for run in done for metric in run.metrics)
    if score is None and len(metrics) != 1:
        raise ScoresError(
            "it must be clear which metric is the score", expected="--score METRIC", where=source,
            found=", ".join(list(metrics)[:20]) or "runs without metrics",
        )  # fmt: skip
    score = score or next(iter(metrics))
    having = [run for run in done if score in run.metrics]
    if not having:
        raise ScoresError("no finished run has the metric", found=f"'{score}'", where=source,
                          next_step=nearest(score, list(metrics)))  # fmt: skip
    rows = []
    for run in having:
        row: dict[str, object] = {"run_name": run.tags.get("mlflow.runName", "")}
        row.update({OWN.get(key, key): cell for key, cell in run.tags.items() if not key.startswith("mlflow.")})
        row.update(run.params)
        value = run.metrics[score] if step == "last" else at_step(metric_steps(uri, run.run, score), step)
        # A parameter of the metric's name would hide the score.
        rows.append({key: cell for key, cell in row.items() if key != score} | {score: value})
    facts = {"runs": counted(len(having), "run"), "score": score, "step": step}
    notes = [say("An MLflow experiment: {runs}, '{score}' at its {step} value.", **facts)]
    others = Counter(r.status for r in runs if r not in done)
    left = [say("{n} {state}", n=n, state=say(state.lower())) for state, n in others.items()]
    if len(done) > len(having):
        left.append(say("{n} without '{score}'", n=len(done) - len(having), score=score))
    if left:
        notes.append(say("Runs that are left out: {left}.", left=listing(left)))
    own = any(REPEAT in run.tags for run in having)
    given = Given(score=score, undecidable=OWN_RUNS if own else "")
    table = pd.DataFrame(rows, dtype=object)
    places = tuple(range(1, len(rows) + 1))
    return ScoreTable(table, experiment, source, places, "run", tuple(notes), given)


def _refuse_absent(uri: str) -> None:
    """MLflow would make an empty database at an address where there is none."""
    path = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and not path.is_file():
        raise ScoresError(
            "the tracking store must be there", found=f"no file {path}", where=uri,
            next_step="Set MLFLOW_TRACKING_URI, or name it: mlflow:EXPERIMENT@URI",
        )  # fmt: skip


@dataclass(frozen=True)
class Tracked:
    """A run of any experiment: its identity, and what was logged; metrics at their last step."""

    run: str
    status: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


def tracked_runs(uri: str, experiment: str) -> list[Tracked]:
    """Every run of an experiment that is not deleted, the oldest first.

    Raises:
        StoreError: the store does not answer, or has no such experiment; names those it has.
    """
    try:
        client = client_of(uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            names = [one.name for one in client.search_experiments(max_results=100)]
            raise StoreError(
                "no such experiment", found=f"'{experiment}'", where=uri, next_step=nearest(experiment, names)
            )
        runs, token = [], None
        while True:
            page = client.search_runs(
                [found.experiment_id], max_results=1000, page_token=token, order_by=["attributes.start_time ASC"]
            )
            runs += [Tracked(r.info.run_id, r.info.status, r.data.params, r.data.tags, r.data.metrics) for r in page]
            token = page.token
            if not token:
                return runs
    except StoreError:
        raise
    except Exception as problem:
        text = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise StoreError("the tracking store does not answer", found=text[:300], where=uri) from problem


def metric_steps(uri: str, run: str, metric: str) -> list[float]:
    """Every value of a run's metric, in the order of its steps."""
    steps = client_of(uri).get_metric_history(run, metric)
    return [one.value for one in sorted(steps, key=lambda one: (one.step, one.timestamp))]
