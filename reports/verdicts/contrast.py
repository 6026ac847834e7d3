"""Two arms of a study compared on one measure: repeat by repeat, or as two samples where repeats mean nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reports.records.frame import StudyResults
from reports.statistics.comparisons import Paired, compare, paired_differences, sign_flips
from reports.statistics.intervals import finite
from reports.statistics.unpaired import compare_unpaired, permutation_ps
from reports.verdicts.item_scores import with_new_items
from reports.verdicts.monitoring import by_repeat

Question = tuple[tuple[str, str], str | None]
"""Arm and reference, and the component on which they are compared; None: the whole."""


def contrasts(results: StudyResults, measure: str, asked: Sequence[Question]) -> list[Paired]:
    """arm − reference over all repeats, with the groups of test items as second witness where repeats share them.

    Args:
        measure: what is compared. asked: the comparisons, in the order of what is returned.
    """
    alpha, higher = results.study.alpha, results.study.metric.measure.higher_is_better
    of = {component: by_repeat(results, measure, component) for component in dict.fromkeys(c for _, c in asked)}
    both = [(of[component][arm], of[component][reference]) for (arm, reference), component in asked]
    if results.paired:
        known = sign_flips([paired_differences(*two) for two in both])
        found = [
            compare(*two, alpha=alpha, overlap=results.overlap, higher_is_better=higher, p=p)
            for two, p in zip(both, known, strict=True)
        ]
    else:
        known = permutation_ps([(finite(one), finite(other)) for one, other in both])
        found = [
            compare_unpaired(*two, alpha=alpha, higher_is_better=higher, p=p)
            for two, p in zip(both, known, strict=True)
        ]
    return [
        with_new_items(results, paired, pair, measure, component, _difference(*two))
        for (pair, component), two, paired in zip(asked, both, found, strict=True)
    ]


def _difference(one_R: np.ndarray, other_R: np.ndarray) -> np.ndarray:
    return one_R - other_R
