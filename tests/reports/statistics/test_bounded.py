"""Intervals of numbers that have an end stay within it, and cover what they should."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.statistics.bounded import FURTHEST, estimate_correlation, estimate_within
from reports.statistics.intervals import estimate

correlations = st.lists(st.floats(-1, 1), min_size=2, max_size=20)


@given(correlations, st.floats(0, 2))
def test_a_correlation_and_its_interval_are_possible(values, overlap):
    found = estimate_correlation(values, overlap=overlap)
    assert -1 <= found.low <= found.mean <= found.high <= 1
    assert found.n == len(values)


@given(correlations)
def test_turning_the_sign_turns_the_interval(values):
    one, other = estimate_correlation(values), estimate_correlation([-v for v in values])
    assert (one.low, one.mean, one.high) == pytest.approx((-other.high, -other.mean, -other.low))


def test_it_is_the_t_interval_of_z():
    rho = np.array([0.3, 0.5, 0.62, 0.4])
    z = estimate(np.arctanh(rho), 0.9, 0.25)
    found = estimate_correlation(rho, 0.9, 0.25)
    assert (found.low, found.mean, found.high) == pytest.approx(tuple(np.tanh([z.low, z.mean, z.high])))
    assert found.deviation == pytest.approx(rho.std(ddof=1))


def test_two_repeats_far_apart_say_little_and_nothing_impossible():
    """A plain t interval of these runs from −6.6 to 7.56."""
    found = estimate_correlation([-0.08, 1.0])
    assert (found.low, found.high) == pytest.approx((-1, 1), abs=1e-6)


def test_the_ends_of_correlations():
    assert (estimate_correlation([1.0, 1.0]).low, estimate_correlation([-1.0, -1.0]).mean) == (1.0, -1.0)
    assert estimate_correlation([1.0, 0.9]).mean == pytest.approx(
        math.tanh((math.atanh(FURTHEST) + math.atanh(0.9)) / 2)
    )
    assert estimate_correlation([0.7]) == estimate_correlation([0.7, math.nan])
    assert estimate_correlation([0.7]).mean == 0.7
    assert math.isnan(estimate_correlation([0.7]).low)
    assert estimate_correlation([]).n == 0


def test_high_correlations_are_covered_as_often_as_is_said():
    """Repeats whose z is normal around 1.5: the true ρ is in 95 % of intervals, and z's mean is not biased."""
    rng = np.random.default_rng(7)
    found = [estimate_correlation(np.tanh(rng.normal(1.5, 0.4, 6))) for _ in range(2000)]
    covered = np.mean([e.low <= math.tanh(1.5) <= e.high for e in found])
    assert covered == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / 2000))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_a_share_and_its_interval_are_possible(values):
    found, plain = estimate_within(values), estimate(values)
    assert 0 <= found.low <= found.mean <= found.high <= 1
    assert found.low in (0.0, plain.low)
    assert found.high in (1.0, plain.high)


def test_ranges_of_other_numbers():
    assert estimate_within([0.9, -0.9], -1.0, 1.0).low == -1.0
    far = estimate_within([0.5, 8.0], 0.0, math.inf)
    assert (far.low, far.high) == (0.0, estimate([0.5, 8.0]).high)
    assert estimate_within([0.5]).n == 1
    assert math.isnan(estimate_within([0.5]).low)
