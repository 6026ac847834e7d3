"""Gradients without the parts in which they conflict. C components, A components that take part."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmcore.seeding import seed_of
from mmcore.training.weighting.base import Components, Step, Weighting, gradients


class ProjectedGradients(Weighting):
    """The step follows the sum of the components' gradients, each without the parts that conflict with the others.

    The others are taken in a random order; each time, the part that points against that gradient is projected out.

    The sum is a combination of the gradients as they were, so its coefficients serve as weights. They are never
    negative and at least the starting weights; the step uses them as they are, and the history has them scaled to the
    constant sum. Without a conflict they are the starting weights, which scale the losses beforehand. A component
    without counted targets has gradient 0, which conflicts with none.

    Args:
        parameters: of the whole model.
        repeat: with epoch and step it decides the order of projections.

    Source: Yu et al. 2020, algorithm 1, as implemented by TorchJD from the gradients' inner products.
    """

    def __init__(self, components: Components, parameters: Sequence[nn.Parameter], repeat: int) -> None:
        super().__init__(components)
        # An extra, needed only if this weighting is chosen.
        from torchjd.aggregation import PCGradWeighting

        self.parameters = list(parameters)
        self.repeat = repeat
        self._surgery = PCGradWeighting()

    def weights(self, step: Step) -> Tensor:
        loss_A = (self.start_C * self.by_component(step.loss_P))[self.active_C]
        gradient = gradients(loss_A.unbind(), self.parameters)
        # The library draws from torch's global generator, which is left as it was found.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed_of(self.repeat, "pcgrad", step.epoch, step.index))
            coefficient_A = self._surgery(gradient @ gradient.T)
        weight_C = self.start_C.clone()
        weight_C[self.active_C] *= coefficient_A
        return weight_C

    def backward(self, step: Step) -> Tensor:
        weight_C = self.weights(step)
        (step.loss_P * weight_C[self.component_P]).sum().backward()
        return self.used(self.scaled(weight_C))
