"""Residual blocks before one output layer per track. B batch, T steps, D width, K tracks, O outputs per track."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcore.model.dropout import add_dropped
from mmcore.model.heads.base import Head
from mmcore.model.linear import Linear
from mmcore.trace import Trace


class ResidualBlock(nn.Module):
    """h + W₂ GELU(W₁ LN(h)).

    Shape: h_BTD → (B, T, D). Source: Gorishniy et al. 2021, "Revisiting Deep Learning Models for Tabular Data", §3.2.
    NOTE[DIFF] layer norm instead of batch norm, since rows of a batch may not see each other.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm = nn.LayerNorm(width)
        self.widen = Linear(width, 2 * width)
        self.narrow = Linear(2 * width, width)

    def forward(self, h_BTD: Tensor, rng: torch.Generator | None) -> Tensor:
        return add_dropped(h_BTD, self.narrow(F.gelu(self.widen(self.norm(h_BTD)))), self.dropout, rng)


class ResidualHead(Head):
    """Residual blocks, then an output layer of its own for each track.

    Shape: h_BTD → outputs_BTKO.

    Args:
        width, tracks, outputs: D, K, O.
        blocks: at least 1.
        dropout: on each block's branch.
    """

    def __init__(self, width: int, tracks: int, outputs: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.tracks = tracks
        self.blocks = nn.ModuleList(ResidualBlock(width, dropout) for _ in range(blocks))
        self.output = Linear(width, tracks * outputs)

    def forward(
        self,
        h_BTD: Tensor,
        valid_BT: Tensor,
        rng: torch.Generator | None = None,
        trace: Trace | None = None,
        name: str = "head",
    ) -> Tensor:
        for block in self.blocks:
            h_BTD = block(h_BTD, rng)
        return self.output(h_BTD).unflatten(-1, (self.tracks, -1))
