"""Finds the rows of a stream on either side of each step of a grid, and what the step takes from them.

T source rows, S grid steps, F raw features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mmcore.data.pooling import EPSILON


@dataclass(frozen=True)
class Neighbours:
    """The rows on either side of each step, and whether it takes one of them or a value between them.

    Args:
        rows: of the stream. before_S, after_S: the last row at or before the step, and the first one after it.
        nearest_S: the one of the two that a match takes. matched_S: it is near enough to be used as it is.
        interpolated_S: the step lies between two rows, without a match and not in a gap.
    """

    rows: int
    before_S: np.ndarray
    after_S: np.ndarray
    nearest_S: np.ndarray
    matched_S: np.ndarray
    interpolated_S: np.ndarray

    def values(self, time_T: np.ndarray, values_TF: np.ndarray, grid_S: np.ndarray, linear_F: np.ndarray) -> np.ndarray:
        """The nearest value, a value between two, or NaN, (S, F).

        Args:
            linear_F: columns that are interpolated; between two rows others take the value of the earlier one.
        """
        values_SF = values_TF[self.nearest_S]
        values_SF[~(self.matched_S | self.interpolated_S)] = np.nan
        between = np.flatnonzero(self.interpolated_S)
        if len(between):
            low, high = self.before_S[between], self.after_S[between]
            values_SF[between] = values_TF[low]
            if linear_F.any():
                weight = ((grid_S[between] - time_T[low]) / (time_T[high] - time_T[low]))[:, None].astype(np.float32)
                low_NF, high_NF = values_TF[np.ix_(low, linear_F)], values_TF[np.ix_(high, linear_F)]
                values_SF[np.ix_(between, linear_F)] = (1 - weight) * low_NF + weight * high_NF
        return values_SF

    def except_at(self, steps: np.ndarray, keep_matches: bool) -> Neighbours:
        """The same without the steps that are pooled: no value of theirs is interpolated.

        Args:
            keep_matches: whether some column still takes its nearest row there.
        """
        matched_S, interpolated_S = self.matched_S.copy(), self.interpolated_S.copy()
        matched_S[steps] &= keep_matches
        interpolated_S[steps] = False
        return replace(self, matched_S=matched_S, interpolated_S=interpolated_S)

    def rows_read(self, linear_F: np.ndarray) -> np.ndarray:
        """Whether some step uses the row, (T,)."""
        used_T = np.zeros(self.rows, bool)
        used_T[self.nearest_S[self.matched_S]] = True
        used_T[self.before_S[self.interpolated_S]] = True
        if linear_F.any():
            used_T[self.after_S[self.interpolated_S]] = True
        return used_T


def neighbours_of(
    time_T: np.ndarray, grid_S: np.ndarray, tolerance: float, reach_S: np.ndarray, max_gap: float
) -> Neighbours:
    """Find the rows of each step.

    Args:
        time_T: seconds, strictly increasing, at least one row. grid_S: seconds, increasing.
        tolerance: seconds within which an earlier row is a match. reach_S: the same for a later row.
        max_gap: seconds; across a longer hole nothing is interpolated.
    """
    right_S = np.searchsorted(time_T, grid_S, side="right")
    before_S, after_S = np.maximum(right_S - 1, 0), np.minimum(right_S, len(time_T) - 1)
    since_S = np.where(right_S > 0, grid_S - time_T[before_S], np.inf)
    until_S = np.where(right_S < len(time_T), time_T[after_S] - grid_S, np.inf)
    later_S = (until_S < since_S) & (until_S <= reach_S + EPSILON)
    nearest_S = np.where(later_S, after_S, before_S)
    matched_S = later_S | (since_S <= tolerance + EPSILON)
    inside_S = (right_S > 0) & (right_S < len(time_T))
    bridged_S = time_T[after_S] - time_T[before_S] <= max_gap + EPSILON
    return Neighbours(len(time_T), before_S, after_S, nearest_S, matched_S, inside_S & bridged_S & ~matched_S)
