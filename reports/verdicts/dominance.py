"""Whether the components of a metric speak with one voice: one may make a difference almost alone, or two disagree.

A mean over components is a verdict on all of them only where they share in it. R repeats, C components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmcore.language import say
from reports.model.report import ComparisonRow
from reports.numbers import listing, percent, prose
from reports.records.frame import StudyResults
from reports.statistics.verdicts import Verdict
from reports.verdicts.monitoring import by_repeat

MOST = 2 / 3
"""Share that makes one of three components or more the one that decides: twice as much as all others together."""
MOST_OF_TWO = 0.9
"""The share for one of two components: one of two always has half or more."""
LEAST_PAIRS = 6
"""Pairs of repeats from which on shares of the variance count. With 6, one of three components that vary alike is
beyond :data:`MOST` in 9 % of studies, with 5 in 14 %, with 10 in 2 %."""


@dataclass(frozen=True)
class Dominance:
    """What part single components have in a difference of the whole; ``component`` and ``noisy`` are None if none does.

    Args:
        component: makes most of the difference. share: its part of the sum of the components' absolute mean
            differences; the largest part where ``component`` is None, NaN where nothing differs.
        noisy: makes most of the variation between repeats. noise: its part of the sum of the variances of the
            components' differences; the largest part where ``noisy`` is None.
        better, worse: components shown to be so, where there are both; else empty.
        here: whether some of them are shown to be so on the tested items alone.
    """

    component: str | None
    share: float
    noisy: str | None
    noise: float
    better: tuple[str, ...]
    worse: tuple[str, ...]
    here: bool = False

    @property
    def disagree(self) -> bool:
        """Whether some component is shown to be better and another to be worse."""
        return bool(self.better)

    @property
    def dominated(self) -> bool:
        """Whether nothing should be said of the whole: one component makes most of it, or components disagree."""
        return self.component is not None or self.disagree


def dominance(parts: Mapping[str, np.ndarray], signs: Mapping[str, int]) -> Dominance:
    """Which components make up a difference of the whole.

    Args:
        parts: by component the difference of two arms in each repeat, (R,); repeats in which one is NaN do not count.
            A component that is NaN throughout takes no part.
        signs: by component 1 where it is shown to be better, −1 where worse, 0 or absent where neither.

    Returns:
        Nothing in all its fields for fewer than two components, or without a repeat that has all of them.
    """
    known = {c: np.asarray(d_R, float) for c, d_R in parts.items() if np.isfinite(d_R).any()}
    better, worse = ([c for c in known if np.sign(signs.get(c, 0)) == side] for side in (1, -1))
    both = (tuple(better), tuple(worse)) if better and worse else ((), ())
    if len(known) < 2:
        return Dominance(None, np.nan, None, np.nan, *both)
    difference_CR = np.array(list(known.values()))
    difference_CR = difference_CR[:, np.isfinite(difference_CR).all(axis=0)]
    if not difference_CR.size:
        return Dominance(None, np.nan, None, np.nan, *both)
    names, most = list(known), MOST_OF_TWO if len(known) == 2 else MOST
    component, share = _largest(names, _shares(np.abs(difference_CR.mean(axis=1))), most)
    noisy, noise = _largest(names, _shares(difference_CR.var(axis=1)), most)
    if difference_CR.shape[1] < LEAST_PAIRS:
        noisy = None
    return Dominance(component, share, noisy, noise, *both)


def is_dominated(parts: Mapping[str, np.ndarray], signs: Mapping[str, int]) -> bool:
    """Whether a difference of the whole is one component's, or components disagree; arguments of :func:`dominance`.

    Then no analysis has a word for the whole (useful, harmful …); words for single components stand.
    """
    return dominance(parts, signs).dominated


def dominance_of(results: StudyResults, row: ComparisonRow, by_component: Sequence[ComparisonRow]) -> Dominance | None:
    """The same for a comparison of a study; None where it is not on a whole that has components.

    Where the whole is neither better nor worse, what makes the difference is chance, and ``component`` is None.

    Args:
        row: a comparison on the study's metric. by_component: comparisons by component, of any arms.
    """
    metric = results.study.metric
    own = [c for c in by_component if (c.arm, c.reference) == (row.arm, row.reference)]
    if metric.component is not None or metric.measure.whole is None or len(own) < 2:
        return None
    read = slice(row.looks.repeats if row.looks is not None and row.looks.done else None)
    toward_better = 1 if metric.measure.higher_is_better else -1
    parts, signs = {}, {}
    for c in own:
        assert c.component is not None
        scores = by_repeat(results, metric.measure.name, c.component)
        parts[c.component] = toward_better * (scores[row.arm] - scores[row.reference])[read]
        signs[c.component] = sign_of(c.verdict)
    here = any(c.decision.only_these_items for c in own)
    found = replace(dominance(parts, signs), here=here)
    return found if sign_of(row.verdict) else replace(found, component=None)


def sign_of(verdict: Verdict) -> int:
    """1 for better, −1 for worse, also where it holds for these items only; else 0."""
    return 1 if verdict.startswith("better") else -1 if verdict.startswith("worse") else 0


def dominance_text(found: Dominance | None) -> str:
    """What an overall verdict opens with; empty where components speak with one voice."""
    if found is None:
        return ""
    sentences = []
    if found.disagree:
        better, worse = listing(found.better), listing(found.worse)
        sentences.append(
            say(
                "On these items, components disagree: better on {better}, worse on {worse}.", better=better, worse=worse
            )
            if found.here
            else say("Components disagree: better on {better}, worse on {worse}.", better=better, worse=worse)
        )
    if found.component is not None:
        share = _rounded(found.share)
        sentences.append(
            say(
                "Most of this difference comes from component {component} ({share}).",
                component=found.component,
                share=share,
            )
        )
    if found.noisy is not None:
        share = _rounded(found.noise)
        sentences.append(
            say(
                "Most of the variation between repeats comes from component {component} ({share}).",
                component=found.noisy,
                share=share,
            )
        )
    return prose(*sentences)


def _rounded(share: float) -> str:
    return percent(round(share, 2))


def _shares(size_C: np.ndarray) -> np.ndarray:
    total = size_C.sum()
    return size_C / total if total > 0 else np.full(len(size_C), np.nan)


def _largest(names: Sequence[str], share_C: np.ndarray, most: float) -> tuple[str | None, float]:
    if np.isnan(share_C).all():
        return None, np.nan
    at = int(np.nanargmax(share_C))
    return (names[at] if share_C[at] > most else None), float(share_C[at])
