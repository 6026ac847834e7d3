"""What losses and metrics of the user's promise. N targets of one parameter, C classes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmcore.config import Custom, CustomMetric
from mmcore.language import later
from mmcore.promises.examples import SEED
from mmcore.promises.promise import Broken, Promise, finite, same
from mmcore.schema import Parameter, Targets
from mmcore.training.custom_loss import CustomLoss
from mmcore.training.custom_metrics import CustomMetrics

N = 12
PARAMETERS: dict[str, Parameter] = {
    "continuous": Parameter(name="x", component="position"),
    "binary": Parameter.model_validate({"name": "active", "kind": "binary", "component": "active"}),
    "categorical": Parameter.model_validate({"name": "kind", "kind": "categorical", "classes": 3, "component": "kind"}),
}
"""One parameter of each kind."""


@dataclass(frozen=True)
class LossSubject:
    """A loss, and the kind of parameter that it is tested on."""

    part: Custom
    kind: str

    def made(self) -> CustomLoss:
        return CustomLoss(self.part, PARAMETERS[self.kind])

    def draw(self, scale: float = 1.0) -> tuple[Tensor, Tensor]:
        """Outputs (N, O) and targets (N,)."""
        rng, outputs = torch.Generator().manual_seed(SEED), PARAMETERS[self.kind].outputs
        predicted = torch.randn(N, outputs, generator=rng) * scale
        true = torch.randn(N, generator=rng)
        return predicted, true if self.kind == "continuous" else torch.arange(N).float() % outputs


def loss_is_a_sum_over_targets(subject: LossSubject) -> None:
    loss, (predicted_NO, true_N) = subject.made(), subject.draw()
    whole = loss.total(predicted_NO, true_N)
    finite(whole[None], f"{N} targets with random predictions", "the loss")
    parts = [loss.total(predicted_NO[n : n + 1], true_N[n : n + 1]) for n in range(N)]
    same(torch.stack(parts).sum()[None], whole[None], f"{N} targets were handed over one by one", tolerance=1e-4)


def loss_repeats_itself(subject: LossSubject) -> None:
    loss, (predicted_NO, true_N) = subject.made(), subject.draw()
    first = loss.total(predicted_NO, true_N)
    same(loss.total(predicted_NO, true_N)[None], first[None], "the same targets were handed over twice")


def loss_stays_finite(subject: LossSubject) -> None:
    for scale in (1e-6, 1.0, 1e3):
        predicted_NO, true_N = subject.draw(scale)
        predicted_NO.requires_grad_()
        total = subject.made().total(predicted_NO, true_N)
        finite(total[None], f"predictions of the size {scale:g}", "the loss")
        if not total.requires_grad:
            raise Broken("the loss has no gradient with respect to the predictions")
        (gradient,) = torch.autograd.grad(total, [predicted_NO])
        finite(gradient, f"predictions of the size {scale:g}", "the gradient")


def loss_pulls_on_predictions(subject: LossSubject) -> None:
    predicted_NO, true_N = subject.draw()
    predicted_NO.requires_grad_()
    (gradient,) = torch.autograd.grad(subject.made().total(predicted_NO, true_N), [predicted_NO])
    idle = (gradient == 0).all(-1)
    if bool(idle.all()):
        raise Broken(f"the gradient of all {N} predictions is 0, so nothing would be trained")


LOSS_PROMISES: tuple[Promise[LossSubject], ...] = (
    Promise("sum", later("One loss for each target; no target counts for another one."), loss_is_a_sum_over_targets),
    Promise("repeatable", later("The same targets give the same bits."), loss_repeats_itself),
    Promise("finite", later("Losses and gradients are finite, also for predictions far off."), loss_stays_finite),
    Promise("gradients", later("Gradients reach the predictions."), loss_pulls_on_predictions),
)


@dataclass(frozen=True)
class MetricSubject:
    """A metric, and the kind of parameter that it is tested on."""

    part: CustomMetric
    kind: str

    def value(self, predicted: np.ndarray, true: np.ndarray) -> float:
        targets = Targets.model_validate(
            {"from": "labels", "tracks": 1, "parameters": [PARAMETERS[self.kind].model_dump(by_alias=True)]}
        )
        made = CustomMetrics({"own": self.part}, targets, np.zeros(1), np.ones(1))
        return made.value("own", predicted, true)

    def draw(self) -> tuple[np.ndarray, np.ndarray]:
        """Predictions (N,) or probabilities (N, C), and truths (N,)."""
        rng, classes = np.random.default_rng(SEED), PARAMETERS[self.kind].outputs
        if self.kind == "continuous":
            return rng.standard_normal(N), rng.standard_normal(N)
        raw = rng.random((N, classes))
        return raw / raw.sum(1, keepdims=True), np.arange(N) % classes


def metric_gives_one_number(subject: MetricSubject) -> None:
    found = subject.value(*subject.draw())
    if not math.isfinite(found):
        raise Broken(f"{N} targets with random predictions gave {found}")


def metric_repeats_itself(subject: MetricSubject) -> None:
    first, again = subject.value(*subject.draw()), subject.value(*subject.draw())
    if first != again:
        raise Broken(f"the same targets gave {first:.6g} and then {again:.6g}")


def metric_knows_no_order(subject: MetricSubject) -> None:
    predicted, true = subject.draw()
    order = np.random.default_rng(1).permutation(N)
    first, again = subject.value(predicted, true), subject.value(predicted[order], true[order])
    if not math.isclose(first, again, rel_tol=1e-9, abs_tol=1e-12):
        raise Broken(f"{N} targets gave {first:.6g}, and in another order {again:.6g}")


def metric_prefers_the_truth(subject: MetricSubject) -> None:
    predicted, true = subject.draw()
    perfect = true.copy() if subject.kind == "continuous" else np.eye(predicted.shape[1])[true]
    best, other = subject.value(perfect, true), subject.value(predicted, true)
    if math.isnan(best) or (best < other if subject.part.higher_is_better else best > other):
        direction = "higher" if subject.part.higher_is_better else "lower"
        raise Broken(f"{direction} is better, but perfect predictions have {best:.6g} and random ones {other:.6g}")


METRIC_PROMISES: tuple[Promise[MetricSubject], ...] = (
    Promise("number", later("One finite number for targets that are there."), metric_gives_one_number),
    Promise("repeatable", later("The same targets give the same number."), metric_repeats_itself),
    Promise("order", later("The order of the targets does not count."), metric_knows_no_order),
    Promise("direction", later("Perfect predictions are not worse than random ones."), metric_prefers_the_truth),
)
