import math

import pytest
import torch

from mmcore.model.positions import SinusoidalPositions, sinusoids


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
