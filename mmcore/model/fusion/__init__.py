"""Ways of making one vector per step out of one per modality: one file each, and one ``match`` that picks.

A single modality needs none: there is nothing to fuse.
"""

from __future__ import annotations

from mmcore.config import model as config
from mmcore.model.fusion.add import AddFusion
from mmcore.model.fusion.attention import AttentionFusion
from mmcore.model.fusion.base import Fusion
from mmcore.model.fusion.bottleneck import BottleneckFusion
from mmcore.model.fusion.concat import ConcatFusion
from mmcore.model.fusion.cross_modal import CrossModalFusion
from mmcore.model.fusion.decision import DecisionFusion
from mmcore.model.fusion.gated import GatedFusion
from mmcore.model.fusion.gated_softmax import GatedSoftmaxFusion
from mmcore.model.fusion.hierarchical import HierarchicalFusion
from mmcore.model.fusion.low_rank import LowRankFusion
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
    sizes = (model.width, model.heads, model.feed_forward, model.dropout, model.attention_dropout)
    rotary = model.positions == "rotary"
    match model.fusion:
        case config.Gated():
            return GatedFusion(modalities, model.width)
        case config.GatedSoftmax():
            return GatedSoftmaxFusion(modalities, model.width)
        case config.Concat():
            return ConcatFusion(modalities, model.width)
        case config.Add():
            return AddFusion(modalities)
        case config.AttentionPooling():
            return AttentionFusion(modalities, model.width, model.heads, model.attention_dropout)
        case config.CrossModal():
            return CrossModalFusion(modalities, *sizes, model.fusion.layers, rotary)
        case config.Bottleneck():
            exchange = (model.fusion.layers, model.fusion.tokens)
            return BottleneckFusion(modalities, *sizes, *exchange, model.norm, rotary)
        case config.Hierarchical():
            return HierarchicalFusion(modalities, model.width, model.fusion.tree(modalities))
        case config.LowRank():
            return LowRankFusion(modalities, model.width, model.fusion.rank)
        case config.Decision():
            return DecisionFusion(modalities, targets)
