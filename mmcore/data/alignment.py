"""Brings the streams of an item onto one grid of steps.

A source time within the tolerance of a step is a match: the nearest sample is used as it is. Beyond it the value is
interpolated, by kind: continuous linear, binary and categorical the last value, embedding linear and then unit
length; or all by the last value, see ``hold`` in :func:`align`. Across a gap above ``max_gap``, and outside the
stream's own time range, the stream is absent. A stream that is faster than the step is pooled first, see
:mod:`mmcore.data.pooling`; only its empty windows are filled in this way. Where rows are segments, a step has the one
that is in force, see :mod:`mmcore.data.segments`, and between segments the stream is absent.

T source rows, S grid steps, F raw features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmcore.data.neighbours import neighbours_of
from mmcore.data.pooling import EPSILON, Pooling, Windows, pool, windows_of
from mmcore.data.segments import in_force, pieces_of, windows_over
from mmcore.data.sources.tables import Table
from mmcore.errors import CorpusError
from mmcore.schema import Kind

MAX_STEPS = 10_000_000
"""If a grid is longer than this (11 days at 0.1 s), the times are not in seconds."""


@dataclass(frozen=True)
class Stream:
    """A table with its rows in order, and counts of what was repaired.

    Args:
        time_T: seconds, strictly increasing; None for an untimed table.
        values_TF: float32, no Inf; of rows with equal times the last one.
        rows: rows of the file. nan, inf: cells that were so. non_monotonic: places where time ran backwards.
        duplicate_times: rows with the time of a later row. no_time: rows dropped for want of a time.
        largest_gap: seconds between neighbours, or from the end of a segment to the next start; 0 where there are none.
        end_T: seconds, where rows are pieces of segments: then ``time_T`` are their starts, and row_T says of which
            segment each is a part. None where rows have one time each.
        empty_segments: segments dropped since they end at or before their start. overlaps: segments that start before
            an earlier one has ended.
        equal: all rows, where some have equal times.
    """

    time_T: np.ndarray | None
    values_TF: np.ndarray
    rows: int
    nan: int
    inf: int
    non_monotonic: int
    duplicate_times: int
    no_time: int
    largest_gap: float
    extra_columns: int
    end_T: np.ndarray | None = None
    row_T: np.ndarray | None = None
    empty_segments: int = 0
    overlaps: int = 0
    equal: EqualTimes | None = None

    @property
    def span(self) -> tuple[float, float] | None:
        """First and last second at which it has a value; None without times or rows."""
        if self.time_T is None or not len(self.time_T):
            return None
        return float(self.time_T[0]), float((self.time_T if self.end_T is None else self.end_T)[-1])


@dataclass(frozen=True)
class EqualTimes:
    """All R rows, in order, of a stream in which some rows have equal times.

    Args:
        time_R: seconds, never decreasing. values_RF: as in :class:`Stream`. groups: the rows of each different time.
    """

    time_R: np.ndarray
    values_RF: np.ndarray
    groups: Windows


@dataclass(frozen=True)
class Aligned:
    """A stream on the grid.

    Args:
        values_SF: float32; NaN where the stream is absent or the sample is NaN.
        present_S: some feature of the stream is known at the step.
        interpolated_S: the step had no match and was interpolated (or held, for kinds that take the last value).
        rows_used: source rows that contribute to some step.
        pooled: rows a step that were pooled, by the median; 0 where the stream was not pooled.
        missed: segments shorter than a step that lie between two steps and are not read.
    """

    values_SF: np.ndarray
    present_S: np.ndarray
    interpolated_S: np.ndarray
    rows_used: int = 0
    pooled: float = 0.0
    missed: int = 0


def tidy(table: Table) -> Stream:
    """Sort by time, find the last of equal times, turn Inf into NaN, and count each of these repairs.

    Rows without a finite time are dropped and counted, and so are segments that do not end after their start: they
    cover no time, and annotation tools write them. An empty table gives an empty stream.
    """
    values_TF, time_T = table.values_TF, table.time_T
    infinite_TF = np.isinf(values_TF)
    inf, nan = int(infinite_TF.sum()), int(np.isnan(values_TF).sum())
    if inf:
        values_TF = np.where(infinite_TF, np.float32(np.nan), values_TF)
    rows = len(values_TF)
    if time_T is None:
        return Stream(None, values_TF, rows, nan, inf, 0, 0, 0, 0.0, table.extra_columns)
    if table.end_T is not None:
        return _tidy_segments(time_T, table.end_T, values_TF, nan, inf, table.extra_columns)
    timed_T = np.isfinite(time_T)
    if not timed_T.all():
        time_T, values_TF = time_T[timed_T], values_TF[timed_T]
    non_monotonic = int((np.diff(time_T) < 0).sum())
    if non_monotonic:
        # Stable, so that of equal times the row written last stays last.
        order = np.argsort(time_T, kind="stable")
        time_T, values_TF = time_T[order], values_TF[order]
    last_T = np.append(np.diff(time_T) > 0, True)[: len(time_T)]
    duplicates = int(len(time_T) - last_T.sum())
    equal = None
    if duplicates:
        ends = np.flatnonzero(last_T) + 1
        equal = EqualTimes(time_T, values_TF, Windows(np.arange(len(ends)), np.append(0, ends[:-1]), ends))
        time_T, values_TF = time_T[last_T], values_TF[last_T]
    gap = float(np.diff(time_T).max()) if len(time_T) > 1 else 0.0
    no_time = int(rows - timed_T.sum())
    counts = (rows, nan, inf, non_monotonic, duplicates, no_time, gap, table.extra_columns)
    return Stream(time_T, values_TF, *counts, equal=equal)


def _tidy_segments(
    start_T: np.ndarray, end_T: np.ndarray, values_TF: np.ndarray, nan: int, inf: int, extra_columns: int
) -> Stream:
    rows = len(values_TF)
    timed_T = np.isfinite(start_T) & np.isfinite(end_T)
    lasting_T = timed_T & (end_T > start_T)
    start_T, end_T, values_TF = start_T[lasting_T], end_T[lasting_T], values_TF[lasting_T]
    non_monotonic = int((np.diff(start_T) < 0).sum())
    # Stable, so that of segments that start together the one written last stays last.
    order = np.argsort(start_T, kind="stable")
    pieces = pieces_of(start_T[order], end_T[order])
    gap = float(max(0.0, (pieces.start_P[1:] - pieces.end_P[:-1]).max(initial=0.0)))
    no_time = int(rows - timed_T.sum())
    return Stream(
        pieces.start_P, values_TF[order][pieces.row_P], rows, nan, inf, non_monotonic, 0, no_time, gap, extra_columns,
        pieces.end_P, pieces.row_P, int(timed_T.sum() - lasting_T.sum()), pieces.overlapping,
    )  # fmt: skip


def regular_grid(spans: Sequence[tuple[float, float]], step: float, max_gap: float, where: str) -> np.ndarray:
    """Times ``step`` seconds apart over all that any span covers; empty for no span.

    A hole above ``max_gap`` between spans has no steps; those beyond it continue the same count.

    Args:
        spans: first and last second of each stream.

    Raises:
        CorpusError: more than ten million steps, so the times cannot be in seconds.
    """
    pieces: list[tuple[float, float]] = []
    for first, last in sorted(spans):
        if pieces and first - pieces[-1][1] <= max_gap + EPSILON:
            pieces[-1] = (pieces[-1][0], max(pieces[-1][1], last))
        else:
            pieces.append((first, last))
    if not pieces:
        return np.empty(0)
    start, end = pieces[0][0], pieces[-1][1]
    if sum((last - first) / step + 1 for first, last in pieces) > MAX_STEPS:
        raise CorpusError(
            "an item must be shorter than ten million steps",
            found=f"times from {start:g} to {end:g} at a step of {step:g} s",
            next_step="Write times in seconds, or set step, or the modality's rate (0.001 for milliseconds), in "
            "corpus.yaml",
            where=where,
        )
    counts = [
        np.arange(math.ceil((first - start) / step - EPSILON), math.floor((last - start) / step + EPSILON) + 1)
        for first, last in pieces
    ]
    return start + step * np.concatenate(counts)


def align(
    stream: Stream,
    grid_S: np.ndarray,
    kinds: Sequence[Kind],
    embedding_groups: Sequence[tuple[int, int]],
    tolerance: float,
    max_gap: float,
    hold: bool = False,
    pooling: Pooling | None = None,
) -> Aligned:
    """Bring a timed stream onto a grid.

    Args:
        stream: see :func:`tidy`.
        grid_S: seconds, increasing.
        kinds: the kind of every column.
        embedding_groups: column spans [first, last) that are brought to unit length together, matched steps too, so
            that all steps of an embedding have one scale; a zero vector stays zero.
        tolerance: seconds within which the nearest sample is a match.
        max_gap: seconds; a longer hole between samples is absent.
        hold: for the stream that holds the targets, and for all streams where ``data.interpolation`` is last: every
            kind takes the last value. Interpolating would let a step know a later value, of the very thing it must
            forecast or of content beyond the look-ahead. For the same reason a later sample counts as a match only
            where no later step lies nearer to it.
        pooling: how to pool the stream where it is faster than the step; None: never. With ``hold`` a pooled stream
            reads no later sample at all.

    Returns:
        The aligned stream. A NaN sample stays NaN in the steps that it serves, and so does a value between a number
        and a NaN: nothing is invented. An empty stream is absent everywhere.
    """
    time_T, values_TF = stream.time_T, stream.values_TF
    assert time_T is not None, "a timed stream"
    S, F = len(grid_S), values_TF.shape[1]
    if not len(time_T):
        return Aligned(np.full((S, F), np.nan, np.float32), np.zeros(S, bool), np.zeros(S, bool))
    if stream.end_T is not None:
        return _align_segments(stream, grid_S, embedding_groups, hold, pooling)
    equal = stream.equal if pooling is not None and any(pooling.equal_times) else None
    if equal is not None and pooling is not None:
        values_TF = values_TF.copy()
        pool(equal.values_RF, equal.groups, pooling, values_TF, pooling.columns(together=True))
    pooled = pooling if pooling is not None and pooling.applies(time_T) else None
    reach_S = np.full(S, tolerance)
    if hold and S > 1:
        reach_S[:-1] = np.minimum(reach_S[:-1], np.diff(grid_S) / 2)
    if hold and pooled:
        reach_S[:] = 0.0
    near = neighbours_of(time_T, grid_S, tolerance, reach_S, max_gap)
    linear_F = np.array([kind in ("continuous", "embedding") for kind in kinds]) & (not hold)
    values_SF = near.values(time_T, values_TF, grid_S, linear_F)
    if pooled is None:
        return _finish(values_SF, near.interpolated_S, embedding_groups, _count(near.rows_read(linear_F), equal))
    windows = windows_of(time_T, grid_S, pooled.width, causal=hold)
    pool(values_TF, windows, pooled, values_SF, pooled.columns(together=False) if equal else None)
    if equal is not None:
        every = windows_of(equal.time_R, grid_S, pooled.width, causal=hold)
        pool(equal.values_RF, every, pooled, values_SF, pooled.columns(together=True))
    # Columns of ``nearest`` read their row in every step, others only where the window is empty.
    near = near.except_at(windows.steps_W, keep_matches="nearest" in pooled.resamples)
    used_T = near.rows_read(linear_F)
    if set(pooled.resamples) != {"nearest"}:
        used_T |= windows.covered(len(time_T))
    rows_used = _count(used_T, equal)
    return _finish(values_SF, near.interpolated_S, embedding_groups, rows_used, pooled.rows_per_step(time_T))


def _align_segments(
    stream: Stream,
    grid_S: np.ndarray,
    embedding_groups: Sequence[tuple[int, int]],
    causal: bool,
    pooling: Pooling | None,
) -> Aligned:
    """A step has the segment that covers it; if segments are usually shorter than a step, all those of its window."""
    assert stream.time_T is not None, "a timed stream"
    assert stream.end_T is not None, "segments"
    assert stream.row_T is not None, "segments"
    piece_S = in_force(stream.time_T, stream.end_T, grid_S)
    values_SF = stream.values_TF[np.maximum(piece_S, 0)]
    values_SF[piece_S < 0] = np.nan
    used_P = np.zeros(len(stream.time_T), bool)
    used_P[piece_S[piece_S >= 0]] = True
    pooled = 0.0
    if pooling is not None and pooling.applies(stream.time_T, stream.end_T):
        windows, seconds_N = windows_over(stream.time_T, stream.end_T, grid_S, pooling.width, causal)
        pool(stream.values_TF, windows, pooling, values_SF, seconds_N=seconds_N)
        if set(pooling.resamples) != {"nearest"}:
            used_P |= windows.covered(len(used_P))
        pooled = pooling.rows_per_step(stream.time_T, stream.end_T)
    rows_used = np.unique(stream.row_T[used_P])
    missed = 0
    if pooling is not None and len(grid_S):
        inside_P = (stream.time_T >= grid_S[0]) & (stream.end_T <= grid_S[-1])
        short_P = inside_P & (stream.end_T - stream.time_T < pooling.width)
        missed = len(np.setdiff1d(stream.row_T[short_P], rows_used))
    aligned = _finish(values_SF, np.zeros(len(grid_S), bool), embedding_groups, len(rows_used), pooled)
    return replace(aligned, missed=missed)


def align_by_position(stream: Stream, steps: int, embedding_groups: Sequence[tuple[int, int]]) -> Aligned:
    """Row i is step i; rows beyond the grid are left out, steps beyond the rows are absent."""
    values_SF = np.full((steps, stream.values_TF.shape[1]), np.nan, np.float32)
    rows = min(steps, len(stream.values_TF))
    values_SF[:rows] = stream.values_TF[:rows]
    return _finish(values_SF, np.zeros(steps, bool), embedding_groups, rows)


def breaks_of(grid_S: np.ndarray, max_gap: float) -> tuple[int, ...]:
    """Steps that come after a gap above ``max_gap``: a window never reaches across one."""
    return tuple(int(at) + 1 for at in np.flatnonzero(np.diff(grid_S) > max_gap + EPSILON))


def _count(used_T: np.ndarray, equal: EqualTimes | None) -> int:
    """Rows of the file: all of a time where they are pooled, else one."""
    return int(used_T.sum() if equal is None else equal.groups.counts_W[used_T].sum())


def _finish(
    values_SF: np.ndarray,
    interpolated_S: np.ndarray,
    groups: Sequence[tuple[int, int]],
    rows_used: int,
    pooled: float = 0.0,
) -> Aligned:
    for first, last in groups:
        part_SF = values_SF[:, first:last]
        with np.errstate(over="ignore"):
            squares_S = np.einsum("sf,sf->s", part_SF, part_SF).astype(np.float64)
        # Rows with NaN, and the rare ones whose squares leave the range of float32, are summed again with care.
        odd_S = ~(np.isfinite(squares_S) & (squares_S > np.finfo(np.float32).tiny))
        if odd_S.any():
            squares_S[odd_S] = np.nansum(np.square(part_SF[odd_S], dtype=np.float64), axis=1)
        length_S = np.sqrt(squares_S)[:, None]
        np.divide(part_SF, length_S, out=part_SF, where=length_S > 0, casting="same_kind")
    present_S = np.logical_not(np.isnan(values_SF).all(axis=1))
    return Aligned(values_SF, present_S, interpolated_S & present_S, rows_used, pooled)
