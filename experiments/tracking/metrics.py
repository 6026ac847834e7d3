"""Which numbers become metrics in the tracking store: by default the few that people plot and sort by.

A run has hundreds of numbers: every measure of every component, on all items and on complete ones, of the model and of
naive baselines. As metrics they would bury the others in MLflow's pages, so by default an experiment has at most
:data:`MOST` names of metrics. All numbers are in the run's artifacts ``metrics.json`` and ``history.json``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from experiments.tracking.names import score_name
from mmcore.config import ForeignConfig
from mmcore.errors import StudyError
from mmcore.measures import Metric
from mmcore.record import Record
from mmcore.scores import Score, value_of
from studies.resolved import AnyStudy

VARIABLE = "MMSTUDY_MLFLOW_METRICS"
"""Environment variable: ``main`` for the few, which is the default, or ``all``."""
CHOICES = ("main", "all")

MOST = 60
"""Names of metrics that an experiment has by default, at most."""
_FIXED = 32
"""Of these, so many at most do not depend on the number of components; the search's objectives are among them."""
_WHOLE = ("skill", "loss", "accuracy", "balanced_accuracy", "macro_f1", "f1")
"""Measures of the whole that are metrics of a run."""
_EPOCH = ("epoch", "train/loss", "validation/loss", "validation/skill", "learning_rate", "gradient_norm")
"""Columns of the history that are metrics of a run."""
_OWN_COLUMNS, _OWN_SCORES = 18, 10
"""Of training code that mmstudy does not know: so many columns of the history and scores, in the order in which they
are reported."""


def every_metric_wanted() -> bool:
    """Whether all numbers are to become metrics, by :data:`VARIABLE`.

    Raises:
        StudyError: the variable has another value than main or all.
    """
    found = os.environ.get(VARIABLE) or CHOICES[0]
    if found not in CHOICES:
        raise StudyError(
            f"{VARIABLE} says which numbers become metrics in MLflow",
            expected=" or ".join(CHOICES),
            found=f"'{found}'",
            next_step=f"Set it to one of them, or unset it: {CHOICES[0]} is the default",
        )
    return found == "all"


def final_numbers(record: Record, metric: Metric) -> dict[str, float]:
    """Every number of a finished run that has no epoch, by its name in the store; ``metrics.json`` has them all."""
    numbers = {score_name(score): float(score.value) for score in record.scores}
    # A measure that has values for parameters alone is compared by their mean.
    numbers.setdefault(metric_name(metric), value_of(metric, record.scores, "test"))
    numbers |= {f"parameters/{part}": float(count) for part, count in record.parameters.items()}
    numbers["seconds"] = record.seconds
    return numbers


def metric_name(metric: Metric) -> str:
    """The study's metric as a name in the store: ``test/skill``, ``test/active/f1``."""
    return f"test/{metric.name}"


class Chosen:
    """The choice for one study: a function of the study and the names alone, so that its runs share their metrics.

    Where components are many, families of metrics with one for each component are left out, the last in this list
    first: test scores, their means over repeats, validation skill by epoch, training loss by epoch.

    Args:
        study: whose metric and training code count.
        everything: keep all names.
    """

    def __init__(self, study: AnyStudy, everything: bool) -> None:
        self._metric = study.metric
        self.everything = everything
        self._own = any(isinstance(arm.config, ForeignConfig) for arm in study.arms)
        self._seen: dict[str, dict[str, None]] = {"columns": {}, "scores": {}}

    def epoch(self, row: Mapping[str, float]) -> list[dict[str, float]]:
        """What an epoch's row of the history brings to the store: the main numbers, and if wanted the others."""
        # The run's own seconds have this name.
        named = {("epoch_seconds" if name == "seconds" else name): value for name, value in row.items()}
        if self._own:
            wanted = {"epoch", *self._first("columns", (name for name in named if name != "epoch"), _OWN_COLUMNS)}
        else:
            parts = [name.removeprefix("train/loss/") for name in named if name.startswith("train/loss/")]
            wanted = {*_EPOCH, self._metric.column, *chosen_columns(named)}
            wanted |= {f"validation/skill/{part}" for part in parts if self._families(len(parts)) >= 3}
            wanted |= {f"train/loss/{part}" for part in parts if self._families(len(parts)) >= 4}
        main = {name: value for name, value in named.items() if name in wanted}
        # Apart, so that a run whose main numbers are in the store already gets the others alone.
        return [main, {k: v for k, v in named.items() if k not in main}] if self.everything else [main]

    def final(self, record: Record) -> dict[str, float]:
        """What a finished run brings to the store."""
        numbers = final_numbers(record, self._metric)
        if self.everything:
            return numbers
        kept = {"seconds", "parameters/total", metric_name(self._metric)}
        if self._own:
            scores = (score_name(score) for score in record.scores if score.baseline is None)
            kept |= {*self._first("scores", scores, _OWN_SCORES)}
        else:
            count = len({score.component for score in record.scores if score.component})
            kept |= {score_name(score) for score in record.scores if self._is_main(score, count)}
        return {name: value for name, value in numbers.items() if name in kept}

    def of_arm(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """What an arm's aggregates, by names such as ``test/skill/mean``, bring to the store."""
        if self.everything:
            return dict(numbers)
        own, measure = metric_name(self._metric), self._metric.measure.name
        wanted = {f"{own}/mean", f"{own}/sd", "runs/done", "runs/failed"}
        by_component = [name for name in numbers if re.fullmatch(rf"test/.+/{re.escape(measure)}/mean", name)]
        by_component = [name for name in by_component if not name.startswith("test/complete/")]
        if not self._own and self._families(len(by_component)) >= 2:
            wanted |= {*by_component}
        return {name: value for name, value in numbers.items() if name in wanted}

    def _is_main(self, score: Score, components: int) -> bool:
        if (score.split, score.items, score.parameter) != ("test", "all", None):
            return False
        if (score.metric, score.component) == (self._metric.measure.name, self._metric.component):
            return True
        if score.baseline is not None:
            return False
        if score.component is None:
            return score.metric in _WHOLE
        return score.metric == self._metric.measure.name and self._families(components) >= 1

    @staticmethod
    def _families(components: int) -> int:
        """How many families with a metric for each component there is room for."""
        return (MOST - _FIXED) // components if components else 0

    def _first(self, kind: str, names: Iterable[str], most: int) -> tuple[str, ...]:
        seen = self._seen[kind]
        for name in names:
            if len(seen) < most:
                seen.setdefault(name)
        return tuple(seen)


def chosen_columns(row: Mapping[str, float]) -> list[str]:
    """The columns of the metrics by which epochs are chosen, where these are not the skill: ``validation/f1/active``.

    A run chooses its epochs by one metric; the column is the one beside loss and skill.
    """
    return [c for c in row if c.startswith("validation/") and c.split("/")[1] not in ("loss", "skill")][:1]
