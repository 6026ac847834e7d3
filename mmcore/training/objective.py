"""What is minimised, parameter by parameter: the plain losses, or the ones that ``loss`` asks for in their place.

Scores and reports never come here: they always use the plain losses of :mod:`mmcore.training.losses`.

B batch, T steps, K tracks, P parameters, O outputs per track, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmcore.batch import Batch
from mmcore.config import (
    AbsoluteError,
    ClassLoss,
    ContinuousLoss,
    CrossEntropy,
    Custom,
    Focal,
    Huber,
    LossConfig,
    SquaredError,
)
from mmcore.schema import Targets
from mmcore.training.custom_loss import CustomLoss, custom_losses
from mmcore.training.losses import Layout, columns, counted_targets, layout_of, parameter_losses, row_losses


@dataclass(frozen=True)
class Losses:
    """The losses of a batch.

    Args:
        trained_P: what is minimised: mean over the counted targets of each parameter, differentiable; exactly 0 with
            zero gradient where nothing counts.
        sums_P: sums of the plain losses, without a gradient: what the history records, comparable with validation.
        counts_P: counted targets.
    """

    trained_P: Tensor
    sums_P: Tensor
    counts_P: Tensor


class Objective:
    """The training loss of each parameter; called with a model's outputs and the batch.

    Outputs at targets that do not count, NaN and Inf among them, reach neither loss nor gradient.

    Shape: outputs (B, T, K, O) → :class:`Losses` over P.

    Args:
        config: the losses by kind of parameter.
        targets: what is predicted.
        class_weights: class parameter to (C,); a parameter that is not in it weighs its classes alike.

    Raises:
        ShapeError: the outputs do not fit the batch or the targets.
    """

    def __init__(self, config: LossConfig, targets: Targets, class_weights: Mapping[int, Tensor] | None = None) -> None:
        self.config = config
        self.layout = layout_of(targets)
        self.class_weights = dict(class_weights or {})
        self.own = custom_losses(config, targets)
        self.plain = _is_plain(config, self.layout)

    def __call__(self, outputs_BTKO: Tensor, batch: Batch) -> Losses:
        if self.plain:
            sum_P, count_P = _over_rows(outputs_BTKO, batch, self.layout)
            return Losses(parameter_losses(sum_P, count_P), sum_P.detach(), count_P)
        with torch.no_grad():
            sum_P, count_P = _over_rows(outputs_BTKO, batch, self.layout)
        return Losses(parameter_losses(self._trained_sums(outputs_BTKO, batch), count_P), sum_P, count_P)

    def _trained_sums(self, outputs_BTKO: Tensor, batch: Batch) -> Tensor:
        layout, counted_BTKP = self.layout, counted_targets(batch, self.layout)
        parts = []
        ours = [p for p in layout.continuous if p not in self.own]
        if ours:
            predicted = columns(outputs_BTKO, [layout.first[p] for p in ours])
            error = predicted - columns(batch.target_BTKP, ours)
            error = error.masked_fill(~columns(counted_BTKP, ours), 0.0)
            parts.append(error_losses(error, self.config.continuous).sum((0, 1, 2)))
        order = [*ours, *layout.binary, *layout.categorical, *(p for p in layout.continuous if p in self.own)]
        for p in order[len(ours) :]:
            counted_BTK = counted_BTKP[..., p]
            if p in self.own:
                parts.append(self._own_sum(self.own[p], p, outputs_BTKO, batch, counted_BTK)[None])
                continue
            logits_BTKC = outputs_BTKO[..., layout.first[p] : layout.first[p] + layout.classes(p)]
            logits_BTKC = logits_BTKC.masked_fill(~counted_BTK[..., None], 0.0)
            code_BTK = batch.target_BTKP[..., p].long().masked_fill(~counted_BTK, 0)
            loss = self.config.binary if p in layout.binary else self.config.categorical
            loss_BTK = class_losses(logits_BTKC, code_BTK, loss, self._weights(p, logits_BTKC))
            parts.append(loss_BTK.masked_fill(~counted_BTK, 0.0).sum()[None])
        return columns(torch.cat(parts), [order.index(p) for p in range(len(order))])

    def _own_sum(self, loss: CustomLoss, p: int, outputs_BTKO: Tensor, batch: Batch, counted_BTK: Tensor) -> Tensor:
        first = self.layout.first[p]
        predicted_NO = outputs_BTKO[..., first : first + self.layout.targets.parameters[p].outputs][counted_BTK]
        return loss.total(predicted_NO, batch.target_BTKP[..., p][counted_BTK])

    def _weights(self, p: int, like: Tensor) -> Tensor | None:
        if p in self.class_weights:
            return self.class_weights[p].to(like)
        if p in self.layout.binary and isinstance(self.config.binary, Focal) and self.config.binary.alpha is not None:
            return like.new_tensor([1.0 - self.config.binary.alpha, self.config.binary.alpha])
        return None


def _over_rows(outputs_BTKO: Tensor, batch: Batch, layout: Layout) -> tuple[Tensor, Tensor]:
    sums_BP, counts_BP = row_losses(outputs_BTKO, batch, layout)
    return sums_BP.sum(0), counts_BP.sum(0)


def _is_plain(config: LossConfig, layout: Layout) -> bool:
    """Whether every parameter that there is trains with the loss that is reported."""
    return (
        not config.by_component
        and (not layout.continuous or config.continuous == SquaredError())
        and (not layout.binary or config.binary == CrossEntropy())
        and (not layout.categorical or config.categorical == CrossEntropy())
    )


def error_losses(error: Tensor, config: ContinuousLoss) -> Tensor:
    """The loss of each error, both in training deviations.

    Source: Huber 1964 for ``huber``, which is half the squared error near zero, so that it meets its linear part with
        the same slope.
    """
    match config:
        case SquaredError():
            return error.square()
        case Huber():
            return F.huber_loss(error, torch.zeros_like(error), reduction="none", delta=config.delta)
        case AbsoluteError():
            return error.abs()
        case Custom():
            raise AssertionError("a loss of the user's is called by Objective, target by target")


_LEAST = 1e-7
"""Smallest distance of a probability from 1 that is raised to a power: below one step of float32."""


def class_losses(logits_BTKC: Tensor, code_BTK: Tensor, config: ClassLoss, weight_C: Tensor | None = None) -> Tensor:
    """The loss of each target with classes, (B, T, K).

    With q the smoothed truth, w the class weights and p the predicted probabilities: −Σ_c q_c w_c (1 − p_c)^γ log p_c.
    Class weights are those of the class that a share of the truth lies on, as in ``torch``'s cross-entropy, but the
    mean is taken over targets, not over weights.

    Args:
        code_BTK: the true class, 0 … C − 1.
        weight_C: weight of each class; None: 1.

    Source: Szegedy et al. 2016, §7 (label smoothing); Lin et al. 2017, eq. 5 (focal).
        NOTE[DIFF]: Lin et al. have one sigmoid per class and no smoothing. Here focal is taken over the softmax, which
        is the same for two classes, and over each class's share of a smoothed truth.
    """
    assert not isinstance(config, Custom), "a loss of the user's is called by Objective, target by target"
    C = logits_BTKC.shape[-1]
    # With the few classes before the many targets the softmax runs several times as fast on a CPU.
    log_BCTK = F.log_softmax(logits_BTKC.movedim(-1, 1).contiguous(), 1)
    share_BCTK = F.one_hot(code_BTK, C).movedim(-1, 1).to(log_BCTK.dtype)
    share_BCTK = share_BCTK * (1.0 - config.label_smoothing) + config.label_smoothing / C
    if weight_C is not None:
        share_BCTK = share_BCTK * weight_C[:, None, None]
    if isinstance(config, Focal):
        # As exp(γ log(1 − p)), away from p = 1, where a power below 1 has no finite slope.
        log_other_BCTK = torch.log(-torch.expm1(log_BCTK.clamp(max=-_LEAST)))
        share_BCTK = share_BCTK * torch.exp(config.gamma * log_other_BCTK)
    return -(share_BCTK * log_BCTK).sum(1)


# Class weights -----------------------------------------------------------------------------------------------------
def build_objective(config: LossConfig, targets: Targets, training: Iterable[Batch]) -> Objective:
    """The objective of a run; ``training``, every training target once, is read only where classes are balanced."""
    layout = layout_of(targets)
    balanced = [p for p in layout.binary if _is_balanced(config.binary)]
    balanced += [p for p in layout.categorical if _is_balanced(config.categorical)]
    counts = count_classes(training, layout, balanced) if balanced else {}
    return Objective(config, targets, {p: balanced_weights(count_C) for p, count_C in counts.items()})


def _is_balanced(loss: ClassLoss) -> bool:
    return not isinstance(loss, Custom) and loss.class_weights == "balanced"


def count_classes(batches: Iterable[Batch], layout: Layout, parameters: Iterable[int]) -> dict[int, Tensor]:
    """Counted targets of each class, all tracks together: parameter to (C,) float64.

    Where targets belong to items, each window of an item counts, as it does in training.
    """
    counts = {p: torch.zeros(layout.classes(p), dtype=torch.float64) for p in parameters}
    for batch in batches:
        counted_BTKP = counted_targets(batch, layout)
        for p, count_C in counts.items():
            code = batch.target_BTKP[..., p][counted_BTKP[..., p]].long()
            count_C += torch.bincount(code, minlength=len(count_C))
    return counts


def balanced_weights(count_C: Tensor) -> Tensor:
    """Weights in inverse proportion to the counts, 1 on average over the targets that were counted.

    A class that was never seen weighs 1: no training target has it, but label smoothing gives it a share. With two
    classes seen 30 and 10 times, the weights are 2/3 and 2.
    """
    seen_C = count_C > 0
    even = count_C.sum() / seen_C.sum().clamp(min=1)
    return torch.where(seen_C, even / count_C.clamp(min=1), 1.0)
