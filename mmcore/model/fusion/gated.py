"""Gated fusion. B batch, T steps, M modalities, D width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcore.model.embedding import key_of
from mmcore.model.fusion.base import Fusion
from mmcore.model.streams import Streams
from mmcore.trace import Trace


class GatedFusion(Fusion):
    """Σ_m σ(W_m e_m + b_m) ⊙ e_m: every modality opens a gate of its own for each of its features.

    Shape: M × e_BTD → fused_BTD. Trace: ``gates/<modality>`` (B, T, D), NaN where the modality is not usable, since
    nothing passes there and a number would enter someone's mean.

    NOTE[DIFF] Arevalo et al. 2017, "Gated Multimodal Units", §3.1 compute each gate from all modalities and squash the
    embeddings; here, as in the seed experiment, a gate sees its own modality alone.
    """

    def __init__(self, modalities: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.gates = nn.ModuleDict({key_of(name): nn.Linear(width, width) for name in modalities})

    def forward(self, streams: Streams, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        fused_BTD: Tensor | None = None
        for m, (gate, e_BTD) in enumerate(zip(self.gates.values(), streams.embedded, strict=True)):
            gate_BTD = gate(e_BTD).sigmoid_()
            if trace is not None:
                shown_BTD = gate_BTD.masked_fill(~streams.usable(m).unsqueeze(-1), torch.nan)
                trace.keep(f"gates/{streams.modalities[m]}", shown_BTD)
            fused_BTD = gate_BTD * e_BTD if fused_BTD is None else torch.addcmul(fused_BTD, gate_BTD, e_BTD)
        assert fused_BTD is not None
        return fused_BTD
