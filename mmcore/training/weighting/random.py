"""New random weights for each step. C components."""

from __future__ import annotations

import torch
from torch import Tensor

from mmcore.seeding import generator
from mmcore.training.weighting.base import Components, Step, Weighting


class Random(Weighting):
    """Softmax of standard normal draws, times the starting weights, scaled to the constant sum.

    With equal starting weights each weight is 1 on average.

    Source: Lin et al. 2021, "Reasonable effectiveness of random weighting", §3.
        NOTE[DIFF]: the paper's weights add up to 1; ours to the number of components.
    """

    def __init__(self, components: Components, repeat: int) -> None:
        super().__init__(components)
        self.repeat = repeat

    def weights(self, step: Step) -> Tensor:
        draw = generator(self.repeat, "weighting", step.epoch, step.index).standard_normal(len(self.names))
        return self.scaled(self.start_C * torch.as_tensor(draw).to(self.start_C).exp())
