"""Naive predictions that flip: they name the most frequent class in training, and it may change between repeats.

No single prediction scores what the mean over such repeats says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from mmcore.language import say
from mmcore.measures import MEASURES
from reports.model.report import Flip
from reports.numbers import listing, number
from reports.records.frame import StudyResults

OF_CLASSES = ("accuracy", "balanced_accuracy", "macro_f1", "f1")
"""Measures that only look at the class that a prediction names."""
NAMES_ONE = ("constant", "majority", "prior")
"""Naive predictors that name one and the same class throughout."""
MOST_GROUPS = 3
"""With more groups than this nothing flips between a few scores: with many tracks some class always changes."""
APART = 2.0
"""Means of the groups must differ by more than this many standard deviations within them."""


def flips(results: StudyResults, measure: str | None = None) -> tuple[Flip, ...]:
    """Every naive predictor, measure and component in which repeats fall into groups of unlike scores.

    Repeats are grouped by the classes that were most frequent in their training items, as runs recorded them. Records
    of earlier versions lack these classes; then nothing is found.

    Args:
        measure: only this one; None: all that look at classes.
    """
    if results.naive_classes.empty:
        return ()
    found = []
    for name, component, parameter in results.measured:
        if parameter is not None or name not in OF_CLASSES or measure not in (None, name):
            continue
        table = results.baseline_table(name, component)
        chosen = _chosen(results, component)
        for baseline in table.columns.intersection(NAMES_ONE, sort=False):
            groups = _groups(chosen, dict(zip(table.index, table[baseline].to_numpy(float), strict=True)))
            if groups:
                found.append(Flip(str(baseline), name, component, groups))
    return tuple(found)


def flip_text(flip: Flip) -> str:
    """One of them in words, for a note below a table."""
    measure = say(MEASURES[flip.measure].title)
    if flip.component is not None:
        measure = say("{measure} of {component}", measure=measure, component=flip.component)
    groups = [say("{mean} in {repeats}", mean=number(mean), repeats=repeats) for mean, repeats in flip.groups]
    return say(
        "Naive baseline '{baseline}' flips between repeats: {measure} is {groups}. It predicts the most frequent class "
        "in training, which is not the same in all repeats, so its mean describes none of them.",
        baseline=flip.baseline,
        measure=measure,
        groups=listing(groups),
    )


def _chosen(results: StudyResults, component: str | None) -> dict[int, tuple[tuple[int, ...], ...]]:
    """Repeat to the classes that naive predictors name, by parameter and track."""
    rows = results.naive_classes
    own = rows if component is None else rows[rows["component"] == component]
    return {int(str(repeat)): tuple(part["classes"]) for repeat, part in own.groupby("repeat", sort=True)}


def _groups(chosen: dict[int, tuple[tuple[int, ...], ...]], values: dict[int, float]) -> tuple[tuple[float, int], ...]:
    """Mean and number of repeats of each group, the most frequent first; () where there is no flipping."""
    by_class: dict[tuple[tuple[int, ...], ...], list[float]] = {}
    for repeat, classes in chosen.items():
        if math.isfinite(value := values.get(repeat, math.nan)):
            by_class.setdefault(classes, []).append(value)
    groups = [*by_class.values()]
    if not 2 <= len(groups) <= MOST_GROUPS:
        return ()
    means = [fmean(group) for group in groups]
    if max(means) - min(means) <= max(APART * _within(groups), 1e-9):
        return ()
    return tuple(
        sorted(((m, len(g)) for m, g in zip(means, groups, strict=True)), key=lambda pair: (-pair[1], pair[0]))
    )


def _within(groups: Sequence[Sequence[float]]) -> float:
    """Standard deviation within groups, pooled; 0 where each has one member."""
    squares = sum(float(((np.array(g) - fmean(g)) ** 2).sum()) for g in groups)
    freedom = sum(len(g) - 1 for g in groups)
    return math.sqrt(squares / freedom) if freedom else 0.0
