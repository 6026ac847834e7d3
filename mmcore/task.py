"""What a run predicts from what, with nothing left open. No torch."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence

from mmcore.config import (
    LONGEST_WINDOW,
    USUAL_WINDOW,
    Forecast,
    Label,
    LossConfig,
    PCGrad,
    Precision,
    Reconstruct,
    RunConfig,
    Task,
)
from mmcore.errors import ConfigError, nearest
from mmcore.measures import Metric, parse_metric, refuse_unmeasured
from mmcore.schema import CorpusSchema, Targets


def resolve_task(config: RunConfig, schema: CorpusSchema) -> Task:
    """The task of a run on a corpus; None in the config becomes forecast or label, whichever the targets allow.

    Raises:
        ConfigError: the task needs targets that are a modality's features and the corpus has them in a table of
            their own, or the reverse; a forecast that reads content less far ahead than its horizon while content is
            interpolated.
    """
    kind = "forecast" if schema.targets_are_features else "label"
    if config.task is None:
        return Forecast() if schema.targets_are_features else Label()
    if isinstance(config.task, Label) == schema.targets_are_features:
        home = "features of a modality" if schema.targets_are_features else "a table of their own"
        raise ConfigError(
            f"task {config.task.kind} does not fit the targets of corpus '{schema.name}'",
            expected="targets in a table of their own" if isinstance(config.task, Label) else "targets from a modality",
            found=f"targets from '{schema.targets.from_}', {home}",
            next_step=f"Leave task out, or set task.kind to {kind}",
            where="task.kind",
        )
    if isinstance(config.task, Forecast):
        _check_interpolation(config.task, config, schema)
    return config.task


def _check_interpolation(task: Forecast, config: RunConfig, schema: CorpusSchema) -> None:
    """Below the horizon a study asks what the model can do without later content: then it must not leak in."""
    # Where rows are steps (step null) nothing is interpolated.
    if schema.step is None or task.lookahead >= task.horizon or config.data.interpolation == "last":
        return
    raise ConfigError(
        "content ahead of the look-ahead would enter a step by interpolation",
        expected=f"last, since task.content_lookahead ({task.lookahead}) is below task.horizon ({task.horizon})",
        found=config.data.interpolation,
        next_step="Set data.interpolation to last, or leave task.content_lookahead out",
        where="data.interpolation",
    )


def default_window(schema: CorpusSchema, lengths: Callable[[], Sequence[int]]) -> int:
    """The window in steps of a config that names none.

    A target of a step is about the steps around it: :data:`USUAL_WINDOW` of them. A target of an item is about the
    whole item: the longest one, up to :data:`LONGEST_WINDOW` steps.

    Args:
        schema: of the corpus.
        lengths: steps of each item, of its stretches where gaps of the reference divide it; 1 for no lengths. It is
            called only where each item has one target.
    """
    if schema.targets.scope == "step":
        return USUAL_WINDOW
    return min(max([1, *lengths()]), LONGEST_WINDOW)


def resolve_causal(config: RunConfig, task: Task) -> bool:
    """Whether the encoder is causal: as configured, else for forecasts only.

    Raises:
        ConfigError: a forecast with ``model.causal: false``, which would read what it is to predict.
    """
    forecast = isinstance(task, Forecast)
    if config.model.causal is None:
        return forecast
    if forecast and not config.model.causal:
        raise ConfigError(
            "a forecast needs a causal encoder, else a step attends to later tracks, its own target among them",
            expected="model.causal null or true",
            found="false",
            next_step="Leave model.causal out, or set task.kind to reconstruct and know that it leaks",
            where="model.causal",
        )
    return config.model.causal


def default_metric(task: Task, schema: CorpusSchema) -> Metric:
    """What a task is judged by where nothing else is asked: skill; for labels with classes, balanced accuracy.

    Labels have no past that a naive prediction could persist, so their skill is measured against the frequencies of
    classes alone; and classes are seldom equally frequent.
    """
    classes = any(p.kind != "continuous" for p in schema.targets.parameters)
    return parse_metric("balanced_accuracy" if isinstance(task, Label) and classes else "skill")


def selection_metric(config: RunConfig, schema: CorpusSchema) -> Metric:
    """The metric by which a run's epoch is chosen: ``training.select``, else :func:`default_metric`."""
    written = config.training.select
    return (
        default_metric(resolve_task(config, schema), schema)
        if written is None
        else parse_metric(written, config.measures)
    )


