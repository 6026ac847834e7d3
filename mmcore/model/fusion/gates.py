"""What fusions with gates have in common. B batch, T steps, M modalities, D width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from mmcore.model.embedding import key_of
from mmcore.model.fusion.base import Fusion
from mmcore.model.linear import Linear
from mmcore.trace import Trace

NOTHING_HELD: Mapping[str, Tensor] = MappingProxyType({})


@dataclass(frozen=True)
class Gate:
    """A gate by name, and what is behind it.

    Args:
        name: as in the trace. modalities: those that pass it, itself or as what was made of them.
    """

    name: str
    modalities: tuple[str, ...]


class GateFusion(Fusion):
    """Gates that are shown when asked, and can be held.

    Args:
        places: every gate, together with those beside which it passes on what it lets through.

    Attributes:
        held: gates that stay at a value (D,) or (), whatever is read, by name; set by
            :func:`mmcore.probes.gates.clamping.clamped` alone.
    """

    def __init__(self, places: tuple[tuple[Gate, ...], ...]) -> None:
        super().__init__()
        self.places = places
        self.held = NOTHING_HELD

    @property
    def every(self) -> tuple[Gate, ...]:
        """All gates, place by place."""
        return tuple(gate for place in self.places for gate in place)

    def settled(self, name: str, gate_BTD: Tensor) -> Tensor:
        """The gate, or the value at which it is held."""
        value = self.held.get(name)
        return gate_BTD if value is None else value.to(gate_BTD).expand_as(gate_BTD)


class ModalityGates(GateFusion):
    """A fusion in which each modality opens a gate by what it is.

    Args:
        modalities: names, in the order of M.
        width: D.
    """

    def __init__(self, modalities: tuple[str, ...], width: int) -> None:
        super().__init__((tuple(Gate(name, (name,)) for name in modalities),))
        self.gates = nn.ModuleDict({key_of(name): Linear(width, width) for name in modalities})


def keep_gate(trace: Trace, gate: str, gate_BTD: Tensor, e_BTD: Tensor, usable_BT: Tensor) -> None:
    """Record a gate, and what passes it, in the trace; the fused vector stays as it is.

    Under ``gates/<gate>`` (B, T, D) the gate, under ``embedding_norm/<gate>`` and ``gated_norm/<gate>`` (B, T) the
    length of the vector before and after it. NaN where it is not usable: nothing passes or is
    decided there, and a number would distort a mean.
    """
    unusable_BT = ~usable_BT
    trace.keep(f"gates/{gate}", gate_BTD.masked_fill(unusable_BT.unsqueeze(-1), torch.nan))
    for name, x_BTD in (("embedding_norm", e_BTD), ("gated_norm", gate_BTD * e_BTD)):
        trace.keep(f"{name}/{gate}", torch.linalg.vector_norm(x_BTD, dim=-1).masked_fill(unusable_BT, torch.nan))
