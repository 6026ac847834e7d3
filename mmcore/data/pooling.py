"""Pools a stream that is faster than the step: every row of a step's window has its part in the step's value.

The window of a step at time t is (t − width/2, t + width/2], or (t − width, t] where no later sample may be read. A
stream is faster where it has more than :data:`FASTER` rows a step by the median distance of its rows.

T source rows, S grid steps, W steps whose window holds a row, F raw features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mmcore.schema import Resample

EPSILON = 1e-6
"""Seconds: a row belongs to a window whose end it misses by binary rounding alone."""
FASTER = 1.5
"""Rows a step, by the median distance of rows, above which a stream is pooled. Jitter of single times does not reach
it; below it a step has its nearest row, or a value between two."""


@dataclass(frozen=True)
class Pooling:
    """How a stream is pooled where it is faster than the grid.

    Args:
        width: seconds of a step's window.
        resamples: how each of F columns becomes one value, see :data:`mmcore.schema.Resample`.
        conditions: column to the binary column that says whether its value counts: rows where it does not are left out,
            unless no row of the window counts.
    """

    width: float
    resamples: Sequence[Resample]
    conditions: dict[int, int] = field(default_factory=dict)

    def rows_per_step(self, time_T: np.ndarray) -> float:
        """Median number of rows a step; 0 for fewer than two rows."""
        return self.width / float(np.median(np.diff(time_T))) if len(time_T) > 1 else 0.0

    def applies(self, time_T: np.ndarray) -> bool:
        """Whether a stream with these times, strictly increasing, is faster than the step."""
        return self.rows_per_step(time_T) > FASTER + EPSILON


@dataclass(frozen=True)
class Windows:
    """The rows of each window that is not empty.

    Args:
        steps_W: the steps. first_W, last_W: rows first … last − 1 of each; neighbours may share rows where the grid is
            denser than its usual step.
    """

    steps_W: np.ndarray
    first_W: np.ndarray
    last_W: np.ndarray

    def covered(self, rows: int) -> np.ndarray:
        """Which of T rows lie in some window."""
        edges = np.bincount(self.first_W, minlength=rows + 1) - np.bincount(self.last_W, minlength=rows + 1)
        return np.cumsum(edges)[:rows] > 0

    def reduce(self, how: np.ufunc, values_TF: np.ndarray) -> np.ndarray:
        """A ufunc over the rows of every window: (W, F)."""
        pairs = np.stack([self.first_W, self.last_W], axis=1).ravel()
        # The last window may end with the table, where no index points: it then needs no end.
        at_end = len(pairs) and pairs[-1] == len(values_TF)
        return how.reduceat(values_TF, pairs[:-1] if at_end else pairs, axis=0)[::2]


def windows_of(time_T: np.ndarray, grid_S: np.ndarray, width: float, causal: bool) -> Windows:
    """The windows of a grid; ``causal``: a window ends with its step, otherwise the step is its middle."""
    ahead = 0.0 if causal else width / 2
    last_S = np.searchsorted(time_T, grid_S + (ahead + EPSILON), side="right")
    first_S = np.searchsorted(time_T, grid_S + (ahead - width + EPSILON), side="right")
    steps_W = np.flatnonzero(last_S > first_S)
    return Windows(steps_W, first_S[steps_W], last_S[steps_W])


def pool(values_TF: np.ndarray, windows: Windows, pooling: Pooling, into_SF: np.ndarray) -> None:
    """Write the pooled value of every window and column into a stream that is on the grid already.

    Args:
        values_TF: the source rows; NaN cells are left out of their window. A window of NaN alone gives NaN.
        windows: see :func:`windows_of`; steps without a row keep what they have.
        pooling: how; columns of ``nearest`` keep what they have.
        into_SF: written in place.
    """
    if not len(windows.steps_W):
        return
    for how in dict.fromkeys(pooling.resamples):
        if how == "nearest":
            continue
        columns = np.array([at for at, of in enumerate(pooling.resamples) if of == how])
        into_SF[np.ix_(windows.steps_W, columns)] = _pooled(how, values_TF[:, columns], windows)
    for column, condition in pooling.conditions.items():
        how = pooling.resamples[column]
        if how == "nearest":
            continue
        counted_T1 = np.where(values_TF[:, [condition]] == 1, values_TF[:, [column]], np.float32(np.nan))
        counted_W = _pooled(how, counted_T1, windows)[:, 0]
        known_W = ~np.isnan(counted_W)
        into_SF[windows.steps_W[known_W], column] = counted_W[known_W]


def _pooled(how: Resample, values_TF: np.ndarray, windows: Windows) -> np.ndarray:
    match how:
        case "mean":
            return _mean(values_TF, windows)
        case "std":
            mean_TF = np.repeat(_mean(values_TF, windows), windows.last_W - windows.first_W, axis=0)
            rows = np.concatenate([np.arange(a, b) for a, b in zip(windows.first_W, windows.last_W, strict=True)])
            ends_W = np.cumsum(windows.last_W - windows.first_W)
            own = Windows(windows.steps_W, np.append(0, ends_W[:-1]), ends_W)
            return np.sqrt(_mean(np.square(values_TF[rows] - mean_TF), own))
        case "max":
            return windows.reduce(np.fmax, values_TF)
        case "min":
            return windows.reduce(np.fmin, values_TF)
        case "last":
            return _last(values_TF, windows)
        case "mode":
            return _mode(values_TF, windows)
        case "nearest":
            raise AssertionError("nearest is what a stream on the grid has already")


def _mean(values_TF: np.ndarray, windows: Windows) -> np.ndarray:
    # Here, so that a command that aligns nothing need not wait for scipy.
    from scipy.sparse import csr_matrix

    counts_W = windows.last_W - windows.first_W
    rows = np.concatenate([np.arange(a, b) for a, b in zip(windows.first_W, windows.last_W, strict=True)])
    # A product with a sparse matrix sums rows several times as fast as reduceat does.
    sum_of = csr_matrix(
        (np.ones(len(rows), np.float32), rows, np.append(0, np.cumsum(counts_W))), (len(counts_W), len(values_TF))
    )
    sums_WF = sum_of @ values_TF
    mean_WF = sums_WF / counts_W[:, None].astype(np.float32)
    # A NaN cell makes a NaN sum: only the columns that have one are counted cell by cell.
    holed_F = np.isnan(sums_WF).any(axis=0)
    if holed_F.any():
        known_TF = ~np.isnan(values_TF[:, holed_F])
        sums_WF = sum_of @ np.where(known_TF, values_TF[:, holed_F], np.float32(0))
        known_WF = sum_of @ known_TF.astype(np.float32)
        mean_WF[:, holed_F] = np.where(known_WF > 0, sums_WF / np.maximum(known_WF, 1), np.nan)
    return mean_WF


def _last(values_TF: np.ndarray, windows: Windows) -> np.ndarray:
    row_T1 = np.arange(len(values_TF))[:, None]
    last_WF = windows.reduce(np.maximum, np.where(np.isnan(values_TF), -1, row_T1))
    taken_WF = np.take_along_axis(values_TF, np.maximum(last_WF, 0), axis=0)
    return np.where(last_WF >= 0, taken_WF, np.float32(np.nan))


def _mode(values_TF: np.ndarray, windows: Windows) -> np.ndarray:
    T = len(values_TF)
    best_WF = np.full((len(windows.steps_W), values_TF.shape[1]), np.nan, np.float32)
    top_WF = np.zeros(best_WF.shape, np.int64)
    row_T1 = np.arange(1, T + 1)[:, None]
    for code in np.unique(values_TF[~np.isnan(values_TF)]):
        is_TF = values_TF == code
        # Of equal counts the later row decides: a count weighs more than any row.
        count_WF = windows.reduce(np.add, is_TF.astype(np.int64))
        score_WF = count_WF * (T + 1) + windows.reduce(np.maximum, np.where(is_TF, row_T1, 0))
        better_WF = (count_WF > 0) & (score_WF > top_WF)
        best_WF[better_WF], top_WF[better_WF] = code, score_WF[better_WF]
    return best_WF
