"""Means with intervals, for one sample of repeats.

Repeats whose splits are drawn from the same groups share training data, so their scores are not independent and the
usual interval is too narrow. Nadeau & Bengio (2003, "Inference for the Generalization Error", section 3) replace the
factor 1/n of the variance of the mean by 1/n + n_test/n_train.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import stdtrit

ROUNDING = 1e-12
"""Numbers that differ by less than this share of their size are equal: what is left is rounding."""


@dataclass(frozen=True)
class Estimate:
    """A mean over repeats.

    Args:
        n: number of repeats that it rests on.
        mean: their mean; NaN for n = 0.
        deviation: their standard deviation (n − 1 below the line); NaN for n < 2.
        low, high: the interval; NaN for n < 2, and equal to the mean where all values are equal.
    """

    n: int
    mean: float
    deviation: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the interval's width."""
        return (self.high - self.low) / 2


def estimate(values: Sequence[float] | np.ndarray, level: float = 0.95, overlap: float = 0.0) -> Estimate:
    """Mean, deviation and t interval of a sample.

    Args:
        values: one number a repeat; NaN are left out.
        level: coverage, in (0, 1).
        overlap: n_test / n_train where splits are drawn anew for each repeat (Nadeau–Bengio); 0: independent samples.

    Source:
        Student's t; Nadeau & Bengio 2003, equation for the corrected resampled t-test.

    Example:
        >>> estimate([1.0, 2.0, 3.0]).mean
        2.0
    """
    sample = finite(values)
    n = len(sample)
    if n == 0:
        return Estimate(0, math.nan, math.nan, math.nan, math.nan)
    # The sums of numpy's mean and std, whose own steps around them take five times as long; tables hold thousands.
    mean = float(np.add.reduce(sample)) / n
    spread = sample - mean
    largest = float(np.maximum.reduce(np.abs(sample)))
    if abs(mean) <= ROUNDING * largest:
        # Values that cancel out leave rounding, which is no difference.
        mean = 0.0
    if n == 1:
        return Estimate(1, mean, math.nan, math.nan, math.nan)
    deviation = math.sqrt(float(np.add.reduce(spread * spread)) / (n - 1))
    if deviation <= ROUNDING * largest:
        return Estimate(n, mean, 0.0, mean, mean)
    half = t_quantile(level, n) * deviation * math.sqrt(1 / n + overlap)
    return Estimate(n, mean, deviation, mean - half, mean + half)


@lru_cache(maxsize=4096)
def t_quantile(level: float, n: float) -> float:
    """How many standard errors reach from the mean of n values to the edge of a two-sided interval."""
    return float(stdtrit(n - 1, (1 + level) / 2))


def finite(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """The values that are numbers, as float64."""
    sample = np.asarray(values, dtype=np.float64)
    return sample[np.isfinite(sample)]
