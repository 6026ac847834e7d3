"""What is minimised and how: losses, weighting of the components, optimiser, schedule, loop."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator, model_validator

from mmcore.errors import ConfigError
from mmcore.frozen import Frozen
from mmcore.measures import parse_metric
from mmcore.names import Name

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


# Losses ------------------------------------------------------------------------------------------------------------
class CrossEntropy(Frozen):
    """−log of the true class's probability."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: Fraction = 0.0
    """Share of the truth that is spread evenly over all classes (Szegedy et al. 2016, §7)."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: a class counts in inverse proportion to its frequency on training items, 1 on average over targets."""


class Focal(Frozen):
    """−α (1 − p)^γ log p: what is known already counts less (Lin et al. 2017)."""

    kind: Literal["focal"] = "focal"
    gamma: NonNegativeFloat = 2.0
    """How much less; 0 is cross-entropy."""
    alpha: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Binary parameters only: weight of "true", and 1 − alpha that of "false"; None: both count 1."""
    label_smoothing: Fraction = 0.0
    """Share of the truth that is spread evenly over all classes."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: a class counts in inverse proportion to its frequency on training items, 1 on average over targets."""

    @model_validator(mode="after")
    def _one_weight(self) -> Focal:
        if self.alpha is not None and self.class_weights == "balanced":
            raise ValueError("alpha and class_weights: balanced both weigh the classes; choose one")
        return self


ClassLoss = Annotated[CrossEntropy | Focal, Field(discriminator="kind")]


class SquaredError(Frozen):
    """Squared error in units of the training deviation."""

    kind: Literal["mse"] = "mse"


class Huber(Frozen):
    """Squared near zero, linear beyond delta (Huber 1964)."""

    kind: Literal["huber"] = "huber"
    delta: PositiveFloat = 1.0
    """Where it becomes linear, in training deviations."""


class AbsoluteError(Frozen):
    """Absolute error in units of the training deviation."""

    kind: Literal["mae"] = "mae"


ContinuousLoss = Annotated[SquaredError | Huber | AbsoluteError, Field(discriminator="kind")]


# Weighting ---------------------------------------------------------------------------------------------------------
class FixedWeights(Frozen):
    """``loss.weights`` throughout."""

    kind: Literal["fixed"] = "fixed"


class Uncertainty(Frozen):
    """Weights from a trained noise level per component (Kendall et al. 2018)."""

    kind: Literal["uncertainty"] = "uncertainty"


class DynamicWeightAverage(Frozen):
    """More weight where the loss of the last two epochs fell least (Liu et al. 2019)."""

    kind: Literal["dwa"] = "dwa"
    temperature: PositiveFloat = 2.0
    """Softness of the softmax over rates."""


class GradNorm(Frozen):
    """Weights that bring the gradients to one scale, those of slower components a bit higher (Chen et al. 2018)."""

    kind: Literal["gradnorm"] = "gradnorm"
    alpha: NonNegativeFloat = 1.5
    """How strongly slower components are favoured; 0: equal gradient norms."""
    learning_rate: PositiveFloat = 0.025
    """Learning rate of the weights."""


class RandomWeights(Frozen):
    """Weights drawn anew each step: softmax of standard normals (Lin et al. 2021)."""

    kind: Literal["random"] = "random"


class PCGrad(Frozen):
    """Each component's gradient without its part against another's (Yu et al. 2020); needs the extra ``torchjd``."""

    kind: Literal["pcgrad"] = "pcgrad"


Weighting = Annotated[
    FixedWeights | Uncertainty | DynamicWeightAverage | GradNorm | RandomWeights | PCGrad, Field(discriminator="kind")
]


