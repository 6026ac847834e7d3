"""A fusion of the user's. B batch, T steps, M modalities, D width."""

from __future__ import annotations

import torch
from torch import Tensor

from mmcore.config import Custom, ModelConfig
from mmcore.model.fusion.base import Fusion
from mmcore.model.own import OwnPart
from mmcore.model.streams import Streams
from mmcore.trace import Trace

INPUTS = ("embedded", "usable", "valid", "causal", "streams", "rng", "trace")
"""What ``forward`` of a fusion may name: M tensors (B, T, D), masks (B, T, M) and (B, T), and what else there is."""


class CustomFusion(Fusion):
    """Calls a module of the user's with the streams, and checks the shape of what it returns.

    Its constructor may name ``modalities``, ``width``, ``heads``, ``causal`` and what stands in ``args``; its
    ``forward`` any of :data:`INPUTS`. With a class attribute ``over_time = True`` positions are added before it.

    Args:
        part: names the class. model: sizes. modalities: names. causal: whether a step sees itself and earlier ones.
    """

    def __init__(self, part: Custom, model: ModelConfig, modalities: tuple[str, ...], causal: bool) -> None:
        super().__init__()
        offered = {"modalities": modalities, "width": model.width, "heads": model.heads, "causal": causal}
        self.own = OwnPart(part, offered, INPUTS)
        self.over_time = bool(getattr(self.own.own_kind, "over_time", False))

    def forward(self, streams: Streams, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        B, T, D = streams.embedded[0].shape
        given = {
            "embedded": streams.embedded,
            "usable": streams.usable_BTM,
            "valid": streams.valid_BT,
            "causal": streams.causal,
            "streams": streams,
            "rng": rng,
            "trace": trace,
        }
        return self.own(rng, {"B": B, "T": T, "D": D}, given)
