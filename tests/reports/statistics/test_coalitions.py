"""Shapley values and interactions: their axioms, brute force, and games whose answer is known."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.statistics.coalitions import interactions, last_gains, players, shapley, shapley_of_orders


@st.composite
def games(draw, most=5):
    size = draw(st.integers(1, most))
    values = st.lists(st.integers(-64, 64).map(lambda i: i / 8), min_size=2**size, max_size=2**size)
    return np.array(draw(values))


def bits(subset, M):
    return [m for m in range(M) if subset >> m & 1]


def by_orders(value_S):
    """Mean gain over every order, one after the other."""
    M = players(len(value_S))
    total_M = np.zeros(M)
    for order in itertools.permutations(range(M)):
        had = 0
        for m in order:
            total_M[m] += value_S[had | 1 << m] - value_S[had]
            had |= 1 << m
    return total_M / math.factorial(M)


@given(games())
def test_shapley_is_the_mean_over_all_orders(value_S):
    assert shapley(value_S) == pytest.approx(by_orders(value_S), abs=1e-9)
    every = list(itertools.permutations(range(players(len(value_S)))))
    assert shapley_of_orders(dict(enumerate(value_S)), every) == pytest.approx(by_orders(value_S), abs=1e-9)


@given(games())
def test_values_add_up_to_the_whole_gain(value_S):
    assert shapley(value_S).sum() == pytest.approx(value_S[-1] - value_S[0], abs=1e-9)


@given(games(), st.randoms(use_true_random=False))
def test_any_orders_add_up_to_the_whole_gain(value_S, random):
    M = players(len(value_S))
    orders = [random.sample(range(M), M) for _ in range(3)]
    total = shapley_of_orders(dict(enumerate(value_S)), orders).sum()
    assert total == pytest.approx(value_S[-1] - value_S[0], abs=1e-9)


@given(games(4))
def test_a_player_who_changes_nothing_has_nothing(value_S):
    """Dummy: the game does not look at one more player."""
    with_dummy_S = np.concatenate([value_S, value_S])
    M = players(len(with_dummy_S))
    assert shapley(with_dummy_S)[-1] == 0
    assert shapley(with_dummy_S)[:-1] == pytest.approx(shapley(value_S), abs=1e-9)
    assert np.all(interactions(with_dummy_S)[-1, : M - 1] == 0)
    assert last_gains(with_dummy_S)[-1] == 0


@given(games(4))
def test_equal_players_have_equal_values(value_S):
    """Symmetry: a player under a second name, as a modality that comes twice."""
    M = players(len(value_S))
    twice_S = np.array(
        [value_S[(s & ((1 << M) - 1)) | ((s >> M & 1) << (M - 1))] for s in range(2 ** (M + 1))]
    )  # fmt: skip
    value_M = shapley(twice_S)
    assert value_M[M] == pytest.approx(value_M[M - 1], abs=1e-9)
    assert last_gains(twice_S)[[M - 1, M]].tolist() == [0, 0]


@given(games(4), games(4))
def test_values_and_interactions_are_linear(one_S, other_S):
    if len(one_S) == len(other_S):
        assert shapley(one_S + 2 * other_S) == pytest.approx(shapley(one_S) + 2 * shapley(other_S), abs=1e-9)
        together = interactions(one_S) + 2 * interactions(other_S)
        assert interactions(one_S + 2 * other_S) == pytest.approx(together, abs=1e-9, nan_ok=True)


def test_an_additive_game_has_no_interactions():
    worth = np.array([1.0, -2.0, 0.5, 3.0])
    value_S = np.array([7.0 + worth[bits(s, 4)].sum() for s in range(16)])
    assert shapley(value_S) == pytest.approx(worth)
    assert last_gains(value_S) == pytest.approx(worth)
    pairs = interactions(value_S)
    assert np.isnan(np.diag(pairs)).all()
    assert pairs[~np.eye(4, dtype=bool)] == pytest.approx(0.0, abs=1e-12)


def test_a_product_interacts_where_it_multiplies():
    """v = 6 where players 0 and 2 are both there, and 1 for player 1."""
    value_S = np.array([6.0 * ({0, 2} <= set(bits(s, 3))) + (1 in bits(s, 3)) for s in range(8)])
    assert shapley(value_S) == pytest.approx([3.0, 1.0, 3.0])
    assert last_gains(value_S) == pytest.approx([6.0, 1.0, 6.0])
    pairs = interactions(value_S)
    assert (pairs[0, 2], pairs[2, 0]) == (6.0, 6.0)
    assert [pairs[0, 1], pairs[1, 2]] == [0.0, 0.0]


def test_one_for_all_is_a_negative_interaction():
    """v = 1 where anyone is there: the classic of redundancy."""
    value_S = np.array([float(s > 0) for s in range(4)])
    assert shapley(value_S) == pytest.approx([0.5, 0.5])
    assert interactions(value_S)[0, 1] == -1.0
    assert last_gains(value_S).tolist() == [0.0, 0.0]


def test_the_interaction_of_three_is_the_mean_over_who_else_is_there():
    """By hand: eq. 3 of Grabisch and Roubens weighs 'nobody else' and 'the third' by one half each."""
    value_S = np.random.default_rng(3).normal(size=8)
    alone = value_S[3] - value_S[1] - value_S[2] + value_S[0]
    beside = value_S[7] - value_S[5] - value_S[6] + value_S[4]
    assert interactions(value_S)[0, 1] == pytest.approx((alone + beside) / 2)


def test_leading_axes_are_kept_and_nan_stays_where_it_is():
    value_RS = np.random.default_rng(0).normal(size=(3, 8))
    value_RS[1, 5] = math.nan
    for function in (shapley, interactions, last_gains):
        together = function(value_RS)
        for r in range(3):
            assert np.array_equal(together[r], function(value_RS[r]), equal_nan=True)
    assert np.isfinite(shapley(value_RS)[[0, 2]]).all()
    assert np.isnan(shapley(value_RS)[1]).all()
    assert last_gains(value_RS)[1].tolist()[2] == value_RS[1, 7] - value_RS[1, 3]


def test_a_game_of_nobody_and_of_one():
    assert shapley(np.array([4.0])).shape == (0,)
    assert shapley(np.array([1.0, 4.0])).tolist() == [3.0]
    assert interactions(np.array([1.0, 4.0])).shape == (1, 1)
    with pytest.raises(ValueError, match="2ᴹ values, found 6"):
        shapley(np.zeros(6))
