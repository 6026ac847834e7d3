"""Skill: how much better than a naive prediction, on a bounded scale. Its only definition, free of torch.

With L the loss and N the naive loss of the same targets, skill is 1 − L/N where L ≤ N and N/L − 1 beyond. It is 1 for a
perfect prediction, 0 for the naive one, and falls towards −1 as L grows; swapping model and naive prediction changes
its sign. Value and slope (−1/N) meet at L = N. Up to there it is the skill score of forecast verification (Murphy
1988, equation 2), which has no lower bound: where the naive prediction is nearly exact, one component of it would
outvote all others in a mean. That one is :func:`relative_skill`.

R: any shape, e.g. repeats.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike


def skills_of(loss_R: ArrayLike, naive_R: ArrayLike) -> np.ndarray:
    """Skill of each pair of a loss and a naive loss, in [−1, 1]; −1 only where the loss is infinite.

    NaN where either is not known, or the naive loss is 0 (nothing is left to win) or infinite.

    Example:
        >>> skills_of([0.0, 1.0, 2.0, 4.0, float("inf")], 2.0).tolist()
        [1.0, 0.5, 0.0, -0.5, -1.0]
    """
    loss_R, naive_R = np.broadcast_arrays(np.asarray(loss_R, float), np.asarray(naive_R, float))
    low_R, high_R = np.minimum(loss_R, naive_R), np.maximum(loss_R, naive_R)
    known_R = (naive_R > 0) & np.isfinite(naive_R) & ~np.isnan(loss_R)
    if known_R.all():
        # To leave out what is not known takes half as long again.
        share_R = low_R / high_R
    else:
        share_R = np.full(loss_R.shape, math.nan)
        np.divide(low_R, high_R, out=share_R, where=known_R)
    return np.where(loss_R <= naive_R, 1.0 - share_R, share_R - 1.0)


def skill(loss: float, naive: float) -> float:
    """:func:`skills_of` of one pair."""
    return float(skills_of(loss, naive))


def relative_skill(loss: float, naive: float) -> float:
    """1 − loss / naive: as :func:`skill` up to the naive loss, and without a lower bound beyond it.

    NaN as there; −Inf where the loss is infinite.
    """
    return 1.0 - loss / naive if 0 < naive < math.inf and not math.isnan(loss) else math.nan


def skill_per_loss(one_R: ArrayLike, other_R: ArrayLike, naive_R: ArrayLike) -> np.ndarray:
    """Skill lost for each unit of loss on the way between two losses: what a difference of losses weighs in skill.

    Exactly ``skill(one) − skill(other) = −weight × (one − other)``; where the two are the same, it is minus the slope
    of skill there. NaN as :func:`skills_of`, and where a loss is infinite.
    """
    one_R, other_R, naive_R = np.broadcast_arrays(*(np.asarray(x, float) for x in (one_R, other_R, naive_R)))
    low_R, high_R = np.minimum(one_R, other_R), np.maximum(one_R, other_R)
    known_R = (naive_R > 0) & np.isfinite(naive_R) & np.isfinite(high_R)
    naive_R, low_R, high_R = (np.where(known_R, x, math.nan) for x in (naive_R, low_R, high_R))
    # The way has a part up to the naive loss, where a unit of loss weighs 1/N, and one beyond it: N/(a b) from a to b.
    start_R, end_R = np.maximum(low_R, naive_R), np.maximum(high_R, naive_R)
    beyond_R, beyond_weight_R = end_R - start_R, naive_R / start_R / end_R
    up_to_R = np.minimum(high_R, naive_R) - np.minimum(low_R, naive_R)
    way_R = high_R - low_R
    divisor_R = np.where(way_R > 0, way_R, 1.0)
    share_R = np.where(way_R > 0, beyond_R / divisor_R, 1.0)
    # Not 1 − share: beside a long way beyond the naive loss nothing would be left of the way up to it but rounding.
    return share_R * beyond_weight_R + up_to_R / divisor_R / naive_R
