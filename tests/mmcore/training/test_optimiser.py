import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mmcore.config import Adam, AdamW, Constant, Cosine
from mmcore.training.optimiser import build_optimiser, clip_gradients, gradient_norm, learning_rate_at, take_step


@given(
    epochs=st.integers(1, 12),
    per_epoch=st.integers(1, 40),
    warmup=st.floats(0, 15),
    peak=st.floats(1e-5, 1e-1),
    floor=st.sampled_from([0.0, 1e-6, 1e-5]),
)
def test_cosine_rises_to_the_peak_then_falls_to_exactly_its_floor(epochs, per_epoch, warmup, peak, floor):
    total = epochs * per_epoch
    schedule = Cosine(warmup_epochs=warmup, floor=floor)
    rates = [learning_rate_at(s, total, per_epoch, schedule, peak) for s in range(1, total + 1)]
    top = min(round(warmup * per_epoch), total - 1)
    assert rates[-1] == floor
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in rates[:-1])
    assert all(a < b for a, b in pairwise(rates[:top]))
    assert all(a >= b for a, b in pairwise(rates[max(top - 1, 0) :]))
    if top:
        assert rates[top - 1] == peak


def test_cosine_is_half_way_down_in_the_middle():
    rate = learning_rate_at(60, 100, 10, Cosine(warmup_epochs=2, floor=1e-6), 1e-4)
    assert rate == pytest.approx((1e-4 + 1e-6) / 2)


def epoch_ends(begins: str) -> list[float]:
    """The learning rate at the end of each of the seed experiment's ten epochs of 53 steps."""
    schedule = Cosine(warmup_epochs=2, floor=1e-6, begins=begins)
    return [learning_rate_at(53 * epoch, 530, 53, schedule, 1e-4) for epoch in range(1, 11)]


def test_the_learning_rate_does_not_climb_again_unless_the_cosine_begins_too_early():
    ends = epoch_ends("after_warmup")
    assert ends[1:] == sorted(ends[1:], reverse=True)
    assert ends[-1] == 1e-6
    # What the seed experiment's log says of its last three epochs, to the digits that it gives.
    assert [float(f"{rate:.3g}") for rate in epoch_ends("first_step")[-3:]] == pytest.approx(
        [1e-6, 4.77e-6, 1.55e-5], rel=1e-9
    )


@given(epochs=st.integers(1, 12), per_epoch=st.integers(1, 40), warmup=st.floats(0, 15))
def test_a_cosine_from_the_first_step_stays_between_nothing_and_the_peak(epochs, per_epoch, warmup):
    total, schedule = epochs * per_epoch, Cosine(warmup_epochs=warmup, begins="first_step")
    rates = [learning_rate_at(s, total, per_epoch, schedule, 1e-2) for s in range(1, total + 1)]
    assert all(0 < rate <= 1e-2 * (1 + 1e-12) for rate in rates)
    top = min(round(warmup * per_epoch), total - 1)
    # Without a warm-up there is nothing to begin before the end of.
    if not top:
        assert rates == [
            learning_rate_at(s, total, per_epoch, Cosine(warmup_epochs=0), 1e-2) for s in range(1, total + 1)
        ]
    # The floor is reached as many steps before the end as the warm-up is long, and left again.
    elif total - top > top:
        assert rates[total - top - 1] == 1e-6
        assert all(a < b for a, b in pairwise(rates[total - top - 1 :]))


def test_constant_stays():
    assert {learning_rate_at(s, 9, 3, Constant(), 0.1) for s in range(1, 10)} == {0.1}


def model_with_gradients(scale: float) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 2))
    for p in model.parameters():
        p.grad = torch.randn_like(p) * scale
    return model


def test_the_norm_is_that_of_all_gradients_and_clipping_brings_it_to_the_limit():
    model = model_with_gradients(10.0)
    parameters = list(model.parameters())
    flat = torch.cat([p.grad.flatten() for p in parameters])
    norm = float(gradient_norm(parameters))
    assert norm == pytest.approx(float(flat.norm()), rel=1e-6)
    assert clip_gradients(parameters, norm, 1.0)
    clipped = torch.cat([p.grad.flatten() for p in parameters])
    assert float(clipped.norm()) == pytest.approx(1.0, rel=1e-5)
    assert torch.allclose(clipped, flat / norm, rtol=1e-5)


@pytest.mark.parametrize("limit", [None, 1e6])
def test_small_gradients_are_left_as_they_are(limit):
    model = model_with_gradients(1.0)
    parameters = list(model.parameters())
    before = [p.grad.clone() for p in parameters]
    assert not clip_gradients(parameters, float(gradient_norm(parameters)), limit)
    assert all(torch.equal(a, p.grad) for a, p in zip(before, parameters, strict=True))


def test_one_broken_gradient_shows_in_the_norm():
    model = model_with_gradients(1.0)
    model[1].bias.grad[0] = math.nan
    assert math.isnan(float(gradient_norm(model.parameters())))


@pytest.mark.parametrize(
    ("config", "plain"),
    [
        (Adam(learning_rate=0.01, weight_decay=0.1), torch.optim.Adam),
        (AdamW(learning_rate=0.01, weight_decay=0.1), torch.optim.AdamW),
    ],
)
def test_steps_are_those_of_the_plain_optimiser(config, plain):
    ours, theirs = model_with_gradients(1.0), model_with_gradients(1.0)
    a = build_optimiser(config, ours.parameters())
    b = plain(theirs.parameters(), lr=0.01, weight_decay=0.1, foreach=False)
    for _ in range(5):
        a.step()
        b.step()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-6)


@pytest.mark.parametrize("config", [Adam(weight_decay=0.1), AdamW(weight_decay=0.1)], ids=["adam", "adamw"])
def test_a_lean_step_is_torchs_own_to_the_bit(config):
    def trained(step, reload_at=None):
        weights = [nn.Parameter(torch.arange(n, dtype=torch.float32) / 7) for n in (5, 33, 1)]
        optimiser = build_optimiser(config, weights)
        rng = torch.Generator().manual_seed(0)
        for turn in range(6):
            if turn == reload_at:
                saved, optimiser = optimiser.state_dict(), build_optimiser(config, weights)
                optimiser.load_state_dict(saved)
            optimiser.param_groups[0]["lr"] = 0.1 / (1 + turn)
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=rng)
            # As of a part that a batch does not reach, at the first step and later.
            weights[2].grad = None if turn in (0, 3) else weights[2].grad
            step(optimiser)
        return [*weights, *(value for weight in weights for value in optimiser.state[weight].values())]

    wanted = trained(lambda optimiser: optimiser.step())
    for found in (trained(take_step), trained(take_step, reload_at=4)):
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
        assert all(value.requires_grad == (at < 3) for at, value in enumerate(found))


def test_counts_of_steps_stay_each_parameters_own():
    """They are counted by one kernel, and torch's own step, or a part that a batch does not reach, counts on."""
    weights = [nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(2))]
    optimiser = build_optimiser(AdamW(), weights)

    def step(by, *reached):
        for at, weight in enumerate(weights):
            weight.grad = torch.ones_like(weight) if at in reached else None
        by(optimiser)
        return [float(optimiser.state[weight]["step"]) if optimiser.state[weight] else 0 for weight in weights]

    assert step(take_step, 0, 1) == [1, 1]
    assert step(take_step, 0) == [2, 1]
    assert step(lambda own: own.step(), 0, 1) == [3, 2]
    assert step(take_step, 0, 1) == [4, 3]
    assert step(take_step, 1) == [4, 4]
    assert step(take_step) == [4, 4]
