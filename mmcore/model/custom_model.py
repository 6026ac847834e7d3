"""A whole model of the user's, from a batch to outputs.

B batch, T steps, M modalities, D width, K tracks, F raw features, O outputs per track.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from mmcore.batch import Batch
from mmcore.config import CustomModel
from mmcore.model.multimodal import MultimodalModel
from mmcore.model.own import OwnPart
from mmcore.schema import Targets
from mmcore.trace import Trace

INPUTS = ("values", "present", "valid", "start", "batch", "rng", "trace")
"""What ``forward`` of a model may name: by modality (B, T, F), masks (B, T, M) and (B, T), first step (B) …"""


class WholeModel(MultimodalModel):
    """Calls a module of the user's with the modalities that it reads; what is absent or padded is zero there.

    Its constructor may name ``features`` (modality to F), ``modalities``, ``tracks``, ``outputs``, ``targets``,
    ``scope`` (step or item), ``causal``, ``window`` and what stands in ``args``. All of its parameters count as those
    of an encoder.

    Args:
        config: names the class. features, targets, causal, window: as :class:`MultimodalModel`.
    """

    def __init__(
        self, config: CustomModel, features: dict[str, int], targets: Targets, causal: bool, window: int | None = None
    ) -> None:
        nn.Module.__init__(self)
        self.modalities = tuple(features)
        self.features = features
        self.causal = causal
        self.per_item = targets.scope == "item"
        self.sizes = {"K": targets.tracks, "O": targets.outputs}
        self.positions_first = False
        offered = {
            "features": dict(features),
            "modalities": self.modalities,
            "tracks": targets.tracks,
            "outputs": targets.outputs,
            "targets": targets,
            "scope": targets.scope,
            "causal": causal,
            "window": window,
        }
        self.encoder = OwnPart(config, offered, INPUTS)
        for name in ("embedding", "time", "positions", "before", "fusion", "head"):
            setattr(self, name, None)

    def forward(self, batch: Batch, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        read, present_BTM = self._read(batch)
        usable_BTM = present_BTM & batch.valid_BT.unsqueeze(-1)
        if trace is not None:
            trace.keep("present", usable_BTM)
        values = {
            name: torch.where(usable_BT1, x_BTF, 0.0)
            for name, x_BTF, usable_BT1 in zip(self.modalities, read, usable_BTM.unsqueeze(-1).unbind(-2), strict=True)
        }
        given = {
            "values": values,
            "present": usable_BTM,
            "valid": batch.valid_BT,
            "start": batch.start_B,
            "batch": replace(batch, values=values, present_BTM=usable_BTM),
            "rng": rng,
            "trace": trace,
        }
        B, T = batch.valid_BT.shape
        assert isinstance(self.encoder, OwnPart)
        return self.encoder(rng, {"B": B, "T": 1 if self.per_item else T, **self.sizes}, given)

    def _look_at_fusion(self, batch: Batch, trace: Trace) -> None:
        self(batch, trace=trace)
