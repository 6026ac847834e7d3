"""Alignment against loops that say the rules one step and one column at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.data.alignment import align, align_by_position, breaks_of, regular_grid, tidy
from mmcore.data.sources.tables import Table
from mmcore.errors import CorpusError
from mmcore.schema import Kind

KINDS: list[Kind] = ["continuous", "binary", "categorical", "embedding", "embedding"]
GROUPS = [(3, 5)]
TOLERANCE, MAX_GAP = 0.05, 5.0

# Hundredths of a second: exact halves of the tolerance and of the gap occur, and stay clear of rounding.
ticks = st.integers(0, 2000)
# Halves of subnormal numbers are 0 in float32, and not in the slow loop.
cells = st.one_of(st.floats(-100, 100, width=32, allow_subnormal=False), st.just(float("nan")))


@st.composite
def streams(draw: st.DrawFn) -> Table:
    times = draw(st.lists(ticks, min_size=1, max_size=25))
    rows = [[draw(cells) for _ in KINDS] for _ in times]
    return Table(np.array(times) / 100.0, np.array(rows, np.float32), 0)


def slow_align(table: Table, grid: list[float], hold: bool) -> tuple[list[list[float]], list[bool], list[bool]]:
    assert table.time_T is not None
    newest: dict[float, list[float]] = {}
    for time, row in zip(table.time_T.tolist(), table.values_TF.tolist(), strict=True):
        newest[time] = row
    samples = sorted(newest.items())
    values, present, interpolated = [], [], []
    for at, g in enumerate(grid):
        earlier = [s for s in samples if s[0] <= g + 1e-9]
        later = [s for s in samples if s[0] > g + 1e-9]
        reach = TOLERANCE
        if hold and at + 1 < len(grid):
            reach = min(reach, (grid[at + 1] - g) / 2)
        row, bridged = None, False
        low, high = (earlier[-1] if earlier else None), (later[0] if later else None)
        since = g - low[0] if low else math.inf
        until = high[0] - g if high else math.inf
        if high and until < since - 1e-9 and until <= reach + 1e-9:
            row = high[1]
        elif low and since <= TOLERANCE + 1e-9:
            row = low[1]
        elif low and high and high[0] - low[0] <= MAX_GAP + 1e-9:
            weight = (g - low[0]) / (high[0] - low[0])
            linear = ("continuous", "embedding")
            row = [
                (1 - weight) * a + weight * b if kind in linear and not hold else a
                for kind, a, b in zip(KINDS, low[1], high[1], strict=True)
            ]
            bridged = True
        row = [math.nan] * len(KINDS) if row is None else list(row)
        for first, last in GROUPS:
            length = math.sqrt(sum(v * v for v in row[first:last] if not math.isnan(v)))
            if length > 0:
                row[first:last] = [v / length for v in row[first:last]]
        known = not all(math.isnan(v) for v in row)
        values.append(row)
        present.append(known)
        interpolated.append(bridged and known)
    return values, present, interpolated


@given(streams(), st.lists(ticks, min_size=1, max_size=30, unique=True), st.booleans())
def test_alignment_is_what_the_slow_loop_says(table: Table, grid: list[int], hold: bool) -> None:
    grid_S = np.array(sorted(grid)) / 100.0
    fast = align(tidy(table), grid_S, KINDS, GROUPS, TOLERANCE, MAX_GAP, hold)
    values, present, interpolated = slow_align(table, grid_S.tolist(), hold)
    np.testing.assert_array_equal(fast.present_S, present)
    np.testing.assert_array_equal(fast.interpolated_S, interpolated)
    # Two long opposite embeddings may cancel to a short one, whose direction float32 knows less well.
    np.testing.assert_allclose(fast.values_SF[:, :3], np.array(values)[:, :3], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(fast.values_SF[:, 3:], np.array(values)[:, 3:], rtol=1e-2, atol=1e-2)


@given(streams(), st.integers(1, 40), st.integers(5, 60), st.data())
def test_a_held_stream_knows_nothing_later_than_the_nearest_step(
    table: Table, steps: int, width: int, data: st.DataObject
) -> None:
    grid_S = width / 100.0 * np.arange(steps)
    cut = data.draw(st.integers(0, steps - 1))
    before = align(tidy(table), grid_S, KINDS, GROUPS, TOLERANCE, MAX_GAP, hold=True).values_SF
    assert table.time_T is not None
    changed = table.values_TF.copy()
    limit = (grid_S[cut] + grid_S[cut + 1]) / 2 if cut + 1 < steps else math.inf
    changed[table.time_T > limit + 1e-6] = 77.0
    after = align(tidy(Table(table.time_T, changed, 0)), grid_S, KINDS, GROUPS, TOLERANCE, MAX_GAP, hold=True).values_SF
    np.testing.assert_array_equal(before[: cut + 1], after[: cut + 1])


def test_by_kind_beyond_the_tolerance() -> None:
    table = Table(np.array([0.0, 1.0]), np.array([[0, 0, 1, 1, 0], [10, 1, 2, 0, 1]], np.float32), 0)
    aligned = align(tidy(table), np.array([0.04, 0.5, 0.96]), KINDS, GROUPS, TOLERANCE, MAX_GAP)
    half = math.sqrt(0.5)
    expected = [[0, 0, 1, 1, 0], [5, 0, 1, half, half], [10, 1, 2, 0, 1]]
    np.testing.assert_allclose(aligned.values_SF, expected, rtol=1e-6)
    assert aligned.interpolated_S.tolist() == [False, True, False]


def test_exactly_at_the_tolerance_and_at_the_gap() -> None:
    # 0.45 − 0.4 is a little more than 0.05 in binary.
    table = Table(np.array([0.45, 5.45]), np.array([[1], [2]], np.float32), 0)
    aligned = align(tidy(table), np.array([0.4, 3.0]), ["continuous"], [], TOLERANCE, MAX_GAP)
    np.testing.assert_allclose(aligned.values_SF[:, 0], [1.0, 1.51])
    assert aligned.interpolated_S.tolist() == [False, True]


def test_a_gap_and_the_outside_are_absent() -> None:
    table = Table(np.array([1.0, 7.0]), np.array([[1], [2]], np.float32), 0)
    grid_S = np.array([0.9, 1.0, 4.0, 7.0, 7.05, 7.2])
    aligned = align(tidy(table), grid_S, ["continuous"], [], TOLERANCE, MAX_GAP)
    assert aligned.present_S.tolist() == [False, True, False, True, True, False]
    assert not aligned.interpolated_S.any()


def test_nan_is_never_filled() -> None:
    values = np.array([[1, 1], [np.nan, 2], [3, 3], [np.nan, np.nan]], np.float32)
    table = Table(np.array([0.0, 1.0, 2.0, 3.0]), values, 0)
    aligned = align(tidy(table), np.array([0.5, 1.0, 1.5, 3.0]), ["continuous", "continuous"], [], TOLERANCE, MAX_GAP)
    np.testing.assert_array_equal(aligned.values_SF, [[np.nan, 1.5], [np.nan, 2], [np.nan, 2.5], [np.nan, np.nan]])
    assert aligned.present_S.tolist() == [True, True, True, False]
    assert tidy(table).nan == 3


def test_an_empty_stream_is_absent() -> None:
    aligned = align(tidy(Table(np.empty(0), np.empty((0, 1), np.float32), 0)), np.arange(3.0), ["binary"], [], 0.05, 5)
    assert not aligned.present_S.any()
    assert aligned.values_SF.shape == (3, 1)


def test_tidying_counts_what_it_mends() -> None:
    time_T = np.array([2.0, 1.0, 1.0, np.nan, 3.0])
    values_TF = np.array([[2], [10], [11], [9], [np.inf]], np.float32)
    stream = tidy(Table(time_T, values_TF, 4))
    assert stream.time_T is not None
    assert stream.time_T.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(stream.values_TF[:, 0], [11, 2, np.nan])
    assert (stream.rows, stream.non_monotonic, stream.duplicate_times, stream.no_time) == (5, 1, 1, 1)
    assert (stream.nan, stream.inf, stream.largest_gap, stream.extra_columns) == (0, 1, 1.0, 4)


@given(streams())
def test_tidy_times_increase_and_the_last_of_equal_times_wins(table: Table) -> None:
    stream = tidy(table)
    assert stream.time_T is not None
    assert table.time_T is not None
    assert (np.diff(stream.time_T) > 0).all()
    for time, row in zip(stream.time_T, stream.values_TF, strict=True):
        np.testing.assert_array_equal(row, table.values_TF[np.flatnonzero(table.time_T == time)[-1]])


@given(st.lists(st.tuples(ticks, ticks), min_size=1, max_size=4), st.integers(1, 300), st.integers(0, 400))
def test_a_regular_grid_fills_all_that_any_span_covers(spans: list[tuple[int, int]], step: int, gap: int) -> None:
    grid_S = regular_grid([(min(s) / 100, max(s) / 100) for s in spans], step / 100, gap / 100, "here")
    start, end = min(min(s) for s in spans), max(max(s) for s in spans)
    reach: list[list[int]] = []
    for first, last in sorted((min(s), max(s)) for s in spans):
        if reach and first - reach[-1][1] <= gap:
            reach[-1][1] = max(reach[-1][1], last)
        else:
            reach.append([first, last])
    expected = [t for t in range(start, end + 1, step) if any(first <= t <= last for first, last in reach)]
    np.testing.assert_allclose(grid_S, np.array(expected) / 100, atol=1e-9)


def test_no_span_is_no_grid() -> None:
    assert not len(regular_grid([], 0.1, 5.0, "here"))


def test_times_that_are_not_seconds_are_told() -> None:
    with pytest.raises(CorpusError, match="rate"):
        regular_grid([(0.0, 1.7e12)], 0.1, 5.0, "corpus: item 'a'")


def test_by_position_and_breaks() -> None:
    stream = tidy(Table(None, np.array([[3, 4], [0, 0]], np.float32), 0))
    aligned = align_by_position(stream, 3, [(0, 2)])
    np.testing.assert_allclose(aligned.values_SF[:2], [[0.6, 0.8], [0, 0]], rtol=1e-6)
    assert aligned.present_S.tolist() == [True, True, False]
    assert breaks_of(np.array([0.0, 1.0, 6.0, 11.1]), 5.0) == (3,)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_embeddings_have_unit_length_whatever_their_scale(scale: float) -> None:
    values = np.array([[3, 4], [0, 0], [np.nan, 2]]) * scale
    stream = tidy(Table(None, values.astype(np.float32), 0))
    aligned = align_by_position(stream, 3, [(0, 2)])
    np.testing.assert_allclose(aligned.values_SF, [[0.6, 0.8], [0, 0], [np.nan, 1]], rtol=1e-5)
