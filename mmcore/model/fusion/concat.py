"""Fusion by concatenation. B batch, T steps, M modalities, D width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcore.trace import Trace


class ConcatFusion(nn.Module):
    """Linear([e_1; …; e_M]): any linear mixture of all features of all modalities.

    Shape: M × e_BTD, usable_BTM → fused_BTD. It has neither gates nor weights to show in a trace.
    """

    def __init__(self, modalities: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.mix = nn.Linear(len(modalities) * width, width)

    def forward(self, embedded: list[Tensor], usable_BTM: Tensor, trace: Trace | None = None) -> Tensor:
        return self.mix(torch.cat(embedded, dim=-1))
