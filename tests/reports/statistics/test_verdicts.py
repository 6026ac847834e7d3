import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.comparisons import Paired, compare
from reports.statistics.floors import family_floors, floor, needed
from reports.statistics.intervals import Estimate
from reports.statistics.multiplicity import holm
from reports.statistics.verdicts import FAR, NO_DIFFERENCE, OVERLAP, decide


def pair(d, **options):
    return compare(d, np.zeros(len(d)), **options)


def spread(n, mean, deviation):
    """n numbers of exactly this mean and deviation."""
    x = np.linspace(-1, 1, n)
    return mean + x * deviation / x.std(ddof=1)


def verdict_of(d, margin=None, higher_is_better=True, **options):
    return decide([pair(d, **options)], margin=margin, higher_is_better=higher_is_better)[0]


@pytest.mark.parametrize(("alpha", "m", "n"), [(0.05, 1, 6), (0.05, 2, 7), (0.05, 3, 8), (0.05, 7, 10), (0.01, 1, 8)])
def test_needed_is_the_smallest_that_could_decide(alpha, m, n):
    smallest = next(k for k in range(2, 40) if m * 2 / 2**k <= alpha)
    assert needed(alpha, m) == smallest
    assert m * floor(smallest) <= alpha < m * floor(smallest - 1)
    assert smallest in (n, n - 1)


def test_needed_gives_up_where_no_p_is_small_enough():
    assert needed(1e-9) is None
    assert needed(0.25, 1) == 3


@given(st.lists(st.tuples(st.integers(1, 12), st.floats(0, 1)), min_size=1, max_size=6))
def test_no_p_after_holm_is_below_the_floor_after_holm(family):
    sizes = [n for n, _ in family]
    p = [max(floor(n), share) for n, share in family]
    assert all(a >= b - 1e-15 for a, b in zip(holm(p), family_floors(sizes), strict=True))


def test_floor_of_a_family_of_equal_sizes():
    assert family_floors([8, 8, 8]) == pytest.approx([3 * 2 / 2**8] * 3)


def test_too_few_repeats_however_large_the_effect():
    assert verdict_of([5.0] * 5).verdict == "too few repeats"
    assert verdict_of([5.0] * 6).verdict == "better"
    assert verdict_of([5.0]).verdict == "too few repeats"
    assert verdict_of([]).verdict == "too few repeats"
    # Three comparisons of six repeats: 3 · 2/64 is above 0.05 for every one of them.
    assert [d.verdict for d in decide([pair([5.0] * 6)] * 3)] == ["too few repeats"] * 3


def test_better_and_worse_follow_the_metrics_direction():
    gain = spread(8, 0.1, 0.01)
    assert verdict_of(gain).verdict == "better"
    assert verdict_of(-gain).verdict == "worse"
    assert verdict_of(gain, higher_is_better=False).verdict == "worse"
    assert verdict_of(-gain, higher_is_better=False).verdict == "better"


def test_an_overlap_can_keep_open_what_the_p_alone_would_claim():
    d = spread(8, 0.1, 0.08)
    assert sign_all_positive_p(d) <= 0.05
    assert verdict_of(d).verdict == "better"
    assert verdict_of(d, overlap=1.0).verdict == "undecided"


def sign_all_positive_p(d):
    return pair(d).p


def test_holm_can_keep_open_what_stands_alone():
    weak = pair([0.3, 0.2, 0.25, 0.1, 0.3, 0.2, 0.15, -0.05])
    nothing = pair(spread(8, 0.0, 0.1))
    assert decide([weak])[0].verdict == "better"
    together = decide([weak, nothing, nothing, nothing, nothing])
    assert together[0].verdict == "undecided"
    assert together[0].p_holm == pytest.approx(5 * weak.p)


def test_equivalent_needs_a_margin_and_an_interval_inside_it():
    d = spread(8, 0.0, 0.01)
    assert verdict_of(d).verdict == "undecided"
    assert verdict_of(d, margin=0.02).verdict == "equivalent"
    assert verdict_of(d, margin=0.005).verdict == "undecided"
    assert verdict_of([0.0] * 8, margin=0.02).verdict == "equivalent"


