"""Searches in the tracking store after their driver died."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from factories.search_space import BASE, RATE
from mlflow.tracking import MlflowClient
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options
from experiments.tracking.connection import SUPERSEDED
from experiments.tuning.mirror import SearchMirror, supersede_trials
from experiments.tuning.notes import TrialNotes


def test_steps_that_a_killed_driver_did_not_mirror_are_added_by_the_next(
    tmp_path: Path, tiny_corpus: Path, home: Home, with_database: Callable[[Home], Home]
) -> None:
    path = tmp_path / "rate.yaml"
    path.write_text(f"{BASE}  space:\n    {RATE}\n  budget: {{trials: 1}}\n  repeats: 1\n", encoding="utf-8")
    request = open_request(str(path), with_database(home), Options(corpus=str(tiny_corpus)))
    search = request.study.search
    assert search is not None
    arm = search.searches[0].arm

    def mirrored(*do: Callable[[SearchMirror], None]) -> None:
        mirror = SearchMirror(home, request, pytest.fail)
        for each in do:
            each(mirror)
        mirror.close(timeout=300)
        assert mirror.error is None, mirror.error

    mirrored(lambda m: m.begin(arm, search, []), lambda m: m.started(arm, 0, TrialNotes(rank=0)))
    trial = create_trial(
        state=TrialState.COMPLETE,
        value=0.5,
        params={"x": 0.1},
        distributions={"x": FloatDistribution(0.0, 1.0)},
        intermediate_values={1: 0.25, 2: 0.5},
    )
    trial.number = 0
    mirrored(lambda m: m.begin(arm, search, [trial]))
    client = MlflowClient(home.mlflow_uri)
    (experiment,) = (e for e in client.search_experiments() if e.name == "rate")
    (run,) = client.search_runs([experiment.experiment_id], "tags.`mmstudy.kind` = 'trial'")
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "objective")
    assert sorted((metric.step, metric.value) for metric in history) == [(1, 0.25), (2, 0.5)]

    # Its storage breaks: the next one gives the same numbers to other settings.
    supersede_trials(request, home, pytest.fail)
    mirrored(
        lambda m: m.begin(arm, search, []),
        lambda m: m.started(arm, 0, TrialNotes(rank=0, settings={"model.width": 16})),
    )
    runs = client.search_runs([experiment.experiment_id], "tags.`mmstudy.kind` = 'trial'")
    old, new = sorted(runs, key=lambda one: SUPERSEDED not in one.data.tags)
    assert (old.info.run_id, old.info.status, new.info.status) == (run.info.run_id, "KILLED", "RUNNING")
    assert new.data.params == {"model.width": "16"}

    # A journal that lost its end without anybody seeing it: the number now belongs to another trial.
    one, other = ({"model.width": width} for width in (16, 24))
    mirrored(
        lambda m: m.begin(arm, search, []),
        lambda m: m.started(arm, 1, TrialNotes(rank=1, settings=one, fingerprints=("aa",))),
        lambda m: m.ended(arm, 1, "complete", [0.5]),
    )
    mirrored(
        lambda m: m.begin(arm, search, []),
        lambda m: m.started(arm, 1, TrialNotes(rank=0, settings=other, fingerprints=("bb",))),
        lambda m: m.ended(arm, 1, "complete", [0.75]),
    )
    runs = client.search_runs([experiment.experiment_id], "tags.`mmstudy.trial` = '1'")
    old, new = sorted(runs, key=lambda one: SUPERSEDED not in one.data.tags)
    assert (SUPERSEDED in old.data.tags, SUPERSEDED in new.data.tags) == (True, False)
    assert (new.data.params, new.info.run_name, new.info.status) == ({"model.width": "24"}, "trial 0", "FINISHED")
    assert [metric.value for metric in client.get_metric_history(new.info.run_id, search.objective[0].name)] == [0.75]
