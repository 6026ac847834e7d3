"""What repeats say of items that all of them tested, and what the groups of items say of others."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.comparisons import compare
from reports.statistics.new_items import NewItems, on_new_items, times_drawn
from reports.statistics.verdicts import decide


def loss_differences(seed, repeats=10, groups=12, gain=0.0, item_spread=1.0, repeat_spread=0.1):
    """Differences by repeat and group: each group has an own one, which all repeats see alike."""
    rng = np.random.default_rng(seed)
    own_G = gain + item_spread * rng.normal(size=groups)
    return own_G + repeat_spread * rng.normal(size=(repeats, groups))


def witness(difference_RG, left_out=0.0, alpha=0.05):
    resampled_RB = difference_RG @ times_drawn(difference_RG.shape[1]).T / difference_RG.shape[1]
    return on_new_items(difference_RG.mean(1), resampled_RB, difference_RG.shape[1], alpha=alpha, left_out=left_out)


def judged(difference_RG, margin=None, family=1, **options):
    paired = compare(difference_RG.mean(1), np.zeros(len(difference_RG)))
    found = paired.__class__(**{**vars(paired), "shared": True, "new_items": witness(difference_RG, **options)})
    return decide([found] * family, margin=margin)[0]


def test_repeats_that_share_their_items_claim_what_holds_for_these_alone():
    """Twelve groups without any effect: the repeats agree, and new groups need not."""
    only_here = [judged(loss_differences(seed)) for seed in range(40)]
    assert sum(d.side in ("better", "worse") for d in only_here) >= 30
    assert sum(d.verdict in ("better", "worse") for d in only_here) <= 4
    d = next(d for d in only_here if d.only_these_items)
    assert d.verdict in ("better on these items", "worse on these items")
    assert d.p_holm <= 0.05 < d.p_items
    assert d.p_holm == max(d.p_flip, d.p_t)


def test_a_difference_that_every_group_shows_holds_for_new_items():
    d = judged(loss_differences(0, gain=3.0))
    assert d.verdict == "better"
    assert d.p_holm == max(d.p_flip, d.p_t, d.p_items) <= 0.05


def test_without_a_witness_a_claim_holds_for_these_items_alone():
    paired = compare([1.0] * 8, [0.5, 0.6] * 4)
    unknown = paired.__class__(**{**vars(paired), "shared": True})
    assert decide([paired])[0].verdict == "better"
    d = decide([unknown])[0]
    assert (d.verdict, d.p_items) == ("better on these items", 1.0)
    assert math.isnan(unknown.claimed.low)


def test_equivalence_asks_the_groups_too():
    calm, wild = (loss_differences(1, item_spread=spread, repeat_spread=0.01) for spread in (0.01, 1.0))
    assert judged(calm, margin=0.1).verdict == "equivalent"
    calm_repeats = wild - wild.mean(1, keepdims=True)
    assert judged(calm_repeats, margin=0.1).verdict == "equivalent on these items"


def test_holm_counts_the_p_of_new_items_too():
    difference_RG = loss_differences(3, groups=30, gain=0.5)
    alone, among = judged(difference_RG), judged(difference_RG, family=5)
    assert among.p_items == pytest.approx(min(1.0, 5 * alone.p_items))


@pytest.mark.parametrize("groups", [4, 8, 30])
@pytest.mark.parametrize("left_out", [0.0, 2 / 3])
def test_null_families_are_claimed_for_new_items_at_most_at_alpha(groups, left_out):
    studies = 600
    p = np.array([witness(loss_differences(seed, groups=groups), left_out=left_out).p for seed in range(studies)])
    assert (p <= 0.05).mean() <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / studies)


@pytest.mark.parametrize("train", [12, 36])
def test_what_training_items_bring_by_luck_is_no_claim_though_all_repeats_train_on_them(train):
    """The trainings hardly differ, so the repeats cannot tell how much other training items would have moved them."""
    studies, groups = 1000, 12
    luck = np.random.default_rng(1).normal(size=studies) / math.sqrt(train)
    p = [
        witness(loss_differences(seed, groups=groups, gain=luck[seed]), left_out=2 * groups / train).p
        for seed in range(studies)
    ]
    assert (np.array(p) <= 0.05).mean() <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / studies)


@settings(deadline=None)
@given(st.integers(0, 999), st.integers(2, 12), st.integers(2, 12), st.floats(0, 1))
def test_interval_p_and_error_agree(seed, repeats, groups, left_out):
    found = witness(loss_differences(seed, repeats, groups), left_out)
    e = found.difference
    assert (e.low <= 0 <= e.high) == (found.p >= 0.05) or abs(found.p - 0.05) < 1e-9
    assert e.low <= found.narrow.low <= e.mean <= found.narrow.high <= e.high
    t = e.mean / found.error(repeats)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), min(repeats, groups) - 1), rel=1e-6, abs=1e-300)
    assert found.error(repeats + 5) <= found.error(repeats)


def test_the_error_follows_from_groups_and_repeats():
    """Closed form: the bootstrap's variance of a mean is that of the groups over G, a shade less before correction."""
    difference_RG = loss_differences(5, repeats=20, groups=15, repeat_spread=0.5)
    found = witness(difference_RG, left_out=0.5)
    group_means_G = difference_RG.mean(0)
    assert found.item_error == pytest.approx(group_means_G.std(ddof=1) / math.sqrt(15), rel=0.05)
    deviation = difference_RG.mean(1).std(ddof=1)
    larger = max(found.item_error, deviation)
    parts = (found.item_error, deviation / math.sqrt(20), larger * math.sqrt(0.5))
    assert found.error(20) == pytest.approx(math.hypot(*parts))


def test_one_group_or_one_repeat_says_nothing_of_others():
    for shape in ((8, 1), (1, 8)):
        found = witness(np.ones(shape) + np.arange(shape[0])[:, None] * 0.01)
        assert isinstance(found, NewItems)
        assert found.p == 1.0
        assert math.isnan(found.difference.low)


def test_a_resample_without_a_number_is_left_out_and_too_many_leave_nothing():
    difference_RG = loss_differences(2)
    resampled_RB = difference_RG @ times_drawn(12).T / 12
    some = resampled_RB.copy()
    some[:, ::3] = np.nan
    full, fewer = (on_new_items(difference_RG.mean(1), r, 12, left_out=0.0).item_error for r in (resampled_RB, some))
    assert fewer == pytest.approx(full, rel=0.1)
    some[:, ::2] = np.nan
    none = on_new_items(difference_RG.mean(1), some, 12, left_out=0.0)
    assert math.isnan(none.item_error)
    assert none.p == 1.0


def test_differences_that_are_all_equal_need_no_interval():
    same = on_new_items([0.5] * 4, np.full((4, 2000), 0.5), 6, left_out=0.5)
    assert (same.p, same.difference.low, same.difference.high) == (0.0, 0.5, 0.5)
    zero = on_new_items([0.0] * 4, np.zeros((4, 2000)), 6, left_out=0.5)
    assert zero.p == 1.0


def test_repeats_without_a_score_do_not_count():
    difference_RG = loss_differences(4)
    resampled_RB = difference_RG @ times_drawn(12).T / 12
    d_R = difference_RG.mean(1)
    d_R[3] = np.nan
    left = np.delete(np.arange(10), 3)
    assert on_new_items(d_R, resampled_RB, 12, left_out=0.3) == on_new_items(
        d_R[left], resampled_RB[left], 12, left_out=0.3
    )
