"""The arms that words and pictures are about where all would be too many; the tables have all."""

from __future__ import annotations

import math
from collections.abc import Collection

from mmcore.config import RunConfig
from reports.records.frame import StudyResults
from reports.statistics.intervals import estimate


def shown_arms(results: StudyResults, answered: Collection[str]) -> tuple[str, ...]:
    """The reference and the arm with the best mean score on the study's metric, of those that have answers.

    Returns:
        The reference first; one arm where it is the best itself, or where it has no answer; () where none has. Arms
        with a placebo are controls, and none of them is the best while another arm has answers.
    """
    metric = results.study.metric
    table = results.table(metric.measure.name, metric.component)
    sign = 1.0 if metric.measure.higher_is_better else -1.0

    def score(arm: str) -> float:
        mean = estimate(table[arm].to_numpy(float)).mean if arm in table else math.nan
        return -math.inf if math.isnan(mean) else sign * mean

    known = [arm.name for arm in results.study.arms if arm.name in answered]
    if not known:
        return ()
    controls = {arm.name for arm in results.study.arms if isinstance(arm.config, RunConfig) and arm.config.data.placebo}
    best = max([arm for arm in known if arm not in controls] or known, key=score)
    reference = results.study.reference
    return tuple(dict.fromkeys([reference, best] if reference in known else [best]))
