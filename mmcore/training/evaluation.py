"""Predictors in, scores out: one pass over a split, then plain rows.

B batch, T steps, K tracks, P parameters, O outputs per track, I items of the corpus.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.model.multimodal import MultimodalModel
from mmcore.schema import Targets
from mmcore.scores import ItemLoss, Outcome, Reliability, Score
from mmcore.skill import relative_skill, skill
from mmcore.training.baselines import Baseline
from mmcore.training.custom_metrics import CustomMetrics
from mmcore.training.losses import layout_of
from mmcore.training.metrics import (
    accuracy,
    average_precision,
    balanced_accuracy,
    f1,
    macro_f1,
    mean_of_known,
)
from mmcore.training.tally import SUBSETS, Subset, Tally

Predict = Callable[[Batch], Tensor]
"""From a batch to outputs (B, T, K, O) on the CPU."""

MODEL = None
"""The model's name among predictors and in score rows; baselines have names of their own."""


def predictor(model: MultimodalModel, device: torch.device) -> Predict:
    """The model as a predictor: without dropout, wherever it lives."""

    def predict(batch: Batch) -> Tensor:
        with torch.inference_mode():
            return model(batch.to(device)).cpu()

    return predict


def evaluate(
    predictors: Mapping[str | None, Predict],
    batches: Iterable[Batch],
    targets: Targets,
    complete: Sequence[bool],
    deviation_P: Tensor,
    detailed: bool = True,
    by_item: bool = False,
    own: CustomMetrics | None = None,
) -> dict[str | None, Tally]:
    """Score several predictors on the same batches in one pass.

    For scope item the windows of an item vote: class probabilities and continuous outputs are averaged over them, and
    the one prediction of each item is scored. ``detailed``, ``by_item`` and ``own`` are those of :class:`Tally`.
    """
    of_each = {name: Pass(Tally(targets, complete, deviation_P, detailed, by_item, own)) for name in predictors}
    with torch.inference_mode():
        for batch in batches:
            for name, predict in predictors.items():
                of_each[name].add(predict(batch), batch)
        return {name: one.result() for name, one in of_each.items()}


class Pass:
    """One predictor's pass over a split, batch by batch.

    Args:
        tally: an empty one.
    """

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        votes = tally.targets.scope == "item"
        self._votes = Votes(tally.targets, len(tally.complete_I)) if votes else None

    def add(self, outputs_BTKO: Tensor, batch: Batch) -> None:
        """Count one batch of predictions; both on the CPU."""
        (self._votes or self.tally).add(outputs_BTKO, batch)

    def result(self) -> Tally:
        """The tally, once all batches are in."""
        if self._votes is not None:
            self.tally.add(*self._votes.result())
        return self.tally


class Votes:
    """Averages the predictions of an item's windows (soft vote)."""

    def __init__(self, targets: Targets, items: int) -> None:
        K, P = targets.tracks, len(targets.parameters)
        self.targets = targets
        self.layout = layout_of(targets)
        self.sum_IKO = torch.zeros(items, K, targets.outputs, dtype=torch.float64)
        self.windows_I = torch.zeros(items, dtype=torch.float64)
        self.target_IKP = torch.zeros(items, K, P)
        self.valid_IKP = torch.zeros(items, K, P, dtype=torch.bool)

    def add(self, outputs_BTKO: Tensor, batch: Batch) -> None:
        """Take the votes of a batch of windows; T is 1."""
        outputs_BKO = outputs_BTKO[:, 0].to(torch.float64, copy=True)
        for p in self.layout.binary + self.layout.categorical:
            span = slice(self.layout.first[p], self.layout.first[p] + self.layout.classes(p))
            outputs_BKO[..., span] = outputs_BKO[..., span].softmax(-1)
        self.sum_IKO.index_add_(0, batch.item_B, outputs_BKO)
        self.windows_I.index_add_(0, batch.item_B, torch.ones(len(batch.item_B), dtype=torch.float64))
        self.target_IKP[batch.item_B] = batch.target_BTKP[:, 0]
        self.valid_IKP[batch.item_B] = batch.target_valid_BTKP[:, 0]

    def result(self) -> tuple[Tensor, Batch]:
        """One prediction per item that has a window: log-probabilities and means; and a batch of the items."""
        item_B = self.windows_I.nonzero()[:, 0]
        outputs_BKO = self.sum_IKO[item_B] / self.windows_I[item_B, None, None]
        for p in self.layout.binary + self.layout.categorical:
            span = slice(self.layout.first[p], self.layout.first[p] + self.layout.classes(p))
            outputs_BKO[..., span] = outputs_BKO[..., span].clamp(min=_TINY).log()
        target_BTKP, valid_BTKP = self.target_IKP[item_B, None], self.valid_IKP[item_B, None]
        B = len(item_B)
        return outputs_BKO[:, None], Batch(
            values={},
            present_BTM=torch.zeros(B, 1, 0, dtype=torch.bool),
            valid_BT=torch.ones(B, 1, dtype=torch.bool),
            target_BTKP=target_BTKP,
            target_valid_BTKP=valid_BTKP,
            previous_BTKP=torch.zeros_like(target_BTKP),
            previous_valid_BTKP=torch.zeros_like(valid_BTKP),
            item_B=item_B,
            start_B=torch.zeros_like(item_B),
        )


