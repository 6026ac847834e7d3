"""Ways of making one vector per step out of one per modality: one file each, and one ``match`` that picks.

A single modality needs none: there is nothing to fuse.
"""

from __future__ import annotations

from mmcore.config import model as config
from mmcore.model.fusion.add import AddFusion
from mmcore.model.fusion.base import Fusion
from mmcore.model.fusion.concat import ConcatFusion
from mmcore.model.fusion.decision import DecisionFusion
from mmcore.model.fusion.gated import GatedFusion
from mmcore.schema import Targets

__all__ = ["DecisionFusion", "Fusion", "build_fusion"]


def build_fusion(
    model: config.ModelConfig, modalities: tuple[str, ...], targets: Targets
) -> Fusion | DecisionFusion | None:
    """The fusion that a config asks for; None for a single modality.

    Raises:
        ConfigError: a hierarchical order that does not fit the modalities.
    """
    if len(modalities) == 1:
        return None
    match model.fusion:
        case config.Gated():
            return GatedFusion(modalities, model.width)
        case config.Concat():
            return ConcatFusion(modalities, model.width)
        case config.Add():
            return AddFusion(modalities)
        case config.Decision():
            return DecisionFusion(modalities, targets)
        case _:
            raise NotImplementedError(model.fusion.kind)