def test_equal_scores_are_undecided_and_more_repeats_would_not_help():
    decision = verdict_of([0.0] * 8)
    assert (decision.verdict, decision.more, decision.reason) == ("undecided", None, NO_DIFFERENCE)


@pytest.mark.parametrize("ratio", [0.2, 0.4, 0.6])
@pytest.mark.parametrize("overlap", [0.0, 0.005])
def test_more_repeats_is_the_first_number_that_would_decide(ratio, overlap):
    decision = verdict_of(spread(8, ratio, 1.0), overlap=overlap)
    assert decision.verdict == "undecided"
    assert decision.more is not None

    def low(n):
        return ratio - stats.t.ppf(0.975, n - 1) * math.sqrt(1 / n + overlap)

    assert low(8 + decision.more) > 0
    assert low(8 + decision.more - 1) <= 0


def test_more_repeats_counts_the_p_after_holm_too():
    d = pair(spread(8, 1.05, 1.0))
    alone, among = decide([d])[0], decide([d, *[pair(spread(8, 0.0, 1.0))] * 9])[0]
    assert (alone.verdict, among.verdict) == ("better", "too few repeats")
    d = pair(spread(12, 0.75, 1.0))
    alone, among = decide([d])[0], decide([d, *[pair(spread(12, 0.0, 1.0))] * 9])[0]
    assert (alone.verdict, among.verdict) == ("better", "undecided")
    assert among.more is not None
    assert among.more > 0


def test_overlap_that_no_number_of_repeats_overcomes_is_named():
    # At infinitely many repeats the interval still reaches 1.96 · √(1/3) = 1.13 deviations far.
    decision = verdict_of(spread(8, 1.1, 1.0), overlap=1 / 3)
    assert (decision.verdict, decision.more, decision.reason) == ("undecided", None, OVERLAP)
    assert verdict_of(spread(8, 1.2, 1.0), overlap=1 / 3).more is not None


def test_where_splits_vary_the_interval_is_corrected_for_the_family_too():
    # Alone it stands; among three, 3 · p of the interval is above alpha although 3 · p after sign flips is not.
    d = pair(spread(12, 1.0, 0.65), overlap=1 / 3)
    nothing = pair(spread(12, 0.0, 1.0), overlap=1 / 3)
    alone, among = decide([d])[0], decide([d, nothing, nothing])[0]
    assert (alone.verdict, among.verdict) == ("better", "undecided")
    assert among.p_flip <= 0.05 < among.p_t == pytest.approx(3 * d.p_t)
    assert among.p_holm == among.p_t


def observed(n, mean, overlap):
    """A comparison of this mean and a deviation of 1; a t-test's p stands for the sign flips', which takes long."""

    def around(level):
        half = stats.t.ppf((1 + level) / 2, n - 1) * math.sqrt(1 / n + overlap)
        return Estimate(n, mean, 1.0, mean - half, mean + half)

    p, p_t = (2 * stats.t.sf(abs(mean) / math.sqrt(variance), n - 1) for variance in (1 / n, 1 / n + overlap))
    return Paired(around(0.95), around(0.9), max(floor(n), p), p_t, floor(n), mean, n, 0, overlap)


@pytest.mark.parametrize("overlap", [0.0, 0.005, 0.05])
@pytest.mark.parametrize("n", [6, 10, 25])
@pytest.mark.parametrize("mean", [-0.3, 0.0, 0.1, 0.45])
@pytest.mark.parametrize("margin", [None, 0.2, 0.5, 0.7])
def test_the_number_is_the_first_at_which_the_rule_itself_decides(margin, mean, n, overlap):
    def at(n):
        return decide([observed(n, mean, overlap)], margin=margin)[0]

    decision = at(n)
    if decision.verdict != "undecided":
        assert (decision.more, decision.would_be, decision.reason) == (None, None, None)
    elif decision.more is None:
        assert decision.would_be is None
        assert {at(n + k).verdict for k in range(0, FAR, 50)} == {"undecided"}
        if decision.reason in (OVERLAP, NO_DIFFERENCE):
            assert at(10**9).verdict == "undecided"
    else:
        assert {at(n + k).verdict for k in range(decision.more)} == {"undecided"}
        assert at(n + decision.more).verdict == decision.would_be