def refuse_unusable(config: LossConfig, targets: Targets) -> None:
    """Whether losses can be weighted as the config says, before any work is done.

    Raises:
        ConfigError: a weight or a loss names no component; all weights are 0.
    """
    named = [f"weights.{name}" for name in config.weights] + [f"by_component.{name}" for name in config.by_component]
    for path in named:
        name = path.partition(".")[2]
        if name not in targets.components:
            raise ConfigError(
                f"'{name}' is not a loss component of the corpus",
                next_step=nearest(name, targets.components),
                where=f"loss.{path}",
            )
    if not any(config.weights.get(name, 1.0) for name in targets.components):
        raise ConfigError(
            "at least one loss component needs a weight above 0",
            found="0 for all of them",
            next_step="Raise a weight, or leave it out to count 1",
            where="loss.weights",
        )


def check_names(config: RunConfig, schema: CorpusSchema) -> None:
    """Whether what a config names is there: modalities of augmentation, evaluation and placebos, the selection metric.

    Raises:
        ConfigError: a name that the corpus does not have; a modality taken away from the test items, or made a placebo,
            that the model does not read anyway, or all that it reads; a metric that has no value on the corpus.
    """
    try:
        refuse_unmeasured(selection_metric(config, schema), schema.targets)
    except ConfigError as error:
        raise ConfigError(
            error.rule, expected=error.expected, found=error.found, next_step=error.next_step, where="training.select"
        ) from None
    dropout = config.augmentation.modality_dropout
    named = [] if dropout is None or not isinstance(dropout.rate, dict) else [*dropout.rate]
    taken, placebo = config.evaluation.without, config.data.placebo
    for names, where in (
        (named, "augmentation.modality_dropout.rate"),
        (taken, "evaluation.without"),
        (placebo, "data.placebo"),
        ([*config.model.embedding], "model.embedding"),
    ):
        for name in names:
            if name not in schema.modalities:
                raise ConfigError(
                    f"modality '{name}' is not in corpus '{schema.name}'",
                    next_step=nearest(name, list(schema.modalities)),
                    where=where,
                )
    read = schema.chosen(config.model.modalities)
    for names, where, doing, left in (
        (taken, "evaluation.without", "taking it away", "be left"),
        (placebo, "data.placebo", "a placebo of it", "be the item's own"),
    ):
        unread = [name for name in names if name not in read]
        if unread or len(set(names)) == len(read):
            raise ConfigError(
                f"the model does not read {', '.join(unread)}, so {doing} would change nothing"
                if unread
                else f"one of the modalities that the model reads must {left}",
                expected=f"some of {', '.join(read)}, not all",
                found=", ".join(names),
                next_step=f"Correct {where}, or let the model read more in model.modalities",
                where=where,
            )


def check_packages(config: RunConfig) -> None:
    """Refuse a config that needs a package that is not installed.

    Raises:
        ConfigError: names it, with the command that brings it.
    """
    if isinstance(config.loss.weighting, PCGrad) and importlib.util.find_spec("torchjd") is None:
        raise ConfigError(
            "weighting pcgrad needs the package torchjd",
            found="it is not installed",
            next_step="Run: pip install torchjd",
            where="loss.weighting",
        )


def check_precision(precision: Precision, device: str) -> None:
    """Refuse a precision that a device cannot compute in; of ``auto`` nothing is known yet.

    Raises:
        ConfigError: tf32 anywhere but on CUDA; bf16 on mps, where it has not been tried.
    """
    able = {"fp32": ("cpu", "cuda", "mps"), "bf16": ("cpu", "cuda"), "tf32": ("cuda",)}[precision]
    if device not in (*able, "auto"):
        other = "fp32 or bf16" if device == "cpu" else "fp32"
        raise ConfigError(
            f"training.precision {precision} does not work on {device}",
            expected=f"device {' or '.join(able)}",
            found=f"device {device}",
            next_step=f"Set training.precision to {other}, or use another device",
            where="training.precision",
        )


def is_leaky(task: Task) -> bool:
    """Whether the target can be copied from the input."""
    return isinstance(task, Reconstruct)
