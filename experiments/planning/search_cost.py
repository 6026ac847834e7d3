"""What a search's trials are likely to take: settings differ in size, and pruning ends many trials early."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np

from experiments.planning.estimate import Estimate
from experiments.planning.request import AnyConfig
from mmcore.errors import StudyError
from mmcore.schema import CorpusSchema
from mmcore.seeding import generator
from studies.search.resolved import ArmSearch, ResolvedSearch
from studies.search.space import Axis, Draws

ENOUGH = 8
"""From this number of trials on, the epochs that they trained predict the other trials better than any rule does."""

PRUNING = 1.5
"""Extra factor by which an estimate may be off while the share of pruned trials is unknown."""

_DRAWN = 12


def one_training(
    search: ResolvedSearch, arm: ArmSearch, schema: CorpusSchema | None, estimate: Callable[[AnyConfig], Estimate]
) -> Estimate:
    """Expected training of an unpruned trial: the mean over a dozen settings, random ones or the first of a grid."""
    rng = generator(0, f"estimate/{arm.arm}")
    draws = (
        [partial(_of_cell, cell) for cell in arm.cells()[:_DRAWN]]
        if search.sampler == "grid"
        else [partial(_at_random, rng)] * _DRAWN
    )
    found: list[Estimate] = []
    for draw in draws:
        try:
            config = arm.candidate(arm.settings(draw), schema)
        except StudyError:
            continue  # settings that contradict one another: such a trial ends before it trains
        found.append(estimate(config))
    found = found or [estimate(arm.config)]
    return Estimate(fmean(one.seconds for one in found), max(one.factor for one in found))


def share_trained(search: ResolvedSearch, arm: ArmSearch, done: int, spent: int, trials: int) -> float:
    """Share of a trial's epochs that is trained, mean over trials, pruned ones included.

    Halving keeps one trial in three at a ninth and at a third of the epochs of its first repeat. It keeps more of the
    first trials, since there are few others to compare them with. Three searches for loss weights on the quick preset
    (40 trials, 2 repeats) trained 32, 22 and 18 % of their epochs; this function gives 23 %. The other pruners follow
    no such rule: their shares are rough.

    Args:
        done: trials that have ended. spent: epochs that they trained.
        trials: approximate number of all trials of the search.
    """
    if done >= ENOUGH and spent:
        return min(1.0, spent / (done * search.epochs_full(arm)))
    match search.pruner:
        case "none":
            return 1.0
        case "halving":
            kept = min(1.0, (1 + 8 / max(1, trials)) / 3)
            first = 1 / 9 + kept * (1 / 3 - 1 / 9) + kept**2 * (1 - 1 / 3)
            return (first + kept**2 * (search.repeats - 1)) / search.repeats
        case "median":
            return 0.55
        case "hyperband":
            return 0.5
        case "wilcoxon":
            return 0.7


def _of_cell(cell: Draws, axis: Axis) -> Any:
    return cell[axis.name]


def _at_random(rng: np.random.Generator, axis: Axis) -> Any:
    if axis.choices is not None:
        return axis.choices[int(rng.integers(len(axis.choices)))]
    assert axis.low is not None
    assert axis.high is not None
    if axis.kind == "int":
        step = axis.step or 1
        return int(axis.low) + step * int(rng.integers((int(axis.high) - int(axis.low)) // step + 1))
    if axis.log:
        return math.exp(rng.uniform(math.log(axis.low), math.log(axis.high)))
    return float(rng.uniform(axis.low, axis.high))
