"""Spearman's ρ of many rows against scipy's of one."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from mmcore.probes.rank_correlation import FEWEST, spearman


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
