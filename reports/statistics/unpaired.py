"""Two arms whose repeats have nothing in common: difference of means, Welch interval, permutation p, effect size.

N repeats of both arms together, P relabellings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import numpy as np
from scipy.special import stdtr

from mmcore.seeding import generator
from reports.statistics.comparisons import Paired, Sizes, noncentral_interval
from reports.statistics.floors import PATTERNS, unpaired_floor
from reports.statistics.intervals import ROUNDING, Estimate, finite, t_quantile

AT_ONCE = 32
"""Comparisons whose relabellings are in memory together: 17 MB."""


def compare_unpaired(
    arm: Sequence[float] | np.ndarray,
    reference: Sequence[float] | np.ndarray,
    *,
    alpha: float = 0.05,
    higher_is_better: bool = True,
    p: float | None = None,
) -> Paired:
    """Compare two arms as two independent samples of repeats.

    The interval and its t-test allow unequal variances. The permutation p assumes that the arms are exchangeable where
    they are equally good, which unequal variances break; a claim needs both (docs/error_rates.md has error rates).

    Args:
        arm, reference: one number a repeat, in any order; NaN and infinite numbers are left out.
        alpha: accepted rate of false claims; intervals are at 1 − alpha and 1 − 2·alpha.
        higher_is_better: the metric's direction, for ``won``.
        p: of the permutation test, where it is known already (:func:`permutation_ps`).

    Returns:
        ``won`` and ``tied`` count couples of one repeat of either arm. Without an interval and with p = 1 if an arm has
        fewer than two numbers; where no arm varies, the interval is the difference itself.

    Source:
        Welch 1947; degrees of freedom: Satterthwaite 1946. p: Fisher's permutation test. Effect size: Hedges 1981, g,
        whose interval is that of the noncentral t distribution (Cumming & Finch 2001).
    """
    one, other = finite(arm), finite(reference)
    sizes = Sizes.of(one, other)
    n = min(sizes.arm, sizes.reference)
    mean = _exact(float(one.mean() - other.mean()), one, other) if n else math.nan
    error, freedom = sizes.error(), sizes.freedom()
    effect, effect_low, effect_high = _effect(mean, sizes, alpha)
    couples = one[:, None] - other[None, :]
    couples = np.where(np.abs(couples) <= ROUNDING * _size(one, other), 0.0, couples)
    toward_better = couples if higher_is_better else -couples

    def interval(level: float) -> Estimate:
        half = 0.0 if error == 0 else t_quantile(level, freedom + 1) * error
        # Of n repeats of either arm a mean with this error would come from differences of this standard deviation.
        return Estimate(n, mean, error * math.sqrt(n) if n else math.nan, mean - half, mean + half)

    return Paired(
        difference=interval(1 - alpha),
        narrow=interval(1 - 2 * alpha),
        p=permutation_p(one, other) if p is None else p,
        p_t=welch_p(mean, error, freedom),
        floor=unpaired_floor(sizes.arm, sizes.reference),
        effect_size=effect,
        won=int((toward_better > 0).sum()),
        tied=int((couples == 0).sum()),
        overlap=0.0,
        effect_low=effect_low,
        effect_high=effect_high,
        sizes=sizes,
    )


def welch_p(mean: float, error: float, freedom: float) -> float:
    """Two-sided p of a difference of means with this standard error; 1 where the error is not known."""
    if math.isnan(mean) or math.isnan(error) or mean == 0:
        return 1.0
    return 2 * float(stdtr(freedom, -abs(mean) / error)) if error else 0.0


def permutation_p(one: np.ndarray, other: np.ndarray) -> float:
    """Two-sided p of the difference of means: the share of relabellings of the repeats at least as extreme.

    Exact where there are at most 2¹⁶ relabellings; beyond, the observed one and 2¹⁶ − 1 drawn with a fixed seed.

    Args:
        one, other: finite numbers.

    Returns:
        1 where an arm has none, and where all numbers are equal.
    """
    return permutation_ps([(one, other)])[0]


def permutation_ps(samples: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[float]:
    """:func:`permutation_p` of many comparisons; those of the same sizes are computed together, which is far quicker.

    S comparisons of the same sizes.
    """
    found = [1.0] * len(samples)
    of_size: dict[tuple[int, int], list[int]] = {}
    for at, (one, other) in enumerate(samples):
        if len(one) and len(other):
            of_size.setdefault((len(one), len(other)), []).append(at)
    for (m, n), places in of_size.items():
        for first in range(0, len(places), AT_ONCE):
            some = places[first : first + AT_ONCE]
            # Sorted: where relabellings are drawn, the order of the rows must not matter.
            scores_NS = np.stack([np.concatenate([*map(np.sort, samples[at])]) for at in some], axis=1)
            for at, p in zip(some, _ps(scores_NS, m, n), strict=True):
                found[at] = float(p)
    return found


def _ps(scores_NS: np.ndarray, m: int, n: int) -> np.ndarray:
    largest_S = np.abs(scores_NS).max(axis=0)
    # Relative to the mean of all, sums of large numbers keep their digits.
    scores_NS = scores_NS - scores_NS.mean(axis=0)
    tolerance_S = ROUNDING * np.maximum(largest_S, np.abs(scores_NS).sum(axis=0))
    # The mean of one arm decides the other's: the difference is this sum times a constant.
    threshold_S = np.abs(scores_NS[:m].sum(axis=0)) - tolerance_S
    extreme_S = (np.abs(_relabelled(m, n) @ scores_NS) >= threshold_S).sum(axis=0)
    if math.comb(m + n, m) <= PATTERNS:
        return extreme_S / math.comb(m + n, m)
    return (1 + extreme_S) / PATTERNS


@lru_cache(maxsize=16)
def _relabelled(m: int, n: int) -> np.ndarray:
    """Which of the N repeats are the arm's, as ones: all ways, or drawn ones without the observed one; (P, N)."""
    if math.comb(m + n, m) <= PATTERNS:
        chosen = np.array(list(combinations(range(m + n), m)))
    else:
        rng = generator(0, "relabelled repeats", index=1000 * m + n)
        chosen = rng.random((PATTERNS - 1, m + n)).argpartition(m - 1, axis=1)[:, :m]
    taken_PN = np.zeros((len(chosen), m + n))
    np.put_along_axis(taken_PN, chosen, 1.0, axis=1)
    return taken_PN


