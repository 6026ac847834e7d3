"""Weights from how fast losses fall. P parameters, C components."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmcore.training.weighting.base import Components, Step, Weighting


class DynamicAverage(Weighting):
    """Softmax of r/T times the starting weights, where r is a component's mean training loss of the last epoch over
    that of the epoch before; the starting weights in the first two epochs.

    An epoch's mean is taken over the steps in which the component had counted targets. Where an epoch had none, or the
    earlier loss was 0, r is 1.

    Source: Liu, Johns & Davison 2019, §3.2, eq. 7.
    """

    def __init__(self, components: Components, temperature: float) -> None:
        super().__init__(components)
        self.temperature = temperature
        self._past: list[Tensor] = []
        self._weight_C = self.start_C
        self._loss_C, self._count_C = torch.zeros_like(self.start_C), torch.zeros_like(self.start_C)

    def weights(self, step: Step) -> Tensor:
        counted_C = self.counted(step)
        self._loss_C += self.by_component(step.loss_P.detach()).masked_fill(~counted_C, 0.0)
        self._count_C += counted_C
        return self._weight_C

    def end_epoch(self) -> dict[str, float]:
        self._past = [*self._past[-1:], self._loss_C / self._count_C]
        self._loss_C, self._count_C = torch.zeros_like(self._loss_C), torch.zeros_like(self._count_C)
        self._weight_C = self._next()
        return super().end_epoch()

    def _next(self) -> Tensor:
        if len(self._past) < 2:
            return self.start_C
        before_C, last_C = self._past
        known_C = (before_C > 0) & last_C.isfinite()
        rate_C = torch.where(known_C, last_C / before_C.where(known_C, 1.0), 1.0)
        # A loss that was almost 0 must not make the quotient infinite.
        rate_C = rate_C.clamp(max=torch.finfo(rate_C.dtype).max).masked_fill(~self.active_C, -torch.inf)
        return self.scaled(self.start_C * torch.softmax(rate_C / self.temperature, 0))

    def state(self) -> dict[str, object]:
        return {"past": self._past}

    def load_state(self, state: dict[str, Any]) -> None:
        self._past = [past_C.to(self.start_C) for past_C in state["past"]]
        self._weight_C = self._next()
