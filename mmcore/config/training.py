"""What is minimised and how: losses, weighting of the components, optimiser, schedule, loop."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from mmcore.config.custom import Custom
from mmcore.frozen import Frozen
from mmcore.limits import Million
from mmcore.names import Name

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Precision = Literal["fp32", "bf16", "tf32"]
"""In which numbers a model computes its products."""


# Losses ------------------------------------------------------------------------------------------------------------
class CrossEntropy(Frozen):
    """−log of the true class's probability."""

    kind: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: Fraction = 0.0
    """Share of the truth that is spread evenly over all classes (Szegedy et al. 2016, §7)."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: a class counts in inverse proportion to its frequency on training items, 1 on average over targets."""


class Focal(Frozen):
    """−α (1 − p)^γ log p: examples that the model already predicts well count less (Lin et al. 2017)."""

    kind: Literal["focal"] = "focal"
    gamma: NonNegativeFloat = 2.0
    """How much less well-predicted examples count; 0 gives cross-entropy."""
    alpha: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None
    """Binary parameters only: "true" has the weight alpha, "false" 1 − alpha; None: both have the weight 1."""
    label_smoothing: Fraction = 0.0
    """Share of the truth that is spread evenly over all classes."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: a class counts in inverse proportion to its frequency on training items, 1 on average over targets."""

    @model_validator(mode="after")
    def _one_weight(self) -> Focal:
        if self.alpha is not None and self.class_weights == "balanced":
            raise ValueError("alpha and class_weights: balanced both weigh the classes; choose one")
        return self


ClassLoss = Annotated[CrossEntropy | Focal | Custom, Field(discriminator="kind")]


class SquaredError(Frozen):
    """Squared error of targets scaled to a standard deviation of 1 on training items."""

    kind: Literal["mse"] = "mse"


class Huber(Frozen):
    """Squared error up to delta, linear beyond it (Huber 1964)."""

    kind: Literal["huber"] = "huber"
    delta: PositiveFloat = 1.0
    """Error from which the loss is linear, in standard deviations of the target on training items."""


class AbsoluteError(Frozen):
    """Absolute error in standard deviations of the target on training items."""

    kind: Literal["mae"] = "mae"


ContinuousLoss = Annotated[SquaredError | Huber | AbsoluteError | Custom, Field(discriminator="kind")]


# Weighting ---------------------------------------------------------------------------------------------------------
class FixedWeights(Frozen):
    """``loss.weights`` stay as they are during training."""

    kind: Literal["fixed"] = "fixed"


class Uncertainty(Frozen):
    """Weights from a trained noise level per component (Kendall et al. 2018)."""

    kind: Literal["uncertainty"] = "uncertainty"


class DynamicWeightAverage(Frozen):
    """More weight for components whose loss fell least over the last two epochs (Liu et al. 2019)."""

    kind: Literal["dwa"] = "dwa"
    temperature: PositiveFloat = 2.0
    """Temperature of the softmax over the rates at which losses fall; higher values bring the weights closer
    together."""


class GradNorm(Frozen):
    """Weights that bring all gradients to one scale, with a larger gradient for components that learn more slowly (Chen
    et al. 2018)."""

    kind: Literal["gradnorm"] = "gradnorm"
    alpha: NonNegativeFloat = 1.5
    """How strongly components that learn more slowly are favoured; 0: equal gradient norms."""
    learning_rate: PositiveFloat = 0.025
    """Learning rate of the weights."""


class RandomWeights(Frozen):
    """New random weights for each step: softmax of standard normal draws (Lin et al. 2021)."""

    kind: Literal["random"] = "random"


class PCGrad(Frozen):
    """Remove from each component's gradient the part that conflicts with another component's gradient (Yu et al. 2020);
    needs the extra ``torchjd``."""

    kind: Literal["pcgrad"] = "pcgrad"


Weighting = Annotated[
    FixedWeights | Uncertainty | DynamicWeightAverage | GradNorm | RandomWeights | PCGrad | Custom,
    Field(discriminator="kind"),
]


