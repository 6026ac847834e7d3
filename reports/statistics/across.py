"""Two or more arms over many data sets, each of which counts once: sign test and average ranks.

D data sets, A arms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class SignTest:
    """On how many data sets an arm's mean is ahead of another's.

    Args:
        ahead, behind, tied: numbers of data sets; those where an arm has no score count in none.
        p: two-sided binomial p of ``ahead`` against ``behind``; ties are left out, 1 where nothing else is there.
    """

    ahead: int
    behind: int
    tied: int
    p: float


def sign_test(difference_D: np.ndarray, *, higher_is_better: bool = True) -> SignTest:
    """The sign test over data sets.

    It needs no common unit, so accuracies and errors of any scale may stand beside one another.

    Args:
        difference_D: mean of the arm − mean of the other by data set; NaN: not known.

    Source:
        Demšar 2006, "Statistical Comparisons of Classifiers over Multiple Data Sets", section 3.1.4; ties are left out
        here, where he shares them between the two sides.

    Example:
        >>> sign_test(np.array([1.0, 2.0, 3.0, -1.0, 0.0])).p
        0.625
    """
    known_D = difference_D[np.isfinite(difference_D)]
    toward_better_D = known_D if higher_is_better else -known_D
    ahead, behind = int((toward_better_D > 0).sum()), int((toward_better_D < 0).sum())
    return SignTest(ahead, behind, len(known_D) - ahead - behind, _binomial_p(ahead, ahead + behind))


def _binomial_p(ahead: int, of: int) -> float:
    # Takes half a second to import: only comparisons across data sets wait for it.
    from scipy.stats import binomtest

    return float(binomtest(ahead, of).pvalue) if of else 1.0


def average_ranks(mean_DA: np.ndarray, *, higher_is_better: bool = True) -> tuple[np.ndarray, int]:
    """Average rank of each arm over the data sets on which every arm has a mean; 1 is the best, ties share their mean.

    Args:
        mean_DA: mean score; NaN: none.

    Returns:
        Ranks (A,), NaN where no data set has all arms, and the number of data sets.

    Source:
        Demšar 2006, section 3.2.2.
    """
    whole_DA = mean_DA[np.isfinite(mean_DA).all(axis=1)]
    if not len(whole_DA):
        return np.full(mean_DA.shape[1], np.nan), 0
    # Means that differ by rounding alone are ties.
    size_D1 = np.maximum(np.abs(whole_DA).max(axis=1, keepdims=True), np.finfo(float).tiny)
    level_DA = np.round(whole_DA / size_D1, 12)
    rank_DA = pd.DataFrame(level_DA).rank(axis=1, ascending=not higher_is_better).to_numpy()
    return rank_DA.mean(axis=0), len(whole_DA)
