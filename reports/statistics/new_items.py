"""Does a difference hold for new items of the corpus, where all repeats tested the same ones?

Where repeats share their test items, more repeats show ever more surely what holds for these items, and nothing about
others: equally good arms were called better or worse in 12 % to 98 % of simulated studies (docs/error_rates.md). So the
groups of items are a second witness. The standard error has three parts: how the difference moves with the groups that
are tested (bootstrap over groups), with the repeats, and with the groups that are read in training.

R repeats, G groups of test items, B resamples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import stdtr

from mmcore.seeding import generator
from reports.statistics.intervals import ROUNDING, Estimate, t_quantile

RESAMPLES = 2000
"""Resamples of the bootstrap over groups: a standard error then moves by about 2 %."""
FEWEST = 1.5
"""Groups, in effect, below which nothing is said of others: nearly all rests on one group."""
FEWEST_NUMBERS = 0.5
"""Share of the resamples that must give a number; with fewer, a measure such as F1 rests on too few cases."""


@dataclass(frozen=True)
class NewItems:
    """arm − reference on new items of the corpus, in the metric's unit.

    Args:
        groups: how many groups of test items the difference rests on, in effect (:func:`effective_groups`).
        difference: mean over the repeats, with its interval at 1 − alpha for other groups and other repeats.
        narrow: the same at 1 − 2·alpha.
        p: of the t-test that belongs to the interval, two-sided; 1 below two repeats or two groups.
        item_error: the standard error that the choice of groups makes; NaN below two groups.
        left_out: groups that a training side leaves out ÷ groups that it holds.
    """

    groups: float
    difference: Estimate
    narrow: Estimate
    p: float
    item_error: float
    left_out: float

    def error(self, repeats: int) -> float:
        """The standard error with this many repeats, if the item error and the standard deviation stay as they are."""
        items, one_repeat = self.item_error**2, self.difference.deviation**2
        return math.sqrt(items + one_repeat / repeats + self.left_out * max(items, one_repeat))

    def freedom(self, repeats: int) -> float:
        """Degrees of freedom: those of the smaller of the two samples."""
        return min(repeats, self.groups) - 1


def on_new_items(
    difference_R: Sequence[float] | np.ndarray,
    resampled_RB: np.ndarray,
    groups: float,
    *,
    alpha: float = 0.05,
    left_out: float,
) -> NewItems:
    """Mean difference with an interval for new items and other repeats alike.

    The variance of the mean is ``items + deviation² / R + left_out · max(items, deviation²)``:

    * ``items``, the choice of test groups: the bootstrap's variance over groups of the mean difference, times
      G / (G − 1) against its bias;
    * ``deviation² / R``, the choice of repeats;
    * the choice of training items. Repeats share most of them or all, so their mean keeps what these items brought by
      luck. Where splits vary the deviation holds that luck, and where all trainings read the same items only the test
      groups tell how much groups differ. So the larger of the two counts.

    The interval is Student's, with the degrees of freedom of the smaller sample.

    Args:
        difference_R: arm − reference on all test items, one number a repeat; NaN where there is none.
        resampled_RB: the same on each resample of groups (:func:`times_drawn`); NaN where a resample has no number.
        groups: G, in effect: a measure that few of the groups have targets for rests on these few. alpha: the level.
        left_out: groups that a training side leaves out ÷ groups that it holds.

    Returns:
        Without an interval and with p = 1 below two repeats or two groups, or if more than half of the resamples have
        no number.

    Source:
        Bootstrap over the units that are drawn: Davison & Hinkley 1997, section 3.8; its t interval and the factor
        against its bias: Hesterberg 2015, "What teachers should know about the bootstrap". Shared training items:
        Nadeau & Bengio 2003, section 3.

    NOTE[DIFF]: Nadeau & Bengio write ``deviation² · n_test / n_train`` for splits that are drawn anew, whose deviation
    holds the luck of the test items too. Here ``left_out`` counts the validation side as well, and ``items`` bounds the
    term from below. Without that bound a ridge learner that reads the same training items in all repeats made a false
    claim about the metric in up to 9 % of simulated studies, and about any of three components in up to 13 %
    (docs/error_rates.md).
    """
    known_R = np.isfinite(np.asarray(difference_R, np.float64)) & np.isfinite(resampled_RB).any(axis=1)
    d_R, resampled_RB = np.asarray(difference_R, np.float64)[known_R], resampled_RB[known_R]
    n = len(d_R)
    mean = _exact(float(d_R.mean()), d_R) if n else math.nan
    deviation = float(d_R.std(ddof=1)) if n > 1 else math.nan
    mean_B = resampled_RB.mean(axis=0) if n else np.empty(0)
    mean_B = mean_B[np.isfinite(mean_B)]
    enough = len(mean_B) >= FEWEST_NUMBERS * resampled_RB.shape[1] and len(mean_B) > 1
    item_error = float(mean_B.std()) * math.sqrt(groups / (groups - 1)) if groups >= FEWEST and enough else math.nan
    unknown = Estimate(n, mean, deviation, math.nan, math.nan)
    found = NewItems(groups, unknown, unknown, 1.0, item_error, left_out)
    if n < 2 or math.isnan(item_error):
        return found
    error, freedom = found.error(n), found.freedom(n)
    if error <= ROUNDING * max(float(np.abs(d_R).max()), abs(mean)):
        exact = Estimate(n, mean, 0.0, mean, mean)
        return NewItems(groups, exact, exact, 1.0 if mean == 0 else 0.0, 0.0, left_out)

    def interval(level: float) -> Estimate:
        half = t_quantile(level, freedom + 1) * error
        return Estimate(n, mean, deviation, mean - half, mean + half)

    p = 2 * float(stdtr(freedom, -abs(mean) / error))
    return NewItems(groups, interval(1 - alpha), interval(1 - 2 * alpha), p, item_error, left_out)


def _exact(mean: float, values: np.ndarray) -> float:
    """A mean that is only rounding is 0."""
    return 0.0 if abs(mean) <= ROUNDING * float(np.abs(values).max()) else mean


def effective_groups(weight_G: np.ndarray) -> float:
    """How many equally heavy groups a mean with these weights rests on: 1 if one group holds all, G if all are alike.

    Args:
        weight_G: counted targets of each group; 0 where a group has none.

    Returns:
        0 where no group has any.

    Source:
        Kish 1965, "Survey Sampling", section 11.7: (Σ w)² / Σ w².

    Example:
        >>> effective_groups(np.array([5.0, 5.0, 0.0])), effective_groups(np.array([95.0, 5.0])) < 1.2
        (2.0, True)
    """
    square = float((weight_G**2).sum())
    return float(weight_G.sum()) ** 2 / square if square else 0.0


@cache
def times_drawn(groups: int) -> np.ndarray:
    """How often each group is drawn in each resample, from a fixed seed: times_BG. The same for every arm."""
    rng = generator(0, "bootstrap of groups of items", index=groups)
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=RESAMPLES).astype(np.float64)