def test_a_margin_that_a_few_repeats_reach_is_not_told_as_many():
    # The difference is small beside the margin: to tell it from 0 takes far more repeats than to call it none.
    d = spread(12, 0.2, 1.0)
    without, within = verdict_of(d), verdict_of(d, margin=0.6)
    assert (without.verdict, within.verdict) == ("undecided", "undecided")
    assert (without.would_be, within.would_be) == ("better", "equivalent")
    assert without.more is not None
    assert within.more is not None
    assert within.more < without.more
    beyond = verdict_of(spread(12, -0.5, 1.0), margin=0.4)
    assert beyond.would_be == "worse"
    assert verdict_of(spread(12, -0.5, 1.0), margin=0.4, higher_is_better=False).would_be == "better"


def test_a_difference_of_0_can_be_shown_to_be_none_where_a_margin_is_set():
    d = [0.05, -0.05] * 5
    assert (verdict_of(d).more, verdict_of(d).reason) == (None, NO_DIFFERENCE)
    decision = verdict_of(d, margin=0.02)
    assert (decision.verdict, decision.would_be, decision.reason) == ("undecided", "equivalent", None)
    assert decision.more is not None
    n = len(d) + decision.more
    assert verdict_of(spread(n, 0.0, np.std(d, ddof=1)), margin=0.02).verdict == "equivalent"
    assert verdict_of(spread(n - 1, 0.0, np.std(d, ddof=1)), margin=0.02).verdict == "undecided"


def test_overlap_stands_in_the_way_only_where_equivalence_is_out_of_reach_too():
    # At infinitely many repeats the interval at 90 % still reaches 1.645 · √(1/3) = 0.950 deviations far.
    d = spread(8, 0.1, 1.0)
    assert verdict_of(d, overlap=1 / 3, margin=1.04).reason == OVERLAP
    assert verdict_of(d, overlap=1 / 3, margin=1.1).would_be == "equivalent"
    assert verdict_of(spread(8, 0.0, 1.0), overlap=1 / 3, margin=0.9).reason == OVERLAP
    assert verdict_of([1.0, -1.0] * 4, overlap=1 / 3).reason == NO_DIFFERENCE


def test_a_silly_number_is_not_named():
    decision = verdict_of(spread(8, 0.001, 1.0))
    assert (decision.more, decision.reason) == (None, f"over {FAR} more repeats")


def test_decide_nothing():
    assert decide([]) == []


# Equivalence first ---------------------------------------------------------------------------
def test_a_difference_within_the_margin_is_equivalent_also_where_it_is_not_0():
    small = spread(12, 0.01, 0.002)
    assert verdict_of(small).verdict == "better"
    found = verdict_of(small, margin=0.02)
    assert found.verdict == "equivalent"
    assert found.p_holm <= 0.05
    assert verdict_of(-small, margin=0.02).verdict == "equivalent"
    # Partly beyond the margin it is a difference that counts.
    assert verdict_of(spread(12, 0.02, 0.002), margin=0.02).verdict == "better"


# The p that is told ---------------------------------------------------------------------------
@given(
    st.lists(st.lists(st.floats(-1, 1), min_size=6, max_size=10), min_size=1, max_size=4),
    st.sampled_from([0.0, 1 / 3]),
)
def test_better_and_worse_are_those_whose_p_is_at_most_alpha(family, overlap):
    found = decide([pair(d, overlap=overlap) for d in family])
    for paired, d in zip((pair(d, overlap=overlap) for d in family), found, strict=True):
        assert d.p == max(paired.p, paired.p_t)
        assert d.p_holm == max(d.p_flip, d.p_t) >= d.p
        if d.verdict != "too few repeats" and abs(d.p_holm - 0.05) > 1e-9:
            assert (d.verdict in ("better", "worse")) == (d.p_holm <= 0.05)


def test_overlapping_splits_are_in_the_p_that_is_told():
    d = spread(10, 0.75, 1.0)
    apart, overlapping = verdict_of(d), verdict_of(d, overlap=1 / 3)
    assert apart.p <= 0.05 < overlapping.p
