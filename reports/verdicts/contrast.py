"""Two arms of a study compared on one measure: repeat by repeat, or as two samples where repeats mean nothing."""

from __future__ import annotations

import numpy as np

from reports.records.frame import StudyResults
from reports.statistics.comparisons import Paired, compare
from reports.statistics.unpaired import compare_unpaired
from reports.verdicts.item_scores import with_new_items


def contrast(
    results: StudyResults, scores: dict[str, np.ndarray], pair: tuple[str, str], measure: str, component: str | None
) -> Paired:
    """arm − reference over all repeats, with the groups of test items as second witness where repeats share them.

    Args:
        scores: each arm's numbers by repeat, see :func:`reports.verdicts.monitoring.by_repeat`.
        pair: arm and reference. measure, component: what is compared.
    """
    one, other = (scores[name] for name in pair)
    alpha, higher = results.study.alpha, results.study.metric.measure.higher_is_better
    if not results.paired:
        found = compare_unpaired(one, other, alpha=alpha, higher_is_better=higher)
    else:
        found = compare(one, other, alpha=alpha, overlap=results.overlap, higher_is_better=higher)
    return with_new_items(results, found, pair, measure, component, one - other)
