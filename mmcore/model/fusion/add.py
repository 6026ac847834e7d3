"""Fusion by weighted addition. B batch, T steps, M modalities, D width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcore.model.fusion.base import Fusion
from mmcore.model.streams import Streams
from mmcore.trace import Trace


class AddFusion(Fusion):
    """Σ_m softmax(w)_m e_m: one learned weight per modality, the same at every step.

    Shape: M × e_BTD → fused_BTD. Trace: ``weights`` (M,), in the order of the model's modalities; they sum to 1 over
    all modalities, usable or not: what is absent adds zero, and the others do not grow in its place.
    """

    def __init__(self, modalities: tuple[str, ...]) -> None:
        super().__init__()
        self.weights_M = nn.Parameter(torch.empty(len(modalities)))

    def fill(self, name: str, parameter: Tensor, rng: torch.Generator) -> None:
        """Equal weights to begin with."""
        parameter.zero_()

    def forward(self, streams: Streams, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        weights_M = self.weights_M.softmax(0)
        if trace is not None:
            trace.keep("weights", weights_M)
        fused_BTD: Tensor | None = None
        for weight, e_BTD in zip(weights_M.unbind(), streams.embedded, strict=True):
            fused_BTD = weight * e_BTD if fused_BTD is None else torch.addcmul(fused_BTD, weight, e_BTD)
        assert fused_BTD is not None
        return fused_BTD
