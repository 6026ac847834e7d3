"""Means with intervals of numbers that have an end: correlations, shares, entropies, differences of shares.

A plain t interval runs past what is possible, and near an end it is no longer right: ρ in few repeats reached from −6.6
to 7.56.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from reports.statistics.comparisons import compare
from reports.statistics.intervals import Estimate, estimate, finite

FURTHEST = 0.999
"""A correlation beyond this counts as this: z of ±1 is infinite."""


def estimate_correlation(values: Sequence[float] | np.ndarray, level: float = 0.95, overlap: float = 0.0) -> Estimate:
    """Mean and interval of correlations, one a repeat, on Fisher's scale z = artanh ρ and back.

    The mean is that of z, taken back: a little further from 0 than the plain mean, which is too near to 0. The
    deviation is that of the correlations themselves.

    Args:
        values: in −1 … 1; NaN are left out. level, overlap: as :func:`reports.statistics.intervals.estimate`.

    Returns:
        Within −1 … 1. Equal values give themselves, ±1 too; among others ±1 counts as ±:data:`FURTHEST`.

    Source:
        Fisher 1915, "Frequency distribution of the values of the correlation coefficient"; mean on this scale: Silver &
        Dunlap 1987, "Averaging correlation coefficients"; t interval: Nadeau & Bengio 2003.

    Example:
        >>> round(estimate_correlation([0.9, -0.5, 0.3]).high, 2)
        0.99
    """
    plain = estimate(values, level, overlap)
    if plain.n < 2 or plain.deviation == 0:
        return plain
    z = estimate(np.arctanh(np.clip(finite(values), -FURTHEST, FURTHEST)), level, overlap)
    return Estimate(plain.n, math.tanh(z.mean), plain.deviation, math.tanh(z.low), math.tanh(z.high))


def p_of_correlations(values: Sequence[float | None] | np.ndarray, overlap: float = 0.0) -> float:
    """Two-sided p of correlations against 0, one a repeat: the t-test on Fisher's scale that belongs to the interval of
    :func:`estimate_correlation`.

    Args:
        values: in −1 … 1; None and NaN are left out. overlap: n_test / n_train where splits overlap.

    Returns:
        1 for fewer than two, and where their mean is 0.

    Example:
        >>> p_of_correlations([0.5, 0.5]), p_of_correlations([0.7])
        (0.0, 1.0)
    """
    rho_R = np.array([math.nan if v is None else v for v in values], float)
    z_R = np.arctanh(np.clip(rho_R, -FURTHEST, FURTHEST))
    return compare(z_R, np.zeros_like(z_R), overlap=overlap).p_t


def estimate_within(
    values: Sequence[float] | np.ndarray,
    lowest: float = 0.0,
    highest: float = 1.0,
    level: float = 0.95,
    overlap: float = 0.0,
) -> Estimate:
    """Mean and t interval, cut off where no true mean can lie: this leaves the interval's coverage as it was.

    Args:
        values: in lowest … highest; NaN are left out. lowest, highest: −1 and 1 for differences of shares.
        level, overlap: as :func:`reports.statistics.intervals.estimate`.

    Source:
        Intersection with the parameter's range: Mandelkern 2002, "Setting Confidence Intervals for Bounded Parameters".

    Example:
        >>> estimate_within([0.1, 0.6]).low
        0.0
    """
    plain = estimate(values, level, overlap)
    if math.isnan(plain.low):
        return plain
    return replace(plain, low=max(plain.low, min(lowest, plain.mean)), high=min(plain.high, max(highest, plain.mean)))
