"""Do the gates of a fusion still decide anything, or are they stuck open or shut?

B batch, T steps, M modalities, D width.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from mmcore.batch import Batch
from mmcore.facts import GateUse
from mmcore.model.fusion.custom import CustomFusion
from mmcore.model.fusion.gates import GateFusion
from mmcore.model.multimodal import MultimodalModel
from mmcore.trace import Trace

SHUT, OPEN = 0.05, 0.95
"""A gate beyond these is saturated: there a sigmoid passes on less than a fifth of the gradient that it passes at ½, so
it hardly follows its input, nor can it be trained back."""


def probe_saturation(model: MultimodalModel, batch: Batch) -> dict[str, GateUse]:
    """The gates of a trained model on a handful of windows, by the name under which the fusion traces them.

    Only steps at which two modalities or more are present count: with one alone a gate has nothing to choose between,
    and gates that share a sum of 1 have no choice at all.

    Args:
        model: on any device, in any mode; its parameters are left as they are.
        batch: windows as the loader made them, on the CPU.

    Returns:
        By name, as in ``audio`` or, in hierarchical fusion, ``(audio|visual)``; mean
        opening, and share of values below 0.05 or above 0.95. {} for a fusion without gates. A gate of which no value
        counts is left out.

    Example:
        >>> probe_saturation(model, batch)                                  # doctest: +SKIP
        {'audio': GateUse(mean=0.48, saturated=0.02), 'track': GateUse(mean=0.61, saturated=0.11)}
    """
    if not has_gates(model):
        return {}
    trace = Trace()
    with torch.no_grad():
        model.look_at_fusion(batch.to(next(model.parameters()).device), trace)
    choice_BT = trace.arrays["present"].sum(-1) >= 2
    found: dict[str, GateUse] = {}
    for name, gate_BTD in trace.arrays.items():
        kind, _, gate = name.partition("/")
        # A class of the user's may trace what it likes under this name.
        is_gate = kind == "gates" and gate_BTD.shape[:2] == choice_BT.shape
        values_ND = gate_BTD[choice_BT] if is_gate else np.empty(0)
        values_N = values_ND[~np.isnan(values_ND)]
        if len(values_N):
            stuck_N = (values_N < SHUT) | (values_N > OPEN)
            found[gate] = GateUse(float(values_N.mean(dtype=np.float64)), float(stuck_N.mean()))
    return found


def has_gates(model: MultimodalModel) -> bool:
    """Whether the fusion opens gates by what it reads, one for each modality or for each side of a pair; a class of the
    user's may."""
    return isinstance(model.fusion, GateFusion | CustomFusion)


def gate_columns(gates: Mapping[str, GateUse]) -> dict[str, float]:
    """The same as columns of an epoch's history row.

    Example:
        >>> gate_columns({"audio": GateUse(0.48, 0.02)})
        {'gate/audio': 0.48, 'gate_saturated/audio': 0.02}
    """
    means = {f"gate/{name}": gate.mean for name, gate in gates.items()}
    return means | {f"gate_saturated/{name}": gate.saturated for name, gate in gates.items()}
