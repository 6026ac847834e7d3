"""Naive predictors, fitted on the training items: what a model must beat before it has learned anything.

They answer with outputs of the model's own form (log-probabilities for classes, normalised values), so that one
code path scores both.

B batch, T steps, K tracks, P parameters, O outputs per track, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.config import Label, Task
from mmcore.schema import Targets
from mmcore.scores import NaiveClasses
from mmcore.training.losses import counted_targets, layout_of

Name = Literal["persistence", "constant", "majority", "prior"]


@dataclass(frozen=True)
class Baseline:
    """A fitted naive predictor.

    Args:
        name: ``constant`` (training mean or class prior per track), ``persistence`` (last value read; for classes the
            frequencies of what followed that class in training), ``prior`` and ``majority`` for labels.
        targets: what it predicts.
        mean_KP: training mean of each continuous parameter per track, normalised units; 0 elsewhere.
        log_probabilities: class parameter to (K, C + 1, C): row c after class c, the last row with nothing known.
    """

    name: Name
    targets: Targets
    mean_KP: Tensor
    log_probabilities: dict[int, Tensor]

    @property
    def has_class_loss(self) -> bool:
        """Whether it predicts probabilities; ``majority`` names a class only, so its cross-entropy is undefined."""
        return self.name != "majority"

    def predict(self, batch: Batch) -> Tensor:
        """Outputs (B, T, K, O). Where persistence has no last value it predicts what ``constant`` does."""
        layout = layout_of(self.targets)
        B, T, K, _ = batch.target_BTKP.shape
        outputs_BTKO = torch.empty(B, T, K, self.targets.outputs)
        persists = self.name == "persistence"
        for p, parameter in enumerate(self.targets.parameters):
            first, known_BTK = layout.first[p], batch.previous_valid_BTKP[..., p]
            if parameter.kind == "continuous":
                mean_K = self.mean_KP[:, p]
                outputs_BTKO[..., first] = (
                    torch.where(known_BTK, batch.previous_BTKP[..., p], mean_K) if persists else mean_K
                )
                continue
            table_KRC = self.log_probabilities[p]
            C = table_KRC.shape[-1]
            if persists:
                row_BTK = torch.where(known_BTK, batch.previous_BTKP[..., p].long(), C)
                outputs_BTKO[..., first : first + C] = table_KRC[torch.arange(K), row_BTK]
            else:
                outputs_BTKO[..., first : first + C] = table_KRC[:, C]
        return outputs_BTKO


def naive_classes(baselines: Sequence[Baseline]) -> list[NaiveClasses]:
    """For each parameter with classes, the most frequent class in training, and of equals the first: ``majority``
    predicts it, and ``prior`` and ``constant`` give it the highest probability.
    """
    first = baselines[0]
    parameters = first.targets.parameters
    return [
        NaiveClasses(parameters[p].name, parameters[p].component, tuple(table_KRC[:, -1].argmax(-1).tolist()))
        for p, table_KRC in first.log_probabilities.items()
    ]


def baseline_names(targets: Targets, task: Task) -> tuple[Name, ...]:
    """The naive predictors of a task.

    A label has no past to persist: ``majority`` and ``prior`` where there are classes (both predict the training
    mean for continuous parameters), ``constant`` where there are none.
    """
    if not isinstance(task, Label):
        return ("persistence", "constant")
    has_classes = any(p.kind != "continuous" for p in targets.parameters)
    return ("majority", "prior") if has_classes else ("constant",)


def fit_baselines(batches: Iterable[Batch], targets: Targets, task: Task) -> tuple[Baseline, ...]:
    """Fit the naive predictors in one pass over the training batches.

    Frequencies are smoothed by adding one to each class. A track without a counted target takes the mean over all
    tracks, or 0 (the mean of everything in normalised units) where no track has one. Each item counts once for scope
    item, however many windows it has.
    """
    layout = layout_of(targets)
    K, P = targets.tracks, len(targets.parameters)
    sums_KP, counts_KP = torch.zeros(K, P, dtype=torch.float64), torch.zeros(K, P, dtype=torch.float64)
    counts = {p: torch.zeros(K, layout.classes(p) + 1, layout.classes(p)) for p in layout.binary + layout.categorical}
    seen: set[int] = set()
    for batch in batches:
        counted_BTKP = counted_targets(batch, layout)
        if targets.scope == "item":
            counted_BTKP = counted_BTKP & _first_of_item(batch, seen)[:, None, None, None]
        sums_KP += batch.target_BTKP.masked_fill(~counted_BTKP, 0.0).sum((0, 1), dtype=torch.float64)
        counts_KP += counted_BTKP.sum((0, 1))
        for p, count_KRC in counts.items():
            count_KRC += _transitions(batch, counted_BTKP[..., p], p, layout.classes(p))
    mean_KP = _means(sums_KP, counts_KP)
    mean_KP[:, list(counts)] = 0.0
    smoothed = {p: torch.log(_frequencies(count_KRC)) for p, count_KRC in counts.items()}
    certain = {p: _one_hot_of_prior(table_KRC) for p, table_KRC in smoothed.items()}
    return tuple(
        Baseline(name, targets, mean_KP.float(), certain if name == "majority" else smoothed)
        for name in baseline_names(targets, task)
    )


def _first_of_item(batch: Batch, seen: set[int]) -> Tensor:
    first = []
    for item in batch.item_B.tolist():
        first.append(item not in seen)
        seen.add(item)
    return torch.tensor(first)


def _transitions(batch: Batch, counted_BTK: Tensor, p: int, C: int) -> Tensor:
    """How often class c followed class r per track, (K, C + 1, C); row C: the class before is not known."""
    K = counted_BTK.shape[-1]
    row_BTK = torch.where(batch.previous_valid_BTKP[..., p], batch.previous_BTKP[..., p].long(), C)
    cell_BTK = (torch.arange(K) * (C + 1) + row_BTK) * C + batch.target_BTKP[..., p].long()
    return torch.bincount(cell_BTK[counted_BTK], minlength=K * (C + 1) * C).view(K, C + 1, C)


def _frequencies(count_KRC: Tensor) -> Tensor:
    """Smoothed frequencies; the last row becomes the prior over all targets, whatever came before them."""
    prior_K1C = count_KRC.sum(1, keepdim=True)
    smoothed_KRC = torch.cat([count_KRC[:, :-1], prior_K1C], 1) + 1.0
    return smoothed_KRC / smoothed_KRC.sum(-1, keepdim=True)


def _one_hot_of_prior(table_KRC: Tensor) -> Tensor:
    """Scores 1 for the most frequent class and 0 for the others, in every row."""
    best_K = table_KRC[:, -1].argmax(-1)
    return torch.nn.functional.one_hot(best_K, table_KRC.shape[-1]).float()[:, None].expand_as(table_KRC)


def _means(sums_KP: Tensor, counts_KP: Tensor) -> Tensor:
    pooled_P = sums_KP.sum(0) / counts_KP.sum(0).clamp(min=1)
    return torch.where(counts_KP > 0, sums_KP / counts_KP.clamp(min=1), pooled_P)
