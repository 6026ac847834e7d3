"""Whether an arm beats the naive prediction: what a difference between arms is worth where none does."""

from __future__ import annotations

import math

from reports.records.frame import StudyResults
from reports.statistics.intervals import Estimate, estimate


def skill_of(results: StudyResults, arm: str, component: str | None = None) -> Estimate:
    """An arm's skill on test items over its repeats; n = 0 where no run measured it.

    A user's own measure of that name is not this one.
    """
    if results.foreign is not None:
        return estimate([])
    table = results.table("skill", component)
    values = table[arm].to_numpy(float) if arm in table else []
    return estimate(values, 1 - results.study.alpha, results.overlap)


def neither_beats_it(results: StudyResults, pair: tuple[str, str], component: str | None) -> bool:
    """Whether neither of two arms is shown to have any skill; False where that is not known of both.

    Args:
        component: None: all together.
    """
    found = [skill_of(results, arm, component) for arm in pair]
    return all(not math.isnan(e.low) and e.low <= 0 for e in found)
