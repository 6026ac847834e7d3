"""Segments of an item, each in force from its start until before its end, as pieces that do not overlap.

A time belongs to the segment with start ≤ time < end; of several such segments to the one that started last, and of
those that started together to the one written last. Times are met up to :data:`mmcore.data.pooling.EPSILON`.

T segments, P pieces, S grid steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmcore.data.pooling import EPSILON, Windows


@dataclass(frozen=True)
class Pieces:
    """What of each segment is in force.

    Args:
        start_P, end_P: seconds, increasing; ``end_P[i] <= start_P[i + 1]``.
        row_P: the segment that a piece is a part of; a segment that a later one covers twice has several pieces, one
            that is always covered has none.
        overlapping: segments that start before an earlier one has ended.
    """

    start_P: np.ndarray
    end_P: np.ndarray
    row_P: np.ndarray
    overlapping: int


def pieces_of(start_T: np.ndarray, end_T: np.ndarray) -> Pieces:
    """Cut segments where a later one takes over.

    Args:
        start_T, end_T: finite seconds, starts in order, every end after its start.
    """
    rows = np.arange(len(start_T))
    over_T = np.append(False, start_T[1:] < np.maximum.accumulate(end_T)[:-1]) if len(rows) else np.zeros(0, bool)
    if not over_T.any():
        return Pieces(start_T, end_T, rows, 0)
    found: list[tuple[float, float, int]] = []
    # Segments that have started and not ended, the one in force on top.
    open_rows: list[int] = []
    now = -np.inf
    for row, start in [*enumerate(start_T.tolist()), (len(rows), np.inf)]:
        while open_rows and now < start:
            last = min(float(end_T[open_rows[-1]]), start)
            if last > now:
                found.append((now, last, open_rows[-1]))
                now = last
            if end_T[open_rows[-1]] <= now:
                open_rows.pop()
        open_rows.append(row)
        now = start
    start_P, end_P, row_P = (np.array(column) for column in zip(*found, strict=True))
    # Ends and starts that meet but for binary rounding do not overlap.
    late_T = np.maximum.accumulate(end_T)[:-1] - start_T[1:] > EPSILON
    return Pieces(start_P, end_P, row_P, int(late_T.sum()))


def in_force(start_P: np.ndarray, end_P: np.ndarray, time_S: np.ndarray) -> np.ndarray:
    """The piece in force at each time, (S,); −1 where there is none."""
    piece_S = np.searchsorted(start_P, time_S + EPSILON, side="right") - 1
    there_S = (piece_S >= 0) & (time_S + EPSILON < end_P[np.maximum(piece_S, 0)]) if len(end_P) else piece_S >= 0
    return np.where(there_S, piece_S, -1)


def windows_over(
    start_P: np.ndarray, end_P: np.ndarray, grid_S: np.ndarray, width: float, causal: bool
) -> tuple[Windows, np.ndarray]:
    """The pieces in force at some time of each step's window, and for how many seconds of it.

    Args:
        start_P, end_P: of :class:`Pieces`.
        grid_S: seconds, increasing. width: seconds of a window.
        causal: the window of a step at t is (t − width, t], else (t − width/2, t + width/2]. Of a piece that is still
            in force at t only the seconds up to t count, so nothing of its end is known.

    Returns:
        The windows, with pieces in place of rows, and the seconds of every piece of every window, one window after the
        other. A piece that starts with a window's last instant has :data:`mmcore.data.pooling.EPSILON` seconds.
    """
    last_S = grid_S + (0.0 if causal else width / 2)
    first_S = last_S - width
    begin_S = np.searchsorted(end_P, first_S + EPSILON, side="right")
    beyond_S = np.searchsorted(start_P, last_S + EPSILON, side="right")
    steps_W = np.flatnonzero(beyond_S > begin_S)
    windows = Windows(steps_W, begin_S[steps_W], beyond_S[steps_W])
    piece_N, window_N = windows.rows, np.repeat(steps_W, windows.counts_W)
    seconds_N = np.minimum(end_P[piece_N], last_S[window_N]) - np.maximum(start_P[piece_N], first_S[window_N])
    return windows, np.maximum(seconds_N, EPSILON)
