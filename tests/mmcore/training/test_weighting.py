"""Each weighting on two tasks whose answer is known. P parameters, C components."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from mmcore.config import LossConfig, build_config
from mmcore.errors import ConfigError
from mmcore.task import check_packages
from mmcore.training.weighting import Components, Step, refuse_unusable, start_weights
from mmcore.training.weighting.dwa import DynamicAverage
from mmcore.training.weighting.fixed import Fixed
from mmcore.training.weighting.gradnorm import GradientNorms
from mmcore.training.weighting.pcgrad import ProjectedGradients
from mmcore.training.weighting.random import Random
from mmcore.training.weighting.uncertainty import NoiseLevels


def components(start=(1.0, 1.0), component_P=None):
    names = tuple("abcdef"[: len(start)])
    return Components(names, torch.tensor(component_P or range(len(start))), torch.tensor(start))


def step(loss_P, epoch=1, index=1, rate=0.01, count_P=None):
    return Step(loss_P, torch.ones(len(loss_P)) if count_P is None else count_P, epoch, index, rate)


# Start -------------------------------------------------------------------------------------------------------------
def test_starting_weights_keep_their_proportions_and_a_constant_sum(targets):
    names = targets.components
    assert start_weights(LossConfig(), targets) == [1.0] * 5
    assert start_weights(LossConfig(weights={"scale": 5.0}), targets) == pytest.approx(
        [5 / 9, 5 / 9, 25 / 9, 5 / 9, 5 / 9]
    )
    assert start_weights(LossConfig(weights={"position": 0.5, "asset": 0.0}), targets) == pytest.approx(
        [4 / 3.5, 0.0, 4 / 3.5, 2 / 3.5, 4 / 3.5]
    )
    for weight in (0.1, 0.3, 1e-3, 49.0):
        assert start_weights(LossConfig(weights=dict.fromkeys(names, weight)), targets) == [1.0] * 5


def test_unusable_weights_are_refused(targets):
    with pytest.raises(ConfigError, match="Did you mean 'position'"):
        refuse_unusable(LossConfig(weights={"positon": 1.0}), targets)
    with pytest.raises(ConfigError, match="at least one loss component"):
        refuse_unusable(LossConfig(weights=dict.fromkeys(targets.components, 0.0)), targets)


def test_a_missing_package_is_told_with_the_command_that_brings_it(monkeypatch):
    config = build_config({"corpus": ".", "loss": {"weighting": {"kind": "pcgrad"}}})
    check_packages(config)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs the package torchjd.*Run: pip install torchjd"):
        check_packages(config)
    check_packages(build_config({"corpus": "."}))


# Fixed -------------------------------------------------------------------------------------------------------------
def test_fixed_weights_of_one_are_the_plain_sum_to_the_bit():
    x = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    ours, plain = (x.clone().requires_grad_() for _ in range(2))
    Fixed(components()).backward(step(ours.exp().mean(1)))
    plain.exp().mean(1).sum().backward()
    assert torch.equal(ours.grad, plain.grad)


# Uncertainty -------------------------------------------------------------------------------------------------------
def learn_noise(weighting, draw, steps=4000, rate=0.02):
    rng = torch.Generator().manual_seed(0)
    for index in range(steps):
        loss_P, count_P = draw(rng)
        weighting.weights(
            step(loss_P, index=index, rate=rate * 0.5 * (1 + math.cos(math.pi * index / steps)), count_P=count_P)
        )
    return weighting


@pytest.mark.parametrize("start", [(1.0, 1.0), (0.2, 1.8)])
def test_log_variances_learn_the_noise_of_two_regressions(start):
    deviations = torch.tensor([0.5, 3.0])
    weighting = NoiseLevels(components(start), torch.tensor([True, True]))

    def draw(rng):
        return (torch.randn(64, 2, generator=rng) * deviations).square().mean(0), torch.ones(2)

    learn_noise(weighting, draw)
    assert weighting.log_variance_C.exp().tolist() == pytest.approx([0.25, 9.0], rel=0.05)
    weight_C = weighting.weights(step(torch.ones(2), rate=0.0))
    assert float(weight_C[0] / weight_C[1]) == pytest.approx(36.0, rel=0.08)


def test_log_variances_of_classes_and_mixtures_settle_where_the_slope_is_zero():
    """e^s = 2 k L / n: 2 L for a class, L's mean for two regressions, 3/4 L for one of each."""
    weighting = NoiseLevels(
        components((1.0, 1.0, 1.0), [0, 1, 1, 2, 2]), torch.tensor([False, True, True, False, True])
    )
    learn_noise(weighting, lambda rng: (torch.tensor([0.7, 1.0, 3.0, 0.5, 1.5]), torch.ones(5)))
    assert weighting.log_variance_C.exp().tolist() == pytest.approx([1.4, 2.0, 1.5], rel=0.02)


