"""What a way of fusing must do. B batch, T steps, M modalities, D width."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from mmcore.model.streams import Streams
from mmcore.trace import Trace


class Fusion(nn.Module, ABC):
    """Makes one vector per step out of one per modality.

    Whatever an implementation does, no value at an unusable place may change any output, a step must stay finite when
    nothing is usable, rows may not see each other, and with ``streams.causal`` no step may see a later one. A new
    parameter that is not part of a torch layer is filled by a method ``fill(name, parameter, rng)``.
    """

    over_time: bool = False
    """Whether steps look at one another here, so that positions must be known before."""

    @abstractmethod
    def forward(self, streams: Streams, rng: torch.Generator | None = None, trace: Trace | None = None) -> Tensor:
        """Streams → fused_BTD.

        Args:
            streams: at least two modalities.
            rng: present: training, dropout is drawn from it; None: evaluation.
            trace: keeps gates, weights or attention if there is one.
        """
