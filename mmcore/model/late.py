"""Late fusion: each modality predicts by itself, and the predictions are combined.

B batch, T steps, M modalities, D width, K tracks, O outputs per track.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.config import ModelConfig
from mmcore.model.fusion.decision import DecisionFusion
from mmcore.model.heads import mean_over_steps
from mmcore.model.multimodal import MultimodalModel, PerModality
from mmcore.schema import Targets
from mmcore.trace import Trace


class LateFusionModel(MultimodalModel):
    """An encoder and a head for each modality; :class:`~mmcore.model.fusion.decision.DecisionFusion` combines them.

    Args:
        config, features, targets, causal, window: as :class:`~mmcore.model.multimodal.MultimodalModel`.
    """

    def __init__(
        self, config: ModelConfig, features: dict[str, int], targets: Targets, causal: bool, window: int | None = None
    ) -> None:
        super().__init__(config, features, targets, causal, window)
        self.positions_first = True
        self.fusion = DecisionFusion(self.modalities, targets)
        self.encoder = PerModality(self.modalities, lambda: self.main_encoder(config))
        self.head = PerModality(self.modalities, lambda: self.new_head(config, targets))

    def forward(self, batch: Batch, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        streams = self._streams(batch, rng, trace)
        usable_BTM = streams.usable_BTM
        states = self.encoder(streams.embedded, usable_BTM, rng, trace, "attention")
        if self.per_item:
            states = [mean_over_steps(h, u) for h, u in zip(states, usable_BTM.unbind(-1), strict=True)]
            usable_BTM = usable_BTM.any(1, keepdim=True)
        assert self.fusion is not None
        return self.fusion(self.head(states, usable_BTM, rng, trace, "head"), usable_BTM, trace)

    def _look_at_fusion(self, batch: Batch, trace: Trace) -> None:
        self._streams(batch, None, trace)