def test_a_log_variance_rests_where_nothing_counts():
    weighting = NoiseLevels(components(), torch.tensor([True, True]))
    weighting.weights(step(torch.tensor([5.0, 5.0])))
    before = weighting.log_variance_C.clone()
    for _ in range(5):
        weighting.weights(step(torch.tensor([5.0, 0.0]), count_P=torch.tensor([3.0, 0.0])))
    assert weighting.log_variance_C[1] == before[1]
    assert weighting.log_variance_C[0] > before[0]


def test_log_variances_are_not_trained_on_what_is_left_out():
    weighting = NoiseLevels(components((1.0, 0.0)), torch.tensor([True, True]))
    for _ in range(3):
        assert weighting.weights(step(torch.tensor([1.0, 1e6]))).tolist() == [1.0, 0.0]
    assert weighting.log_variance_C[1] == 0.0


# Dynamic weight average --------------------------------------------------------------------------------------------
def dwa_epochs(weighting, epochs):
    used = []
    for epoch, losses in enumerate(epochs, start=1):
        for index, loss in enumerate(losses, start=1):
            loss_P = torch.tensor(loss)
            used_C = weighting.weights(step(loss_P, epoch, index, count_P=(loss_P > 0).float()))
        used.append(used_C.tolist())
        weighting.used(used_C)
        weighting.end_epoch()
    return used


def test_dynamic_average_by_hand():
    used = dwa_epochs(
        DynamicAverage(components(), 2.0),
        [[[3.0, 5.0], [5.0, 3.0]], [[2.0, 4.0], [2.0, 2.0]], [[1.0, 3.0]], [[1.0, 1.0]]],
    )
    assert used[0] == used[1] == [1.0, 1.0]
    # Means 4, 4 → 2, 3: rates 1/2 and 3/4.
    a, b = math.exp(0.25), math.exp(0.375)
    assert used[2] == pytest.approx([2 * a / (a + b), 2 * b / (a + b)])
    # Means 2, 3 → 1, 3: rates 1/2 and 1.
    a, b = math.exp(0.25), math.exp(0.5)
    assert used[3] == pytest.approx([2 * a / (a + b), 2 * b / (a + b)])


def test_dynamic_average_takes_the_starting_weights_along():
    used = dwa_epochs(DynamicAverage(components((3.0, 1.0)), 1.0), [[[4.0, 4.0]], [[2.0, 4.0]], [[1.0, 1.0]]])
    a, b = 3 * math.exp(0.5), math.exp(1.0)
    assert used[2] == pytest.approx([2 * a / (a + b), 2 * b / (a + b)])


def test_dynamic_average_leaves_steps_without_targets_out_of_the_mean():
    whole = dwa_epochs(DynamicAverage(components(), 2.0), [[[4.0, 4.0]], [[2.0, 3.0]], [[1.0, 1.0]]])
    gaps = dwa_epochs(
        DynamicAverage(components(), 2.0), [[[4.0, 4.0], [4.0, 0.0]], [[2.0, 0.0], [2.0, 3.0]], [[1.0, 1.0]]]
    )
    assert gaps == whole


# GradNorm ----------------------------------------------------------------------------------------------------------
def train_gradnorm(alpha, scales, falls=(1.0, 1.0), steps=1500, rate=0.005):
    """Losses s · w with gradient norms s throughout; ``falls``: the loss of now over the first one."""
    shared = nn.Parameter(torch.ones(4))
    directions = torch.eye(4)[: len(scales)]
    weighting = GradientNorms(components((1.0,) * len(scales)), [shared], alpha, rate)
    scale_C = torch.tensor(scales)
    for index in range(steps):
        slope_C = scale_C * (directions @ shared)
        loss_C = slope_C - slope_C.detach() + scale_C * (torch.tensor(falls) if index else 1.0)
        used_C = weighting.weights(step(loss_C, index=index))
    return used_C * scale_C


def test_gradient_norms_of_two_scales_become_equal():
    norm_C = train_gradnorm(alpha=0.0, scales=(1.0, 10.0))
    assert norm_C.tolist() == pytest.approx([20 / 11, 20 / 11], rel=0.03)


def test_a_slower_component_gets_a_gradient_larger_by_its_pace_to_the_alpha():
    """With losses fallen to 0.2 and 0.6 of the first, r is 1/2 and 3/2. The targets move with the weights, so at rest
    both norms are on target only if these have mean 1: for alpha 1 they do."""
    norm_C = train_gradnorm(alpha=1.0, scales=(2.0, 2.0), falls=(0.2, 0.6))
    assert float(norm_C[1] / norm_C[0]) == pytest.approx(3.0, rel=0.05)


def test_the_first_step_of_gradnorm_follows_the_sign_of_the_papers_slope():
    shared = nn.Parameter(torch.tensor([1.0, 1.0]))
    weighting = GradientNorms(components(), [shared], 0.0, 0.1)
    weighting.weights(step(torch.stack([shared[0], 4 * shared[1]])))
    # Adam's first step is one learning rate against the slope: 1.1 and 0.9, whose sum is right already.
    assert weighting.weight_C.tolist() == pytest.approx([1.1, 0.9])