class LossConfig(Frozen):
    """The loss that training minimises. Reports always use plain losses with weights of 1, whatever the training
    loss."""

    weights: dict[Name, NonNegativeFloat] = {}
    """Training weight per loss component; a component that is not listed has the weight 1. The weights are scaled so
    that their sum equals their number and they do not change the learning rate."""
    weighting: Weighting = FixedWeights()
    """How the weights change during training; all methods start from ``weights``."""
    binary: ClassLoss = CrossEntropy()
    """Loss of binary parameters."""
    categorical: ClassLoss = CrossEntropy()
    """Loss of categorical parameters."""
    continuous: ContinuousLoss = SquaredError()
    """Loss of continuous parameters."""
    by_component: dict[Name, Custom] = {}
    """A loss of your own for the parameters of a component, whatever their kind."""

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
    """Weight of the L2 penalty."""


class AdamW(Frozen):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    kind: Literal["adamw"] = "adamw"
    learning_rate: PositiveFloat = 1e-4
    """Peak learning rate."""
    weight_decay: NonNegativeFloat = 1e-2
    """Decoupled weight decay, a share of the weight per unit of learning rate."""


Optimiser = Annotated[Adam | AdamW, Field(discriminator="kind")]


class Cosine(Frozen):
    """Linear warm-up, then half a cosine, updated at every step. The last step of the last epoch is exactly at the
    floor, unless the cosine begins at ``first_step``."""

    kind: Literal["cosine"] = "cosine"
    warmup_epochs: NonNegativeFloat = 2.0
    """Epochs of linear warm-up; may be a fraction."""
    floor: NonNegativeFloat = 1e-6
    """The lowest learning rate."""
    begins: Literal["after_warmup", "first_step"] = "after_warmup"
    """Where the cosine begins; its length is always the training without the warm-up. ``first_step``: as in the seed
    experiment, the rate reaches the floor ``warmup_epochs`` before the end, and rises again until the end."""


class Constant(Frozen):
    """The learning rate stays at its peak."""

    kind: Literal["constant"] = "constant"


Schedule = Annotated[Cosine | Constant, Field(discriminator="kind")]


class TrainingConfig(Frozen):
    """The training loop: its length, batches, optimiser, and the choice of the epoch."""

    epochs: Million = 10
    """Maximum number of passes over the training windows."""
    steps_per_epoch: PositiveInt | None = None
    """Maximum number of optimiser steps per epoch; each epoch draws new windows. None: every training window once."""
    batch: Million = 16
    """Windows per optimiser step."""
    clip_norm: PositiveFloat | None = 1.0
    """Gradients are scaled down to this L2 norm; None: never. The norm before clipping is logged."""
    select: str | None = None
    """The epoch with the best value of this metric on validation items is scored: ``skill``, ``active/f1`` …; None: the
    default metric of the task, see :func:`mmcore.task.default_metric`. A study with another metric sets it here."""
    patience: PositiveInt | None = None
    """Stop after this many epochs without a better value of :attr:`select` on validation items; None: never."""
    checkpoint_every: PositiveInt | None = None
    """Keep a checkpoint every n epochs besides best and last; None: only best and last."""
    optimiser: Optimiser = Adam()
    """The optimiser and its learning rate."""
    schedule: Schedule = Cosine()
    """How the learning rate changes during training."""
    precision: Precision = "fp32"
    """Numbers in which the model computes its products, in training and whenever it predicts. bf16: 8 bits of a
    factor's fraction instead of 24, on processors and graphics cards; tf32: 11 bits, on graphics cards alone. Sums,
    norms, softmax, losses, weights and the optimiser stay in fp32."""

    @model_validator(mode="after")
    def _falls(self) -> TrainingConfig:
        if isinstance(self.schedule, Cosine) and self.schedule.floor > self.optimiser.learning_rate:
            raise ValueError(
                f"schedule.floor ({self.schedule.floor:g}) must not be above optimiser.learning_rate "
                f"({self.optimiser.learning_rate:g}), else the learning rate would rise again"
            )
        return self
