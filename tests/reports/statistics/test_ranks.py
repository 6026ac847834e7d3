import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.statistics.ranks import ranks


def never(one, other):
    return False


def frame(values_RA, arms="abcdefgh"):
    values_RA = np.asarray(values_RA, dtype=float)
    return pd.DataFrame(values_RA, columns=list(arms[: values_RA.shape[1]]))


tables = st.tuples(st.integers(2, 9), st.integers(3, 6)).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(0, 4), min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
    )
)


@given(tables, st.randoms(use_true_random=False))
def test_ranks_sum_to_what_they_must_and_ignore_the_order_of_repeats(values, random):
    found = ranks(frame(values), never)
    k = len(values[0])
    assert sum(found.average) == pytest.approx(k * (k + 1) / 2)
    assert list(found.average) == sorted(found.average)
    shuffled = ranks(frame(random.sample(values, len(values))), never)
    assert shuffled.average == pytest.approx(found.average)


@given(tables)
def test_direction_mirrors_the_ranks(values):
    up, down = ranks(frame(values), never), ranks(frame(values), never, higher_is_better=False)
    k = len(values[0])
    of_down = dict(zip(down.arms, down.average, strict=True))
    assert [k + 1 - of_down[arm] for arm in up.arms] == pytest.approx(up.average)


def test_bars_join_neighbours_of_which_no_two_differ():
    values = frame([[9, 5, 4, 1], [9, 4, 5, 1]] * 10)
    apart = {frozenset("ad"), frozenset("ac"), frozenset("bd")}
    found = ranks(values, lambda one, other: frozenset((one, other)) in apart)
    assert found.arms == ("a", "b", "c", "d")
    assert found.average == (1.0, 2.5, 2.5, 4.0)
    assert found.n == 20
    assert found.alike == (("a", "b"), ("b", "c"), ("c", "d"))
    assert ranks(values, never).alike == (("a", "b", "c", "d"),)
    assert ranks(values, lambda one, other: True).alike == ()


def test_what_has_no_number_is_left_out():
    nan = math.nan
    found = ranks(frame([[3, 2, 1, nan], [3, 2, 1, nan], [3, nan, 1, nan], [1, 2, 3, nan]]), never)
    assert found.arms == ("a", "b", "c")
    assert found.n == 3
    nothing = ranks(pd.DataFrame(columns=["a", "b"], dtype=float), never)
    assert (nothing.arms, nothing.n) == ((), 0)
    assert nothing.alike == ()