def _effect(mean: float, sizes: Sizes, alpha: float) -> tuple[float, float, float]:
    """Hedges' g with its interval; NaN where no repeat varies, or an arm has none."""
    freedom = sizes.arm + sizes.reference - 2
    if freedom < 1 or min(sizes.arm, sizes.reference) < 1 or math.isnan(mean):
        return math.nan, math.nan, math.nan
    pooled = math.sqrt(
        ((sizes.arm - 1) * _or_0(sizes.variance) + (sizes.reference - 1) * _or_0(sizes.reference_variance)) / freedom
    )
    if pooled == 0:
        return math.nan, math.nan, math.nan
    # Hedges 1981, equation 6e: cancels most of the bias of small samples.
    correction = 1 - 3 / (4 * freedom - 1)
    scale = math.sqrt(1 / sizes.arm + 1 / sizes.reference)
    low, high = noncentral_interval(mean / pooled, scale, freedom, alpha)
    return correction * mean / pooled, correction * low, correction * high


def _or_0(variance: float) -> float:
    return 0.0 if math.isnan(variance) else variance


def _size(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(np.concatenate([one, other])).max(initial=0.0))


def _exact(mean: float, one: np.ndarray, other: np.ndarray) -> float:
    """A difference that is only rounding is 0."""
    return 0.0 if abs(mean) <= ROUNDING * _size(one, other) else mean
