"""One correction for many tests on the same repeats, which accounts for the correlation between the tests.

Holm multiplies the smallest p by the number of questions, as if no two answers had anything in common. With n repeats
no sign-flip p is below 2/2ⁿ, so that ten repeats could not answer a hundred questions, however clear the answers are.
Flipping the signs of whole repeats, of all questions at once, keeps what the answers have in common: each pattern of
signs gives the largest answer that chance alone would have given to any of them.

S questions, R repeats, B patterns of signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from mmcore.seeding import generator
from reports.statistics.floors import floor
from reports.statistics.intervals import ROUNDING

ENUMERATED = 14
"""Up to this many repeats all patterns of signs are read; beyond, as many as those of so many repeats are drawn."""
CELLS = 2**22
"""Numbers that are in memory together."""


def joint_sign_flips(difference_SR: Sequence[np.ndarray] | np.ndarray) -> list[float]:
    """Corrected two-sided p of each question's mean against 0, in the order given; [] for none.

    Comparing each with alpha keeps the chance of any false claim at alpha: whichever questions have no effect, as long
    as their answers could as well have had the opposite sign in each repeat. Each answer is divided by the root of its
    mean square, which no change of signs alters, and held against the largest one of those that are not yet decided
    (step-down). Exact for up to 14 repeats; beyond, the observed pattern and 8,191 drawn with a fixed seed.

    Args:
        difference_SR: one row a question; NaN where a repeat has no answer: it counts as 0 in every pattern.

    Returns:
        At least 2/2ⁿ, n being the number of repeats with any answer; 1 for a question without an answer other than 0.

    Source:
        Westfall & Young 1993, "Resampling-Based Multiple Testing", algorithm 4.1, with sign flips; Romano & Wolf 2005,
        "Exact and Approximate Stepdown Methods for Multiple Hypothesis Testing".

    Example:
        >>> joint_sign_flips(np.ones((3, 5)))
        [0.0625, 0.0625, 0.0625]
    """
    if not len(difference_SR):
        return []
    x_SR = np.nan_to_num(np.asarray(difference_SR, dtype=np.float64))
    x_SR = x_SR[:, (x_SR != 0).any(axis=0)]
    largest_S1 = np.abs(x_SR).max(axis=1, initial=0.0)[:, None]
    # Divided by the largest first: a square of what is near the smallest number would be 0.
    x_SR = np.divide(x_SR, largest_S1, out=np.zeros_like(x_SR), where=largest_S1 > 0)
    size_S1 = np.sqrt((x_SR**2).sum(axis=1, keepdims=True))
    z_SR = np.divide(x_SR, size_S1, out=np.zeros_like(x_SR), where=size_S1 > 0)
    known_S = size_S1[:, 0] > 0
    observed_S = np.abs(z_SR.sum(axis=1))
    order = [s for s in np.argsort(-observed_S, kind="stable") if known_S[s]]
    adjusted_S = np.ones(len(x_SR))
    if order:
        adjusted_S[order] = np.maximum.accumulate(_share_beyond(z_SR[order], observed_S[order]))
    return adjusted_S.tolist()


def joint_floor(n: int) -> float:
    """The smallest p that n repeats can give to any of the questions, however many there are; 1 for n = 0."""
    return floor(min(n, ENUMERATED))


def _share_beyond(z_SR: np.ndarray, observed_S: np.ndarray) -> np.ndarray:
    """For each question, in falling order, the share of patterns in which it or a later one is at least as large."""
    signs_BR = _signs(z_SR.shape[1])
    # The same numbers summed in another order round differently: a tie must count as a tie.
    threshold_S = observed_S * (1 - ROUNDING) - ROUNDING
    beyond_S = np.zeros(len(z_SR))
    at_once = max(1, CELLS // len(z_SR))
    for start in range(0, len(signs_BR), at_once):
        drawn_BS = np.abs(signs_BR[start : start + at_once] @ z_SR.T)
        largest_BS = np.maximum.accumulate(drawn_BS[:, ::-1], axis=1)[:, ::-1]
        beyond_S += (largest_BS >= threshold_S).sum(axis=0)
    return beyond_S / len(signs_BR)


@lru_cache(maxsize=32)
def _signs(n: int) -> np.ndarray:
    """Patterns of signs, the observed one first; of all patterns the half whose first sign is +, for the other half are
    their mirror images."""
    if n <= ENUMERATED:
        bits_BR = np.arange(2 ** (n - 1))[:, None] >> np.arange(n - 1, -1, -1) & 1
        return 1.0 - 2.0 * bits_BR
    patterns = 2 ** (ENUMERATED - 1)
    drawn_BR = 1.0 - 2.0 * generator(0, "joint sign flips", index=n).integers(0, 2, size=(patterns, n))
    drawn_BR[0] = 1.0
    return drawn_BR
