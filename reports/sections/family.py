"""Questions of one section that are judged together, so that the chance of any false word among them is known.

A section's questions make one family or several; a section with k families gives each of them alpha ÷ k, so that the
chance of any false word in the whole section is at most alpha where nothing is there to be found. Within a family two
witnesses must agree: the sign-flip test, corrected for the number of questions by flipping the signs of whole repeats
(:mod:`reports.statistics.joint`), and the t-test of the shown interval, corrected by Holm where splits overlap. The p
that is reported is the larger of the two, times k: it is held against alpha itself.

That a difference is *none* (its whole interval at 1 − 2·alpha lies within the margin) is not corrected: where nothing
is there to be found that word is true.

R repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from reports.statistics.comparisons import Paired, compare
from reports.statistics.intervals import ROUNDING, Estimate
from reports.statistics.joint import joint_floor, joint_sign_flips
from reports.statistics.multiplicity import holm

Outcome = Literal["above", "below", "none", "open", "too few repeats"]


@dataclass(frozen=True)
class Test:
    """A mean over repeats against 0, judged within its family.

    Args:
        paired: the mean with its intervals, uncorrected.
        margin: what counts as no difference; None: none is set.
        p: corrected, the larger of the two witnesses', to be held against ``alpha``.
        alpha: the chance of any false word that the section may have.
        family: number of questions that were judged together.
        floor: the smallest p that the repeats could have given.
    """

    __test__ = False

    paired: Paired
    margin: float | None
    p: float
    alpha: float
    family: int
    floor: float

    @property
    def estimate(self) -> Estimate:
        """Mean and interval."""
        return self.paired.difference

    @property
    def side(self) -> int:
        """1 where the mean is shown to be above 0, −1 below, else 0; whatever the margin."""
        e = self.estimate
        if self.p > self.alpha or e.n < 2 or e.low <= 0 <= e.high:
            return 0
        return 1 if e.mean > 0 else -1

    @property
    def sign(self) -> int:
        """The same, 0 also where the mean is no more than the study counts as none."""
        return self.side if abs(self.estimate.mean) > (self.margin or 0.0) and not self.none else 0

    @property
    def none(self) -> bool:
        """Whether the whole interval at 1 − 2·alpha lies within the margin: real or not, the difference is small.

        Never of so few repeats that nothing else could have been shown.
        """
        if self.margin is None or self.floor > self.alpha:
            return False
        return -self.margin <= self.paired.narrow.low and self.paired.narrow.high <= self.margin

    @property
    def outcome(self) -> Outcome:
        """In one word: small counts before above and below."""
        if self.none:
            return "none"
        if self.sign:
            return "above" if self.sign > 0 else "below"
        return "too few repeats" if self.floor > self.alpha else "open"


def judge_together(
    values: Sequence[np.ndarray | None],
    *,
    alpha: float,
    overlap: float,
    margins: Sequence[float | None] | None = None,
    families: int = 1,
) -> list[Test | None]:
    """Each sample against 0, judged together; None for None, which was not asked.

    Args:
        values: one number a repeat, (R,), NaN where it is not known; all in the same repeats.
        alpha: of the whole section. overlap: of the splits (Nadeau–Bengio).
        margins: one for each of the values; None: none has any.
        families: how many families the section has, which share alpha evenly.
    """
    asked = [v for v in values if v is not None]
    pairs = [compare(v, np.zeros_like(v), alpha=alpha, overlap=overlap) for v in asked]
    flips = joint_sign_flips([_rounded(v) for v in asked])
    p_t = [pair.p_t for pair in pairs]
    # Where repeats share nothing the sign-flip test is exact by itself, and corrects for the number of questions.
    witness = holm(p_t) if overlap > 0 else p_t
    known = [np.isfinite(v) for v in asked]
    floor = joint_floor(int(np.any(known, axis=0).sum())) if known else 1.0
    limits = [None] * len(values) if margins is None else list(margins)
    made = iter((pair, min(1.0, families * max(p, t))) for pair, p, t in zip(pairs, flips, witness, strict=True))
    found: list[Test | None] = []
    for value, margin in zip(values, limits, strict=True):
        if value is None:
            found.append(None)
            continue
        pair, p = next(made)
        found.append(Test(pair, margin, p, alpha, len(asked), min(1.0, families * floor)))
    return found


def differences_of(one_R: np.ndarray, other_R: np.ndarray) -> np.ndarray:
    """One − other by repeat, NaN where either is not known; what is only rounding is exactly 0."""
    difference_R = one_R - other_R
    size_R = np.maximum(np.abs(one_R), np.abs(other_R))
    return np.where(np.abs(difference_R) <= ROUNDING * size_R, 0.0, difference_R)


def _rounded(value_R: np.ndarray) -> np.ndarray:
    """What is only rounding beside the largest answer is 0."""
    largest = np.abs(value_R[np.isfinite(value_R)]).max(initial=0.0)
    return np.where(np.abs(value_R) <= ROUNDING * largest, 0.0, value_R)
