"""Looking often must not cost more than alpha: exact against enumeration, monotone, honest at any stop."""

import math
from itertools import product

import numpy as np
import pytest

from reports.statistics import sequential
from reports.statistics.comparisons import compare, sign_flip_p
from reports.statistics.multiplicity import holm
from reports.statistics.sequential import Rule, before_looks, floor, ladder
from reports.statistics.spending import critical_t, sign_flip_rungs, t_rungs
from reports.statistics.verdicts import decide

LEVELS = ladder(0.05, 3)
RULE = Rule(6, 30)


def compare_sequentially(arm, reference, rule, **options):
    """What holds at the last look."""
    return sequential.compare_sequentially(arm, reference, rule, **options)[-1]


def rungs(d, looks, most, levels=LEVELS, **options):
    rule = Rule(looks[0], most)
    return sign_flip_rungs(np.atleast_2d(d), looks, [rule.share(n) for n in looks], levels, **options)


def brute_force(d, looks, shares, level):
    """Patterns of signs that have crossed by each look at one level, by the definition and by sets of patterns."""
    patterns = list(product((1, -1), repeat=len(d)))
    crossed, by_look = set(), []
    for look, share in zip(looks, shares, strict=True):
        size = {p: round(abs(sum(s * x for s, x in zip(p[:look], d[:look], strict=True))), 9) for p in patterns}
        for value in sorted({size[p] for p in patterns if p not in crossed}, reverse=True):
            group = {p for p in patterns if size[p] == value}
            if len(crossed | group) > level * share * len(patterns) + 1e-6:
                break
            crossed = crossed | group
        by_look.append(set(crossed))
    return by_look


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("level", [0.05, 0.2, 0.4])
def test_who_crosses_is_what_enumeration_by_hand_says(seed, level):
    d = np.random.default_rng(seed).normal(0.8, 1, 8)
    looks, rule = (4, 5, 6, 7, 8), Rule(4, 8)
    shares = [rule.share(n) for n in looks]
    by_hand = brute_force(d, looks, shares, level)
    for pattern in list(product((1, -1), repeat=8))[::7]:
        ours = sign_flip_rungs((d * pattern)[None], looks, shares, (level,))[0] == 0
        assert ours.tolist() == [pattern in crossed for crossed in by_hand]


def test_tied_differences_cross_together_or_not_at_all():
    d, looks, rule = np.array([1.0, 1, 1, 1, 1, 1, 0.1, 0.2]), (6, 7, 8), Rule(6, 8)
    shares = [rule.share(n) for n in looks]
    by_hand = brute_force(d, looks, shares, 0.1)
    for pattern in list(product((1, -1), repeat=8))[::3]:
        ours = sign_flip_rungs((d * pattern)[None], looks, shares, (0.1,))[0] == 0
        assert ours.tolist() == [pattern in crossed for crossed in by_hand]


@pytest.mark.parametrize("seed", range(3))
def test_the_level_is_kept_exactly_over_all_patterns_of_signs(seed):
    rng = np.random.default_rng(seed)
    d = np.abs(rng.standard_t(2, size=9))
    all_SN = d * np.array(list(product((1, -1), repeat=9)))
    found = rungs(all_SN, (5, 6, 8, 9), 9)
    for rung, level in enumerate(LEVELS):
        for look, n in enumerate((5, 6, 8, 9)):
            assert (found[:, look] <= rung).mean() <= level * Rule(5, 9).share(n) + 1e-12


def test_the_sequential_p_never_rises_and_is_never_below_its_floor():
    d_SN = np.random.default_rng(3).normal(0.4, 1, (50, 14))
    looks = tuple(range(6, 15))
    found = rungs(d_SN, looks, 14)
    assert (np.diff(found, axis=1) <= 0).all()
    p_SK = np.array([*LEVELS, 1.0])[found]
    floors = np.minimum.accumulate([floor(n, Rule(6, 14).share(n)) for n in looks])
    assert (p_SK >= floors - 1e-12).all()
    assert len(np.unique(p_SK)) > 8


def test_a_single_look_is_the_plain_test():
    d_SN = np.random.default_rng(4).normal(0.6, 1, (80, 9))
    levels = (0.01, 0.05, 0.1)
    found = sign_flip_rungs(d_SN, [9], [1.0], levels)[:, 0]
    assert found.tolist() == [sum(sign_flip_p(d) > level for level in levels) for d in d_SN]


