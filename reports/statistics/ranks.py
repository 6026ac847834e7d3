"""All arms against all: ranks over repeats, Friedman's test and Nemenyi's critical difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd
from scipy.special import chdtrc

FEWEST_ARMS = 3
"""Friedman's test asks about three arms or more; two are what the paired comparisons are for."""


@dataclass(frozen=True)
class Ranks:
    """The arms of a study ranked within each repeat.

    Args:
        arms: by average rank, the best first.
        average: average rank of each, 1 … k; arms that tie within a repeat share the mean of their places.
        n: repeats in which every one of these arms has a number.
        statistic: Friedman's χ², corrected for ties; NaN below three arms or two repeats, and where all always tie.
        p: of the hypothesis that all arms are equally good; NaN with the statistic.
        critical_difference: average ranks further apart than this differ by Nemenyi's test; NaN below two arms or two
            repeats.
    """

    arms: tuple[str, ...]
    average: tuple[float, ...]
    n: int
    statistic: float
    p: float
    critical_difference: float

    @property
    def alike(self) -> tuple[tuple[str, ...], ...]:
        """The widest groups of two or more arms that lie within the critical difference: the bars of a diagram."""
        groups: list[tuple[int, int]] = []
        for first, rank in enumerate(self.average):
            last = max(
                i for i, other in enumerate(self.average) if i == first or other - rank <= self.critical_difference
            )
            if last > first and (not groups or last > groups[-1][1]):
                groups.append((first, last))
        return tuple(self.arms[first : last + 1] for first, last in groups)


def ranks(scores: pd.DataFrame, *, higher_is_better: bool = True, alpha: float = 0.05) -> Ranks:
    """Rank the arms within each repeat.

    Friedman's test and the critical difference take repeats as independent. Where splits overlap they are not, and both
    find differences too easily: they give an overview, and verdicts never rest on them.

    Args:
        scores: one number a repeat (rows) and arm (columns). An arm without any number is left out, and so is a repeat
            in which one of the others has none.
        higher_is_better: the metric's direction; rank 1 is the best.
        alpha: level of the critical difference.

    Source:
        Friedman 1937; Demšar 2006, "Statistical Comparisons of Classifiers over Multiple Data Sets", section 3.2.2:
        CD = q · √(k(k+1)/(6n)), where q is the studentized range with infinite degrees of freedom ÷ √2.
    """
    blocks = scores.dropna(axis="columns", how="all").dropna(axis="index")
    n, k = blocks.shape
    if n == 0:
        return Ranks((), (), 0, math.nan, math.nan, math.nan)
    placed = blocks.rank(axis="columns", ascending=not higher_is_better)
    average = placed.mean().sort_values(kind="stable")
    statistic, p = _friedman(placed) if n > 1 and k >= FEWEST_ARMS else (math.nan, math.nan)
    return Ranks(
        arms=tuple(str(arm) for arm in average.index),
        average=tuple(average.tolist()),
        n=n,
        statistic=statistic,
        p=p,
        critical_difference=critical_difference(k, n, alpha) if n > 1 and k > 1 else math.nan,
    )


def _friedman(placed: pd.DataFrame) -> tuple[float, float]:
    n, k = placed.shape
    between = float(((placed.sum() - n * (k + 1) / 2) ** 2).sum())
    # Ties make ranks vary less than the k(k+1)/12 of the formula without them.
    within = float(((placed - (k + 1) / 2) ** 2).to_numpy().sum())
    if within == 0:
        return math.nan, math.nan
    statistic = (k - 1) * between / within
    return statistic, float(chdtrc(k - 1, statistic))


def critical_difference(arms: int, repeats: int, alpha: float = 0.05) -> float:
    """How far apart two average ranks must be at least for Nemenyi's test to tell the arms apart.

    Source:
        Nemenyi 1963; Demšar 2006, table 5.

    Example:
        >>> round(critical_difference(4, 14, 0.1), 2)
        1.12
    """
    # Takes half a second of imports, which pages without ranks do without.
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - alpha, arms, math.inf)) / math.sqrt(2)
    return quantile * math.sqrt(arms * (arms + 1) / (6 * repeats))
