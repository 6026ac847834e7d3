"""Ways of making one vector per step out of one per modality: one file each, and one ``match`` that picks."""

from __future__ import annotations

from mmcore.config import model as config
from mmcore.model.fusion.add import AddFusion
from mmcore.model.fusion.attention import AttentionFusion
from mmcore.model.fusion.base import Fusion
from mmcore.model.fusion.bottleneck import BottleneckFusion
from mmcore.model.fusion.concat import ConcatFusion
from mmcore.model.fusion.cross_modal import CrossModalFusion
from mmcore.model.fusion.custom import CustomFusion
from mmcore.model.fusion.gated import GatedFusion
from mmcore.model.fusion.gated_softmax import GatedSoftmaxFusion
from mmcore.model.fusion.hierarchical import HierarchicalFusion
from mmcore.model.fusion.low_rank import LowRankFusion
from mmcore.model.layer_sizes import LayerSizes

__all__ = ["Fusion", "build_fusion"]


def build_fusion(model: config.ModelConfig, modalities: tuple[str, ...], causal: bool = False) -> Fusion:
    """The fusion that a config asks for.

    Args:
        modalities: at least two names: a single one needs no fusion.
        causal: whether a step sees itself and earlier steps only.

    Raises:
        ConfigError: a hierarchical order that does not fit the modalities; a class of the user's that does not fit.
    """
    sizes = LayerSizes.of(model)
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
            return CrossModalFusion(modalities, sizes, model.fusion.layers)
        case config.Bottleneck():
            return BottleneckFusion(modalities, sizes, model.fusion.layers, model.fusion.tokens)
        case config.Hierarchical():
            return HierarchicalFusion(modalities, model.width, model.fusion.tree(modalities))
        case config.LowRank():
            return LowRankFusion(modalities, model.width, model.fusion.rank)
        case config.Custom():
            return CustomFusion(model.fusion, model, modalities, causal)
        case config.Decision():
            raise AssertionError("predictions are fused by LateFusionModel, not before the encoder")
