import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from reports.statistics.comparisons import (
    STUDIES_AT_ONCE,
    compare,
    effect_interval,
    equivalence_p,
    paired_differences,
    sign_flip_p,
    sign_flip_ps,
    sign_flips,
)
from reports.statistics.floors import floor
from reports.statistics.multiplicity import holm
from reports.statistics.verdicts import decide

differences = st.lists(st.integers(-50, 50).map(lambda i: i / 16), min_size=1, max_size=10)


def brute_force(d):
    patterns = np.array(list(itertools.product([1, -1], repeat=len(d))))
    return float(np.mean(np.abs(patterns @ np.asarray(d)) >= abs(sum(d)) - 1e-12))


@given(differences)
def test_p_equals_brute_force(d):
    assert sign_flip_p(d) == pytest.approx(brute_force(d), abs=1e-12)


@pytest.mark.parametrize("n", [2, 5, 9])
def test_p_equals_scipy(n):
    d = np.random.default_rng(n).normal(0.5, 1, n)
    theirs = stats.permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert sign_flip_p(d) == pytest.approx(theirs, abs=1e-10)


@given(differences, st.randoms(use_true_random=False))
def test_p_ignores_order_sign_and_scale(d, random):
    shuffled = random.sample(d, len(d))
    assert sign_flip_p(d) == pytest.approx(sign_flip_p(shuffled))
    assert sign_flip_p(d) == sign_flip_p([-x for x in d])
    assert sign_flip_p(d) == sign_flip_p([x * 8 for x in d])
    assert floor(len(d)) <= sign_flip_p(d) <= 1


@pytest.mark.parametrize("n", range(1, 17))
def test_p_reaches_its_floor_and_not_below(n):
    assert sign_flip_p([0.1] * n) == floor(n) == 2 / 2**n


def test_p_is_one_without_any_difference():
    assert sign_flip_p([]) == 1.0
    assert sign_flip_p([0.0, 0.0, 0.0]) == 1.0


def test_many_pairs_are_sampled_close_to_the_exact_p_and_always_alike():
    d = np.random.default_rng(3).normal(0.4, 1, 18)
    sums = d[:1]
    for value in d[1:]:
        sums = np.concatenate([sums + value, sums - value])
    exact = float(np.mean(np.abs(sums) >= abs(d.sum()) - 1e-12))
    assert sign_flip_p(d) == pytest.approx(exact, abs=4 * math.sqrt(exact / 2**16))
    assert sign_flip_p(d) == sign_flip_p(d.copy())
    assert sign_flip_p(np.full(30, 0.2)) == floor(30) == 1 / 2**16


@pytest.mark.parametrize("pairs", [1, 6, 16, 20])
def test_many_studies_at_once_get_the_p_of_each(pairs):
    d_SN = np.random.default_rng(pairs).normal(0.3, 1, (STUDIES_AT_ONCE + 3, pairs))
    assert sign_flip_ps(d_SN).tolist() == pytest.approx([sign_flip_p(d) for d in d_SN], abs=1e-12)
    assert sign_flip_ps(np.empty((2, 0))).tolist() == [1.0, 1.0]
    assert sign_flip_ps(np.empty((0, pairs))).tolist() == []


def test_holm_equals_statsmodels(monkeypatch: pytest.MonkeyPatch):
    # It looks for garbage each time, among all that the suite holds.
    monkeypatch.setattr("gc.collect", lambda: 0)
    rng = np.random.default_rng(0)
    for comparisons in range(1, 13):
        # Rounded, so that there are ties.
        p = np.round(rng.random(comparisons) ** 3, 2)
        assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-10)


def test_holm_of_nothing():
    assert holm([]) == []


def test_compare_agrees_with_scipy_paired_t():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.4, 0.1, 9), rng.normal(0.3, 0.1, 9)
    theirs, paired = stats.ttest_rel(a, b), compare(a, b)
    limits = theirs.confidence_interval(0.95)
    assert [paired.difference.low, paired.difference.high] == pytest.approx([limits.low, limits.high], abs=1e-10)
    assert paired.p_t == pytest.approx(theirs.pvalue, abs=1e-10)
    assert paired.effect_size == pytest.approx(theirs.statistic / 3, abs=1e-10)


@pytest.mark.parametrize("margin", [0.02, 0.05, 0.1])
def test_narrow_interval_is_two_one_sided_tests(margin):
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.31, 0.05, 12), rng.normal(0.3, 0.05, 12)
    narrow = compare(a, b).narrow
    assert (-margin < narrow.low and narrow.high < margin) == (ttost_paired(a, b, -margin, margin)[0] < 0.05)


@given(st.integers(0, 10**6), st.integers(2, 30), st.floats(0.001, 0.2))
def test_equivalence_p_equals_statsmodels_and_agrees_with_the_narrow_interval(seed, n, margin):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0.31, 0.05, n), rng.normal(0.3, 0.05, n)
    assert equivalence_p(compare(a, b), margin) == pytest.approx(ttost_paired(a, b, -margin, margin)[0], abs=1e-10)
    for overlap in (0.0, 1 / 3):
        paired = compare(a, b, overlap=overlap)
        within = -margin <= paired.narrow.low and paired.narrow.high <= margin
        assert within == (equivalence_p(paired, margin) <= 0.05)


