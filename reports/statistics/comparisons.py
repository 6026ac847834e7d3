"""Two arms, paired by repeat: difference, interval, exact p, effect size, equivalence.

Arms without common repeats are compared in unpaired.py, with the same kind of result.

S studies, N pairs of a study.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.special import chdtri, nctdtrinc, stdtr

from mmcore.seeding import generator
from reports.statistics.floors import ENUMERATED, PATTERNS, floor
from reports.statistics.intervals import ROUNDING, Estimate, estimate
from reports.statistics.new_items import NewItems

STUDIES_AT_ONCE = 64
"""Studies whose sign patterns are in memory together."""
PATTERNS_AT_ONCE = 8192
"""Drawn sign patterns that are in memory as floats: those of 200 pairs would take 100 MiB together."""

LARGE_T = 1000.0
"""From here on t is its noncentrality ÷ √(χ² / (n − 1)), to 0.02 %; the exact way would take ever longer."""


@dataclass(frozen=True)
class Sizes:
    """Two samples of repeats that are not paired.

    Args:
        arm, reference: numbers of repeats. variance, reference_variance: of their scores; NaN below two, 0 where all
            that is left is rounding.
    """

    arm: int
    reference: int
    variance: float
    reference_variance: float

    @classmethod
    def of(cls, arm: np.ndarray, reference: np.ndarray) -> Sizes:
        """The samples of two arms; finite numbers."""
        return cls(len(arm), len(reference), _variance(arm), _variance(reference))

    def error(self, more: int = 0) -> float:
        """The standard error of the difference of means, with so many more repeats of both arms.

        NaN if an arm has fewer than two numbers.
        """
        if min(self.arm, self.reference) < 2:
            return math.nan
        return math.sqrt(self.variance / (self.arm + more) + self.reference_variance / (self.reference + more))

    def freedom(self, more: int = 0) -> float:
        """Degrees of freedom of Welch's test, with so many more repeats of both arms; 1 where neither arm varies.

        NaN if an arm has fewer than two numbers.
        """
        if min(self.arm, self.reference) < 2:
            return math.nan
        m, n = self.arm + more, self.reference + more
        one, other = self.variance / m, self.reference_variance / n
        if one + other == 0:
            return 1.0
        share = one / (one + other)
        return 1 / (share**2 / (m - 1) + (1 - share) ** 2 / (n - 1))


def _variance(scores: np.ndarray) -> float:
    if len(scores) < 2:
        return math.nan
    deviation = float(scores.std(ddof=1))
    return 0.0 if deviation <= ROUNDING * float(np.abs(scores).max()) else deviation**2


@dataclass(frozen=True)
class Paired:
    """What the repeats say about arm − reference, before any correction for other comparisons.

    Args:
        difference: mean paired difference in the metric's unit, with its interval at 1 − alpha.
        narrow: the same at 1 − 2·alpha, for two one-sided tests.
        p: two-sided sign-flip p, exact up to 16 pairs; 1 for n = 0.
        p_t: two-sided p of the corrected t-test: at most alpha where the interval leaves out 0; 1 for n < 2.
        floor: the smallest p that n pairs can give.
        effect_size: Cohen's d_z, mean ÷ deviation of the differences; NaN where the deviation is 0 or unknown.
        effect_low, effect_high: its interval at 1 − alpha; NaN with it.
        won: repeats in which the arm is strictly better.
        tied: repeats in which both are equal.
        overlap: the Nadeau–Bengio term in both intervals.
        shared: whether all repeats tested the same items: then all of the above holds for these items alone.
        new_items: the difference on new items of the corpus where ``shared``; None where nothing is known of it.
        sizes: of the two samples, where repeats are not paired; None where they are. Then ``difference`` has Welch's
            interval, ``p`` is of the permutation test, ``effect_size`` is Hedges' g, and ``won`` and ``tied`` count
            couples of one repeat of either arm.
    """

    difference: Estimate
    narrow: Estimate
    p: float
    p_t: float
    floor: float
    effect_size: float
    won: int
    tied: int
    overlap: float
    effect_low: float = math.nan
    effect_high: float = math.nan
    shared: bool = False
    new_items: NewItems | None = None
    sizes: Sizes | None = None

    @property
    def n(self) -> int:
        """Pairs; of samples that are not paired, the repeats of the smaller one."""
        return self.difference.n

    @property
    def couples(self) -> int:
        """What ``won`` and ``tied`` are counted of: pairs, or couples of one repeat of either arm."""
        return self.n if self.sizes is None else self.sizes.arm * self.sizes.reference

    @property
    def share_won(self) -> float:
        """Share of the couples in which the arm is better, a tie counting half; NaN for n = 0."""
        return (self.won + self.tied / 2) / self.couples if self.couples else math.nan

    def error(self, more: int = 0) -> float:
        """The standard error of the difference with so many more repeats, its standard deviation as observed."""
        if self.sizes is not None:
            return self.sizes.error(more)
        return self.difference.deviation * math.sqrt(1 / (self.n + more) + self.overlap)

    def freedom(self, more: int = 0) -> float:
        """Degrees of freedom of its t-test, with so many more repeats."""
        return self.n + more - 1 if self.sizes is None else self.sizes.freedom(more)

    @property
    def claimed(self) -> Estimate:
        """The difference with the interval of what a verdict claims: new items of the corpus, whatever was tested.

        Where all repeats tested the same items and nothing is known of others, the interval is NaN.
        """
        if not self.shared:
            return self.difference
        if self.new_items is not None and self.new_items.difference.n:
            return self.new_items.difference
        return replace(self.difference, low=math.nan, high=math.nan)


def compare(
    arm: Sequence[float] | np.ndarray,
    reference: Sequence[float] | np.ndarray,
    *,
    alpha: float = 0.05,
    overlap: float = 0.0,
    higher_is_better: bool = True,
    p: float | None = None,
) -> Paired:
    """Compare two arms repeat by repeat.

    Args:
        arm, reference: one number a repeat, in the same order; a pair counts only if both are numbers.
        alpha: accepted rate of false claims; intervals are at 1 − alpha and 1 − 2·alpha.
        overlap: n_test / n_train where splits vary between repeats, else 0.
        higher_is_better: the metric's direction, for ``won``.
        p: :func:`sign_flip_p` of :func:`paired_differences`, where :func:`sign_flips` knows it already.

    Source:
        Interval: Nadeau & Bengio 2003. p: Fisher's randomisation of signs. Effect size: Cohen 1988, d_z.
    """
    difference = paired_differences(arm, reference)
    full = estimate(difference, 1 - alpha, overlap)
    toward_better = difference if higher_is_better else -difference
    effect = full.mean / full.deviation if full.deviation > 0 else math.nan
    effect_low, effect_high = effect_interval(effect, full.n, alpha, overlap)
    return Paired(
        difference=full,
        narrow=estimate(difference, 1 - 2 * alpha, overlap),
        p=sign_flip_p(difference) if p is None else p,
        p_t=_t_test(full, overlap),
        floor=floor(full.n),
        effect_size=effect,
        won=int((toward_better > 0).sum()),
        tied=int((difference == 0).sum()),
        overlap=overlap,
        effect_low=effect_low,
        effect_high=effect_high,
    )


def effect_interval(effect: float, n: int, alpha: float = 0.05, overlap: float = 0.0) -> tuple[float, float]:
    """The interval of an effect size at 1 − alpha, from the noncentral t distribution.

    The noncentralities under which the observed t would lie at the upper and the lower end, taken back to effect sizes.
    Where splits overlap, t and the way back hold Nadeau & Bengio's term, so the interval is as wide as it should be.

    Args:
        effect: mean ÷ deviation of n paired differences; NaN gives NaN.

    Returns:
        Low and high; NaN for n < 2.

    Source:
        Steiger & Fouladi 1997, "Noncentrality interval estimation"; Cumming & Finch 2001.

    Example:
        >>> [round(edge, 2) for edge in effect_interval(1.0, 10)]
        [0.21, 1.76]
    """
    if math.isnan(effect) or n < 2:
        return math.nan, math.nan
    return noncentral_interval(effect, math.sqrt(1 / n + overlap), n - 1, alpha)


def noncentral_interval(effect: float, scale: float, freedom: float, alpha: float) -> tuple[float, float]:
    """The interval of an effect size whose t is ``effect / scale``, see :func:`effect_interval`."""
    # The function knows positive t alone; the interval of −t is the mirror image.
    t, shares = abs(effect) / scale, (1 - alpha / 2, alpha / 2)
    if t > LARGE_T:
        low, high = (scale * t * math.sqrt(float(chdtri(freedom, share)) / freedom) for share in shares)
    else:
        low, high = (scale * float(nctdtrinc(freedom, share, t)) for share in shares)
    return (low, high) if effect >= 0 else (-high, -low)


def _t_test(difference: Estimate, overlap: float) -> float:
    if difference.n < 2 or difference.mean == 0:
        return 1.0
    if difference.deviation == 0:
        return 0.0
    t = difference.mean / (difference.deviation * math.sqrt(1 / difference.n + overlap))
    return 2 * float(stdtr(difference.n - 1, -abs(t)))


def equivalence_p(paired: Paired, margin: float) -> float:
    """The p of two one-sided tests: at most alpha where the interval at 1 − 2·alpha lies within ± margin.

    Args:
        margin: in the metric's unit, above 0: differences within ± margin count as none.

    Returns:
        1 for n < 2; where all differences are equal, 0 if they lie within the margin and 1 if not.

    Source:
        Schuirmann 1987; the deviation of the mean with Nadeau & Bengio's term.
    """
    difference = paired.difference
    if difference.n < 2:
        return 1.0
    inside = margin - abs(difference.mean)
    if difference.deviation == 0:
        return 0.0 if inside >= 0 else 1.0
    # The test against the nearer edge has the larger p.
    return float(stdtr(paired.freedom(), -inside / paired.error()))


def paired_differences(arm: Sequence[float] | np.ndarray, reference: Sequence[float] | np.ndarray) -> np.ndarray:
    """arm − reference where both are numbers; what is only rounding is exactly 0.

    A pair is held against its own size and that of the usual pair. The largest of all would not do: beside one score of
    10¹², as diverged runs are given, no other difference would count.
    """
    a, b = np.asarray(arm, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    difference = a - b
    size = np.maximum(np.abs(a), np.abs(b))
    usual = float(np.median(size)) if len(size) else 0.0
    return np.where(np.abs(difference) <= ROUNDING * np.maximum(size, usual), 0.0, difference)


def sign_flip_p(differences: Sequence[float] | np.ndarray) -> float:
    """Two-sided p of the mean difference under random signs: the share of sign patterns at least as extreme.

    Exact (all 2ⁿ patterns) for up to 16 pairs; beyond, the observed pattern and 2¹⁶ − 1 drawn with a fixed seed (repeat
    0, purpose "sign flips", index n), which never gives a p below 1/2¹⁶. Assumes that differences are exchangeable in
    sign when the arms are equally good.

    Args:
        differences: finite numbers, one a pair.

    Returns:
        1 for no pairs, and where all differences are 0.
    """
    return float(sign_flip_ps(np.asarray(differences, dtype=np.float64)[None])[0])


def sign_flips(differences: Sequence[np.ndarray]) -> list[float]:
    """:func:`sign_flip_p` of each, those with equally many pairs together: that takes a tenth of the time."""
    p = [1.0] * len(differences)
    for n in {len(one) for one in differences}:
        at = [i for i, one in enumerate(differences) if len(one) == n]
        for i, found in zip(at, sign_flip_ps(np.stack([differences[i] for i in at])).tolist(), strict=True):
            p[i] = found
    return p


def sign_flip_ps(differences_SN: np.ndarray) -> np.ndarray:
    """:func:`sign_flip_p` of many studies with equally many pairs, one p a study."""
    studies, pairs = differences_SN.shape
    if pairs == 0:
        return np.ones(studies)
    chunks = range(0, studies, STUDIES_AT_ONCE)
    return np.concatenate(
        [_sign_flip_ps(differences_SN[i : i + STUDIES_AT_ONCE].T) for i in chunks] or [np.ones(0)],
    )


def _sign_flip_ps(d_NS: np.ndarray) -> np.ndarray:
    # Sums in another order round differently: a tie must count as a tie.
    threshold_S = np.abs(d_NS.sum(axis=0)) - ROUNDING * np.abs(d_NS).sum(axis=0)
    if len(d_NS) <= ENUMERATED:
        return (np.abs(_sums_of_all_patterns(d_NS)) >= threshold_S).mean(axis=0)
    signs = _drawn_signs(len(d_NS))
    extreme_S = np.zeros(d_NS.shape[1], int)
    for at in range(0, len(signs), PATTERNS_AT_ONCE):
        sums = signs[at : at + PATTERNS_AT_ONCE].astype(np.float64) @ d_NS
        extreme_S += (np.abs(sums) >= threshold_S).sum(axis=0)
    return (1 + extreme_S) / (1 + len(signs))


def _sums_of_all_patterns(d_NS: np.ndarray) -> np.ndarray:
    """Σ ± d for half of the 2ⁿ patterns (rows), the other half being their mirror images, by doubling."""
    sums = d_NS[:1]
    for value_S in d_NS[1:]:
        sums = np.concatenate([sums + value_S, sums - value_S])
    return sums


@lru_cache(maxsize=32)
def _drawn_signs(n: int) -> np.ndarray:
    drawn = generator(0, "sign flips", index=n).integers(0, 2, size=(PATTERNS - 1, n), dtype=np.int8)
    return 2 * drawn - 1
