"""Agreement of repeats against closed forms, scipy and a slow analysis of variance."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import spearmanr

from reports.statistics.agreement import icc, mean_rank_correlation


def table(seed, N=5, R=4, noise=1.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, 1)) + rng.normal(size=(1, R)) + noise * rng.normal(size=(N, R))


def test_shrout_and_fleiss_own_example():
    # Table 2 of the paper: six targets, four judges; ICC(3,1) is 0.71.
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
    assert icc(ratings) == pytest.approx(0.7148, abs=1e-4)


def test_shifts_of_whole_repeats_change_nothing():
    ratings = table(0)
    assert icc(ratings + np.array([0.0, 5.0, -3.0, 100.0])) == pytest.approx(icc(ratings))
    assert icc(table(1, noise=0.0)) == pytest.approx(1.0)


def test_of_noise_alone_it_is_about_zero():
    rng = np.random.default_rng(0)
    assert np.mean([icc(rng.normal(size=(6, 5))) for _ in range(400)]) == pytest.approx(0.0, abs=0.05)


@pytest.mark.parametrize("seed", range(4))
def test_mean_rank_correlation_against_scipy(seed):
    ratings = table(seed)
    expected = np.mean([spearmanr(ratings[:, i], ratings[:, j]).statistic for i, j in combinations(range(4), 2)])
    assert mean_rank_correlation(ratings) == pytest.approx(expected)


def test_a_repeat_that_ranks_nothing_agrees_with_nobody():
    ratings = np.array([[1.0, 1.0, 2.0], [2.0, 1.0, 3.0], [3.0, 1.0, 4.0]])
    assert mean_rank_correlation(ratings) == pytest.approx(1 / 3)


@pytest.mark.parametrize("agreement", [icc, mean_rank_correlation])
def test_gaps_are_left_out_and_too_little_says_nothing(agreement):
    ratings = table(3)
    holes = np.vstack([ratings, np.full((1, 4), np.nan)])
    holes[-1, 0] = 1.0
    holes = np.hstack([holes, np.full((6, 1), np.nan)])
    assert agreement(holes) == pytest.approx(agreement(ratings))
    assert math.isnan(agreement(ratings[:1]))
    assert math.isnan(agreement(ratings[:, :1]))
    assert math.isnan(agreement(np.empty((0, 3))))


def test_equal_numbers_have_no_variance_to_share():
    assert math.isnan(icc(np.full((3, 4), 0.1)))