def test_equivalence_without_a_deviation():
    assert equivalence_p(compare([0.5] * 6, [0.25] * 6), 0.3) == 0.0
    assert equivalence_p(compare([0.5] * 6, [0.25] * 6), 0.2) == 1.0
    assert equivalence_p(compare([0.5], [0.5]), 0.2) == 1.0


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=2, max_size=8), st.sampled_from([0.0, 0.3]))
def test_swapping_the_arms_mirrors_everything(pairs, overlap):
    a, b = zip(*pairs, strict=True)
    one, two = compare(a, b, overlap=overlap), compare(b, a, overlap=overlap)
    assert one.difference.mean == pytest.approx(-two.difference.mean)
    assert one.difference.low == pytest.approx(-two.difference.high)
    assert (one.p, one.p_t) == pytest.approx((two.p, two.p_t))
    assert one.won + two.won + one.tied == one.n


def test_only_pairs_in_which_both_are_numbers_count():
    paired = compare([1.0, math.nan, 3.0, 4.0], [0.0, 1.0, math.nan, 2.0])
    assert paired.n == 2
    assert paired.difference.mean == 1.5
    assert compare([math.nan], [1.0]).n == 0
    assert compare([math.nan], [1.0]).p == 1.0


@pytest.mark.parametrize("size", [1.0, 1e12, 1e15])
def test_one_huge_score_of_both_arms_hides_no_difference_of_the_others(size):
    """Where diverged runs are given one huge score in both arms, the other pairs are no rounding beside it."""
    reference = np.array([0.70, 0.71, 0.69, 0.72, 0.70, 0.68, 0.71, 0.70, 0.69, size])
    arm = reference + np.array([0.01] * 9 + [0.0])
    paired = compare(arm, reference)
    assert (paired.won, paired.tied) == (9, 1)
    assert paired.difference.mean == pytest.approx(0.009)
    assert [found.verdict for found in decide([paired], margin=0.001)] == ["better"]


def test_rounding_beside_usual_scores_is_no_difference():
    """A pair near 0 among pairs of usual size: what is left of a sum of larger numbers."""
    assert paired_differences([1e-17, 0.5, 0.4], [0.0, 0.4, 0.4]).tolist() == pytest.approx([0.0, 0.1, 0.0])
    assert paired_differences([1e-17, 0.5, 0.4], [0.0, 0.4, 0.4])[0] == 0.0


def test_rounding_is_no_difference():
    # 0.1 + 0.2 is not 0.3 in binary; a study must not claim a win by 5e-17.
    assert paired_differences([0.1 + 0.2], [0.3]).tolist() == [0.0]
    paired = compare([0.1 + 0.2] * 8, [0.3] * 8)
    assert (paired.tied, paired.won, paired.p, paired.p_t) == (8, 0, 1.0, 1.0)


def test_equal_differences_have_no_effect_size_and_an_interval_of_a_point():
    paired = compare([0.5] * 6, [0.25] * 6)
    assert math.isnan(paired.effect_size)
    assert paired.difference.low == paired.difference.high == 0.25
    assert paired.p == 2 / 64


def test_won_follows_the_metrics_direction():
    assert compare([1.0, 2.0, 5.0], [2.0, 3.0, 5.0], higher_is_better=False).won == 2
    assert compare([1.0, 2.0, 5.0], [2.0, 3.0, 5.0]).won == 0


def test_a_tie_is_half_won():
    assert compare([1.0, 2.0, 5.0, 0.0], [0.0, 3.0, 5.0, 0.0]).share_won == 0.5
    assert compare([3.0, 5.0], [2.0, 5.0]).share_won == 0.75
    assert compare([3.0, 5.0], [2.0, 5.0], higher_is_better=False).share_won == 0.25
    assert math.isnan(compare([], []).share_won)


# Effect sizes ---------------------------------------------------------------------------
@pytest.mark.parametrize(("effect", "n"), [(0.1, 10), (1.0, 10), (6.7, 5), (2.0, 30), (-1.5, 8), (0.0, 12)])
def test_the_interval_of_an_effect_size_is_that_of_the_noncentral_t(effect, n):
    low, high = effect_interval(effect, n)
    t = effect * math.sqrt(n)
    assert stats.nct.cdf(t, n - 1, low * math.sqrt(n)) == pytest.approx(0.975, abs=1e-5)
    assert stats.nct.cdf(t, n - 1, high * math.sqrt(n)) == pytest.approx(0.025, abs=1e-5)
    assert effect_interval(-effect, n) == pytest.approx((-high, -low), abs=1e-6)


def test_overlapping_splits_widen_the_interval_of_an_effect_size():
    apart, overlapping = effect_interval(1.0, 10), effect_interval(1.0, 10, overlap=1 / 3)
    assert overlapping[0] < apart[0] < apart[1] < overlapping[1]


def test_a_huge_effect_has_an_interval_and_none_has_none():
    low, high = effect_interval(1e9, 10)
    nearly = effect_interval(999.0 / math.sqrt(10), 10)
    assert 0 < low < 1e9 < high
    assert (low / 1e9, high / 1e9) == pytest.approx(tuple(e / (999.0 / math.sqrt(10)) for e in nearly), rel=1e-3)
    assert all(math.isnan(edge) for edge in (*effect_interval(math.nan, 10), *effect_interval(1.0, 1)))


def test_differences_that_cancel_out_are_no_difference():
    """Their sum is rounding, 1.2e−17 or so, and must not be told as a difference."""
    d = [0.1, 0.2, -0.3, 0.1, 0.2, -0.3]
    assert np.mean(d) != 0
    found = compare(d, [0.0] * len(d))
    assert found.difference.mean == 0
    assert found.effect_size == 0


def test_many_comparisons_at_once_have_the_p_of_each_alone():
    rng = np.random.default_rng(3)
    differences = [rng.normal(0.2, 1, n) for n in (5, 40, 0, 40, 17, 5, 40)]
    assert sign_flips(differences) == [sign_flip_p(d) for d in differences]
