"""From a task and tables to windows: what is predicted from what, alignment, windows, splits, augmentation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from mmcore.config.custom import Custom
from mmcore.errors import ConfigError
from mmcore.frozen import Frozen
from mmcore.limits import Window
from mmcore.names import Name

Probability = Annotated[float, Field(ge=0.0, le=1.0)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]


# What is predicted from what ---------------------------------------------------------------------------------------
class Forecast(Frozen):
    """Predict the future of the tracks: step t + horizon from the tracks up to step t. The encoder is causal."""

    kind: Literal["forecast"] = "forecast"
    horizon: PositiveInt = 1
    """How many steps ahead the tracks are predicted."""
    content_lookahead: NonNegativeInt | None = None
    """How many steps ahead of the tracks the other modalities are read; None: as many as the horizon, since the raw
    footage exists before its edit."""

    @property
    def lookahead(self) -> int:
        """The content look-ahead in steps; None is replaced by the horizon."""
        return self.horizon if self.content_lookahead is None else self.content_lookahead


class Reconstruct(Frozen):
    """Predict the tracks of the same step that the model reads. Leaky: a model that copies its input has zero loss."""

    kind: Literal["reconstruct"] = "reconstruct"


class Label(Frozen):
    """Predict targets from a table of their own, per step or per item."""

    kind: Literal["label"] = "label"


Task = Annotated[Forecast | Reconstruct | Label, Field(discriminator="kind")]


# Data --------------------------------------------------------------------------------------------------------------
USUAL_WINDOW = 100
"""Default window in steps where each step has a target."""
LONGEST_WINDOW = 1_000
"""Longest default window in steps where each item has a target. Attention grows with the square of the window; in
longer windows it takes most of the time and memory of a small model."""


class DataConfig(Frozen):
    """How tables become windows."""

    window: Window | None = None
    """Steps that the model sees at once. None: 100 if each step has a target; the longest item, up to 1,000 steps, if
    each item has one. Studies and runs fill in the number, see :mod:`mmcore.data.windows`."""
    stride: PositiveInt | None = None
    """Steps between the starts of training windows; None: the window (no overlap). Evaluation never overlaps."""
    tolerance: NonNegativeFloat = 0.05
    """A source row within this many seconds of a step matches it. Steps without a match are interpolated and
    counted."""
    max_gap: PositiveFloat = 5.0
    """In a gap between source rows longer than this, in seconds, the stream is absent; values are not interpolated."""
    interpolation: Literal["linear", "last"] = "linear"
    """How a step without a match is filled. last: by the last earlier row, so a step never reads a later row (except
    its own match within the tolerance). linear: also from the next row, up to max_gap ahead. The modality of the
    targets always uses last."""
    clip: PositiveFloat = 10.0
    """Normalised inputs are limited to ± this many standard deviations of the training items, so that one broken sensor
    value cannot dominate a batch."""
    placebo: tuple[Name, ...] = ()
    """Modalities that every item reads from another item of its side, in training and in testing: the same parameters
    and operations, but no information. Targets and naive baselines stay the item's own, so a placebo of the tracks
    hides the past from a forecasting model only."""

    @property
    def steps(self) -> int:
        """The window in steps, as a number.

        Raises:
            ConfigError: the window is None; the number then depends on the corpus.
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
    """Shares of groups. Each repeat draws a new split unless the corpus gives one."""

    validation: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Share of the groups that selects the checkpoint."""
    test: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Share of the groups that is scored once, after the checkpoint has been selected."""
    test_drawn: Literal["each_repeat", "once"] = "each_repeat"
    """each_repeat: every repeat tests other groups, so that intervals include the choice of test groups. once: all
    repeats test the same groups, and draw only train and validation. Studies that search use once, so that no item that
    helped to choose a setting is used to confirm it."""
    stratify: Name | None = None
    """A column of items.csv, or a target with classes: each drawn side then gets its share of every value. Groups stay
    whole: a group counts with the most frequent value of its items, or of their steps. None: no stratification."""

    @model_validator(mode="after")
    def _leaves_training(self) -> SplitConfig:
        if self.validation + self.test >= 1.0:
            raise ValueError("validation + test must be below 1, something must be left to train on")
        return self


# Augmentation ------------------------------------------------------------------------------------------------------
class Jitter(Frozen):
    """A window starts a few steps earlier or later; all its streams and targets move together."""

    steps: PositiveInt = 5
    """Largest shift in steps, in either direction; a window never leaves its item."""
    probability: Probability = 0.5
    """Probability that a window is moved."""


class Crop(Frozen):
    """The model sees only a part of the window; the rest counts as padding."""

    shortest: Share = 0.5
    """Smallest share of the window's steps that remains."""
    probability: Probability = 0.5
    """Probability that a window is cropped."""


class FeatureDropout(Frozen):
    """Features of a window are replaced by their mean (zero after normalisation)."""

    rate: Share = 0.1
    """Share of the features that is replaced."""
    probability: Probability = 0.5
    """Probability that a window loses features."""


class ModalityDropout(Frozen):
    """Modalities of a window are dropped; at least one that is present always remains."""

    rate: Probability | dict[Name, Probability] = 0.3
    """Probability that a modality is dropped; one number for all, or by name (0 for modalities without a name here)."""
    probability: Probability = 1.0
    """Probability that a window may lose modalities at all."""


class Noise(Frozen):
    """Normal noise on continuous features and embeddings."""

    deviations: PositiveFloat = 0.1
    """Standard deviation of the noise, as a multiple of the feature's standard deviation on training items."""
    probability: Probability = 0.5
    """Probability that a window gets noise."""


class TimeMasking(Frozen):
    """A span of steps is made absent, drawn separately for each modality."""

    steps: PositiveInt = 10
    """Longest span in steps."""
    probability: Probability = 0.5
    """Probability that a modality of a window has a masked span."""


class AugmentationConfig(Frozen):
    """Random changes of training windows. (repeat, epoch, window) determines each draw. None switches a change off."""

    jitter: Jitter | None = None
    """Move windows in time."""
    crop: Crop | None = None
    """Shorten windows."""
    feature_dropout: FeatureDropout | None = None
    """Replace features by their mean."""
    modality_dropout: ModalityDropout | None = None
    """Drop modalities."""
    noise: Noise | None = None
    """Add noise to features."""
    time_masking: TimeMasking | None = None
    """Mask spans of steps."""
    own: Custom | None = None
    """A change of your own, after all others."""
