"""Weights from a trained noise level per component. P parameters, C components."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmcore.training.weighting.base import Components, Step, Weighting


class NoiseLevels(Weighting):
    """Each component has a log-variance s, trained along with the model by minimising k e⁻ˢ L + n s/2; the weights are
    k e⁻ˢ, scaled to the constant sum.

    k is 1/2 for regression and 1 for classification; a component with both has the mean over its parameters, since one
    weight serves them all. n is the number of its parameters with a counted target, each of which adds −log σ to the
    likelihood; so where it has none, s stays. For regression with squared errors e^s becomes the error's variance, in
    squared training deviations; with other losses the weights still even out k L/n, but s is no variance.

    The starting weights decide where s starts, not where it goes. The log-variances have an Adam of their own, without
    weight decay, at the model's learning rate of the step.

    Args:
        regression_P: whether a parameter is continuous.

    Source: Kendall, Gal & Cipolla 2018, §3.2, eq. 7 and 10, with s = log σ².
        NOTE[DIFF]: the paper weighs the model's loss with k e⁻ˢ as it is, which also raises the learning rate as the
        losses fall; here those weights are scaled to a constant sum for the model. s itself is trained as in the paper.
    """

    def __init__(self, components: Components, regression_P: Tensor) -> None:
        super().__init__(components)
        factor_P = torch.where(regression_P, 0.5, 1.0).to(self.start_C)
        self.factor_C = self.by_component(factor_P) / self.by_component(torch.ones_like(factor_P))
        self.log_variance_C = (self.factor_C / self.start_C).log().masked_fill(~self.active_C, 0.0)
        self._adam = torch.optim.Adam([self.log_variance_C])

    def weights(self, step: Step) -> Tensor:
        precision_C = self.factor_C * torch.exp(-self.log_variance_C)
        weight_C = self.scaled(precision_C)
        counted_C = self.counted(step)
        number_C = self.by_component((step.count_P > 0).to(precision_C))
        slope_C = number_C / 2 - precision_C * self.by_component(step.loss_P.detach())
        before_C = self.log_variance_C.clone()
        self.log_variance_C.grad = slope_C.masked_fill(~counted_C, 0.0)
        self._adam.param_groups[0]["lr"] = step.learning_rate
        self._adam.step()
        # Adam's momentum must not change weights that this batch has no information about.
        self.log_variance_C.copy_(torch.where(counted_C, self.log_variance_C, before_C))
        return weight_C

    def state(self) -> dict[str, object]:
        return {"log_variance_C": self.log_variance_C, "adam": self._adam.state_dict()}

    def load_state(self, state: dict[str, Any]) -> None:
        self.log_variance_C.copy_(state["log_variance_C"])
        self._adam.load_state_dict(state["adam"])
