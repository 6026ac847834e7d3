"""Best of n against enumeration of all draws, hypervolume against counting and against Optuna's, edges."""

from __future__ import annotations

from itertools import combinations, pairwise
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcore.seeding import generator
from reports.statistics.search import BestOf, at_edge, best_of, flips, non_dominated


@pytest.mark.parametrize("maximise", [True, False])
def test_the_best_of_n_is_the_mean_over_all_draws(maximise: bool) -> None:
    values = generator(0, "test").normal(size=8)
    best = max if maximise else min
    for found in best_of(values, maximise):
        draws = [best(draw) for draw in combinations(values, found.n)]
        assert found.mean == pytest.approx(fmean(draws), abs=1e-10)
        # At least 10 % of draws lie at or beyond each edge of the band, and 80 % within it.
        assert np.mean((np.array(draws) >= found.low) & (np.array(draws) <= found.high)) >= 0.8 - 1e-9


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30))
def test_more_trials_never_expect_a_worse_best(values: list[float]) -> None:
    means = [b.mean for b in best_of(values)]
    assert all(b >= a - 1e-9 * (1 + abs(a)) for a, b in pairwise(means))
    assert means[-1] == pytest.approx(max(values))
    assert means[0] == pytest.approx(fmean(values), abs=1e-9)


def test_what_did_not_finish_is_left_out() -> None:
    assert len(best_of([0.1, float("nan"), 0.3])) == 2
    assert best_of([]) == ()
    assert best_of([float("nan")]) == ()


def test_many_trials_do_not_overflow() -> None:
    curve = best_of(np.linspace(0, 1, 3000))
    assert curve[-1].mean == pytest.approx(1.0)
    # The expected largest of n uniform numbers.
    assert curve[9].mean == pytest.approx(10 / 11, abs=1e-3)


def test_a_lead_changes_where_the_curves_cross() -> None:
    def curve(*means: float) -> list[BestOf]:
        return [BestOf(i + 1, m, m, m) for i, m in enumerate(means)]

    curves = {"a": curve(0.3, 0.3, 0.3, 0.6), "b": curve(0.1, 0.3, 0.4, 0.5, 0.9)}
    assert flips(curves) == ((3, "b", "a"), (4, "a", "b"))
    assert flips(curves, maximise=False) == ((3, "a", "b"), (4, "b", "a"))
    assert flips({"a": curve(0.3)}) == ()
    assert flips({}) == ()


def test_a_front_holds_what_nothing_beats() -> None:
    points = np.array([[1, 5], [2, 4], [2, 3], [3, 1], [3, 1], [np.nan, 9]], dtype=float)
    assert non_dominated(points, [True, True]).tolist() == [True, True, False, True, True, False]
    assert non_dominated(points, [True, False]).tolist() == [False, False, False, True, True, False]


def test_the_edge_of_a_range() -> None:
    assert at_edge(0.05, 0, 1) == "low"
    assert at_edge(0.06, 0, 1) is None
    assert at_edge(0.95, 0, 1) == "high"
    assert at_edge(0.05, 0.001, 1, log=True) is None
