"""Sums over a split from which every score follows; their size does not grow with windows or steps.

B batch, T steps, K tracks, P parameters, O outputs per track, C classes, I items of the corpus, N logit bins,
J bins of confidence, Q counted targets of one parameter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.schema import Targets
from mmcore.scores import Cell
from mmcore.training.cells import ItemCells
from mmcore.training.custom_metrics import CustomMetrics, Gathered
from mmcore.training.losses import binary_logits, columns, counted_targets, layout_of, row_losses
from mmcore.training.metrics import CONFIDENCE_BINS, LOGIT_BINS, confidence_bins, logit_bins

Subset = Literal["all", "complete"]
"""All items, or those that have every modality of the corpus."""
SUBSETS: tuple[Subset, ...] = ("all", "complete")


class Tally:
    """What one predictor did on one split.

    Args:
        targets: what is predicted.
        complete: for each item of the corpus, whether it has every modality.
        deviation_P: training deviation per parameter, which turns errors back into original units.
        detailed: whether to gather what measures other than the loss need.
        by_item: whether to gather confusion item by item as well; only where ``detailed``.
        own: measures of the user's, gathered only where ``detailed``; None: there is none.
    """

    def __init__(
        self,
        targets: Targets,
        complete: Sequence[bool],
        deviation_P: Tensor,
        detailed: bool = True,
        by_item: bool = False,
        own: CustomMetrics | None = None,
    ) -> None:
        self.layout = layout_of(targets)
        self.targets = targets
        self.detailed = detailed
        self.complete_I = torch.tensor(complete, dtype=torch.bool)
        self.deviation_P = deviation_P.double()
        items = len(self.complete_I)
        self.loss_IP = torch.zeros(items, len(targets.parameters), dtype=torch.float64)
        self.count_IP = torch.zeros_like(self.loss_IP)
        self._error_IC = torch.zeros(items, len(self.layout.continuous), dtype=torch.float64)
        classes = self.layout.binary + self.layout.categorical
        self._confusion = {
            p: torch.zeros(2, self.layout.classes(p), self.layout.classes(p), dtype=torch.int64) for p in classes
        }
        self._histogram = torch.zeros(len(self.layout.binary), 2, 2, LOGIT_BINS, dtype=torch.int64)
        self._reliability = {p: torch.zeros(3, CONFIDENCE_BINS, dtype=torch.float64) for p in classes}
        self._own = Gathered(own) if own is not None and own.metrics and detailed else None
        self._cells = {p: ItemCells(self.layout.classes(p)) for p in classes} if by_item else {}

    def add(self, outputs_BTKO: Tensor, batch: Batch) -> None:
        """Count one batch of predictions; both on the CPU."""
        loss_BP, count_BP = row_losses(outputs_BTKO, batch, self.layout, dtype=torch.float64)
        self.loss_IP.index_add_(0, batch.item_B, loss_BP)
        self.count_IP.index_add_(0, batch.item_B, count_BP)
        if self.detailed:
            counted_BTKP = counted_targets(batch, self.layout)
            self._add_errors(outputs_BTKO, batch, counted_BTKP)
            self._add_classes(outputs_BTKO, batch, counted_BTKP)
        if self._own is not None:
            self._own.add(outputs_BTKO, batch, self.complete_I[batch.item_B])

    def component_losses(self, subset: Subset = "all") -> dict[str, float]:
        """Loss per component over all counted targets of the subset; NaN where none counts."""
        loss_P, count_P = self._sum(self.loss_IP, subset), self._sum(self.count_IP, subset)
        return self._by_component(loss_P, count_P)

    def mean_losses(self, subset: Subset = "all") -> list[float]:
        """Loss of each parameter over all counted targets of the subset; NaN where none counts."""
        return (self._sum(self.loss_IP, subset) / self._sum(self.count_IP, subset)).tolist()

    def item_losses(self, item: int) -> dict[str, float]:
        """Loss per component over one item's counted targets; NaN where none counts."""
        return self._by_component(self.loss_IP[item], self.count_IP[item])

    def item_counts(self, item: int) -> dict[str, int]:
        """Number of counted targets per component of one item."""
        return {c: int(self.count_IP[item, list(m)].sum()) for c, m in self.layout.membership.items()}

    def item_means(self, p: int) -> Tensor:
        """Mean loss of a parameter by item, (I); NaN where none counts."""
        return self.loss_IP[:, p] / self.count_IP[:, p]

    def item_errors(self, p: int) -> Tensor:
        """Mean absolute error of a continuous parameter by item, (I), in original units; NaN where none counts."""
        error_I = self._error_IC[:, self.layout.continuous.index(p)]
        return error_I / self.count_IP[:, p] * self.deviation_P[p]

    def item_cells(self, p: int) -> dict[int, tuple[Cell, ...]]:
        """Confusion of a class parameter by item: its non-empty cells.

        Raises:
            KeyError: it was not gathered, for the tally is not ``by_item``.
        """
        return self._cells[p].of_items()

    def absolute_errors(self, subset: Subset = "all") -> dict[int, float]:
        """Mean absolute error in original units for each continuous parameter; NaN where none counts."""
        which = list(self.layout.continuous)
        mean_C = self._sum(self._error_IC, subset) / self._sum(self.count_IP, subset)[which] * self.deviation_P[which]
        return dict(zip(which, mean_C.tolist(), strict=True))

    def confusion(self, p: int, subset: Subset = "all") -> Tensor:
        """Counts (C, C) of a class parameter: rows true, columns predicted."""
        return _of(self._confusion[p], subset).double()

    def histogram(self, p: int, subset: Subset = "all") -> Tensor:
        """Counts (2, N) of a binary parameter's false and true cases per bin of log-odds."""
        return _of(self._histogram[self.layout.binary.index(p)], subset)

    def reliability(self, p: int) -> Tensor:
        """Of a class parameter's predictions by confidence, (3, J): their number, sum of confidences, right ones."""
        return self._reliability[p]

    def own_values(self, subset: Subset = "all") -> dict[str, dict[str, float]]:
        """The user's measures by component; {} where none was gathered."""
        return {} if self._own is None else self._own.values(complete=subset == "complete")

    def own_has_whole(self, name: str) -> bool:
        """Whether one of the user's measures has a value over all components."""
        return self._own is not None and not self._own.metrics.metrics[name].original_units

    def _sum(self, value_IP: Tensor, subset: Subset) -> Tensor:
        return (value_IP if subset == "all" else value_IP[self.complete_I]).sum(0)

    def _by_component(self, loss_P: Tensor, count_P: Tensor) -> dict[str, float]:
        loss, count = loss_P.tolist(), count_P.tolist()
        losses = {}
        for name, members in self.layout.membership.items():
            known = [loss[p] / count[p] for p in members if count[p]]
            losses[name] = sum(known) if known else math.nan
        return losses

    def _add_errors(self, outputs_BTKO: Tensor, batch: Batch, counted_BTKP: Tensor) -> None:
        which = self.layout.continuous
        if not which:
            return
        error = columns(outputs_BTKO, [self.layout.first[p] for p in which]) - columns(batch.target_BTKP, which)
        error = error.abs().masked_fill(~columns(counted_BTKP, which), 0.0).sum((1, 2), dtype=torch.float64)
        self._error_IC.index_add_(0, batch.item_B, error)

    def _add_classes(self, outputs_BTKO: Tensor, batch: Batch, counted_BTKP: Tensor) -> None:
        complete_BTK = self.complete_I[batch.item_B][:, None, None].expand(counted_BTKP.shape[:3])
        for p, confusion in self._confusion.items():
            counted, C = counted_BTKP[..., p], self.layout.classes(p)
            true, group = batch.target_BTKP[..., p][counted].long(), complete_BTK[counted].long()
            first = self.layout.first[p]
            logits_QC = outputs_BTKO[..., first : first + C][counted]
            predicted = logits_QC.argmax(-1)
            self._add_reliability(p, logits_QC, predicted, true)
            if self._cells:
                item_BTK = batch.item_B[:, None, None].expand(counted.shape)
                self._cells[p].add(item_BTK[counted], true, predicted)
            cell = (group * C + true) * C + predicted
            confusion += torch.bincount(cell, minlength=confusion.numel()).view_as(confusion)
            if p in self.layout.binary:
                at = self.layout.binary.index(p)
                cell = (group * 2 + true) * LOGIT_BINS + logit_bins(
                    binary_logits(outputs_BTKO, self.layout)[..., at][counted]
                )
                histogram = self._histogram[at]
                histogram += torch.bincount(cell, minlength=histogram.numel()).view_as(histogram)

    def _add_reliability(self, p: int, logits_QC: Tensor, predicted_Q: Tensor, true_Q: Tensor) -> None:
        # The softmax of the predicted class alone: its logit is the largest, so no term exceeds 1.
        peak_Q1 = logits_QC.gather(-1, predicted_Q[:, None])
        confidence_Q = (logits_QC - peak_Q1).exp().sum(-1).reciprocal().double()
        bin_Q = confidence_bins(confidence_Q)
        for row, weight_Q in enumerate((None, confidence_Q, (predicted_Q == true_Q).double())):
            self._reliability[p][row] += torch.bincount(bin_Q, weight_Q, CONFIDENCE_BINS)


def _of(by_completeness: Tensor, subset: Subset) -> Tensor:
    return by_completeness.sum(0) if subset == "all" else by_completeness[1]
