"""The seed's head. B batch, T steps, D width, K tracks, O outputs per track."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcore.model.heads.base import Head
from mmcore.model.linear import Linear, linear
from mmcore.model.precision import full
from mmcore.trace import Trace


class SharedHead(Head):
    """W₂(W₁(h_t + E_k) + b₁) + b₂: one head for all tracks, which differ by a learned embedding E_k alone.

    Shape: h_BTD → outputs_BTKO.

    Everything here is affine, so it is computed once per step, and W₂ W₁ E_k is added per track. It also follows that
    all tracks get the same curve over time, shifted by a constant.
    """

    def __init__(self, width: int, tracks: int, outputs: int) -> None:
        super().__init__()
        self.track = nn.Embedding(tracks, width)
        self.hidden = Linear(width, width)
        self.output = Linear(width, outputs)

    def forward(
        self,
        h_BTD: Tensor,
        valid_BT: Tensor,
        rng: torch.Generator | None = None,
        trace: Trace | None = None,
        name: str = "head",
    ) -> Tensor:
        step_BTO = full(self.output(self.hidden(h_BTD)))
        track_KO = linear(linear(self.track.weight, self.hidden.weight), self.output.weight)
        return step_BTO.unsqueeze(-2) + full(track_KO)
