import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from benchmarks.error_rates.fixed import Cell, simulate
from reports.statistics.bootstrap import bca, interquartile_mean, mean
from reports.statistics.intervals import estimate

samples = st.lists(st.integers(-40, 40).map(lambda i: i / 8), min_size=1, max_size=20)


@given(samples)
def test_interquartile_mean_equals_scipys_trimmed_mean(values):
    assert interquartile_mean(np.array(values)) == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-10)


def test_interquartile_mean_by_hand_and_along_the_last_axis():
    assert interquartile_mean(np.array([9.0, 1.0, 2.0, -500.0])) == 1.5
    assert interquartile_mean(np.array([1.0, 2.0, 6.0])) == 3.0
    assert interquartile_mean(np.array([[0.0, 1, 2, 9], [4, 4, 5, 5]])).tolist() == [1.5, 4.5]


def draw(shape, n, seed=0):
    rng = np.random.default_rng(seed)
    return {"normal": rng.normal, "skewed": rng.lognormal, "heavy": lambda size: rng.standard_t(3, size)}[shape](size=n)


@pytest.mark.parametrize("statistic", [mean, interquartile_mean])
@pytest.mark.parametrize("shape", ["normal", "skewed", "heavy"])
@pytest.mark.parametrize(("n", "level"), [(8, 0.9), (20, 0.95)])
def test_bca_equals_scipy_up_to_the_drawing(shape, n, level, statistic):
    values = draw(shape, n)
    theirs = [
        stats.bootstrap(
            (values,), lambda x, axis: statistic(np.moveaxis(x, axis, -1)), confidence_level=level, n_resamples=9999,
            method="BCa", rng=np.random.default_rng(seed),
        ).confidence_interval
        for seed in range(4)
    ]  # fmt: skip
    ours = bca(values, level, statistic=statistic)
    for edge, others in zip(ours, np.transpose([(t.low, t.high) for t in theirs]), strict=True):
        # Four drawings of theirs tell how far drawings lie apart.
        assert edge == pytest.approx(others.mean(), abs=5 * others.std(ddof=1) + 0.01 * values.std())


def test_bca_equals_the_formula_on_all_resamples():
    values = np.array([0.1, 0.4, 0.5, 1.1, 2.9])
    every = np.sort(np.array(list(itertools.product(values, repeat=5))).mean(axis=1))
    bias = stats.norm.ppf((np.mean(every < values.mean() - 1e-12) + np.mean(every <= values.mean() + 1e-12)) / 2)
    left_out = np.array([np.delete(values, i).mean() for i in range(5)])
    d = left_out.mean() - left_out
    a = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
    expected = []
    for share in (0.05, 0.95):
        z = bias + stats.norm.ppf(share)
        expected.append(np.quantile(every, stats.norm.cdf(bias + z / (1 - a * z))))
    assert bca(values, 0.9) == pytest.approx(expected, abs=0.04)
    assert a > 0.05


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(-10, 10), st.floats(0.01, 100), st.sampled_from([0.0, 0.3]))
def test_shift_and_scale_carry_over_and_the_same_values_give_the_same(seed, shift, scale, overlap):
    values = draw("skewed", 9, seed)
    low, high = bca(values, overlap=overlap)
    assert bca(values.copy(), overlap=overlap) == (low, high)
    moved = bca(shift + scale * values, overlap=overlap)
    assert moved == pytest.approx((shift + scale * low, shift + scale * high), rel=1e-9, abs=1e-9)
    assert low <= values.mean() <= high


def test_mirrored_values_give_nearly_the_mirrored_interval():
    values = draw("skewed", 12)
    low, high = bca(values)
    mirrored_low, mirrored_high = bca(-values)
    assert (-mirrored_high, -mirrored_low) == pytest.approx((low, high), abs=0.1 * (high - low))
    # The long tail is on the right, so the interval reaches further there, as t's cannot.
    assert high - values.mean() > 1.1 * (values.mean() - low)


def test_overlap_widens_by_the_nadeau_bengio_factor():
    values = draw("normal", 10)
    plain, wide = np.array(bca(values)), np.array(bca(values, overlap=1 / 3))
    assert wide - values.mean() == pytest.approx((plain - values.mean()) * math.sqrt(1 + 10 / 3))
    t, wide_t = estimate(values), estimate(values, overlap=1 / 3)
    assert (wide[1] - wide[0]) / (plain[1] - plain[0]) == pytest.approx(wide_t.half_width / t.half_width)


@pytest.mark.parametrize("values", [[], [0.4], [math.nan, 0.4, math.inf]])
def test_below_two_values_there_is_no_interval(values):
    assert all(math.isnan(edge) for edge in bca(values))


@pytest.mark.parametrize("statistic", [mean, interquartile_mean])
def test_degenerate_samples_give_numbers_without_warnings(statistic):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bca([0.3, 0.3, 0.3], statistic=statistic) == (0.3, 0.3)
        assert bca([0.0, 0.0], statistic=statistic) == (0.0, 0.0)
        assert bca([0.1 + 0.2, 0.3, 0.3], statistic=statistic)[0] == pytest.approx(0.3)
        for values in ([0.0, 1.0], [0.0] * 7 + [1.0], [1.0] * 11 + [0.0]):
            low, high = bca(values, statistic=statistic)
            assert 0.0 <= low <= high <= 1.0


def test_nan_are_left_out():
    assert bca([1.0, math.nan, 2.0, 5.0]) == bca([1.0, 2.0, 5.0])


@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize(("n", "least"), [(6, 0.8), (20, 0.89)])
def test_bca_covers_the_mean_of_normal_values_as_far_as_is_told(n, least, overlapping):
    cell = Cell(overlapping, "normal", n, 0.0)
    intervals = np.array([(*bca(d, overlap=cell.overlap), *bca(d)) for d in simulate(cell, 300)])
    covered = ((intervals[:, ::2] <= 0) & (intervals[:, 1::2] >= 0)).mean(axis=0)
    assert least < covered[0] < 0.97
    if overlapping:
        # Efron's own interval does not know what overlapping splits share.
        assert covered[1] < 0.7
