"""Scores of a run, and what they are made of: losses and outcomes by item, reliability of probabilities. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from mmcore.frozen import Number
from mmcore.measures import Metric


@dataclass(frozen=True, slots=True)
class Score:
    """One number of one run.

    Args:
        split: ``train``, ``validation`` or ``test``.
        items: ``all``, or ``complete`` for the items that have every modality of the corpus.
        metric: a name of :data:`mmcore.measures.MEASURES`.
        component: a loss component; None for the whole.
        value: NaN where there is nothing to measure, e.g. no complete item or a target that never varies.
        parameter: set where a measure has a value for each parameter (``mae``), else None.
        baseline: the naive predictor that was scored (``persistence``, ``constant``, ``majority``, ``prior``);
            None: the model.
    """

    split: str
    items: str
    metric: str
    component: str | None
    value: Number
    parameter: str | None = None
    baseline: str | None = None


def value_of(metric: Metric, scores: Iterable[Score], split: str) -> float:
    """The model's value on all items of a split, the mean over parameters where a measure has values for these alone.

    NaN where there is none.
    """
    wanted = (split, "all", metric.measure.name, metric.component, None)
    by_parameter = {
        s.parameter: s.value for s in scores if (s.split, s.items, s.metric, s.component, s.baseline) == wanted
    }
    if None in by_parameter or not by_parameter:
        return by_parameter.get(None, math.nan)
    return sum(by_parameter.values()) / len(by_parameter)


@dataclass(frozen=True, slots=True)
class ItemLoss:
    """One component on one test item.

    Args:
        complete: whether the item has every modality. loss: mean over the item's counted targets; NaN where there is
            none. count: counted targets. naive_loss: of the baseline that is the better one on the whole test side.
    """

    item: str
    group: str
    complete: bool
    component: str
    loss: Number
    count: int
    naive_loss: Number


Cell = tuple[int, int, int]
"""Of a confusion matrix: true class, predicted class, count."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One parameter on one test item, from which every measure but average precision can be recomputed on any resample
    of items.

    Args:
        count: counted targets, 1 or more. loss: mean over them. naive_loss: the same of the baseline that is the better
            one for the component on the whole test side. error: mean absolute error in original units; None for
            classes. cells: non-empty ones; None for continuous parameters.
    """

    item: str
    parameter: str
    component: str
    count: int
    loss: Number
    naive_loss: Number
    error: float | None
    cells: tuple[Cell, ...] | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """Confidence against accuracy of one component's class predictions on the test side.

    Args:
        bin: 0 … 14, of equal width on 0 … 1. count: predictions in it. confidence, accuracy: their means.
    """

    component: str
    bin: int
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class NaiveClasses:
    """The class that naive predictors name for a parameter, by track; see
    :func:`mmcore.training.baselines.naive_classes`."""

    parameter: str
    component: str
    classes: tuple[int, ...]
