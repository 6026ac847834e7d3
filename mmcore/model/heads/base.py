"""What a head must do. B batch, T steps, D width, K tracks, O outputs per track."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from mmcore.trace import Trace


class Head(nn.Module, ABC):
    """Makes predictions out of encoder states.

    O is 2 per binary parameter, the classes of a categorical one, 1 per continuous one, in the order of the parameters.
    Whatever an implementation does, padded steps may not change any output at a valid step, rows may not see each
    other, and where the encoder is causal no step may see a later one.
    """

    @abstractmethod
    def forward(
        self,
        h_BTD: Tensor,
        valid_BT: Tensor,
        rng: torch.Generator | None = None,
        trace: Trace | None = None,
        name: str = "head",
    ) -> Tensor:
        """h_BTD, valid_BT → outputs_BTKO; T is 1 where targets belong to items.

        Args:
            rng: present: training, dropout is drawn from it; None: evaluation.
            trace: keeps attention if there is any.
            name: what its entries begin with.
        """


def mean_over_steps(h_BTD: Tensor, valid_BT: Tensor) -> Tensor:
    """The mean state of the valid steps; zeros for a row without any.

    Shape: h_BTD, valid_BT → (B, 1, D).
    """
    weight_BT1 = valid_BT.to(h_BTD.dtype).unsqueeze(-1)
    return (h_BTD * weight_BT1).sum(1, keepdim=True) / weight_BT1.sum(1, keepdim=True).clamp_min(1.0)
