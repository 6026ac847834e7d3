"""Many questions at once: against brute force, against one question alone, and the chance of any false claim."""

from itertools import product

import numpy as np
import pytest

from reports.statistics.comparisons import sign_flip_p
from reports.statistics.joint import ENUMERATED, joint_floor, joint_sign_flips


def by_hand(x_SR):
    """Every pattern of signs, every step of the step-down, one by one."""
    size_S = np.sqrt((x_SR**2).sum(1))
    z_SR = x_SR / size_S[:, None]
    observed_S = np.abs(z_SR.sum(1))
    order = np.argsort(-observed_S)
    signs = list(product((1, -1), repeat=x_SR.shape[1]))
    p_S, before = np.empty(len(x_SR)), 0.0
    for rank, s in enumerate(order):
        left = order[rank:]
        beyond = [max(abs(z_SR[q] @ np.array(sign)) for q in left) >= observed_S[s] - 1e-9 for sign in signs]
        before = p_S[s] = max(before, float(np.mean(beyond)))
    return p_S


@pytest.mark.parametrize(("questions", "repeats"), [(1, 5), (3, 6), (7, 8)])
def test_it_is_what_all_patterns_of_signs_give(questions, repeats):
    rng = np.random.default_rng(questions)
    x_SR = rng.normal(0.4, 1.0, (questions, repeats))
    assert joint_sign_flips(x_SR) == pytest.approx(by_hand(x_SR))


def test_a_single_question_has_its_sign_flip_p():
    x_R = np.random.default_rng(3).normal(0.5, 1.0, 9)
    assert joint_sign_flips([x_R]) == pytest.approx([sign_flip_p(x_R)])


def test_a_hundred_clear_answers_are_found_with_ten_repeats():
    rng = np.random.default_rng(0)
    clear_SR = 1.0 + 0.05 * rng.normal(size=(5, 10))
    noise_SR = rng.normal(size=(95, 10))
    p = joint_sign_flips(np.concatenate([clear_SR, noise_SR]))
    assert max(p[:5]) == 2 / 2**10 == joint_floor(10)
    assert min(p[5:]) > 0.05


def test_no_scale_and_no_order_matters():
    x_SR = np.random.default_rng(1).normal(0.5, 1.0, (4, 7))
    p = joint_sign_flips(x_SR)
    assert joint_sign_flips(x_SR[::-1] * np.array([[1e-200], [1e6], [3.0], [0.1]])) == pytest.approx(p[::-1])


def test_what_is_empty_missing_or_zero():
    assert joint_sign_flips([]) == []
    assert joint_sign_flips(np.zeros((2, 5))) == [1.0, 1.0]
    assert joint_sign_flips(np.full((2, 5), np.nan)) == [1.0, 1.0]
    x_R = np.random.default_rng(2).normal(1.0, 0.5, 8)
    some = np.concatenate([x_R, [np.nan] * 3])
    # Repeats that no question has an answer in are no repeats.
    assert joint_sign_flips([some, np.zeros(11)]) == pytest.approx([sign_flip_p(x_R), 1.0])
    assert (joint_floor(0), joint_floor(1), joint_floor(7)) == (1.0, 1.0, 2 / 2**7)


def test_beyond_the_enumerated_patterns_are_drawn_and_the_same_each_time():
    n = ENUMERATED + 6
    x_SR = np.random.default_rng(4).normal(0.25, 1.0, (6, n))
    p = joint_sign_flips(x_SR)
    assert p == joint_sign_flips(x_SR)
    assert joint_sign_flips(np.ones((3, n))) == [joint_floor(n)] * 3
    (alone,) = joint_sign_flips(x_SR[:1])
    assert alone == pytest.approx(sign_flip_p(x_SR[0]), abs=0.02)


def test_the_chance_of_any_false_claim_is_alpha_however_answers_go_together():
    """Twelve questions, of which two have an effect; the rest share half of their variance."""
    rng, studies, false, found = np.random.default_rng(5), 800, 0, 0
    for _ in range(studies):
        common_1R = rng.normal(size=(1, 8))
        x_SR = 0.7 * common_1R + 0.7 * rng.normal(size=(12, 8))
        x_SR[:2] += 3.0
        p = np.array(joint_sign_flips(x_SR))
        false += bool((p[2:] <= 0.05).any())
        found += bool((p[:2] <= 0.05).all())
    assert false / studies <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / studies)
    assert found / studies > 0.9
