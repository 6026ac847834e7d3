"""Fusion by concatenation. B batch, T steps, M modalities, D width."""

from __future__ import annotations

import torch
from torch import Tensor

from mmcore.model.fusion.base import Fusion
from mmcore.model.linear import Linear
from mmcore.model.precision import full
from mmcore.model.streams import Streams
from mmcore.trace import Trace


class ConcatFusion(Fusion):
    """Linear([e_1; …; e_M]): any linear mixture of all features of all modalities.

    Shape: M × e_BTD → fused_BTD. It has neither gates nor weights to show in a trace.
    """

    def __init__(self, modalities: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.mix = Linear(len(modalities) * width, width)

    def forward(self, streams: Streams, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        return full(self.mix(torch.cat(streams.embedded, dim=-1)))
