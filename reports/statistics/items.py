"""Paired differences by item: on which items an arm is better, and how far that carries over to other items.

R repeats, I items, G groups of items, B resamples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from scipy.special import stdtr

from mmcore.seeding import generator
from reports.statistics.intervals import ROUNDING, Estimate, estimate, t_quantile

RESAMPLES = 2000
"""Resamples of the two-level bootstrap: the half-width of an interval then moves by about 2 %."""

DENSE = 1 << 24
"""Items × groups up to which sums over groups are a product of matrices, whose last bits finished reports have."""


@dataclass(frozen=True)
class TwoLevel:
    """A mean over items and repeats.

    Args:
        repeats, groups, items: those with any number.
        mean: over all tests of an item in a repeat, each counting the same; NaN where there is none.
        low, high: the interval; NaN below two repeats or two groups: then one level cannot be resampled.
        p: of the t-test that belongs to the interval, two-sided; NaN where there is no interval.
    """

    repeats: int
    groups: int
    items: int
    mean: float
    low: float
    high: float
    p: float


def per_item(difference_RI: np.ndarray, level: float = 0.95, overlap: float = 0.0) -> list[Estimate]:
    """Mean difference on each item over the repeats that tested it, with its t interval.

    The interval tells how much training and split move the difference on this very item. The intervals of many items
    are not corrected for one another: they point at items to look at and are no verdicts.

    Args:
        difference_RI: arm − reference; NaN where the repeat did not test the item.
        level: coverage, in (0, 1).
        overlap: n_test / n_train where splits are drawn anew for each repeat (Nadeau–Bengio), else 0.
    """
    return [estimate(difference_R, level, overlap) for difference_R in difference_RI.T]


def two_level(difference_RI: np.ndarray, groups: Sequence[str], level: float = 0.95) -> TwoLevel:
    """Mean difference over items and repeats, with an interval for other items and other repeats alike.

    Each of :data:`RESAMPLES` resamples draws repeats and groups of items, both with replacement and independently; a
    test counts as often as its repeat times its group were drawn. The standard deviation of the resampled means is the
    standard error. Resampling n things makes it too small by √((n − 1) / n), and with few repeats it is itself a guess:
    so it is widened by √(n / (n − 1)), and the interval is Student's with n − 1 degrees of freedom, where n is the
    number of repeats or of groups, whichever is smaller.

    That covers the choice of items, of the test side and of the initialisation. It does not cover that repeats share
    training items: where splits overlap, the corrected interval of the comparison is the one that verdicts rest on.

    Args:
        difference_RI: arm − reference; NaN where the repeat did not test the item.
        groups: each item's group, in the order of the columns: items of a group are drawn together.
        level: coverage, in (0, 1).

    Source:
        Owen 2007, "The pigeonhole bootstrap": consistent for the mean of crossed data with gaps, and on the safe side.
        Hesterberg 2015, "What teachers should know about the bootstrap": percentile intervals of few values are too
        narrow; the t interval with the bootstrap's error, and the factor against its bias. Drawn from a fixed seed.
    """
    tested_RI = np.isfinite(difference_RI)
    names, group_I = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    count_RG = _by_group(tested_RI.astype(np.float64), group_I, len(names))
    sum_RG = _by_group(np.where(tested_RI, difference_RI, 0.0), group_I, len(names))
    repeats, drawn = tested_RI.any(axis=1), count_RG.any(axis=0)
    count_RG, sum_RG = count_RG[repeats][:, drawn], sum_RG[repeats][:, drawn]
    mean = low = high = p = math.nan
    if count_RG.size:
        mean = float(sum_RG.sum() / count_RG.sum())
    n = min(count_RG.shape)
    if n > 1:
        error = float(_resampled_means(sum_RG, count_RG).std()) * math.sqrt(n / (n - 1))
        rounding = ROUNDING * float(np.abs(difference_RI[tested_RI]).max())
        if error <= rounding:
            low, high, p = mean, mean, float(abs(mean) <= rounding)
        else:
            half = t_quantile(level, n) * error
            low, high, p = mean - half, mean + half, 2 * float(stdtr(n - 1, -abs(mean) / error))
    return TwoLevel(len(count_RG), count_RG.shape[1], int(tested_RI.any(axis=0).sum()), mean, low, high, p)


def _by_group(values_RI: np.ndarray, group_I: np.ndarray, groups: int) -> np.ndarray:
    """Sums over the items of each group, values_RG."""
    if values_RI.shape[1] * groups <= DENSE:
        return values_RI @ np.eye(groups)[group_I]
    # 50,000 items of their own would need 19 GiB to say which is whose.
    return np.stack([np.bincount(group_I, values_I, groups) for values_I in values_RI])


def _resampled_means(sum_RG: np.ndarray, count_RG: np.ndarray) -> np.ndarray:
    repeats, groups = count_RG.shape
    times_BR, times_BG = _times_drawn("repeats", repeats), _times_drawn("groups of items", groups)
    total_B = ((times_BR @ sum_RG) * times_BG).sum(axis=1)
    count_B = _resampled_counts(count_RG.tobytes(), repeats, groups)
    # Repeats and groups that never met give a resample without a single test.
    return total_B[count_B > 0] / count_B[count_B > 0]


@lru_cache(maxsize=64)
def _resampled_counts(counts: bytes, repeats: int, groups: int) -> np.ndarray:
    """Tests in each resample; arms that were tested on the same items have the same."""
    count_RG = np.frombuffer(counts).reshape(repeats, groups)
    return ((_times_drawn("repeats", repeats) @ count_RG) * _times_drawn("groups of items", groups)).sum(axis=1)


@cache
def _times_drawn(what: str, n: int) -> np.ndarray:
    """How often each of n is drawn in each resample."""
    rng = generator(0, f"two-level bootstrap of {what}", index=n)
    return rng.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)