def test_what_comes_later_changes_no_earlier_look():
    d_SN = np.random.default_rng(5).normal(0.7, 1, (20, 20))
    looks = tuple(range(6, 21))
    whole = rungs(d_SN, looks, 20, enumerated=10)
    for k in (1, 5, 10):
        assert (rungs(d_SN[:, : looks[k]], looks[: k + 1], 20, enumerated=10) == whole[:, : k + 1]).all()


def test_signs_and_scale_do_not_matter():
    d_SN = np.random.default_rng(6).normal(0.7, 1, (20, 12))
    looks = tuple(range(6, 13))
    assert (rungs(d_SN, looks, 12) == rungs(-1e6 * d_SN, looks, 12)).all()


@pytest.mark.parametrize("enumerated", [6, 10])
def test_a_subgroup_of_patterns_keeps_the_level(enumerated):
    d_SN = np.random.default_rng(7).normal(size=(4000, 16))
    found = rungs(d_SN, tuple(range(6, 17)), 16, (0.05,), enumerated=enumerated)
    share = (found[:, -1] == 0).mean()
    assert share <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 4000)
    assert share > 0.03


@pytest.mark.parametrize("seed", range(3))
def test_a_subgroup_keeps_the_level_exactly_over_all_patterns_of_signs(seed):
    d = np.abs(np.random.default_rng(seed).standard_t(2, size=11))
    all_SN = d * np.array(list(product((1, -1), repeat=11)))
    found = rungs(all_SN, (5, 7, 9, 11), 11, enumerated=7)
    for rung, level in enumerate(LEVELS):
        for look, n in enumerate((5, 7, 9, 11)):
            assert (found[:, look] <= rung).mean() <= level * Rule(5, 11).share(n) + 1e-12


@pytest.mark.parametrize("overlap", [0.0, 1 / 3])
def test_the_t_test_over_all_looks_is_right_in_alpha_of_studies(overlap):
    rng, rho, looks = np.random.default_rng(8), overlap / (1 + overlap), RULE.looks
    d_SN = math.sqrt(rho) * rng.normal(size=(8000, 1)) + math.sqrt(1 - rho) * rng.normal(size=(8000, 30))
    shares = [RULE.share(n) for n in looks]
    found = t_rungs(d_SN, looks, overlap, critical_t(looks, shares, overlap, (0.01, 0.05)))[:, -1]
    for rung, level in enumerate((0.01, 0.05)):
        assert (found <= rung).mean() == pytest.approx(level, abs=4 * math.sqrt(level / 8000))


@pytest.mark.parametrize("overlap", [0.0, 1 / 3])
def test_a_repeated_interval_holds_the_truth_at_all_looks_together(overlap):
    rng, rho, looks = np.random.default_rng(9), overlap / (1 + overlap), Rule(6, 16, 5)
    missed = missed_narrow = 0
    for _ in range(150):
        d = 3 + math.sqrt(rho) * rng.normal() + math.sqrt(1 - rho) * rng.normal(size=16)
        at_looks = [compare_sequentially(d, np.zeros(16), looks, upto=n, overlap=overlap) for n in looks.looks]
        missed += any(not c.difference.low <= 3 <= c.difference.high for c in at_looks)
        missed_narrow += any(c.narrow.low > 3 for c in at_looks)
    assert missed / 150 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)
    assert missed_narrow / 150 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)
    assert missed > 0


def test_intervals_and_t_agree_on_0():
    rng = np.random.default_rng(10)
    for _ in range(60):
        d = rng.normal(0.9, 1, 10)
        found = compare_sequentially(d, np.zeros(10), Rule(6, 30, 4), upto=10, overlap=0.25)
        now = compare_sequentially(d, np.zeros(10), Rule(10, 30, 4), upto=10, overlap=0.25)
        if not found.difference.low <= 0 <= found.difference.high:
            assert found.p_t <= 0.05
        assert (now.p_t <= 0.05) == (not now.difference.low <= 0 <= now.difference.high)


def test_at_a_look_all_but_p_and_intervals_is_as_without_looks():
    d = np.random.default_rng(11).normal(1, 1, 30)
    ours, plain = compare_sequentially(d, np.zeros(30), RULE, upto=11), compare(d[:11], np.zeros(11))
    assert (ours.n, ours.won, ours.effect_size) == (11, plain.won, plain.effect_size)
    assert ours.difference.mean == plain.difference.mean
    assert ours.p >= plain.p
    assert ours.difference.low < plain.difference.low < plain.difference.high < ours.difference.high
    assert ours.narrow.low < plain.narrow.low


