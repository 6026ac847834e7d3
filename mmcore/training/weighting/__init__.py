"""How much each loss component counts in a training step: one file per member, picked here."""

from __future__ import annotations

import math

import torch

from mmcore.config import (
    Custom,
    DynamicWeightAverage,
    FixedWeights,
    GradNorm,
    LossConfig,
    PCGrad,
    RandomWeights,
    Uncertainty,
)
from mmcore.model.multimodal import MultimodalModel
from mmcore.schema import Targets
from mmcore.task import refuse_unusable
from mmcore.training.weighting.base import Components, Step, Weighting
from mmcore.training.weighting.custom import CustomWeighting
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
        ConfigError: see :func:`mmcore.task.refuse_unusable`.
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
        case Custom():
            return CustomWeighting(components, config.weighting, repeat)


def start_weights(config: LossConfig, targets: Targets) -> list[float]:
    """The weight of each component at the start, scaled to a sum equal to the number of those above 0.

    Equal weights are exactly 1.
    """
    weights = [config.weights.get(name, 1.0) for name in targets.components]
    number = sum(w > 0 for w in weights)
    # Rounded once, like the product below: the quotient of equal weights is exact.
    total = math.fsum(weights)
    return [w * number / total for w in weights]
