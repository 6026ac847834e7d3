"""What a plan computes once for all of its runs, it does not compute again for each."""

from __future__ import annotations

from typing import Any

import pytest
from factories.records import a_record

from experiments.planning import foreign as foreign_module
from experiments.planning.foreign import ForeignEstimator
from mmcore.config import ForeignConfig, build_config
from mmcore.fingerprint import fingerprint


def test_times_of_finished_runs_are_averaged_once_for_each_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    averaged: list[int] = []
    mean = foreign_module.fmean

    def counted(values: Any) -> float:
        averaged.append(len(values))
        return mean(values)

    monkeypatch.setattr(foreign_module, "fmean", counted)
    estimator = ForeignEstimator()
    arms = [ForeignConfig(settings={"rate": rate}) for rate in (1, 2)]
    for _ in range(10):
        for arm in arms:
            estimator.learn(arm, a_record(seconds=2.0))
    first = [estimator.training(arm) for arm in arms for _ in range(20)]
    assert {one.seconds for one in first} == {2.0}
    assert len(averaged) <= 4
    # What is learned later counts.
    estimator.learn(arms[0], a_record(seconds=13.0))
    assert estimator.training(arms[0]).seconds == pytest.approx(3.0)
    assert estimator.training(arms[1]).seconds == 2.0


def test_the_name_of_a_run_is_not_changed_by_a_default_that_was_looked_at_before() -> None:
    values = {"corpus": "c", "data": {"window": 20}, "model": {"width": 8, "heads": 1}}
    names = {fingerprint(build_config(values), "k" * 32) for _ in range(3)}
    config = build_config({**values, "training": {"epochs": 7}})
    assert len(names) == 1
    assert fingerprint(config, "k" * 32) not in names
    assert fingerprint(build_config(values), "k" * 32) in names