def test_the_last_look_alone_is_the_fixed_study():
    d = np.random.default_rng(12).normal(0.5, 1, 12)
    ours, plain = compare_sequentially(d, np.zeros(12), Rule(12, 12), upto=12), compare(d, np.zeros(12))
    assert ours.difference.low == pytest.approx(plain.difference.low, abs=0.01)
    assert ours.narrow.high == pytest.approx(plain.narrow.high, abs=0.01)
    assert plain.p <= ours.p


def test_a_missing_pair_is_no_information_and_the_look_takes_place():
    d = np.random.default_rng(13).normal(1.5, 0.5, 14)
    gaps = d.copy()
    gaps[[2, 7]] = math.nan
    ours = compare_sequentially(gaps, np.zeros(14), Rule(6, 14), upto=10)
    assert ours.n == 8
    assert ours.p == compare_sequentially(gaps[:10], np.zeros(10), Rule(6, 14), upto=10).p
    assert ours.p >= floor(8, Rule(6, 14).share(10))
    nothing = compare_sequentially(np.full(14, math.nan), np.zeros(14), Rule(6, 14), upto=10)
    assert (nothing.n, nothing.p, nothing.p_t, nothing.floor) == (0, 1.0, 1.0, 1.0)
    one = compare_sequentially([1.0] + [math.nan] * 13, np.zeros(14), Rule(6, 14), upto=10)
    assert (one.n, one.p, one.p_t) == (1, 1.0, 1.0)


def test_before_the_first_look_nothing_is_claimed():
    assert sequential.compare_sequentially(np.full(30, 2.0), np.zeros(30), RULE, upto=5) == ()
    found = before_looks(np.full(5, 2.0), np.zeros(5))
    assert (found.n, found.difference.mean, found.p, found.p_t, found.floor) == (5, 2.0, 1.0, 1.0, 1.0)
    assert math.isnan(found.difference.low)
    assert decide([found], margin=5.0)[0].verdict == "too few repeats"


def test_what_was_said_at_a_look_is_what_it_says_later():
    d = np.random.default_rng(14).normal(0.8, 1, 12)
    d[7] = math.nan
    whole = sequential.compare_sequentially(d, np.zeros(12), Rule(4, 12, 2), upto=12, overlap=0.2)
    assert len(whole) == 5
    for k, n in enumerate((4, 6, 8, 10, 12)):
        now = sequential.compare_sequentially(d[:n], np.zeros(n), Rule(4, 12, 2), upto=n, overlap=0.2)
        assert [c.p for c in now] == [c.p for c in whole[: k + 1]]
        assert (now[-1].n, now[-1].difference.mean) == (whole[k].n, whole[k].difference.mean)


def test_equal_differences_are_handled_as_in_a_fixed_study():
    same = compare_sequentially(np.full(30, 0.25), np.zeros(30), RULE, upto=20)
    assert same.p < 0.001
    assert same.p_t <= 0.001
    assert same.difference.low == same.difference.high == 0.25
    none = compare_sequentially(np.zeros(30), np.zeros(30), RULE, upto=20)
    assert (none.p, none.p_t) == (1.0, 1.0)


def test_the_ladder_holds_the_levels_that_holm_asks_for():
    for m in (1, 3, 7, 32):
        levels = ladder(0.05, m)
        for i in range(1, m + 1):
            smallest = min(level for level in levels if level >= 0.05 / i * (1 - 1e-9))
            assert smallest == pytest.approx(0.05 / i)
            assert i * smallest <= 0.05
        assert holm([min(level for level in levels if m * level >= 0.049)] * m)[0] <= 0.05
    assert len(ladder(0.05, 500)) < 60
    assert min(ladder(0.05, 500)) <= 0.0001


def test_looks_shares_and_the_first_look_that_can_decide():
    assert Rule(6, 12, 4).looks == (6, 10, 12)
    assert Rule(6, 14, 4).looks == (6, 10, 14)
    assert [RULE.share(n) for n in (30, 15)] == [1.0, pytest.approx(0.3536, abs=1e-4)]
    assert RULE.deciding(0.05, 1) == 9
    assert RULE.deciding(0.05, 6) == 11
    assert Rule(2, 5).deciding(0.05, 1) is None
    d = np.full(30, 1.0) + np.random.default_rng(0).normal(0, 0.01, 30)
    p = [compare_sequentially(d, np.zeros(30), RULE, upto=n).p for n in RULE.looks]
    assert next(n for n, value in zip(RULE.looks, p, strict=True) if value <= 0.05) == 9
