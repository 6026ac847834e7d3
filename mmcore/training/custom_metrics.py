"""Measures of the user's: all counted targets of a parameter are gathered and handed over at once.

B batch, T steps, K tracks, P parameters, O outputs per track, C classes, N counted targets of one parameter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from mmcore.batch import Batch
from mmcore.config import CustomMetric
from mmcore.errors import ConfigError, PartError
from mmcore.own_code import construct, load_class
from mmcore.schema import Targets
from mmcore.training.losses import counted_targets, layout_of
from mmcore.training.metrics import mean_of_known


class CustomMetrics:
    """The measures of a run, ready to be called.

    A constructor gets what stands in ``args``. A measure is called with arrays ``(predicted, true)`` over all counted
    targets of a parameter and returns one number, NaN where there is nothing to measure. For continuous parameters
    both are (N,), in standard deviations of the parameter on training items, or in original units where the config says
    so; for classes ``predicted`` are probabilities (N, C) and ``true`` whole numbers.

    Args:
        metrics: by name. targets: what is predicted. mean_P, deviation_P: which turn targets back into original units.

    Raises:
        ConfigError: a class cannot be used.
    """

    def __init__(
        self, metrics: Mapping[str, CustomMetric], targets: Targets, mean_P: np.ndarray, deviation_P: np.ndarray
    ) -> None:
        self.metrics, self.targets, self.layout = metrics, targets, layout_of(targets)
        self.mean_P, self.deviation_P = mean_P, deviation_P
        self.made = {name: construct(load_class(metric), metric, {}) for name, metric in metrics.items()}
        for name, made in self.made.items():
            if not callable(made):
                reference = metrics[name].class_
                raise ConfigError(f"{reference} must be callable", expected="def __call__(self, predicted, true)")

    def measured(self, p: int) -> bool:
        """Whether any measure is computed for a parameter."""
        return any(self.targets.parameters[p].kind in metric.kinds for metric in self.metrics.values())

    def value(self, name: str, predicted: np.ndarray, true: np.ndarray) -> float:
        """One measure of one parameter; NaN without a target.

        Raises:
            PartError: the result is no number.
        """
        if not len(true):
            return math.nan
        found = self.made[name](predicted.copy(), true.copy())
        if isinstance(found, np.ndarray | Tensor) and found.ndim == 0:
            found = found.item()
        if not isinstance(found, Real):
            raise PartError(f"{self.metrics[name].class_} must return one number", found=type(found).__name__)
        return float(found)


class Gathered:
    """Predictions and truths of one predictor on one split, by parameter."""

    def __init__(self, metrics: CustomMetrics) -> None:
        self.metrics = metrics
        self._parts: dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {
            p: [] for p in range(len(metrics.targets.parameters)) if metrics.measured(p)
        }

    def add(self, outputs_BTKO: Tensor, batch: Batch, complete_B: Tensor) -> None:
        """Keep a batch of predictions, on the CPU; ``complete_B``: whether the item has every modality."""
        own, counted_BTKP = self.metrics, counted_targets(batch, self.metrics.layout)
        complete_BTK = complete_B[:, None, None].expand(counted_BTKP.shape[:3])
        for p, parts in self._parts.items():
            counted_BTK, first = counted_BTKP[..., p], own.layout.first[p]
            predicted = outputs_BTKO[..., first : first + own.targets.parameters[p].outputs][counted_BTK].double()
            true = batch.target_BTKP[..., p][counted_BTK].double()
            if p in own.layout.continuous:
                predicted = predicted[:, 0]
            else:
                predicted, true = torch.softmax(predicted, -1), true.long()
            parts.append((predicted.numpy(), true.numpy(), complete_BTK[counted_BTK].numpy()))

    def values(self, complete: bool) -> dict[str, dict[str, float]]:
        """Measure to component to value, the mean over its parameters; NaN where there is nothing to measure.

        Args:
            complete: only items that have every modality.
        """
        found: dict[str, dict[str, list[float]]] = {}
        for p, parts in self._parts.items():
            parameter = self.metrics.targets.parameters[p]
            predicted, true = np.empty(0), np.empty(0)
            if parts:
                predicted, true, whole = (np.concatenate(column) for column in zip(*parts, strict=True))
                predicted, true = (predicted[whole], true[whole]) if complete else (predicted, true)
            for name, metric in self.metrics.metrics.items():
                if parameter.kind in metric.kinds:
                    value = self.metrics.value(name, *self._in_units(p, metric, predicted, true))
                    found.setdefault(name, {}).setdefault(parameter.component, []).append(value)
        return {name: {c: mean_of_known(v) for c, v in by_component.items()} for name, by_component in found.items()}

    def _in_units(
        self, p: int, metric: CustomMetric, predicted: np.ndarray, true: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        if not metric.original_units or p not in self.metrics.layout.continuous:
            return predicted, true
        scale, shift = float(self.metrics.deviation_P[p]), float(self.metrics.mean_P[p])
        return predicted * scale + shift, true * scale + shift
