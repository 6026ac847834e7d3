"""Where a step stands in its window, and in its item. B batch, T steps, D width."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mmcore.config import ModelConfig
from mmcore.errors import ShapeError
from mmcore.model.linear import Linear


def sinusoids(T: int, D: int) -> Tensor:
    """Sinusoidal positions: PE(t, 2i) = sin(t / 10000^(2i/D)), PE(t, 2i+1) = cos of the same angle.

    Shape: positions_TD.

    Args:
        T: steps.
        D: width, even.

    Source: Vaswani et al. 2017, "Attention Is All You Need", §3.5.

    Example:
        >>> sinusoids(1, 4)
        tensor([[0., 1., 0., 1.]])
    """
    rates = torch.exp(torch.arange(0, D, 2, dtype=torch.float64) * (-math.log(10000.0) / D))
    angles = torch.arange(T, dtype=torch.float64)[:, None] * rates
    return torch.stack((angles.sin(), angles.cos()), dim=-1).reshape(T, D).to(torch.float32)


class SinusoidalPositions(nn.Module):
    """Adds the sinusoids to x_BTD; they are computed once for the longest window seen.

    They are not part of the state: a checkpoint fits windows of any length.
    """

    positions_TD: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("positions_TD", torch.empty(0, width), persistent=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        # NOTE[DIFF] Vaswani §3.4 multiplies the embedding by √D first; the seed experiment does not.
        T, D = x_BTD.shape[1:]
        if len(self.positions_TD) < T:
            self.positions_TD = sinusoids(T, D).to(x_BTD)
        return x_BTD + self.positions_TD[:T]


class LearnedPositions(nn.Module):
    """Adds a learned vector per position of the window to x_BTD.

    Args:
        width: D.
        window: positions there are; a longer batch is refused.

    Source: Gehring et al. 2017, "Convolutional Sequence to Sequence Learning", §3.1.
    """

    def __init__(self, width: int, window: int) -> None:
        super().__init__()
        self.table_TD = nn.Parameter(torch.empty(window, width))

    def fill(self, name: str, parameter: Tensor, rng: torch.Generator) -> None:
        """Small, as in BERT (Devlin et al. 2019)."""
        parameter.normal_(0.0, 0.02, generator=rng)

    def forward(self, x_BTD: Tensor) -> Tensor:
        T = x_BTD.shape[1]
        if len(self.table_TD) < T:
            raise ShapeError(
                "learned positions must cover the window",
                expected=f"at most {len(self.table_TD)} steps",
                found=str(T),
                next_step="Use sinusoidal or rotary positions for windows of any length",
            )
        return x_BTD + self.table_TD[:T]


class NoPositions(nn.Module):
    """Adds nothing: positions are known by attention (rotary)."""

    def forward(self, x_BTD: Tensor) -> Tensor:
        return x_BTD


def build_positions(config: ModelConfig, window: int | None) -> nn.Module:
    """The positions that a config asks for.

    Args:
        config: its ``positions`` and ``width``.
        window: steps at most, needed for learned ones.
    """
    match config.positions:
        case "sinusoidal":
            return SinusoidalPositions(config.width)
        case "learned":
            assert window is not None, "learned positions need to know the window"
            return LearnedPositions(config.width, window)
        case "rotary":
            return NoPositions()


WAVELENGTHS = (10.0, 40.0, 160.0, 640.0, 2560.0)
"""Steps; four times as long each, from a second of footage at ten steps a second to several minutes."""


class TimeFeatures(nn.Module):
    """Adds what a step knows of its place in the item: sine and cosine of the steps since the item began, on several
    scales, and their logarithm.

    Steps until the item's end are left out: they are not known while it goes on.

    Shape: x_BTD, start_B (first step of the window in its item) → (B, T, D).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = Linear(2 * len(WAVELENGTHS) + 1, width)

    def forward(self, x_BTD: Tensor, start_B: Tensor) -> Tensor:
        steps_BT = start_B[:, None] + torch.arange(x_BTD.shape[1], device=x_BTD.device)
        steps_BT1 = steps_BT.to(x_BTD.dtype).unsqueeze(-1)
        angles_BTW = steps_BT1 * (2 * math.pi / torch.tensor(WAVELENGTHS, device=x_BTD.device))
        features_BTF = torch.cat((angles_BTW.sin(), angles_BTW.cos(), torch.log1p(steps_BT1) / 5.0), dim=-1)
        return x_BTD + self.linear(features_BTF)
