"""Fusion two at a time. B batch, T steps, M modalities, D width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcore.config.model import Order
from mmcore.model.embedding import key_of
from mmcore.model.fusion.base import Fusion
from mmcore.model.streams import Streams
from mmcore.trace import Trace


class BimodalUnit(nn.Module):
    """z ⊙ h_a + (1 − z) ⊙ h_b with h_i = tanh(W_i x_i) and z = σ(W_z [x_a; x_b]).

    Where only one of the two can be read, z is 1 or 0 and its h stands alone; where neither can, the result is zero.

    Shape: two x_BTD, zero where not usable, and two usable_BT → (B, T, D), z_BTD.

    Source: Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion", §3.1; no biases, as there. NOTE[DIFF]
    they have no absent inputs.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width, bias=False)
        self.second = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(2 * width, width, bias=False)

    def forward(self, a_BTD: Tensor, b_BTD: Tensor, a_usable_BT: Tensor, b_usable_BT: Tensor) -> tuple[Tensor, Tensor]:
        z_BTD = self.gate(torch.cat([a_BTD, b_BTD], dim=-1)).sigmoid()
        z_BTD = torch.where(b_usable_BT.unsqueeze(-1), z_BTD, 1.0)
        z_BTD = torch.where(a_usable_BT.unsqueeze(-1), z_BTD, 0.0)
        return torch.lerp(self.second(b_BTD).tanh(), self.first(a_BTD).tanh(), z_BTD), z_BTD


class HierarchicalFusion(Fusion):
    """Bimodal units along a tree: pairs first, their results next.

    A node can be read where either of its two can.

    Shape: M × e_BTD → fused_BTD. Trace: ``gates/<left>|<right>`` (B, T, D) for each pair, e.g. ``gates/audio|visual``
    and ``gates/(audio|visual)|track``: how much of the left one passes, NaN unless both can be read.

    Args:
        modalities: names, in the order of M.
        width: D.
        tree: nested pairs that name each modality once, as ``config.Hierarchical.tree`` gives them.

    Source: see :class:`BimodalUnit`. NOTE[DIFF] for more than two modalities they give each a gate of its own over all
    inputs (§3.1); a tree of their bimodal units keeps z and 1 − z, and the order becomes a question to ask.
    """

    def __init__(self, modalities: tuple[str, ...], width: int, tree: Order) -> None:
        super().__init__()
        self.modalities = modalities
        self.tree = tree
        self.units = nn.ModuleDict({key_of(_name(*pair)): BimodalUnit(width) for pair in _pairs(tree)})

    def forward(self, streams: Streams, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        return self._read(self.tree, streams, trace)[0]

    def _read(self, order: Order, streams: Streams, trace: Trace | None) -> tuple[Tensor, Tensor]:
        """What stands for a modality or a pair, and where it can be read."""
        if isinstance(order, str):
            m = self.modalities.index(order)
            return streams.embedded[m], streams.usable(m)
        left, right = order
        a_BTD, a_usable_BT = self._read(left, streams, trace)
        b_BTD, b_usable_BT = self._read(right, streams, trace)
        name = _name(left, right)
        h_BTD, z_BTD = self.units[key_of(name)](a_BTD, b_BTD, a_usable_BT, b_usable_BT)
        if trace is not None:
            both_BT1 = (a_usable_BT & b_usable_BT).unsqueeze(-1)
            trace.keep(f"gates/{name}", z_BTD.masked_fill(~both_BT1, torch.nan))
        return h_BTD, a_usable_BT | b_usable_BT


def _pairs(order: Order) -> list[tuple[Order, Order]]:
    """Every pair of a tree, inner ones first."""
    if isinstance(order, str):
        return []
    left, right = order
    return [*_pairs(left), *_pairs(right), (left, right)]


def _name(left: Order, right: Order) -> str:
    """A pair in words: no modality's name can hold a bar or a bracket, so two pairs never share one."""
    return "|".join(side if isinstance(side, str) else f"({_name(*side)})" for side in (left, right))
