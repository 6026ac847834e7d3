"""What a trial reports while it goes on: the objective at the epoch that would be scored were this one the last."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from experiments.tuning.notes import TrialNotes
from experiments.tuning.trial import OpenTrial
from mmcore.config import RunConfig, build_config
from mmcore.measures import parse_metric
from studies.search.block import Budget, Objective
from studies.search.resolved import ResolvedSearch


class Recorder:
    """As much of Optuna's trial as reports need."""

    def __init__(self) -> None:
        self.reported: list[tuple[int, float]] = []

    def report(self, value: float, step: int) -> None:
        self.reported.append((step, value))

    def should_prune(self) -> bool:
        return False


@pytest.fixture
def reports() -> Callable[..., list[float]]:
    """What is reported of epochs: history rows in, values out."""

    def build(config: RunConfig, objective: str, rows: list[dict[str, float]], usual: str = "skill") -> list[float]:
        request = Objective(f"validation/{objective}", parse_metric(objective))
        search = ResolvedSearch((), (), (request,), "random", "median", Budget(trials=1), 2, 1, usual)
        trial = Recorder()
        one = OpenTrial(search, trial, Recorder(), TrialNotes(), config, lambda step, value: None)  # pyright: ignore[reportArgumentType]
        for epoch, row in enumerate(rows, start=1):
            one.epoch({"epoch": epoch, **row})
        return [value for _, value in trial.reported]

    return build


def test_it_is_the_best_epoch_of_the_metric_that_chooses(reports: Callable[..., list[float]]) -> None:
    rows = [
        {"validation/accuracy": a, "validation/skill": s, "validation/loss": 1.0}
        for a, s in ((0.5, 0.3), (0.7, 0.2), (0.6, 0.4))
    ]
    by_accuracy = build_config({"corpus": "c", "training": {"select": "accuracy"}})
    assert reports(by_accuracy, "accuracy", rows) == [0.5, 0.7, 0.7]
    assert reports(by_accuracy, "skill", rows) == [0.3, 0.2, 0.2]
    by_skill = build_config({"corpus": "c"})
    assert reports(by_skill, "skill", rows) == [0.3, 0.3, 0.4]
    # Of labels the metric that chooses need not be written.
    assert reports(by_skill, "accuracy", rows, usual="accuracy") == [0.5, 0.7, 0.7]


def test_a_metric_that_falls_is_best_where_it_is_lowest(reports: Callable[..., list[float]]) -> None:
    rows = [{"validation/mae/x": value, "validation/loss": 1.0} for value in (3.0, 1.0, 2.0)]
    assert reports(build_config({"corpus": "c", "training": {"select": "x/mae"}}), "x/mae", rows) == [3.0, 1.0, 1.0]


def test_what_is_only_known_at_the_end_is_not_reported(reports: Callable[..., list[float]]) -> None:
    rows = [{"validation/skill": 0.1, "validation/loss": 1.0}]
    assert reports(build_config({"corpus": "c"}), "accuracy", rows) == []
