"""A head of the user's. B batch, T steps, D width, K tracks, O outputs per track."""

from __future__ import annotations

import torch
from torch import Tensor

from mmcore.config import Custom, ModelConfig
from mmcore.model.heads.base import Head
from mmcore.model.own import OwnPart
from mmcore.trace import Trace

INPUTS = ("h", "valid", "rng", "trace")
"""What ``forward`` of a head may name: states (B, T, D), which steps there are (B, T)."""


class CustomHead(Head):
    """Calls a module of the user's with encoder states.

    Its constructor may name ``width``, ``tracks``, ``outputs``, ``causal`` and what stands in ``args``.

    Args:
        part: names the class. model: sizes. tracks, outputs: K, and O per track. causal: as for the encoder.
    """

    def __init__(self, part: Custom, model: ModelConfig, tracks: int, outputs: int, causal: bool) -> None:
        super().__init__()
        self.sizes = {"K": tracks, "O": outputs}
        offered = {"width": model.width, "tracks": tracks, "outputs": outputs, "causal": causal}
        self.own = OwnPart(part, offered, INPUTS)

    def forward(
        self,
        h_BTD: Tensor,
        valid_BT: Tensor,
        rng: torch.Generator | None = None,
        trace: Trace | None = None,
        name: str = "head",
    ) -> Tensor:
        B, T, _ = h_BTD.shape
        given = {"h": h_BTD, "valid": valid_BT, "rng": rng, "trace": trace}
        return self.own(rng, {"B": B, "T": T, **self.sizes}, given)
