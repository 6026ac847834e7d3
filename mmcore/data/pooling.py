"""Pools a stream that is faster than the step: every row of a step's window has its part in the step's value.

The window of a step at time t is (t − width/2, t + width/2], or (t − width, t] where no later sample may be read. A
stream is faster where it has more than :data:`FASTER` rows a step by the median distance of its rows; where rows are
segments, by their median length, and each has its part by the seconds for which it is in force in the window.

T source rows, S grid steps, W steps whose window holds a row, F raw features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

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
        equal_times: by column, whether rows with equal times are pooled too; else the last of them alone. (): in none.
    """

    width: float
    resamples: Sequence[Resample]
    conditions: dict[int, int] = field(default_factory=dict)
    equal_times: Sequence[bool] = ()

    def rows_per_step(self, time_T: np.ndarray, end_T: np.ndarray | None = None) -> float:
        """Median number of rows a step; of segments how many of the median length fit into one. 0 for too few rows."""
        lengths = np.diff(time_T) if end_T is None else end_T - time_T
        return self.width / float(np.median(lengths)) if len(lengths) else 0.0

    def applies(self, time_T: np.ndarray, end_T: np.ndarray | None = None) -> bool:
        """Whether a stream with these times, strictly increasing, is faster than the step."""
        return self.rows_per_step(time_T, end_T) > FASTER + EPSILON

    def columns(self, together: bool) -> list[int]:
        """The columns in which rows with equal times are pooled, or the others."""
        both = self.equal_times or [False] * len(self.resamples)
        return [at for at, pools in enumerate(both) if bool(pools) is together]


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

    @cached_property
    def counts_W(self) -> np.ndarray:
        """Rows of each window."""
        return self.last_W - self.first_W

    @cached_property
    def rows(self) -> np.ndarray:
        """The rows of every window, one window after the other."""
        before_W = np.cumsum(self.counts_W) - self.counts_W
        return np.arange(int(self.counts_W.sum())) + np.repeat(self.first_W - before_W, self.counts_W)

    def sums(self, rows: int, weight_N: np.ndarray) -> Any:
        """A sparse matrix (W, T) whose product with T rows is the weighted sum of each window's."""
        # Here, so that a command that aligns nothing need not wait for scipy.
        from scipy.sparse import csr_matrix

        edges = np.append(0, np.cumsum(self.counts_W))
        return csr_matrix((weight_N, self.rows, edges), (len(self.counts_W), rows))

    def covered(self, rows: int) -> np.ndarray:
        """Which of T rows lie in some window."""
        edges = np.bincount(self.first_W, minlength=rows + 1) - np.bincount(self.last_W, minlength=rows + 1)
        return np.cumsum(edges)[:rows] > 0

    def reduce(self, how: np.ufunc, values_TF: np.ndarray) -> np.ndarray:
        """A ufunc over the rows of every window: (W, F)."""
        pairs = np.stack([self.first_W, self.last_W], axis=1).ravel()
        # A window may end with the table, where no index points: the last one needs no end, others a row to end before.
        if (pairs[:-1] == len(values_TF)).any():
            values_TF = np.concatenate([values_TF, values_TF[-1:]])
        elif len(pairs) and pairs[-1] == len(values_TF):
            pairs = pairs[:-1]
        return how.reduceat(values_TF, pairs, axis=0)[::2]


def windows_of(time_T: np.ndarray, grid_S: np.ndarray, width: float, causal: bool) -> Windows:
    """The windows of a grid; ``causal``: a window ends with its step, otherwise the step is its middle."""
    ahead = 0.0 if causal else width / 2
    last_S = np.searchsorted(time_T, grid_S + (ahead + EPSILON), side="right")
    first_S = np.searchsorted(time_T, grid_S + (ahead - width + EPSILON), side="right")
    steps_W = np.flatnonzero(last_S > first_S)
    return Windows(steps_W, first_S[steps_W], last_S[steps_W])


def pool(
    values_TF: np.ndarray,
    windows: Windows,
    pooling: Pooling,
    into_SF: np.ndarray,
    columns: Sequence[int] | None = None,
    seconds_N: np.ndarray | None = None,
) -> None:
    """Write the pooled value of every window and column into a stream that is on the grid already.

    Args:
        values_TF: the source rows; NaN cells are left out of their window. A window of NaN alone gives NaN.
        windows: see :func:`windows_of`; steps without a row keep what they have.
        pooling: how; columns of ``nearest`` keep what they have.
        into_SF: written in place.
        columns: those that are pooled; None: all.
        seconds_N: the weight of every row of every window, one window after the other; None: all weigh the same.
    """
    chosen = set(range(len(pooling.resamples)) if columns is None else columns)
    if not len(windows.steps_W) or not chosen:
        return
    for how in dict.fromkeys(pooling.resamples):
        same = np.array([at for at, of in enumerate(pooling.resamples) if of == how and at in chosen], np.int64)
        if how != "nearest" and len(same):
            into_SF[np.ix_(windows.steps_W, same)] = _pooled(how, values_TF[:, same], windows, seconds_N)
    for column, condition in pooling.conditions.items():
        how = pooling.resamples[column]
        if how == "nearest" or column not in chosen:
            continue
        counted_T1 = np.where(values_TF[:, [condition]] == 1, values_TF[:, [column]], np.float32(np.nan))
        counted_W = _pooled(how, counted_T1, windows, seconds_N)[:, 0]
        known_W = ~np.isnan(counted_W)
        into_SF[windows.steps_W[known_W], column] = counted_W[known_W]


