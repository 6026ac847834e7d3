"""From a task and tables to windows: what is predicted from what, alignment, windows, splits, augmentation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from mmcore.errors import ConfigError
from mmcore.frozen import Frozen
from mmcore.names import Name

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]


# What is predicted from what ---------------------------------------------------------------------------------------
class Forecast(Frozen):
    """Predict the tracks ahead of time: step t + horizon from tracks up to t. The encoder is causal."""

    kind: Literal["forecast"] = "forecast"
    horizon: PositiveInt = 1
    """How far ahead of the tracks the prediction lies, in steps."""
    content_lookahead: NonNegativeInt | None = None
    """How far ahead of the tracks the other modalities are read, in steps; None: the horizon, since the raw footage
    exists before its edit."""

    @property
    def lookahead(self) -> int:
        """The content look-ahead in steps, with None resolved."""
        return self.horizon if self.content_lookahead is None else self.content_lookahead


class Reconstruct(Frozen):
    """Predict the tracks of the very step that is read. Leaky: copying the input scores zero loss."""

    kind: Literal["reconstruct"] = "reconstruct"


class Label(Frozen):
    """Predict targets from a table of their own, per step or per item."""

    kind: Literal["label"] = "label"


Task = Annotated[Forecast | Reconstruct | Label, Field(discriminator="kind")]


# Data --------------------------------------------------------------------------------------------------------------
USUAL_WINDOW = 100
"""Steps of a window where each step has a target and nobody says otherwise."""
LONGEST_WINDOW = 1_000
"""Steps of a window at most where each item has a target and nobody says otherwise. Beyond it attention, which grows
with the square of the window, takes most of the time and memory of a small model."""


class DataConfig(Frozen):
    """From tables to windows."""

    window: PositiveInt | None = None
    """Steps that the model sees at once. None: 100 where each step has a target; the longest item, up to 1,000 steps,
    where each item has one. Studies and runs put the number in, see :mod:`mmcore.data.windows`."""
    stride: PositiveInt | None = None
    """Steps between the starts of training windows; None: the window (no overlap). Evaluation never overlaps."""
    tolerance: NonNegativeFloat = 0.05
    """Seconds within which a source time counts as a match; beyond it values are interpolated and counted."""
    max_gap: PositiveFloat = 5.0
    """Seconds; a longer gap between source times is absent, not interpolated."""
    interpolation: Literal["linear", "last"] = "linear"
    """How a step without a match is filled. last: a step never reads a later source sample (but its own match within
    the tolerance); linear reads the next sample of the footage, up to max_gap ahead. The target's modality is always
    filled by last."""
    clip: PositiveFloat = 10.0
    """Normalised inputs are limited to ± this many training deviations, so that one broken sensor value cannot
    dominate a batch."""
    placebo: tuple[Name, ...] = ()
    """Modalities that every item reads from another item of its side, in training and in tests: the same parameters and
    operations, and no information. Targets and naive baselines stay the item's own, so a placebo of the tracks takes
    the past away from a forecast's model, and from nothing else."""

    @property
    def steps(self) -> int:
        """The window in steps, as a number.

        Raises:
            ConfigError: the window is None, and only the corpus can tell what that comes to.
        """
        if self.window is None:
            raise ConfigError(
                "the window must be a number here",
                expected="steps, since None depends on the lengths of the corpus's items",
                found="None",
                next_step="Call mmcore.data.windows.with_window(config, prepared) first, or set data.window",
                where="data.window",
            )
        return self.window

    @model_validator(mode="after")
    def _none_twice(self) -> DataConfig:
        if len(set(self.placebo)) != len(self.placebo):
            raise ValueError("data.placebo must name no modality twice")
        return self


class SplitConfig(Frozen):
    """Shares of groups; drawn anew for each repeat unless the corpus gives a split."""

    validation: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Share of the groups that selects the checkpoint."""
    test: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Share of the groups that is scored once, after selection is frozen."""
    test_drawn: Literal["each_repeat", "once"] = "each_repeat"
    """each_repeat: other test groups in every repeat, so that intervals cover which groups are tested. once: the same
    ones in all repeats, and only train and validation are drawn anew. Studies that search draw them once, so that
    no item that helped to choose a setting is among those that confirm it."""
    stratify: Name | None = None
    """A column of items.csv, or a target with classes: each side that is drawn then gets its share of every value.
    Groups stay whole: a group counts by the value that most of its items, or steps, have. None: no."""

    @model_validator(mode="after")
    def _leaves_training(self) -> SplitConfig:
        if self.validation + self.test >= 1.0:
            raise ValueError("validation + test must be below 1, something must be left to train on")
        return self


# Augmentation ------------------------------------------------------------------------------------------------------
class Jitter(Frozen):
    """A window starts a few steps earlier or later; all its streams and targets move together."""

    steps: PositiveInt = 5
    """Steps at most, in either direction; never beyond the item's ends."""
    probability: Probability = 0.5
    """Chance that a window is moved."""


class Crop(Frozen):
    """Only a part of the window is shown; the rest counts as padding."""

    shortest: Share = 0.5
    """Share of the window's steps that remains at least."""
    probability: Probability = 0.5
    """Chance that a window is cropped."""


class FeatureDropout(Frozen):
    """Features of a window are replaced by their mean (zero after normalisation)."""

    rate: Share = 0.1
    """Share of the features."""
    probability: Probability = 0.5
    """Chance that a window loses features."""


class ModalityDropout(Frozen):
    """Modalities of a window are absent; one that is there always remains."""

    rate: Probability | dict[Name, Probability] = 0.3
    """Chance that a modality is dropped; one number for all, or by name (0 where not named)."""
    probability: Probability = 1.0
    """Chance that a window loses modalities at all."""


class Noise(Frozen):
    """Normal noise on continuous features and embeddings."""

    deviations: PositiveFloat = 0.1
    """Standard deviation of the noise, in deviations of the feature on training items."""
    probability: Probability = 0.5
    """Chance that a window is noisy."""


class TimeMasking(Frozen):
    """A span of steps is absent, drawn for each modality by itself."""

    steps: PositiveInt = 10
    """Longest span."""
    probability: Probability = 0.5
    """Chance that a modality of a window has a masked span."""


class AugmentationConfig(Frozen):
    """What is changed in training windows, drawn from (repeat, epoch, window). None: not at all."""

    jitter: Jitter | None = None
    """Moved windows."""
    crop: Crop | None = None
    """Shorter windows."""
    feature_dropout: FeatureDropout | None = None
    """Missing features."""
    modality_dropout: ModalityDropout | None = None
    """Missing modalities."""
    noise: Noise | None = None
    """Noisy features."""
    time_masking: TimeMasking | None = None
    """Missing spans."""
