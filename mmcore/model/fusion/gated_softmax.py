"""Gated fusion in which modalities compete. B batch, T steps, M modalities, D width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcore.model.embedding import key_of
from mmcore.model.fusion.base import Fusion
from mmcore.model.streams import Streams
from mmcore.trace import Trace


class GatedSoftmaxFusion(Fusion):
    """Σ_m g_m ⊙ e_m with g = softmax_m(W_m e_m + b_m): for each feature, the modalities that can be read compete.

    A modality that is not usable takes no share, so the others' sum to 1 without it, and one alone passes unchanged. A
    step without any is zero.

    Shape: M × e_BTD → fused_BTD. Trace: ``gates/<modality>`` (B, T, D), NaN where the modality is not usable.

    Args:
        modalities: names, in the order of M.
        width: D.

    Source: Arevalo et al. 2017, "Gated Multimodal Units", §3.1, where z and 1 − z weigh two modalities. With two, the
    gate here is their z = σ(W_z [e_1; e_2]) with W_z = [W_1, −W_2]. NOTE[DIFF] any number of modalities; a bias; and
    embeddings are mixed as they are, not through a tanh layer, so that ``gated`` differs in the competition alone.
    """

    def __init__(self, modalities: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.gates = nn.ModuleDict({key_of(name): nn.Linear(width, width) for name in modalities})

    def forward(self, streams: Streams, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        usable_BTM = streams.usable_BTM
        # A softmax over −∞ alone is NaN: with nothing to read all take part, and what they add is zero.
        out_BTM1 = (usable_BTM.any(-1, keepdim=True) & ~usable_BTM).unsqueeze(-1)
        e_BTMD = torch.stack(streams.embedded, dim=2)
        logits_BTMD = torch.stack(
            [gate(e_BTD) for gate, e_BTD in zip(self.gates.values(), streams.embedded, strict=True)], dim=2
        )
        gates_BTMD = logits_BTMD.masked_fill(out_BTM1, -torch.inf).softmax(dim=2)
        if trace is not None:
            shown_BTMD = gates_BTMD.masked_fill(~usable_BTM.unsqueeze(-1), torch.nan)
            for name, gate_BTD in zip(streams.modalities, shown_BTMD.unbind(2), strict=True):
                trace.keep(f"gates/{name}", gate_BTD)
        return (gates_BTMD * e_BTMD).sum(dim=2)