def test_gradnorm_weights_stay_above_zero():
    shared = nn.Parameter(torch.tensor([1.0, 1.0]))
    weighting = GradientNorms(components(), [shared], 0.0, 0.5)
    for index in range(50):
        weighting.weights(step(torch.stack([1e-6 * shared[0], 1e6 * shared[1]]), index=index))
    assert (weighting.weight_C > 0).all()


# Random ------------------------------------------------------------------------------------------------------------
def test_random_weights_are_one_on_average_and_a_softmax_of_normals():
    weighting = Random(components((1.0, 1.0, 1.0)), repeat=5)
    draws = torch.stack([weighting.weights(step(torch.ones(3), epoch, i)) for epoch in range(20) for i in range(200)])
    torch.testing.assert_close(draws.sum(1), torch.full((4000,), 3.0))
    error = draws.std(0) / math.sqrt(len(draws))
    assert ((draws.mean(0) - 1.0).abs() < 4 * error).all()
    # Differences of logarithms are differences of two standard normals.
    gaps = draws[:, 0].log() - draws[:, 1].log()
    assert float(gaps.mean()) == pytest.approx(0.0, abs=0.1)
    assert float(gaps.std()) == pytest.approx(math.sqrt(2), rel=0.05)


def test_random_weights_depend_on_repeat_epoch_and_step_alone():
    def draw(repeat, epoch, index, loss=1.0):
        return Random(components(), repeat).weights(step(torch.full((2,), loss), epoch, index)).tolist()

    assert draw(0, 1, 1) == draw(0, 1, 1, loss=9.0)
    assert len({tuple(draw(*key)) for key in [(0, 1, 1), (1, 1, 1), (0, 2, 1), (0, 1, 2)]}) == 4


# PCGrad ------------------------------------------------------------------------------------------------------------
def projected(gradients, order):
    """Algorithm 1 of Yu et al. 2020 for a given order of the others, on whole gradients."""
    total = np.zeros_like(gradients[0])
    for i, own in enumerate(gradients):
        own = own.copy()
        for j in order(i):
            inner = own @ gradients[j]
            if inner < 0:
                own -= inner / (gradients[j] @ gradients[j]) * gradients[j]
        total += own
    return total


def surgery(gradients, start=None, repeat=0, epoch=1, index=1):
    x = nn.Parameter(torch.zeros(gradients.shape[1], dtype=torch.float64))
    weighting = ProjectedGradients(components(start or (1.0,) * len(gradients)), [x], repeat)
    told = weighting.backward(step(torch.as_tensor(gradients) @ x, epoch, index))
    return x.grad.numpy(), told


def test_two_conflicting_gradients_by_hand():
    """(1, 0) and (−1, 1): each loses its part along the other, which leaves (1/2, 1/2) and (0, 1)."""
    found, told = surgery(np.array([[1.0, 0.0], [-1.0, 1.0]]))
    assert found.tolist() == pytest.approx([0.5, 1.5])
    # g1 + g2/2 and g2 + g1: the gradients count 2 and 3/2, told with sum 2.
    assert told.tolist() == pytest.approx([8 / 7, 6 / 7])


@pytest.mark.parametrize("seed", range(5))
def test_two_gradients_of_any_kind_follow_the_paper(seed):
    gradients = np.random.default_rng(seed).standard_normal((2, 6))
    found, _ = surgery(gradients)
    np.testing.assert_allclose(found, projected(gradients, lambda i: [1 - i]), rtol=1e-5, atol=1e-6)


def test_gradients_that_agree_are_added_to_the_bit():
    gradients = np.array([[1.0, 0.25, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 3.0]])
    found, told = surgery(gradients)
    assert found.tolist() == gradients.sum(0).tolist()
    assert told.tolist() == [1.0, 1.0, 1.0]


def test_starting_weights_scale_the_losses_before_projection():
    gradients = np.array([[1.0, 0.0], [-1.0, 1.0]])
    found, _ = surgery(gradients, start=(1.5, 0.5))
    np.testing.assert_allclose(found, projected(gradients * [[1.5], [0.5]], lambda i: [1 - i]), rtol=1e-5, atol=1e-6)


def test_the_order_of_projections_comes_from_the_seed():
    gradients = np.array([[1.0, 0.2, 0.0], [-1.0, 0.5, 0.3], [-0.2, -1.0, 0.1]])
    found = {tuple(surgery(gradients, index=index)[0].round(9)) for index in range(60)}
    orders = {
        tuple(projected(gradients, lambda i, flips=flips: [(i + 1 + flips[i]) % 3, (i + 2 - flips[i]) % 3]).round(9))
        for flips in np.ndindex(2, 2, 2)
    }
    assert len(orders) > 1
    for one in found:
        assert min(np.abs(np.subtract(one, other)).max() for other in orders) < 1e-6
    assert len(found) > 1
    assert surgery(gradients, index=7)[0].tolist() == surgery(gradients, index=7)[0].tolist()
