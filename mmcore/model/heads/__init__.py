"""From encoder states to predictions: one file each, and one ``match`` that picks."""

from __future__ import annotations

from mmcore.config import model as config
from mmcore.model.heads.base import Head, mean_over_steps
from mmcore.model.heads.custom import CustomHead
from mmcore.model.heads.per_track import PerTrackHead
from mmcore.model.heads.residual import ResidualHead
from mmcore.model.heads.shared import SharedHead
from mmcore.model.heads.track_tokens import TrackTokensHead
from mmcore.model.layer_sizes import LayerSizes

__all__ = ["Head", "build_head", "mean_over_steps"]


def build_head(model: config.ModelConfig, tracks: int, outputs: int, causal: bool) -> Head:
    """The head that a config asks for.

    Args:
        model: head, sizes, dropouts, norm, positions.
        tracks, outputs: K, and O per track.
        causal: whether a step may look at itself and earlier steps only.
    """
    match model.head:
        case config.SharedHead():
            return SharedHead(model.width, tracks, outputs)
        case config.PerTrackHead():
            return PerTrackHead(model.width, tracks, outputs)
        case config.ResidualHead(blocks=blocks):
            return ResidualHead(model.width, tracks, outputs, blocks, model.dropout)
        case config.TrackTokensHead(layers=layers):
            return TrackTokensHead(LayerSizes.of(model), tracks, outputs, layers, causal)
        case config.Custom():
            return CustomHead(model.head, model, tracks, outputs, causal)
