"""Where a step stands in its window. T steps, D width."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


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


class Positions(nn.Module):
    """Adds the sinusoids to x_BTD; they are computed once for the longest window seen.

    They are no part of the state: a checkpoint fits windows of any length.
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
