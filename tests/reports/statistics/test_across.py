"""Arms over many data sets: the sign test and average ranks, by hand and against scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from reports.statistics.across import average_ranks, sign_test


def test_the_sign_test_is_binomial_and_leaves_ties_out():
    found = sign_test(np.array([0.1] * 9 + [-0.1] * 2 + [0.0, math.nan]))
    assert (found.ahead, found.behind, found.tied) == (9, 2, 1)
    assert found.p == pytest.approx(stats.binomtest(9, 11).pvalue)
    assert sign_test(np.array([0.1, 0.2, -0.3]), higher_is_better=False).ahead == 1


def test_without_a_difference_there_is_nothing_to_count():
    assert sign_test(np.array([0.0, math.nan])).p == 1.0
    assert sign_test(np.array([])).p == 1.0


def test_ranks_are_those_of_the_data_sets_that_have_every_arm():
    mean_DA = np.array([[0.9, 0.8, 0.7], [0.5, 0.6, 0.6], [0.1, math.nan, 0.3]])
    ranks, sets = average_ranks(mean_DA)
    assert sets == 2
    assert ranks.tolist() == [2.0, 1.75, 2.25]
    ranks, sets = average_ranks(mean_DA, higher_is_better=False)
    assert ranks.tolist() == [2.0, 2.25, 1.75]


def test_without_a_data_set_that_has_every_arm_there_are_no_ranks():
    ranks, sets = average_ranks(np.array([[0.1, math.nan]]))
    assert sets == 0
    assert np.isnan(ranks).all()