class LossConfig(Frozen):
    """What is minimised. Reports always use plain losses with weights of 1, whatever is trained with."""

    weights: dict[Name, NonNegativeFloat] = {}
    """Training weight per loss component; a component left out counts 1. They are scaled to a sum equal to their
    number, so that they do not change the learning rate."""
    weighting: Weighting = FixedWeights()
    """Who decides on the weights while training; all start from ``weights``."""
    binary: ClassLoss = CrossEntropy()
    """Loss of binary parameters."""
    categorical: ClassLoss = CrossEntropy()
    """Loss of categorical parameters."""
    continuous: ContinuousLoss = SquaredError()
    """Loss of continuous parameters."""

    @model_validator(mode="after")
    def _alpha_is_binary(self) -> LossConfig:
        if isinstance(self.categorical, Focal) and self.categorical.alpha is not None:
            raise ValueError("loss.categorical.alpha is for binary parameters; use class_weights: balanced")
        return self


# Optimiser ---------------------------------------------------------------------------------------------------------
class Adam(Frozen):
    """Adam with L2 weight decay added to the gradient (Kingma & Ba 2015)."""

    kind: Literal["adam"] = "adam"
    learning_rate: PositiveFloat = 1e-4
    """Peak learning rate."""
    weight_decay: NonNegativeFloat = 1e-5
    """L2 penalty."""


class AdamW(Frozen):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    kind: Literal["adamw"] = "adamw"
    learning_rate: PositiveFloat = 1e-4
    """Peak learning rate."""
    weight_decay: NonNegativeFloat = 1e-2
    """Decoupled weight decay, a share of the weight per unit of learning rate."""


Optimiser = Annotated[Adam | AdamW, Field(discriminator="kind")]


class Cosine(Frozen):
    """Linear warm-up, then a half cosine, per step; unless that begins early, the last step of the last epoch is at the
    floor exactly."""

    kind: Literal["cosine"] = "cosine"
    warmup_epochs: NonNegativeFloat = 2.0
    """Epochs of linear warm-up; may be a fraction."""
    floor: NonNegativeFloat = 1e-6
    """The lowest learning rate."""
    begins: Literal["after_warmup", "first_step"] = "after_warmup"
    """From where the cosine is counted. ``first_step``: with its length left as it is, training without the warm-up, as
    the seed experiment's was: it is at the floor ``warmup_epochs`` before the end, and climbs again until there."""


class Constant(Frozen):
    """The peak learning rate throughout."""

    kind: Literal["constant"] = "constant"


Schedule = Annotated[Cosine | Constant, Field(discriminator="kind")]


class TrainingConfig(Frozen):
    """The loop."""

    epochs: PositiveInt = 10
    """Passes over the training windows at most."""
    steps_per_epoch: PositiveInt | None = None
    """Optimiser steps an epoch at most, over windows drawn anew each epoch; None: every training window once."""
    batch: PositiveInt = 16
    """Windows per optimiser step."""
    clip_norm: PositiveFloat | None = 1.0
    """Gradients are scaled down to this L2 norm; None: never. The norm before clipping is logged."""
    select: str | None = None
    """The metric that chooses the epoch that is scored, on validation items: ``skill``, ``active/f1`` …; None: the
    task's own, see :func:`mmcore.task.default_metric`. A study sets it to its metric where that is another one."""
    patience: PositiveInt | None = None
    """Stop after this many epochs in which :attr:`select` did not get better on validation items; None: never."""
    checkpoint_every: PositiveInt | None = None
    """Keep a checkpoint every n epochs besides best and last; None: none."""
    optimiser: Optimiser = Adam()
    """How gradients become steps."""
    schedule: Schedule = Cosine()
    """Learning rate over the steps."""

    @field_validator("select")
    @classmethod
    def _is_a_metric(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                parse_metric(value)
            except ConfigError as error:
                raise ValueError(f"{error.rule}. {error.next_step}") from None
        return value

    @model_validator(mode="after")
    def _falls(self) -> TrainingConfig:
        if isinstance(self.schedule, Cosine) and self.schedule.floor > self.optimiser.learning_rate:
            raise ValueError(
                f"schedule.floor ({self.schedule.floor:g}) must not be above optimiser.learning_rate "
                f"({self.optimiser.learning_rate:g}), else the learning rate would rise again"
            )
        return self
