"""One vector per step out of all modalities, then one encoder and one head.

B batch, T steps, M modalities, D width, K tracks, O outputs per track.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.config import ModelConfig
from mmcore.model.fusion import build_fusion
from mmcore.model.heads import mean_over_steps
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.streams import Streams
from mmcore.schema import Targets
from mmcore.trace import Trace


class FeatureFusionModel(MultimodalModel):
    """Embeddings are fused before the encoder; a single modality needs no fusion.

    Args:
        config, features, targets, causal, window: as :class:`~mmcore.model.multimodal.MultimodalModel`.
    """

    def __init__(
        self, config: ModelConfig, features: dict[str, int], targets: Targets, causal: bool, window: int | None = None
    ) -> None:
        super().__init__(config, features, targets, causal, window)
        self.fusion = build_fusion(config, self.modalities, causal) if len(self.modalities) > 1 else None
        self.positions_first = self.before is not None or (self.fusion is not None and self.fusion.over_time)
        self.encoder = self.main_encoder(config)
        self.head = self.new_head(config, targets)

    def forward(self, batch: Batch, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        x_BTD = self._fused(self._streams(batch, rng, trace), rng, trace)
        if not self.positions_first:
            x_BTD = self._placed(x_BTD, batch, rng)
        h_BTD, valid_BT = self.encoder(x_BTD, batch.valid_BT, rng, trace), batch.valid_BT
        if self.per_item:
            h_BTD, valid_BT = mean_over_steps(h_BTD, valid_BT), torch.ones_like(valid_BT[:, :1])
        return self.head(h_BTD, valid_BT, rng, trace)

    def _look_at_fusion(self, batch: Batch, trace: Trace) -> None:
        self._fused(self._streams(batch, None, trace), None, trace)

    def _fused(self, streams: Streams, rng: torch.Generator | None, trace: Trace | None) -> Tensor:
        return streams.embedded[0] if self.fusion is None else self.fusion(streams, rng, trace)
