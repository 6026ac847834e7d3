"""What every weighting of loss components does. P parameters, C components."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Components:
    """The components of a loss and where they start.

    Args:
        names: of the components.
        component_P: the component of each parameter.
        start_C: weights to start from, float32, at least 0 and not all 0; they are scaled to a sum equal to the number
            of those above 0. A component with 0 is left out for good.
    """

    names: tuple[str, ...]
    component_P: Tensor
    start_C: Tensor


@dataclass(frozen=True)
class Step:
    """One training step, as a weighting sees it.

    Args:
        loss_P: the training loss of each parameter, differentiable.
        count_P: its counted targets.
        epoch, index: the epoch and the step within it, from 1: what random draws depend on.
        learning_rate: the model's in this step.
    """

    loss_P: Tensor
    count_P: Tensor
    epoch: int
    index: int
    learning_rate: float


class Weighting(ABC):
    """Decides how much each loss component counts in a step, and does the backward pass.

    Weights are never negative and their sum is the number of components that take part, so that no weighting also
    changes the learning rate. A component whose loss has no counted target in a batch keeps its weight, which then has
    no effect, and a weighting that learns from losses learns nothing from that batch about it.
    """

    def __init__(self, components: Components) -> None:
        self.names = components.names
        self.component_P = components.component_P
        self.start_C = components.start_C
        self.active_C = self.start_C > 0
        self.total = int(self.active_C.sum())
        index_C1 = torch.arange(len(self.names), device=self.component_P.device)[:, None]
        self._elsewhere_CP = self.component_P != index_C1
        self._sum_C = torch.zeros_like(self.start_C)
        self._steps = 0

    @abstractmethod
    def weights(self, step: Step) -> Tensor:
        """The weights of this step, (C,), without a gradient; a weighting that learns does so here."""

    def backward(self, step: Step) -> Tensor:
        """Add the gradient of the weighted loss to the parameters; returns the weights used, (C,)."""
        weight_C = self.weights(step)
        (step.loss_P * weight_C[self.component_P]).sum().backward()
        return self.used(weight_C)

    def end_epoch(self) -> dict[str, float]:
        """Columns for the epoch's history row: ``weight/COMPONENT``, the mean of the weights used."""
        means = (self._sum_C / self._steps).tolist()
        self._sum_C, self._steps = torch.zeros_like(self._sum_C), 0
        return {f"weight/{name}": mean for name, mean in zip(self.names, means, strict=True)}

    def state(self) -> dict[str, object]:
        """Tensors and plain values from which it goes on after an epoch exactly as if it had not been interrupted."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a saved :meth:`state`."""
        assert not state

    def by_component(self, value_P: Tensor) -> Tensor:
        """Sums over the parameters of each component, (C,); differentiable. NaN stays within its component."""
        return value_P.expand(len(self.names), -1).masked_fill(self._elsewhere_CP, 0.0).sum(1)

    def counted(self, step: Step) -> Tensor:
        """Components that take part and have a counted target in this batch, (C,) bool."""
        return self.active_C & (self.by_component(step.count_P) > 0)

    def scaled(self, weight_C: Tensor) -> Tensor:
        """The same proportions with the constant sum; 0 for what is left out."""
        weight_C = weight_C.masked_fill(~self.active_C, 0.0)
        return weight_C * (self.total / weight_C.sum())

    def used(self, weight_C: Tensor) -> Tensor:
        """The same weights, counted for the mean of the epoch."""
        self._sum_C += weight_C
        self._steps += 1
        return weight_C


def gradients(losses: Sequence[Tensor], parameters: Sequence[Tensor]) -> Tensor:
    """One row per loss with its gradient with respect to all parameters together; the graph stays for a backward pass.

    A parameter that a loss does not reach has gradient 0.
    """
    rows = []
    for loss in losses:
        found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
        rows.append(torch.cat([g.flatten() for g in found]))
    return torch.stack(rows)
