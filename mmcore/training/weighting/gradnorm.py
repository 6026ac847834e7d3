"""Weights that bring the components' gradients to one scale. P parameters, C components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmcore.model.encoder import Encoder
from mmcore.model.late import LateFusionModel
from mmcore.model.multimodal import MultimodalModel
from mmcore.training.weighting.base import Components, Step, Weighting, gradients


class GradientNorms(Weighting):
    """After each step the weights move so that the norm of each component's weighted gradient nears the mean norm
    times r^α, where r is the component's loss relative to its first one, over the mean of those ratios.

    A component without counted targets in a batch enters no mean, and its weight changes by the scaling only. The first
    loss is that of the first batch in which it had any; where that was 0 the ratio is 1. The starting weights decide
    where the weights start, not where they go.

    Args:
        shared: parameters with respect to which gradients are measured, shared by all components.
        alpha: how strongly slower components are favoured.
        learning_rate: of the weights; their optimiser is Adam.

    Source: Chen et al. 2018, algorithm 1.
        NOTE[DIFF]: a weight is kept at 0.01 or above before scaling, for nothing in the algorithm keeps it above 0.
    """

    def __init__(
        self, components: Components, shared: Sequence[nn.Parameter], alpha: float, learning_rate: float
    ) -> None:
        super().__init__(components)
        self.shared = list(shared)
        self.alpha = alpha
        self.weight_C = self.start_C.clone()
        self.first_C = torch.full_like(self.start_C, torch.nan)
        self._adam = torch.optim.Adam([self.weight_C], lr=learning_rate)

    def weights(self, step: Step) -> Tensor:
        used_C = self.weight_C.clone()
        counted_C = self.counted(step)
        loss_C = self.by_component(step.loss_P)
        norm_C = torch.zeros_like(used_C)
        norm_C[self.active_C] = gradients(loss_C[self.active_C].unbind(), self.shared).norm(dim=1)
        loss_C = loss_C.detach()
        self.first_C = torch.where(counted_C & self.first_C.isnan(), loss_C, self.first_C)

        ratio_C = torch.where(self.first_C > 0, loss_C / self.first_C, 1.0)
        pace_C = ratio_C / _mean(ratio_C, counted_C).clamp(min=torch.finfo(ratio_C.dtype).tiny)
        weighted_C = used_C * norm_C
        target_C = _mean(weighted_C, counted_C) * pace_C**self.alpha
        # The slope of |weight · norm − target| by the weight, the target held constant.
        self.weight_C.grad = (torch.sign(weighted_C - target_C) * norm_C).masked_fill(~counted_C, 0.0)
        self._adam.step()
        moved_C = torch.where(counted_C, self.weight_C.clamp(min=_LEAST), used_C)
        self.weight_C.copy_(self.scaled(moved_C))
        return used_C

    def state(self) -> dict[str, object]:
        return {"weight_C": self.weight_C, "first_C": self.first_C, "adam": self._adam.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        self.weight_C.copy_(state["weight_C"])
        self.first_C = state["first_C"].to(self.first_C)
        self._adam.load_state_dict(state["adam"])


_LEAST = 0.01


def _mean(value_C: Tensor, counted_C: Tensor) -> Tensor:
    return value_C.masked_fill(~counted_C, 0.0).sum() / counted_C.sum().clamp(min=1)


def last_shared_layer(model: MultimodalModel) -> list[nn.Parameter]:
    """The parameters of the last layer before the head, which all components share.

    The encoder's last layer with the norm that follows it; where modalities have encoders of their own, the last
    layer of each. A model without layers has its fusion, else its embedding, in that place.
    """
    before_encoder = [model.before] if isinstance(model, LateFusionModel) else [model.fusion, model.before]
    before_head = [model.encoder, *before_encoder, model.embedding]
    for part in before_head:
        if part is None:
            continue
        stacks = [module for module in part.modules() if isinstance(module, Encoder)]
        layers = [layer for stack in stacks for layer in (*stack.layers[-1:], stack.final_norm)]
        found = [p for module in (layers if stacks else [part]) for p in module.parameters()]
        if found:
            return found
    raise AssertionError("every model embeds its features")
