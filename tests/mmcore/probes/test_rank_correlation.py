"""Spearman's ρ of many rows against scipy's of one."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from mmcore.probes.rank_correlation import FEWEST, spearman, spearman_of


@pytest.mark.parametrize("ties", [False, True])
def test_equals_scipys(ties):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(30, 12)), rng.normal(size=(30, 12))
    if ties:
        a, b = a.round(), b.round()
    counted = rng.random((30, 12)) < 0.8
    found = spearman(a, b, counted)
    for n in range(30):
        expected = spearmanr(a[n, counted[n]], b[n, counted[n]]).statistic
        assert found[n] == pytest.approx(expected)


def test_what_does_not_count_may_hold_anything():
    rng = np.random.default_rng(1)
    a, b, counted = rng.normal(size=(5, 9)), rng.normal(size=(5, 9)), rng.random((5, 9)) < 0.7
    wanted = spearman(a, b, counted)
    assert np.array_equal(spearman(np.where(counted, a, 1e30), np.where(counted, b, np.inf), counted), wanted)


def test_a_row_without_order_is_zero_and_a_short_one_unknown():
    a, flat = np.arange(8.0)[None], np.full((1, 8), 0.1)
    everywhere = np.ones((1, 8), bool)
    assert spearman(a, flat, everywhere).tolist() == [0.0]
    assert spearman(flat, flat, everywhere).tolist() == [0.0]
    short = everywhere.copy()
    short[0, FEWEST - 1 :] = False
    assert np.isnan(spearman(a, a, short)).all()
    assert spearman(a, -a, everywhere).tolist() == [-1.0]
    assert spearman(np.empty((0, 4)), np.empty((0, 4)), np.empty((0, 4), bool)).shape == (0,)


@pytest.mark.parametrize("ties", [False, True])
def test_one_long_row_equals_scipys(ties):
    rng = np.random.default_rng(2)
    a = rng.normal(size=5000)
    b = a + rng.normal(size=5000)
    if ties:
        a, b = a.round(), b.round()
    assert spearman_of(a, b) == pytest.approx(spearmanr(a, b).statistic)
    with_gaps = np.where(np.arange(5000) % 7 == 0, np.nan, b)
    there = np.isfinite(with_gaps)
    assert spearman_of(a, with_gaps) == pytest.approx(spearmanr(a[there], b[there]).statistic)
    assert spearman_of(np.full(9, 0.3), np.arange(9.0)) == 0.0
    assert np.isnan(spearman_of(a[: FEWEST - 1], b[: FEWEST - 1]))
