"""Which runs may be trained as one batch, by their settings alone. Imports no torch."""

from __future__ import annotations

from mmcore.config import (
    Custom,
    CustomModel,
    DynamicWeightAverage,
    FixedWeights,
    GradNorm,
    PCGrad,
    RandomWeights,
    RunConfig,
    Uncertainty,
)
from mmcore.language import sentence


def why_alone(config: RunConfig) -> str | None:
    """Why a run cannot be one of a pack, as a clause; None where it can.

    Augmentations and measures of the user's own are no obstacle: they work on each member's own data.
    """
    model, loss = config.model, config.loss
    if not config.trains:
        return sentence("it trains no model of its own")
    if isinstance(model, CustomModel):
        return sentence("its model is a class of your own")
    parts = {"model.fusion": model.fusion, "model.encoder": model.encoder, "model.head": model.head}
    parts |= {f"model.embedding.{name}": part for name, part in model.embedding.items()}
    parts |= {"loss.binary": loss.binary, "loss.categorical": loss.categorical, "loss.continuous": loss.continuous}
    parts |= {f"loss.by_component.{name}": part for name, part in loss.by_component.items()}
    for path, part in parts.items():
        if isinstance(part, Custom):
            return sentence("{path} is a class of your own", path=path)
    match loss.weighting:
        case FixedWeights() | RandomWeights() | Uncertainty() | DynamicWeightAverage():
            return None
        case GradNorm() | PCGrad():
            return sentence("loss.weighting {kind} needs the gradient of each component", kind=loss.weighting.kind)
        case Custom():
            return sentence("{path} is a class of your own", path="loss.weighting")
