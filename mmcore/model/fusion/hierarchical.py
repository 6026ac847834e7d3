"""Fusion two at a time. B batch, T steps, M modalities, D width."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcore.config.model import Order
from mmcore.model.embedding import key_of
from mmcore.model.fusion.gates import Gate, GateFusion, keep_gate
from mmcore.model.linear import Linear
from mmcore.model.precision import full
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
        self.first = Linear(width, width, bias=False)
        self.second = Linear(width, width, bias=False)
        self.gate = Linear(2 * width, width, bias=False)

    def forward(self, a_BTD: Tensor, b_BTD: Tensor, a_usable_BT: Tensor, b_usable_BT: Tensor) -> tuple[Tensor, Tensor]:
        z_BTD = full(self.gate(torch.cat([a_BTD, b_BTD], dim=-1))).sigmoid()
        z_BTD = torch.where(b_usable_BT.unsqueeze(-1), z_BTD, 1.0)
        z_BTD = torch.where(a_usable_BT.unsqueeze(-1), z_BTD, 0.0)
        h_a_BTD, h_b_BTD = self.sides(a_BTD, b_BTD)
        return torch.lerp(h_b_BTD, h_a_BTD, z_BTD), z_BTD

    def sides(self, a_BTD: Tensor, b_BTD: Tensor) -> tuple[Tensor, Tensor]:
        """h_a and h_b: what the gate weighs."""
        return full(self.first(a_BTD)).tanh(), full(self.second(b_BTD)).tanh()


class HierarchicalFusion(GateFusion):
    """Bimodal units along a tree: pairs first, their results next.

    A node can be read where either of its two can.

    Shape: M × e_BTD → fused_BTD. Trace: see :func:`mmcore.model.fusion.gates.keep_gate`, for both sides of each pair,
    e.g. ``gates/audio`` and ``gates/visual``, then ``gates/(audio|visual)`` and ``gates/track``: z and 1 − z, with the
    length of h; NaN unless both sides can be read, for one alone is not weighed. ``pairs/audio|visual`` and
    ``pairs/(audio|visual)|track`` (B, T) are the means of z.

    Args:
        modalities: names, in the order of M.
        width: D.
        tree: nested pairs that name each modality once, as ``config.Hierarchical.tree`` gives them.

    Source: see :class:`BimodalUnit`. NOTE[DIFF] for more than two modalities they give each a gate of its own over all
    inputs (§3.1); a tree of their bimodal units keeps z and 1 − z, and the order becomes a question to ask.
    """

    def __init__(self, modalities: tuple[str, ...], width: int, tree: Order) -> None:
        super().__init__(tuple((Gate(_side(a), _leaves(a)), Gate(_side(b), _leaves(b))) for a, b in _pairs(tree)))
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
        unit = self.units[key_of(_name(left, right))]
        assert isinstance(unit, BimodalUnit)
        h_BTD, z_BTD = unit(a_BTD, b_BTD, a_usable_BT, b_usable_BT)
        names = _side(left), _side(right)
        if trace is not None or not self.held.keys().isdisjoint(names):
            both_BT = a_usable_BT & b_usable_BT
            h_BTD = self._shown(h_BTD, unit.sides(a_BTD, b_BTD), z_BTD, names, both_BT, trace)
        return h_BTD, a_usable_BT | b_usable_BT

    def _shown(
        self,
        h_BTD: Tensor,
        sides_BTD: tuple[Tensor, Tensor],
        z_BTD: Tensor,
        names: tuple[str, str],
        both_BT: Tensor,
        trace: Trace | None,
    ) -> Tensor:
        """A pair's result with gates at what they are held at; without that h_BTD, bit by bit."""
        both_BT1 = both_BT.unsqueeze(-1)
        gates_BTD = [
            torch.where(both_BT1, self.settled(name, g_BTD), g_BTD)
            for name, g_BTD in zip(names, (z_BTD, 1.0 - z_BTD), strict=True)
        ]
        if trace is not None:
            for name, gate_BTD, side_BTD in zip(names, gates_BTD, sides_BTD, strict=True):
                keep_gate(trace, name, gate_BTD, side_BTD, both_BT)
            trace.keep(f"pairs/{'|'.join(names)}", gates_BTD[0].mean(-1).masked_fill(~both_BT, torch.nan))
        if self.held.keys().isdisjoint(names):
            return h_BTD
        return gates_BTD[0] * sides_BTD[0] + gates_BTD[1] * sides_BTD[1]


def _pairs(order: Order) -> list[tuple[Order, Order]]:
    """Every pair of a tree, inner ones first."""
    if isinstance(order, str):
        return []
    left, right = order
    return [*_pairs(left), *_pairs(right), (left, right)]


def _name(left: Order, right: Order) -> str:
    """A pair in words: no modality's name can hold a bar or a bracket, so two pairs never share one."""
    return f"{_side(left)}|{_side(right)}"


def _side(order: Order) -> str:
    """One side of a pair in words."""
    return order if isinstance(order, str) else f"({_name(*order)})"


def _leaves(order: Order) -> tuple[str, ...]:
    """The modalities below."""
    return (order,) if isinstance(order, str) else tuple(name for side in order for name in _leaves(side))
