"""The usual range of a column, and what lies far outside it: one cell of −99999 must not decide a scale.

R sampled rows, F columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LOUD = 10.0
"""A value is loud that lies more than this many times as far from the median as the farthest usual one."""
USUAL_SHARE = 0.75
"""At least this share of a column's known values is usual."""
FEW_CELLS = 0.02
"""Share of a column's known values that may be a sensor's faults, each of another size."""
FEW_NUMBERS = 5
"""Distinct distances that sentinels have at most."""
LEAST_VALUES = 8
"""With fewer known values nothing can be called unusual."""
SAMPLED = 5_000
"""Rows that are looked at to learn what is usual."""


@dataclass(frozen=True)
class Usual:
    """What is usual in F columns.

    Args:
        centre_F: the median, float32; 0 where nothing is known.
        reach_F: distance of the farthest usual value from it, float32; infinite where nothing can be called loud.
    """

    centre_F: np.ndarray
    reach_F: np.ndarray

    def of(self, columns: Sequence[int]) -> Usual:
        """The same of some columns."""
        return Usual(self.centre_F[columns], self.reach_F[columns])

    def loud(self, values_SF: np.ndarray) -> np.ndarray:
        """Which cells are loud, (S, F); NaN is not."""
        limit_F = LOUD * self.reach_F.astype(np.float64)
        with np.errstate(over="ignore"):
            low_F, high_F = ((self.centre_F + way * limit_F).astype(np.float32) for way in (-1, 1))
        return (values_SF < low_F) | (values_SF > high_F)

    def distance(self, values_SF: np.ndarray) -> np.ndarray:
        """How many reaches each cell lies from the median, float64; NaN where a cell is NaN."""
        return np.abs(values_SF.astype(np.float64) - self.centre_F) / self.reach_F.astype(np.float64)

    def tamed(self, values_SF: np.ndarray) -> np.ndarray:
        """The same cells, loud ones moved to the nearer end of the usual range; the same array where none is loud."""
        loud_SF = self.loud(values_SF)
        if not loud_SF.any():
            return values_SF
        finite_F = np.where(np.isinf(self.reach_F), np.float32(0), self.reach_F)
        return np.where(loud_SF, self.centre_F + np.sign(values_SF - self.centre_F) * finite_F, values_SF)


def usual_range(sample_RF: np.ndarray) -> Usual:
    """Learn what is usual from a sample of rows.

    Distances from the median are put in order. From the three quarters nearest to it outwards, the range ends at the
    first distance that the next one exceeds more than tenfold, where what lies beyond is a fault: few cells
    (:data:`FEW_CELLS`), or a few numbers again and again (:data:`FEW_NUMBERS`). Without such a gap every value is
    usual: normal, skewed and heavy-tailed columns keep every cell, and so does a loudness with long silences. The rule
    needs no width that may be 0, as the IQR is where most cells are equal: a distance of 0 ends no range. In a column
    that is constant but for a few cells, these are usual.

    Args:
        sample_RF: float; NaN does not count.
    """
    R, F = sample_RF.shape
    centre_F, reach_F = np.zeros(F, np.float32), np.full(F, np.inf, np.float32)
    if R < LEAST_VALUES:
        return Usual(centre_F, reach_F)
    for f in range(F):
        column_R = sample_RF[:, f].astype(np.float32)
        column_R = column_R[~np.isnan(column_R)]
        n = len(column_R)
        if n < LEAST_VALUES:
            continue
        centre_F[f] = np.median(column_R)
        distance_R = np.sort(np.abs(column_R.astype(np.float64) - centre_F[f]))
        inner = distance_R[max(0, int(np.ceil(USUAL_SHARE * n)) - 1) :]
        gaps = np.flatnonzero((inner[1:] > LOUD * inner[:-1]) & (inner[:-1] > 0)).tolist()
        reach = next((inner[at] for at in gaps if _is_fault(inner[at + 1 :], n)), inner[-1])
        if reach > 0:
            reach_F[f] = reach
    return Usual(centre_F, reach_F)


def _is_fault(beyond: np.ndarray, known: int) -> bool:
    """Few cells, or a few numbers again and again; speech after silence is many numbers."""
    return len(beyond) <= FEW_CELLS * known or len(np.unique(beyond)) <= FEW_NUMBERS


def every(rows: int) -> int:
    """The step of a slice that leaves about :data:`SAMPLED` of so many rows."""
    return max(1, -(-rows // SAMPLED))
