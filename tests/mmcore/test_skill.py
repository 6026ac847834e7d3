"""Skill: bounded, falling, smooth; and no component can outvote the others."""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mmcore.skill import relative_skill, skill, skill_per_loss, skills_of

LOSSES = st.floats(1e-9, 1e9)


def test_it_is_one_for_perfect_zero_for_naive_and_minus_one_for_infinitely_worse():
    assert [skill(loss, 2.0) for loss in (0.0, 1.0, 2.0, 4.0, 20.0, math.inf)] == [1.0, 0.5, 0.0, -0.5, -0.9, -1.0]


@pytest.mark.parametrize("measure", [skill, relative_skill])
@pytest.mark.parametrize(("loss", "naive"), [(0.0, 0.0), (1.0, 0.0), (math.nan, 1.0), (1.0, math.nan), (1.0, math.inf)])
def test_what_cannot_be_compared_is_nan(measure, loss, naive):
    assert math.isnan(measure(loss, naive))


@given(LOSSES, LOSSES)
def test_it_is_bounded_and_turns_its_sign_when_model_and_baseline_swap(loss, naive):
    assert -1.0 <= skill(loss, naive) <= 1.0
    assert skill(naive, loss) == -skill(loss, naive)


@given(LOSSES, LOSSES, LOSSES)
def test_it_falls_as_the_loss_grows(one, other, naive):
    low, high = sorted((one, other))
    assert skill(low, naive) >= skill(high, naive)
    # Away from what rounding swallows it falls strictly.
    assume(high > 1.001 * low and naive / 1e6 < high and low < 1e6 * naive)
    assert skill(low, naive) > skill(high, naive)


@given(st.floats(1e-6, 1e6))
def test_value_and_slope_meet_at_the_naive_loss(naive):
    step = 1e-5 * naive
    below, at, above = (skill(naive + k * step, naive) for k in (-1, 0, 1))
    assert at == 0.0
    for slope in ((at - below) / step, (above - at) / step):
        assert slope == pytest.approx(-1 / naive, rel=1e-4)


@given(LOSSES, LOSSES)
def test_up_to_the_naive_loss_it_is_the_plain_ratio_and_beyond_it_above(loss, naive):
    if loss <= naive:
        assert skill(loss, naive) == pytest.approx(relative_skill(loss, naive), abs=1e-15)
    else:
        assert skill(loss, naive) >= relative_skill(loss, naive)


def test_the_plain_ratio_has_no_lower_bound():
    assert relative_skill(20.0, 2.0) == -9.0
    assert relative_skill(math.inf, 2.0) == -math.inf


def test_many_at_once_are_as_one_by_one():
    loss_R, naive_R = np.array([0.5, 3.0, math.nan, 1.0, math.inf]), np.array([1.0, 1.0, 1.0, 0.0, 1.0])
    assert np.array_equal(
        skills_of(loss_R, naive_R), [skill(a, b) for a, b in zip(loss_R, naive_R, strict=True)], equal_nan=True
    )


@example(191632414.0, 0.001953125, 0.00390625)  # nearly all of the way lies beyond the naive loss
@given(LOSSES, LOSSES, LOSSES)
def test_a_difference_of_losses_weighs_what_it_costs_of_the_skill(one, other, naive):
    weight = float(skill_per_loss(one, other, naive))
    assert weight >= 0
    lost = skill(other, naive) - skill(one, naive)
    assert weight * (one - other) == pytest.approx(lost, rel=1e-6, abs=1e-12)


def test_two_equal_losses_weigh_as_the_slope_there():
    assert skill_per_loss([1.0, 2.0, 4.0], [1.0, 2.0, 4.0], 2.0).tolist() == [0.5, 0.5, 0.125]
    assert np.isnan(skill_per_loss([1.0, 1.0, math.inf], [1.0, math.nan, 1.0], [0.0, 1.0, 1.0])).all()


def test_one_component_cannot_outvote_the_others():
    """The issue's case: where `x` drifts slowly, persistence leaves next to nothing, and any model seems hopeless."""
    naive = {"active": 0.6, "asset": 1.0, "x": 0.001}
    good = {"active": 0.1, "asset": 0.3, "x": 0.011}
    poor = {"active": 0.55, "asset": 0.95, "x": 0.007}

    def mean(measure, losses):
        return np.mean([measure(losses[c], naive[c]) for c in naive])

    # By the plain ratio the arm that is far better on two of three components is the worse one.
    assert mean(relative_skill, good) < mean(relative_skill, poor) < 0
    assert mean(skill, good) > mean(skill, poor) + 0.3