def _pooled(how: Resample, values_TF: np.ndarray, windows: Windows, seconds_N: np.ndarray | None) -> np.ndarray:
    match how:
        case "mean":
            return _mean(values_TF, windows, seconds_N)
        case "std":
            mean_NF = np.repeat(_mean(values_TF, windows, seconds_N), windows.counts_W, axis=0)
            ends_W = np.cumsum(windows.counts_W)
            own = Windows(windows.steps_W, np.append(0, ends_W[:-1]), ends_W)
            return np.sqrt(_mean(np.square(values_TF[windows.rows] - mean_NF), own, seconds_N))
        case "max":
            return windows.reduce(np.fmax, values_TF)
        case "min":
            return windows.reduce(np.fmin, values_TF)
        case "last":
            return _last(values_TF, windows)
        case "mode":
            return _mode(values_TF, windows, seconds_N)
        case "nearest":
            raise AssertionError("nearest is what a stream on the grid has already")


def _mean(values_TF: np.ndarray, windows: Windows, seconds_N: np.ndarray | None) -> np.ndarray:
    weight_N = np.ones(len(windows.rows), np.float32)
    if seconds_N is not None and len(seconds_N):
        # Scaled to a mean of 1 in each window, so that what follows is the same for rows that weigh the same.
        scale_W = windows.counts_W / np.add.reduceat(seconds_N, np.cumsum(windows.counts_W) - windows.counts_W)
        weight_N = (seconds_N * np.repeat(scale_W, windows.counts_W)).astype(np.float32)
    # A product with a sparse matrix sums rows several times as fast as reduceat does.
    sum_of = windows.sums(len(values_TF), weight_N)
    sums_WF = sum_of @ values_TF
    mean_WF = sums_WF / windows.counts_W[:, None].astype(np.float32)
    # A NaN cell makes a NaN sum: only the columns that have one are counted cell by cell.
    holed_F = np.isnan(sums_WF).any(axis=0)
    if holed_F.any():
        known_TF = ~np.isnan(values_TF[:, holed_F])
        sums_WF = sum_of @ np.where(known_TF, values_TF[:, holed_F], np.float32(0))
        known_WF = sum_of @ known_TF.astype(np.float32)
        mean_WF[:, holed_F] = np.where(known_WF > 0, sums_WF / np.where(known_WF > 0, known_WF, 1), np.nan)
    return mean_WF


def _last(values_TF: np.ndarray, windows: Windows) -> np.ndarray:
    row_T1 = np.arange(len(values_TF))[:, None]
    last_WF = windows.reduce(np.maximum, np.where(np.isnan(values_TF), -1, row_T1))
    taken_WF = np.take_along_axis(values_TF, np.maximum(last_WF, 0), axis=0)
    return np.where(last_WF >= 0, taken_WF, np.float32(np.nan))


def _mode(values_TF: np.ndarray, windows: Windows, seconds_N: np.ndarray | None) -> np.ndarray:
    best_WF = np.full((len(windows.steps_W), values_TF.shape[1]), np.nan, np.float32)
    weight_WF, row_WF = np.zeros(best_WF.shape), np.zeros(best_WF.shape, np.int64)
    row_T1 = np.arange(1, len(values_TF) + 1)[:, None]
    sum_of = windows.sums(len(values_TF), np.ones(len(windows.rows)) if seconds_N is None else seconds_N)
    for code in np.unique(values_TF[~np.isnan(values_TF)]):
        is_TF = values_TF == code
        of_code_WF = sum_of @ is_TF.astype(np.float64)
        last_WF = windows.reduce(np.maximum, np.where(is_TF, row_T1, 0))
        # Of equal weights the later row decides.
        equal_WF = np.abs(of_code_WF - weight_WF) <= EPSILON
        better_WF = (last_WF > 0) & ((of_code_WF > weight_WF + EPSILON) | (equal_WF & (last_WF > row_WF)))
        best_WF[better_WF] = code
        weight_WF[better_WF], row_WF[better_WF] = of_code_WF[better_WF], last_WF[better_WF]
    return best_WF
