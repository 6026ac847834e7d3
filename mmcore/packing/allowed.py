"""Which runs may be trained as one batch, by their settings alone. Imports no torch."""

from __future__ import annotations

import json

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

OF_MEMBER = (
    "repeat",
    "task.horizon",
    "task.content_lookahead",
    "data.stride",
    "data.clip",
    "data.placebo",
    "split",
    "loss.weights",
    "loss.weighting",
    "augmentation",
    "training.epochs",
    "training.steps_per_epoch",
    "training.clip_norm",
    "training.select",
    "training.patience",
    "training.checkpoint_every",
    "training.optimiser",
    "training.schedule",
    "metrics",
    "evaluation",
)
"""Settings that each member of a pack has of its own: they change its data, its step or its choice of an epoch, and
neither the shapes of parameters and batches nor the operations of the forward pass and the losses."""


def shape_of(config: RunConfig) -> str:
    """What the runs of one pack have in common, as text: every setting that is not in :data:`OF_MEMBER`.

    Of the rates of dropout, whether they are above 0; in bfloat16, where scales are rounded, the rates themselves.
    """
    left = config.model_dump(mode="json")
    if config.training.precision != "bf16":
        for rate in ("dropout", "attention_dropout"):
            left["model"][rate] = left["model"][rate] > 0
    for path in OF_MEMBER:
        *parents, name = path.split(".")
        part = left
        for parent in parents:
            # A task that follows from the corpus is not there.
            part = part.get(parent) or {}
        part.pop(name, None)
    return json.dumps(left, sort_keys=True)


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
