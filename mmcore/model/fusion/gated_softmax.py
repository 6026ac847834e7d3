"""Gated fusion in which modalities compete. B batch, T steps, M modalities, D width."""

from __future__ import annotations

import torch
from torch import Tensor

from mmcore.model.fusion.gates import ModalityGates, keep_gate
from mmcore.model.precision import full
from mmcore.model.streams import Streams
from mmcore.trace import Trace


class GatedSoftmaxFusion(ModalityGates):
    """Σ_m g_m ⊙ e_m with g = softmax_m(W_m e_m + b_m): for each feature, the modalities that can be read compete.

    A modality that is not usable takes no share, so the others' sum to 1 without it, and one alone passes unchanged. A
    step without any is zero.

    Shape: M × e_BTD → fused_BTD. Trace: see :func:`mmcore.model.fusion.gates.keep_gate`.

    Args:
        modalities: names, in the order of M.
        width: D.

    Source: Arevalo et al. 2017, "Gated Multimodal Units", §3.1, where z and 1 − z weigh two modalities. With two, the
    gate here is their z = σ(W_z [e_1; e_2]) with W_z = [W_1, −W_2]. NOTE[DIFF] any number of modalities; a bias; and
    embeddings are mixed as they are, not through a tanh layer, so that ``gated`` differs in the competition alone.
    """

    def forward(self, streams: Streams, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        usable_BTM = streams.usable_BTM
        # A softmax over −∞ alone is NaN: with nothing to read all take part, and what they add is zero.
        out_BTM1 = (usable_BTM.any(-1, keepdim=True) & ~usable_BTM).unsqueeze(-1)
        e_BTMD = torch.stack(streams.embedded, dim=2)
        logits_BTMD = torch.stack(
            [full(gate(e_BTD)) for gate, e_BTD in zip(self.gates.values(), streams.embedded, strict=True)], dim=2
        )
        gates_BTMD = logits_BTMD.masked_fill(out_BTM1, -torch.inf).softmax(dim=2)
        if self.held:
            shares_BTMD = zip(streams.modalities, gates_BTMD.unbind(2), strict=True)
            held_BTMD = torch.stack([self.settled(name, gate_BTD) for name, gate_BTD in shares_BTMD], dim=2)
            choice_BT11 = (usable_BTM.sum(-1) >= 2)[..., None, None]
            gates_BTMD = torch.where(choice_BT11, held_BTMD, gates_BTMD)
        if trace is not None:
            for m, (name, gate_BTD) in enumerate(zip(streams.modalities, gates_BTMD.unbind(2), strict=True)):
                keep_gate(trace, name, gate_BTD, streams.embedded[m], streams.usable(m))
        return (gates_BTMD * e_BTMD).sum(dim=2)
