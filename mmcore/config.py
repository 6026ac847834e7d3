"""Every knob of a run on one page. Frozen, typed, validated at construction; the defaults are the seed's sizes.

A value here either changes the numbers of a run, and then it is part of the fingerprint, or stands in
:data:`NOT_NUMBERS`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from mmcore.errors import ConfigError, nearest, quoting
from mmcore.frozen import Frozen

NOT_NUMBERS = ("corpus", "repeat", "device", "threads")
"""Left out of the fingerprint: paths and machine (the corpus counts by content, the repeat separately)."""

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


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
class DataConfig(Frozen):
    """From tables to windows."""

    window: PositiveInt = 100
    """Steps that the model sees at once."""
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


class SplitConfig(Frozen):
    """Shares of groups; drawn anew for each repeat unless the corpus gives a split."""

    validation: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Share of the groups that selects the checkpoint."""
    test: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Share of the groups that is scored once, after selection is frozen."""

    @model_validator(mode="after")
    def _leaves_training(self) -> SplitConfig:
        if self.validation + self.test >= 1.0:
            raise ValueError("validation + test must be below 1, something must be left to train on")
        return self


# Model -------------------------------------------------------------------------------------------------------------
class Gated(Frozen):
    """Σ_m σ(W_m e_m + b_m) ⊙ e_m: a gate per feature and modality."""

    kind: Literal["gated"] = "gated"


class Concat(Frozen):
    """Linear([e_1; …; e_M])."""

    kind: Literal["concat"] = "concat"


class Add(Frozen):
    """Σ_m softmax(w)_m e_m: one learned weight per modality."""

    kind: Literal["add"] = "add"


Fusion = Annotated[Gated | Concat | Add, Field(discriminator="kind")]


class SharedHead(Frozen):
    """The seed's head: h_t + E_k → Linear → one Linear per parameter. Affine, so all tracks get the same curve."""

    kind: Literal["shared"] = "shared"


class PerTrackHead(Frozen):
    """h_t → Linear → an output Linear of its own for each track."""

    kind: Literal["per_track"] = "per_track"


Head = Annotated[SharedHead | PerTrackHead, Field(discriminator="kind")]


class ModelConfig(Frozen):
    """Embedding per modality → fusion → positions → Transformer encoder → head."""

    modalities: tuple[str, ...] | None = None
    """The modalities that the model reads; None: all of the corpus. With a single one there is nothing to fuse."""
    fusion: Fusion = Gated()
    """How the embeddings of a step become one vector."""
    width: PositiveInt = 256
    """Model width D."""
    layers: PositiveInt = 6
    """Encoder layers."""
    heads: PositiveInt = 8
    """Attention heads H; must divide the width."""
    feed_forward: PositiveInt = 1024
    """Width of the feed-forward block."""
    dropout: Fraction = 0.1
    """Dropout after fusion with positions, and on each residual branch and feed-forward activation."""
    attention_dropout: Fraction = 0.0
    """Dropout on attention weights; above 0 the explicit-weights path is used, which is slower."""
    norm: Literal["post", "pre"] = "post"
    """Layer norm after each residual sum (Vaswani 2017), or before each block with a final one (Xiong 2020)."""
    causal: bool | None = None
    """Whether a step attends to earlier steps only; None: yes for forecast, no otherwise."""
    head: Head = PerTrackHead()
    """From encoder states to predictions."""

    @model_validator(mode="after")
    def _shape(self) -> ModelConfig:
        if self.width % self.heads:
            raise ValueError(f"model.heads ({self.heads}) must divide model.width ({self.width})")
        if self.width % 2:
            raise ValueError(f"model.width ({self.width}) must be even for sinusoidal positions")
        if self.modalities is not None and (not self.modalities or len(set(self.modalities)) != len(self.modalities)):
            raise ValueError("model.modalities must name at least one modality, and none twice")
        return self


# Training ----------------------------------------------------------------------------------------------------------
class LossConfig(Frozen):
    """What is minimised. Reports always use weights of 1, whatever is trained with."""

    weights: dict[str, NonNegativeFloat] = {}
    """Training weight per loss component; a component left out counts 1."""


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
    """Linear warm-up, then a half cosine, per step; the last step of the last epoch is exactly at the floor."""

    kind: Literal["cosine"] = "cosine"
    warmup_epochs: NonNegativeFloat = 2.0
    """Epochs of linear warm-up; may be a fraction."""
    floor: NonNegativeFloat = 1e-6
    """Learning rate of the last step."""


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
    patience: PositiveInt | None = None
    """Stop after this many epochs without a better validation skill; None: never."""
    checkpoint_every: PositiveInt | None = None
    """Keep a checkpoint every n epochs besides best and last; None: none."""
    optimiser: Optimiser = Adam()
    """How gradients become steps."""
    schedule: Schedule = Cosine()
    """Learning rate over the steps."""

    @model_validator(mode="after")
    def _falls(self) -> TrainingConfig:
        if isinstance(self.schedule, Cosine) and self.schedule.floor > self.optimiser.learning_rate:
            raise ValueError(
                f"schedule.floor ({self.schedule.floor:g}) must not be above optimiser.learning_rate "
                f"({self.optimiser.learning_rate:g}), else the learning rate would rise again"
            )
        return self


