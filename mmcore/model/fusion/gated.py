"""Gated fusion. B batch, T steps, M modalities, D width."""

from __future__ import annotations

import torch
from torch import Tensor

from mmcore.model.fusion.gates import ModalityGates, keep_gate
from mmcore.model.precision import full
from mmcore.model.streams import Streams
from mmcore.trace import Trace


class GatedFusion(ModalityGates):
    """Σ_m σ(W_m e_m + b_m) ⊙ e_m: every modality opens a gate of its own for each of its features.

    Shape: M × e_BTD → fused_BTD. Trace: see :func:`mmcore.model.fusion.gates.keep_gate`.

    NOTE[DIFF] Arevalo et al. 2017, "Gated Multimodal Units", §3.1 compute each gate from all modalities and squash the
    embeddings; here, as in the seed experiment, a gate sees its own modality alone.
    """

    def forward(self, streams: Streams, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        fused_BTD: Tensor | None = None
        for m, (gate, e_BTD) in enumerate(zip(self.gates.values(), streams.embedded, strict=True)):
            gate_BTD = self.settled(streams.modalities[m], full(gate(e_BTD)).sigmoid())
            if trace is not None:
                keep_gate(trace, streams.modalities[m], gate_BTD, e_BTD, streams.usable(m))
            fused_BTD = gate_BTD * e_BTD if fused_BTD is None else torch.addcmul(fused_BTD, gate_BTD, e_BTD)
        assert fused_BTD is not None
        return fused_BTD