_TINY = 1e-300
"""Keeps the logarithm finite where a probability has underflowed to 0."""


class Naive:
    """The yardstick of skill on one split: for each component the better of the baselines on its counted targets."""

    def __init__(self, baselines: Sequence[Baseline], tallies: Mapping[str | None, Tally]) -> None:
        self.baselines = baselines
        self.tallies = tallies
        self._best = {subset: self._pick(subset) for subset in SUBSETS}

    def losses(self, subset: Subset = "all") -> dict[str, float]:
        """The naive loss per component; NaN where nothing counts."""
        return {component: loss for component, (loss, _) in self._best[subset].items()}

    def item_losses(self, item: int) -> dict[str, float]:
        """The loss on one item of the baseline with the lower loss on the whole split."""
        by_baseline = {name: tally.item_losses(item) for name, tally in self.tallies.items()}
        return {
            component: math.nan if name is None else by_baseline[name][component]
            for component, (_, name) in self._best["all"].items()
        }

    def chosen(self) -> dict[str, str | None]:
        """The better baseline per component, by name; None where nothing counts."""
        return {component: name for component, (_, name) in self._best["all"].items()}

    def _pick(self, subset: Subset) -> dict[str, tuple[float, str | None]]:
        losses = {b.name: baseline_losses(b, self.tallies[b.name], subset) for b in self.baselines}
        best: dict[str, tuple[float, str | None]] = {}
        for component in self.baselines[0].targets.components:
            known = [(loss[component], name) for name, loss in losses.items() if not math.isnan(loss[component])]
            best[component] = min(known, default=(math.nan, None))
        return best


def baseline_losses(baseline: Baseline, tally: Tally, subset: Subset = "all") -> dict[str, float]:
    """Loss per component; NaN where nothing counts, and for classes where it predicts no probabilities."""
    losses = tally.component_losses(subset)
    if not baseline.has_class_loss:
        for p in baseline.targets.parameters:
            if p.kind != "continuous":
                losses[p.component] = math.nan
    return losses


def skills(losses: Mapping[str, float], naive: Mapping[str, float]) -> dict[str, float]:
    """Skill per component."""
    return {c: skill(losses[c], naive[c]) for c in losses}


def score_rows(split: str, model: Tally, naive: Naive) -> list[Score]:
    """Every measure of the model and of the baselines on one split, on all and on complete items."""
    rows: list[Score] = []
    for subset in SUBSETS:
        yardstick = naive.losses(subset)
        rows += _rows(split, subset, MODEL, model, model.component_losses(subset), yardstick)
        for baseline in naive.baselines:
            tally = naive.tallies[baseline.name]
            losses = baseline_losses(baseline, tally, subset)
            rows += _rows(split, subset, baseline.name, tally, losses, yardstick)
    return rows


Measured = dict[str, dict[str | None, float]]
"""Measure to component (None: the whole) to value; NaN where there is nothing to measure."""


def measured(tally: Tally, losses: Mapping[str, float], naive: Mapping[str, float]) -> Measured:
    """Every measure of one predictor on all items.

    A measure that has values for parameters only (``mae``) gives a component the mean over its parameters.

    Args:
        tally: detailed: what measures other than the loss are read from.
        losses: by component; they may differ from the tally's own, where a probe corrects them.
        naive: the naive loss by component, on the same items.
    """
    found: Measured = {}
    by_parameter: dict[tuple[str, str | None], list[float]] = {}
    for row in _rows("test", "all", MODEL, tally, dict(losses), dict(naive)):
        if row.parameter is None:
            found.setdefault(row.metric, {})[row.component] = row.value
        else:
            by_parameter.setdefault((row.metric, row.component), []).append(row.value)
    for (metric, component), values in by_parameter.items():
        found.setdefault(metric, {}).setdefault(component, sum(values) / len(values))
    return found


def model_rows(split: str, model: Tally, naive: Mapping[str, float]) -> list[Score]:
    """The model's measures on all items of a split, against the naive losses by component.

    Without a detailed tally, only the measures that follow from losses are meaningful.
    """
    return _rows(split, "all", MODEL, model, model.component_losses(), naive)


def item_rows(
    items: Sequence[int], name: Sequence[str], group: Sequence[str], model: Tally, naive: Naive
) -> list[ItemLoss]:
    """One row per scored item and component; NaN losses where none of its targets count."""
    rows = []
    for item in items:
        losses, counts, naive_losses = model.item_losses(item), model.item_counts(item), naive.item_losses(item)
        for component in losses:
            rows.append(
                ItemLoss(
                    item=name[item],
                    group=group[item],
                    complete=bool(model.complete_I[item]),
                    component=component,
                    loss=losses[component],
                    count=counts[component],
                    naive_loss=naive_losses[component],
                )
            )
    return rows


