import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports.statistics import items
from reports.statistics.intervals import estimate
from reports.statistics.items import per_item, two_level

NAN = math.nan


def names(count):
    return [f"video_{i}" for i in range(count)]


def study(rng, repeats=10, items=20, share=0.4, effect=0.0, of_item=1.0, of_repeat=1.0, noise=1.0):
    d_RI = effect + of_item * rng.normal(size=items) + of_repeat * rng.normal(size=(repeats, 1))
    d_RI = d_RI + noise * rng.normal(size=(repeats, items))
    d_RI[rng.random((repeats, items)) > share] = NAN
    return d_RI


def test_per_item_is_the_estimate_of_each_column():
    d_RI = study(np.random.default_rng(0))
    for column, found in zip(d_RI.T, per_item(d_RI, 0.9, 0.3), strict=True):
        assert found == estimate(column, 0.9, 0.3)


def test_mean_counts_every_test_once_and_sizes_count_what_was_tested():
    d_RI = np.array([[1.0, NAN, 3.0, NAN], [NAN, 2.0, 6.0, NAN], [NAN, NAN, NAN, NAN]])
    found = two_level(d_RI, ["a", "a", "b", "c"])
    assert (found.repeats, found.groups, found.items) == (2, 2, 3)
    assert found.mean == 3.0


@pytest.mark.parametrize("per_group", [1, 3])
def test_sums_of_many_groups_are_those_of_few_ones(per_group, monkeypatch):
    d_RI = study(np.random.default_rng(2), items=30)
    groups = [f"video_{i // per_group}" for i in range(30)]
    few = two_level(d_RI, groups)
    monkeypatch.setattr(items, "DENSE", 0)
    many = two_level(d_RI, groups)
    assert (many.groups, many.items) == (few.groups, few.items) == (30 // per_group, 30)
    assert (many.mean, many.low, many.high, many.p) == pytest.approx((few.mean, few.low, few.high, few.p), rel=1e-12)


def test_memory_grows_with_the_items_and_not_with_their_square():
    """50,000 test items, as of ImageNet, took 19 GiB."""
    tracemalloc.start()
    try:
        sums_RG = items._by_group(np.ones((3, 20_000)), np.arange(20_000)[::-1], 20_000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sums_RG.shape == (3, 20_000)
    assert (sums_RG == 1).all()
    assert peak < 20e6


def test_interval_rests_on_the_deviation_of_all_resamples():
    d_RI = np.array([[1.0, 5.0, 9.0], [2.0, NAN, 4.0], [7.0, 1.0, NAN]])
    means = []
    for rows in itertools.product(range(3), repeat=3):
        for columns in itertools.product(range(3), repeat=3):
            drawn = d_RI[np.ix_(rows, columns)]
            if np.isfinite(drawn).any():
                means.append(np.nanmean(drawn))
    found = two_level(d_RI, names(3), 0.8)
    error = np.std(means) * math.sqrt(3 / 2)
    half = error * stats.t.ppf(0.9, 2)
    assert (found.mean - found.low, found.high - found.mean) == pytest.approx((half, half), rel=0.06)
    assert found.p == pytest.approx(2 * stats.t.sf(found.mean / error, 2), rel=0.1)


def null(rng, repeats, items, tested):
    d_RI = study(rng, repeats, items, share=1.0, of_item=0.5)
    for row in d_RI:
        row[rng.permutation(items)[tested:]] = NAN
    return d_RI


@pytest.mark.parametrize("repeats", [2, 3, 6, 12])
@pytest.mark.parametrize(("items", "tested"), [(8, 8), (32, 8), (3, 3)])
def test_chance_alone_rarely_leaves_out_0(repeats, items, tested):
    rng, studies = np.random.default_rng(repeats), 300
    found = [two_level(null(rng, repeats, items, tested), names(items)) for _ in range(studies)]
    false = np.mean([one.low > 0 or one.high < 0 for one in found])
    assert false <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / studies)
    assert [one.p < 0.05 for one in found] == [one.low > 0 or one.high < 0 for one in found]


def test_differences_that_never_vary_have_no_chance_in_them():
    same = two_level(np.full((3, 4), 0.1), names(4))
    assert (same.low, same.high, same.p) == (same.mean, same.mean, 0.0)
    none = two_level(np.zeros((3, 4)), names(4))
    assert (none.mean, none.low, none.high, none.p) == (0.0, 0.0, 0.0, 1.0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(-5, 5), st.floats(0.1, 10))
def test_shift_and_scale_carry_over_and_the_same_call_gives_the_same(seed, shift, scale):
    d_RI = study(np.random.default_rng(seed), repeats=4, items=6, share=0.9)
    one, two = two_level(d_RI, names(6)), two_level(shift + scale * d_RI, names(6))
    for a, b in ((one.mean, two.mean), (one.low, two.low), (one.high, two.high)):
        assert b == pytest.approx(shift + scale * a, abs=1e-9)
    assert two_level(d_RI, names(6)) == one
    assert one.low <= one.mean <= one.high


def test_items_of_a_group_are_drawn_together():
    rng = np.random.default_rng(1)
    of_group = rng.normal(size=6)
    d_RI = np.repeat(of_group, 10)[None, :] + 0.01 * rng.normal(size=(8, 60))
    groups = [f"g{i // 10}" for i in range(60)]
    together, apart = two_level(d_RI, groups), two_level(d_RI, names(60))
    # Ten copies of an item are one piece of evidence, not ten.
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_both_levels_are_in_the_interval():
    rng = np.random.default_rng(2)
    widths = [
        (lambda e: e.high - e.low)(two_level(study(rng, share=1.0, noise=0.05, of_item=i, of_repeat=r), names(20)))
        for i, r in ((0, 0), (1, 0), (0, 1))
    ]
    assert widths[1] > 5 * widths[0]
    assert widths[2] > 5 * widths[0]


def test_interval_covers_the_truth_where_one_level_alone_does_not():
    rng, hits, plain = np.random.default_rng(3), 0, 0
    studies = 150
    for _ in range(studies):
        d_RI = study(rng, repeats=12, effect=0.5)
        found = two_level(d_RI, names(20))
        hits += found.low <= 0.5 <= found.high
        every_test = estimate(d_RI.ravel())
        plain += every_test.low <= 0.5 <= every_test.high
    assert hits / studies >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / studies) - 0.02
    assert plain / studies < 0.75


def test_too_little_for_an_interval():
    nothing = two_level(np.full((2, 2), NAN), names(2))
    assert (nothing.repeats, nothing.groups, nothing.items) == (0, 0, 0)
    assert math.isnan(nothing.mean)
    assert math.isnan(two_level(np.empty((0, 0)), []).mean)
    once = two_level(np.array([[1.0, 3.0]]), names(2))
    assert once.mean == 2.0
    assert math.isnan(once.low)
    assert math.isnan(once.p)
    one_group = two_level(np.array([[1.0, 3.0], [2.0, 2.0]]), ["a", "a"])
    assert one_group.mean == 2.0
    assert math.isnan(one_group.high)
