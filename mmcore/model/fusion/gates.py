"""What fusions have in common in which each modality opens a gate by what it is. B batch, T steps, D width."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from mmcore.model.embedding import key_of
from mmcore.model.fusion.base import Fusion
from mmcore.trace import Trace

NOTHING_HELD: Mapping[str, Tensor] = MappingProxyType({})


class GateFusion(Fusion):
    """Gates that are shown when asked, and can be held.

    Args:
        modalities: names, in the order of M.
        width: D.

    Attributes:
        held: gates that stay at a value (D,) or (), whatever is read, by modality; set by
            :func:`mmcore.probes.clamping.clamped` alone.
    """

    def __init__(self, modalities: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.gates = nn.ModuleDict({key_of(name): nn.Linear(width, width) for name in modalities})
        self.held = NOTHING_HELD

    def settled(self, modality: str, gate_BTD: Tensor) -> Tensor:
        """The gate, or the value at which it is held."""
        value = self.held.get(modality)
        return gate_BTD if value is None else value.to(gate_BTD).expand_as(gate_BTD)


def keep_gate(trace: Trace, modality: str, gate_BTD: Tensor, e_BTD: Tensor, usable_BT: Tensor) -> None:
    """Tell of a gate and of what passes it; nothing that is fused is changed.

    Under ``gates/<modality>`` (B, T, D) the gate, under ``embedding_norm/<modality>`` and ``gated_norm/<modality>``
    (B, T) the length of the modality's vector before and after it. NaN where the modality is not usable, since nothing
    passes there and a number would enter someone's mean.
    """
    unusable_BT = ~usable_BT
    trace.keep(f"gates/{modality}", gate_BTD.masked_fill(unusable_BT.unsqueeze(-1), torch.nan))
    for name, x_BTD in (("embedding_norm", e_BTD), ("gated_norm", gate_BTD * e_BTD)):
        trace.keep(f"{name}/{modality}", torch.linalg.vector_norm(x_BTD, dim=-1).masked_fill(unusable_BT, torch.nan))
