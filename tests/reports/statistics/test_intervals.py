import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from reports.statistics.intervals import estimate

numbers = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [2, 3, 8, 50])
def test_equals_scipy_and_statsmodels(n, level):
    sample = np.random.default_rng(n).normal(0.3, 0.05, n)
    found = estimate(sample, level)
    theirs = stats.ttest_1samp(sample, 0).confidence_interval(level)
    assert [found.low, found.high] == pytest.approx([theirs.low, theirs.high], abs=1e-10)
    assert [found.low, found.high] == pytest.approx(DescrStatsW(sample).tconfint_mean(1 - level), abs=1e-10)
    assert found.mean == pytest.approx(sample.mean(), abs=1e-12)
    assert found.deviation == pytest.approx(sample.std(ddof=1), abs=1e-12)


def test_overlap_is_the_nadeau_bengio_factor():
    sample = np.random.default_rng(1).normal(size=10)
    found = estimate(sample, 0.95, overlap=8 / 24)
    half = stats.t.ppf(0.975, 9) * math.sqrt((1 / 10 + 8 / 24) * sample.var(ddof=1))
    assert found.high - found.mean == pytest.approx(half, abs=1e-12)
    assert found.half_width == pytest.approx(half, abs=1e-12)


@given(numbers, st.floats(0, 2))
def test_overlap_never_narrows(values, overlap):
    assert estimate(values, overlap=overlap).half_width >= estimate(values).half_width


@given(numbers)
def test_wider_at_a_higher_level_and_around_the_mean(values):
    narrow, wide = estimate(values, 0.9), estimate(values, 0.95)
    assert wide.low <= narrow.low <= narrow.mean <= narrow.high <= wide.high


def test_nan_are_left_out():
    assert estimate([1.0, math.nan, 3.0]) == estimate([1.0, 3.0])
    assert estimate([math.nan, math.nan]).n == 0


def test_no_value_one_value_equal_values():
    nothing = estimate([])
    assert nothing.n == 0
    assert math.isnan(nothing.mean)
    one = estimate([0.5])
    assert (one.n, one.mean) == (1, 0.5)
    assert math.isnan(one.deviation)
    assert math.isnan(one.low)
    equal = estimate([0.1 + 0.2, 0.3, 0.3])
    assert equal.deviation == 0.0
    assert equal.low == equal.high == equal.mean
