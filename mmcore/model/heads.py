"""From encoder states to predictions.

B batch, T steps, D width, K tracks, O outputs per track (2 per binary parameter, the classes of a categorical one,
1 per continuous one, in the order of the parameters).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from mmcore import config


def mean_over_steps(h_BTD: Tensor, valid_BT: Tensor) -> Tensor:
    """The mean state of the valid steps; zeros for a row without any.

    Shape: h_BTD, valid_BT → (B, 1, D).
    """
    weight_BT1 = valid_BT.to(h_BTD.dtype).unsqueeze(-1)
    return (h_BTD * weight_BT1).sum(1, keepdim=True) / weight_BT1.sum(1, keepdim=True).clamp_min(1.0)


class SharedHead(nn.Module):
    """W₂(W₁(h_t + E_k) + b₁) + b₂: one head for all tracks, which differ by a learned embedding E_k alone.

    Shape: h_BTD → outputs_BTKO.

    Everything here is affine, so it is computed once per step, and W₂ W₁ E_k is added per track. It also follows that
    all tracks get the same curve over time, shifted by a constant.
    """

    def __init__(self, width: int, tracks: int, outputs: int) -> None:
        super().__init__()
        self.track = nn.Embedding(tracks, width)
        self.hidden = nn.Linear(width, width)
        self.output = nn.Linear(width, outputs)

    def forward(self, h_BTD: Tensor) -> Tensor:
        step_BTO = self.output(self.hidden(h_BTD))
        track_KO = F.linear(F.linear(self.track.weight, self.hidden.weight), self.output.weight)
        return step_BTO.unsqueeze(-2) + track_KO


class PerTrackHead(nn.Module):
    """W_k(W₁ h_t + b₁) + b_k: an output layer of its own for each track.

    Shape: h_BTD → outputs_BTKO.
    """

    def __init__(self, width: int, tracks: int, outputs: int) -> None:
        super().__init__()
        self.tracks = tracks
        self.hidden = nn.Linear(width, width)
        self.output = nn.Linear(width, tracks * outputs)

    def forward(self, h_BTD: Tensor) -> Tensor:
        return self.output(self.hidden(h_BTD)).unflatten(-1, (self.tracks, -1))


def build_head(head: config.Head, width: int, tracks: int, outputs: int) -> SharedHead | PerTrackHead:
    """The head that a config asks for."""
    match head:
        case config.SharedHead():
            return SharedHead(width, tracks, outputs)
        case config.PerTrackHead():
            return PerTrackHead(width, tracks, outputs)