def outcome_rows(items: Sequence[int], name: Sequence[str], model: Tally, naive: Naive) -> list[Outcome]:
    """What the model did on each item and parameter, so that measures can be recomputed on any resample of items.

    Every measure but ``average_precision`` follows from these rows; see :class:`mmcore.record.Outcome`.

    Args:
        items: the items of the split.
        name: of each item of the corpus.
        model: a tally ``by_item``.
        naive: the baselines on the same split.

    Returns:
        one row for each item and parameter that has a counted target there.
    """
    rows = []
    for p, parameter in enumerate(model.targets.parameters):
        best = naive.chosen()[parameter.component]
        if best is None:
            continue
        continuous = p in model.layout.continuous
        count_I, loss_I = model.count_IP[:, p].tolist(), model.item_means(p).tolist()
        naive_I = naive.tallies[best].item_means(p).tolist()
        error_I = model.item_errors(p).tolist() if continuous else []
        cells = {} if continuous else model.item_cells(p)
        rows += [
            Outcome(
                item=name[item],
                parameter=parameter.name,
                component=parameter.component,
                count=int(count_I[item]),
                loss=loss_I[item],
                naive_loss=naive_I[item],
                error=error_I[item] if continuous else None,
                cells=None if continuous else cells[item],
            )
            for item in items
            if count_I[item]
        ]
    return rows


def reliability_rows(tally: Tally) -> list[Reliability]:
    """How often predictions of a confidence are right: a row for each component with classes and bin in use.

    Confidence is the probability of the predicted class. A component's parameters are counted together. [] where
    nothing is a class.
    """
    rows = []
    for component, members in tally.layout.membership.items():
        classes = [tally.reliability(p) for p in members if p not in tally.layout.continuous]
        if not classes:
            continue
        for j, (count, confidence, right) in enumerate(torch.stack(classes).sum(0).T.tolist()):
            if count:
                rows.append(Reliability(component, j, int(count), confidence / count, right / count))
    return rows


def _rows(
    split: str,
    subset: Subset,
    who: str | None,
    tally: Tally,
    losses: Mapping[str, float],
    naive: Mapping[str, float],
) -> list[Score]:
    def row(metric: str, component: str | None, value: float, parameter: str | None = None) -> Score:
        return Score(split, subset, metric, component, value, parameter, who)

    skill_of = skills(losses, naive)
    counted = [c for c in losses if not math.isnan(naive[c])]
    whole_loss = sum(losses[c] for c in counted) if counted else math.nan
    # A predictor whose loss is undefined on a component has no overall skill either.
    whole_skill = math.nan if math.isnan(whole_loss) else mean_of_known([*skill_of.values()])
    relative = {c: relative_skill(losses[c], naive[c]) for c in losses}
    whole_relative = math.nan if math.isnan(whole_loss) else mean_of_known([*relative.values()])
    rows = [row("skill", None, whole_skill), row("loss", None, whole_loss), row("relative_skill", None, whole_relative)]
    for component in losses:
        rows += [row("skill", component, skill_of[component]), row("loss", component, losses[component])]
        rows.append(row("relative_skill", component, relative[component]))
    of_classes = _class_measures(tally, subset)
    if log_losses := _log_losses(tally, subset, losses):
        of_classes["log_loss"] = log_losses
    own = tally.own_values(subset)
    for metric, by_component in (of_classes | own).items():
        if metric not in own or tally.own_has_whole(metric):
            rows.append(row(metric, None, mean_of_known([*by_component.values()])))
        rows += [row(metric, component, value) for component, value in by_component.items()]
    for p, value in tally.absolute_errors(subset).items():
        parameter = tally.targets.parameters[p]
        if len(tally.layout.membership[parameter.component]) == 1:
            rows.append(row("mae", parameter.component, value))
        rows.append(row("mae", parameter.component, value, parameter.name))
    return rows


def _class_measures(tally: Tally, subset: Subset) -> dict[str, dict[str, float]]:
    """Measure to component to value, for components with binary or categorical parameters: the mean over these."""
    values: dict[str, dict[str, list[float]]] = {}
    for component, members in tally.layout.membership.items():
        for p in members:
            if p in tally.layout.continuous:
                continue
            confusion = tally.confusion(p, subset)
            found = {
                "accuracy": accuracy(confusion),
                "balanced_accuracy": balanced_accuracy(confusion),
                "macro_f1": macro_f1(confusion),
            }
            if p in tally.layout.binary:
                found["f1"] = f1(confusion)
                found["average_precision"] = average_precision(tally.histogram(p, subset))
            for metric, value in found.items():
                values.setdefault(metric, {}).setdefault(component, []).append(value)
    return {m: {c: mean_of_known(v) for c, v in by_component.items()} for m, by_component in values.items()}


def _log_losses(tally: Tally, subset: Subset, losses: Mapping[str, float]) -> dict[str, float]:
    """Mean cross-entropy of the class parameters of each component that has any; NaN where ``losses`` is."""
    loss_P = tally.mean_losses(subset)
    found = {}
    for component, members in tally.layout.membership.items():
        classes = [p for p in members if p not in tally.layout.continuous]
        if classes:
            undefined = math.isnan(losses[component])
            found[component] = math.nan if undefined else mean_of_known([loss_P[p] for p in classes])
    return found
