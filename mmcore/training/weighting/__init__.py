"""How much each loss component counts in a training step: one file per member, picked here."""

from __future__ import annotations

import math

import torch

from mmcore.config import (
    DynamicWeightAverage,
    FixedWeights,
    GradNorm,
    LossConfig,
    PCGrad,
    RandomWeights,
    Uncertainty,
)
from mmcore.errors import ConfigError, nearest
from mmcore.model.multimodal import MultimodalModel
from mmcore.schema import Targets
from mmcore.training.weighting.base import Components, Step, Weighting
from mmcore.training.weighting.dwa import DynamicAverage
from mmcore.training.weighting.fixed import Fixed
from mmcore.training.weighting.gradnorm import GradientNorms, last_shared_layer
from mmcore.training.weighting.pcgrad import ProjectedGradients
from mmcore.training.weighting.random import Random
from mmcore.training.weighting.uncertainty import NoiseLevels

__all__ = ["Components", "Step", "Weighting", "build_weighting", "refuse_unusable", "start_weights"]


def build_weighting(config: LossConfig, targets: Targets, model: MultimodalModel, repeat: int) -> Weighting:
    """The weighting of a run, on the model's device.

    Raises:
        ConfigError: see :func:`refuse_unusable`.
    """
    refuse_unusable(config, targets)
    device = next(model.parameters()).device
    component = [targets.components.index(p.component) for p in targets.parameters]
    components = Components(
        names=tuple(targets.components),
        component_P=torch.tensor(component, device=device),
        start_C=torch.tensor(start_weights(config, targets), device=device),
    )
    match config.weighting:
        case FixedWeights():
            return Fixed(components)
        case Uncertainty():
            regression = [p.kind == "continuous" for p in targets.parameters]
            return NoiseLevels(components, torch.tensor(regression, device=device))
        case DynamicWeightAverage(temperature=temperature):
            return DynamicAverage(components, temperature)
        case GradNorm(alpha=alpha, learning_rate=learning_rate):
            return GradientNorms(components, last_shared_layer(model), alpha, learning_rate)
        case RandomWeights():
            return Random(components, repeat)
        case PCGrad():
            return ProjectedGradients(components, list(model.parameters()), repeat)


def refuse_unusable(config: LossConfig, targets: Targets) -> None:
    """Tell before any work is done that losses cannot be weighted as asked.

    Raises:
        ConfigError: a weight names no component; all weights are 0.
    """
    for name in config.weights:
        if name not in targets.components:
            raise ConfigError(
                f"loss weight for unknown component '{name}'",
                next_step=nearest(name, targets.components),
                where="loss.weights",
            )
    if not any(_as_written(config, targets)):
        raise ConfigError(
            "at least one loss component needs a weight above 0",
            found="0 for all of them",
            next_step="Raise a weight, or leave it out to count 1",
            where="loss.weights",
        )


def start_weights(config: LossConfig, targets: Targets) -> list[float]:
    """The weight of each component at the start, scaled to a sum equal to the number of those above 0.

    Equal weights are exactly 1.
    """
    weights = _as_written(config, targets)
    number = sum(w > 0 for w in weights)
    # Rounded once, like the product below: the quotient of equal weights is exact.
    total = math.fsum(weights)
    return [w * number / total for w in weights]


def _as_written(config: LossConfig, targets: Targets) -> list[float]:
    return [config.weights.get(name, 1.0) for name in targets.components]
