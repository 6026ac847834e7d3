import math

import pytest
import torch

from mmcore.config import ModelConfig
from mmcore.errors import ShapeError
from mmcore.model.positions import (
    LearnedPositions,
    NoPositions,
    SinusoidalPositions,
    TimeFeatures,
    build_positions,
    sinusoids,
)


@pytest.mark.parametrize(("t", "i"), [(0, 0), (1, 0), (5, 1), (99, 3), (999, 7)])
def test_sinusoids_follow_the_formula(t: int, i: int) -> None:
    D = 16
    positions_TD = sinusoids(1000, D)
    angle = t / 10000 ** (2 * i / D)
    assert positions_TD[t, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-6)
    assert positions_TD[t, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_a_longer_window_does_not_change_earlier_positions() -> None:
    positions = SinusoidalPositions(8)
    short = positions(torch.zeros(1, 3, 8))
    long = positions(torch.zeros(1, 50, 8))
    again = positions(torch.zeros(1, 3, 8))
    assert torch.equal(long[:, :3], short)
    assert torch.equal(again, short)


def test_positions_are_no_part_of_a_checkpoint() -> None:
    positions = SinusoidalPositions(8)
    positions(torch.zeros(1, 3, 8))
    assert positions.state_dict() == {}


def test_learned_positions_are_added_by_place_and_a_longer_window_is_refused() -> None:
    positions = LearnedPositions(4, window=5)
    with torch.no_grad():
        positions.table_TD.copy_(torch.arange(20.0).view(5, 4))
    x_BTD = torch.randn(2, 3, 4)
    torch.testing.assert_close(positions(x_BTD), x_BTD + torch.arange(12.0).view(3, 4))
    with pytest.raises(ShapeError, match=r"learned positions must cover the window.*at most 5 steps.*6") as refused:
        positions(torch.zeros(1, 6, 4))
    assert "sinusoidal or rotary" in str(refused.value)


def test_the_config_picks_the_positions() -> None:
    sizes = {"width": 8, "heads": 2}
    kinds = {"sinusoidal": SinusoidalPositions, "learned": LearnedPositions, "rotary": NoPositions}
    for name, kind in kinds.items():
        positions = build_positions(ModelConfig.model_validate(sizes | {"positions": name}), 6)
        assert isinstance(positions, kind)
    x_BTD = torch.randn(2, 3, 8)
    assert torch.equal(NoPositions()(x_BTD), x_BTD)


def test_time_features_are_those_of_the_step_in_its_item() -> None:
    torch.manual_seed(0)
    time = TimeFeatures(8)
    x_BTD = torch.zeros(2, 6, 8)
    # Two windows of one item that overlap, the second two steps later.
    first, second = time(x_BTD, torch.tensor([10, 12]))
    torch.testing.assert_close(first[2:], second[:4])
    assert not torch.allclose(first, second, atol=1e-3)
    # What comes later is not known: a longer window changes nothing.
    longer = time(torch.zeros(1, 9, 8), torch.tensor([10]))[0]
    torch.testing.assert_close(longer[:6], first)
    assert torch.equal(time(x_BTD + 1.0, torch.tensor([10, 12])), time(x_BTD, torch.tensor([10, 12])) + 1.0)


def test_time_features_follow_the_formula() -> None:
    torch.manual_seed(0)
    time = TimeFeatures(8)
    step = 133
    angles = [2 * math.pi * step / wavelength for wavelength in (10, 40, 160, 640, 2560)]
    features = [*map(math.sin, angles), *map(math.cos, angles), math.log1p(step) / 5]
    found = time(torch.zeros(1, 4, 8), torch.tensor([130]))[0, 3]
    torch.testing.assert_close(found, time.linear(torch.tensor(features)), atol=1e-5, rtol=1e-5)
