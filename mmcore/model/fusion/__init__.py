"""Ways of making one vector per step out of one per modality: one file each, and one ``match`` that picks.

Every fusion maps a list of M embeddings e_BTD, exactly zero where a modality is not usable, and usable_BTM to
fused_BTD, and keeps its gates or weights in the trace. A single modality needs none: there is nothing to fuse.

B batch, T steps, M modalities, D width.
"""

from __future__ import annotations

from mmcore import config
from mmcore.model.fusion.add import AddFusion
from mmcore.model.fusion.concat import ConcatFusion
from mmcore.model.fusion.gated import GatedFusion

Fusion = GatedFusion | ConcatFusion | AddFusion


def build_fusion(fusion: config.Fusion, modalities: tuple[str, ...], width: int) -> Fusion | None:
    """The fusion that a config asks for; None for a single modality."""
    if len(modalities) == 1:
        return None
    match fusion:
        case config.Gated():
            return GatedFusion(modalities, width)
        case config.Concat():
            return ConcatFusion(modalities, width)
        case config.Add():
            return AddFusion(modalities)