# The run -----------------------------------------------------------------------------------------------------------
class RunConfig(Frozen):
    """One training: everything that decides its numbers, and where it happens."""

    corpus: str
    """Folder of the corpus (format 1)."""
    repeat: NonNegativeInt = 0
    """Fixes the split and the initialisation, for every arm alike."""
    task: Task | None = None
    """What is predicted from what; None: forecast where the targets are a modality's features, else label."""
    data: DataConfig = DataConfig()
    """From tables to windows."""
    split: SplitConfig = SplitConfig()
    """Shares of train, validation and test."""
    model: ModelConfig = ModelConfig()
    """The network."""
    loss: LossConfig = LossConfig()
    """What is minimised."""
    training: TrainingConfig = TrainingConfig()
    """How it is minimised."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "cpu"
    """Where to train; auto: cuda, then mps, then cpu."""
    threads: PositiveInt | None = None
    """CPU threads of the run; None: as torch finds best."""


# Overrides ---------------------------------------------------------------------------------------------------------
def override(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``{dotted.path: value}`` laid over it; neither is changed.

    A mapping as value is laid over the mapping that is there, key by key. Setting ``kind`` to another member of a
    family drops the old member's keys.

    Example:
        >>> override({"model": {"width": 64}}, {"model.fusion.kind": "add", "training": {"epochs": 3}})
        {'model': {'width': 64, 'fusion': {'kind': 'add'}}, 'training': {'epochs': 3}}
    """
    result = dict(base)
    for path, value in overrides.items():
        head, _, rest = path.partition(".")
        if rest:
            value = {rest: value}
        if isinstance(value, dict):
            old = result.get(head)
            old = old if isinstance(old, dict) else {}
            if "kind" in value and "kind" in old and old["kind"] != value["kind"]:
                old = {}
            result[head] = override(old, value)
        else:
            result[head] = value
    return result


def build_config(values: dict[str, Any], where: str | None = None) -> RunConfig:
    """A validated config from nested plain values.

    Raises:
        ConfigError: the first broken rule, with the dotted path and the nearest valid name.
    """
    try:
        return RunConfig.model_validate(_with_kinds(values, RunConfig))
    except ValidationError as error:
        raise explain(error, where) from None


def _with_kinds(values: dict[str, Any], model: type[Frozen]) -> dict[str, Any]:
    """``values`` with the default member's kind where a family's settings are given without one, so that
    ``training.optimiser.learning_rate`` can be set by itself."""
    filled = dict(values)
    for name, field in model.model_fields.items():
        given, default = values.get(name), field.default
        if isinstance(given, dict) and isinstance(default, Frozen):
            kind = getattr(default, "kind", None)
            if kind is None:
                filled[name] = _with_kinds(given, type(default))
            elif "kind" not in given:
                filled[name] = {"kind": kind, **given}
    return filled


def explain(error: ValidationError, where: str | None = None) -> ConfigError:
    """Turn pydantic's first complaint into one of ours, with the dotted path and the nearest valid name."""
    first = error.errors()[0]
    # A tagged union puts its tag into the location; a reader of the config never wrote that step.
    path = ".".join(str(step) for step in first["loc"] if step not in _TAGS)
    place = f"{where}: {path}" if where and path else where or path or None
    match first["type"]:
        case "extra_forbidden":
            parent, _, key = path.rpartition(".")
            return ConfigError(f"unknown key '{key}'", where=place, next_step=nearest(key, valid_keys(parent, error)))
        case "union_tag_invalid":
            context = first.get("ctx", {})
            found = str(context.get("tag"))
            choices = [tag.strip(" '") for tag in str(context.get("expected_tags", "")).split(",")]
            return ConfigError(f"kind '{found}' is unknown", where=place, next_step=nearest(found, choices))
        case "union_tag_not_found":
            return ConfigError("a kind must be named", where=place, next_step="Write {kind: NAME, …}")
        case "missing":
            return ConfigError("a required value is missing", where=place)
        case "value_error":
            return ConfigError(first["msg"].removeprefix("Value error, "), where=place)
        case _:
            return ConfigError(
                first["msg"][:1].lower() + first["msg"][1:],
                found=repr(first["input"])[:80],
                next_step=quoting(first["type"], first["input"]),
                where=place,
            )


def valid_keys(path: str, error: ValidationError | None = None) -> list[str]:
    """The keys that a config takes at a dotted path (all members of a family together); [] where there is none."""
    models: list[Any] = [RunConfig]
    for step in path.split(".") if path else []:
        models = [
            m for model in models if step in model.model_fields for m in _models(model.model_fields[step].annotation)
        ]
    return list(dict.fromkeys(name for model in models for name in model.model_fields))


def _models(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, Frozen):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models(part)]


_TAGS = frozenset(
    model.model_fields["kind"].default
    for family in (Task, Fusion, Head, Optimiser, Schedule)
    for model in _models(family)
)
