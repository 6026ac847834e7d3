import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.ranks import critical_difference, ranks


def frame(values_RA, arms="abcdefgh"):
    values_RA = np.asarray(values_RA, dtype=float)
    return pd.DataFrame(values_RA, columns=list(arms[: values_RA.shape[1]]))


tables = st.tuples(st.integers(2, 9), st.integers(3, 6)).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(0, 4), min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
    )
)


@given(tables)
def test_equals_scipys_friedman_also_with_ties(values):
    found = ranks(frame(values))
    if all(len(set(row)) == 1 for row in values):
        assert math.isnan(found.statistic)
        assert math.isnan(found.p)
        return
    theirs = stats.friedmanchisquare(*np.transpose(values))
    assert found.statistic == pytest.approx(theirs.statistic, abs=1e-10)
    assert found.p == pytest.approx(theirs.pvalue, abs=1e-10)


@given(tables, st.randoms(use_true_random=False))
def test_ranks_sum_to_what_they_must_and_ignore_the_order_of_repeats(values, random):
    found = ranks(frame(values))
    k = len(values[0])
    assert sum(found.average) == pytest.approx(k * (k + 1) / 2)
    assert list(found.average) == sorted(found.average)
    shuffled = ranks(frame(random.sample(values, len(values))))
    assert shuffled.average == pytest.approx(found.average)


@given(tables)
def test_direction_mirrors_the_ranks(values):
    up, down = ranks(frame(values)), ranks(frame(values), higher_is_better=False)
    k = len(values[0])
    of_down = dict(zip(down.arms, down.average, strict=True))
    assert [k + 1 - of_down[arm] for arm in up.arms] == pytest.approx(up.average)


@pytest.mark.parametrize(
    # Demšar 2006, table 5 (a): q at 0.05 and 0.10 for 2 … 10 classifiers.
    ("alpha", "q"),
    [
        (0.05, [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]),
        (0.10, [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]),
    ],
)
def test_critical_difference_follows_the_published_table(alpha, q):
    for k, quantile in enumerate(q, start=2):
        expected = quantile * math.sqrt(k * (k + 1) / (6 * 10))
        assert critical_difference(k, 10, alpha) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("seed", range(5))
def test_tells_apart_the_pairs_that_scikit_posthocs_does(seed, alpha):
    rng = np.random.default_rng(seed)
    values = frame(rng.normal(size=(12, 5)) + np.linspace(0, 4, 5))
    found = ranks(values, alpha=alpha)
    p = scikit_posthocs.posthoc_nemenyi_friedman(values)
    apart = {(a, b): p.loc[a, b] < alpha for a, b in combinations(found.arms, 2)}
    place = dict(zip(found.arms, found.average, strict=True))
    assert apart == {(a, b): place[b] - place[a] > found.critical_difference for a, b in apart}
    assert any(apart.values())
    assert not all(apart.values())


def test_known_order_and_the_bars_of_a_diagram():
    # a is always first, d always last; b and c take turns.
    found = ranks(frame([[9, 5, 4, 1], [9, 4, 5, 1]] * 10))
    assert found.arms == ("a", "b", "c", "d")
    assert found.average == (1.0, 2.5, 2.5, 4.0)
    assert found.n == 20
    assert found.p < 1e-9
    assert found.critical_difference == pytest.approx(1.049, abs=1e-3)
    assert found.alike == (("b", "c"),)
    assert ranks(frame([[9, 5, 4, 1], [9, 4, 5, 1]] * 4)).alike == (("a", "b", "c"), ("b", "c", "d"))


def test_what_has_no_number_is_left_out():
    nan = math.nan
    found = ranks(frame([[3, 2, 1, nan], [3, 2, 1, nan], [3, nan, 1, nan], [1, 2, 3, nan]]))
    assert found.arms == ("a", "b", "c")
    assert found.n == 3
    nothing = ranks(pd.DataFrame(columns=["a", "b"], dtype=float))
    assert (nothing.arms, nothing.n) == ((), 0)
    assert nothing.alike == ()


def test_two_arms_have_ranks_but_no_friedman_and_one_repeat_has_neither_test():
    two = ranks(frame([[2, 1], [2, 1], [1, 2]]))
    assert two.average == pytest.approx((4 / 3, 5 / 3))
    assert math.isnan(two.p)
    assert two.critical_difference == pytest.approx(1.96 / math.sqrt(3), abs=1e-3)
    once = ranks(frame([[3, 2, 1]]))
    assert once.average == (1.0, 2.0, 3.0)
    assert math.isnan(once.p)
    assert math.isnan(once.critical_difference)
    assert once.alike == ()
