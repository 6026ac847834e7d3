"""One output layer per track. B batch, T steps, D width, K tracks, O outputs per track."""

from __future__ import annotations

import torch
from torch import Tensor

from mmcore.model.heads.base import Head
from mmcore.model.linear import Linear
from mmcore.trace import Trace


class PerTrackHead(Head):
    """W_k(W₁ h_t + b₁) + b_k: an output layer of its own for each track.

    Shape: h_BTD → outputs_BTKO.
    """

    def __init__(self, width: int, tracks: int, outputs: int) -> None:
        super().__init__()
        self.tracks = tracks
        self.hidden = Linear(width, width)
        self.output = Linear(width, tracks * outputs)

    def forward(
        self,
        h_BTD: Tensor,
        valid_BT: Tensor,
        rng: torch.Generator | None = None,
        trace: Trace | None = None,
        name: str = "head",
    ) -> Tensor:
        return self.output(self.hidden(h_BTD)).unflatten(-1, (self.tracks, -1))
