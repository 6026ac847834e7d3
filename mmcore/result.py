"""What a finished run leaves behind, as plain data: the heart of its record. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from mmcore.errors import RecordError
from mmcore.fingerprint import NUMERICS
from mmcore.measures import Metric

Drawn = Literal["each_repeat", "once", "corpus"]
"""How the test side of a split came about: by chance in each repeat; by chance, but once for all repeats; as the corpus
says, which fixes train as well."""


def drawn_of(split: Mapping[str, Any]) -> Drawn:
    """How the test side of a split came about, as a record or a report tells it.

    Earlier ones have ``given`` instead: whether the corpus fixed it.
    """
    told = split.get("drawn")
    if told is None:
        return "corpus" if split.get("given") else "each_repeat"
    if told not in get_args(Drawn):
        raise RecordError(
            "'drawn' of a record's split cannot be understood",
            expected=" or ".join(get_args(Drawn)),
            found=repr(told)[:60],
            next_step="It may be of another version: run the same command again, into a fresh home",
        )
    return told


@dataclass(frozen=True)
class Score:
    """One number of one run.

    Args:
        split: ``train``, ``validation`` or ``test``.
        items: ``all``, or ``complete`` for the items that have every modality of the corpus.
        metric: a name of :data:`mmcore.measures.MEASURES`.
        component: a loss component; None for the whole.
        value: NaN where there is nothing to measure, e.g. no complete item or a target that never varies.
        parameter: set where a measure has a value for each parameter (``mae``), else None.
        baseline: the naive predictor that was scored (``persistence``, ``constant``, ``majority``, ``prior``);
            None: the model.
    """

    split: str
    items: str
    metric: str
    component: str | None
    value: float
    parameter: str | None = None
    baseline: str | None = None


def scores_of(record: Mapping[str, Any]) -> Iterator[Score]:
    """The scores of a record that was read, None back to NaN."""
    return (Score(**{**s, "value": math.nan if s["value"] is None else s["value"]}) for s in record["scores"])


def value_of(metric: Metric, scores: Iterable[Score], split: str) -> float:
    """The model's value on all items of a split, the mean over parameters where a measure has values for these alone.

    NaN where there is none.
    """
    wanted = (split, "all", metric.measure.name, metric.component, None)
    by_parameter = {
        s.parameter: s.value for s in scores if (s.split, s.items, s.metric, s.component, s.baseline) == wanted
    }
    if None in by_parameter or not by_parameter:
        return by_parameter.get(None, math.nan)
    return sum(by_parameter.values()) / len(by_parameter)


@dataclass(frozen=True)
class RunResult:
    """Everything a run has to say.

    Args:
        fingerprint: the run's identity, 32 hexadecimal digits.
        config: the whole config as plain data, defaults included.
        repeat: the repeat.
        status: ``done`` or ``failed``.
        failure: None, or ``{"error": class name, "message": …, "epoch": …, "step": …, "component": …}``.
        corpus: ``{"name", "content", "path", "modalities": [...], "components": [...], "tracks": K, "task": kind,
            "leaky": bool, "units": {parameter: unit}, "missing": {modality: number of items without it}, "scope":
            step or item, "lengths": {"items", "shortest", "median", "longest"} in steps, "alike": …, "copies": …}``;
            the last two as :func:`mmcore.data.alike.examine_columns` finds them; the last four absent from records of
            before they were looked for.
        split: ``{"train": {"items", "groups", "windows", "cut", "missing", "labels"}, "validation": …, "test": …,
            "drawn": how, "divided_groups": number of groups with items on several sides, "twins": [[test item, its copy
            on another side], …], None where test items were not read}``; ``cut``: the number of the side's items that
            are longer than the window, None where each step has a target; ``missing``: modality to the number of items
            without it; ``labels``: see :func:`mmcore.data.sides.labels_of`, None where test items were not read
            (all three absent from records of before they were counted); ``drawn``: ``each_repeat``, or ``once`` or
            ``corpus`` where test items are the same for all repeats.
        parameters: number of trained parameters by part: ``total, embedding, fusion, encoder, head``.
        flops: floating-point operations of one forward pass over one window, by the same parts.
        epochs: epochs trained. best_epoch: the epoch whose checkpoint was scored. stopped_early: by patience.
        steps: optimiser steps. seconds: training and scoring together, over all sessions of a resumed run.
        scores: of the model and of the naive baselines.
        history: one flat row an epoch: ``epoch, steps, seconds, learning_rate, gradient_norm (mean),
            gradient_norm_max, clipped (share of steps), train/loss, train/loss/COMPONENT, validation/loss,
            validation/loss/COMPONENT, validation/skill, validation/skill/COMPONENT``, and the metric that chooses the
            epoch as ``validation/MEASURE`` or ``validation/MEASURE/COMPONENT``; where the weighting of losses is not
            fixed, also ``weight/COMPONENT``, the mean weight of the epoch's steps. Losses are plain ones, whatever is
            minimised.
        items: one row per scored test item and component: ``{"item", "group", "complete", "component", "loss",
            "count", "naive_loss"}`` (loss: mean over the item's counted targets).
        outcomes: one row per scored test item and parameter with a counted target, from which every measure but average
            precision can be recomputed on any resample of items: ``{"item", "parameter", "component", "count", "loss",
            "naive_loss", "error", "cells"}``. ``loss``: mean over the item's counted targets. ``naive_loss``: the same
            of the baseline that is the better one for the component on the whole test side. ``error``: mean absolute
            error in original units, None for classes. ``cells``: non-empty cells of the confusion matrix as
            ``[true class, predicted class, count]``, None for continuous parameters. Empty in records of earlier
            versions.
        leakage: ``{"forbidden_gradient", "copy_skill", "windows"}``, see :class:`mmcore.probes.leakage.Leakage`;
            empty for a failed run.
        calibration: confidence against accuracy of the test side's class predictions: ``{"component", "bin", "count",
            "confidence", "accuracy"}``, see :func:`mmcore.training.evaluation.reliability_rows`.
        naive_classes: the class that naive predictors name, for each parameter with classes: ``{"parameter",
            "component", "classes"}``, see :func:`mmcore.training.baselines.naive_classes`. Empty in records of earlier
            versions.
        selection: ``{"metric", "by", "test_windows_read"}``: the metric by which the epoch was to be chosen, by what it
            was chosen (``metric``; ``loss`` or ``last`` where it has no value on the validation items), and how many
            windows of test items this run had read through :class:`mmcore.scoring.Data` then. Records of earlier
            versions have the last alone: skill chose. Empty for a failed run.
        gates: ``{name: {"mean", "saturated"}}`` on validation windows, see
            :func:`mmcore.probes.gates.saturation.probe_saturation`; empty for a fusion without gates and for a failed
            run.
        hardware: ``{"device", "precision"}``, what the model was really trained or tested on: a device by its kind and
            name, and the type of its numbers with torch's precision of matrix products; empty where no model was made.
        numerics: version of the numerics.
    """

    fingerprint: str
    config: dict[str, Any]
    repeat: int
    status: str
    failure: dict[str, Any] | None
    corpus: dict[str, Any]
    split: dict[str, Any]
    parameters: dict[str, int]
    flops: dict[str, int]
    epochs: int
    best_epoch: int
    stopped_early: bool
    steps: int
    seconds: float
    scores: list[Score]
    history: list[dict[str, float]]
    items: list[dict[str, Any]] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    leakage: dict[str, Any] = field(default_factory=dict)
    calibration: list[dict[str, Any]] = field(default_factory=list)
    naive_classes: list[dict[str, Any]] = field(default_factory=list)
    selection: dict[str, Any] = field(default_factory=dict)
    gates: dict[str, dict[str, Any]] = field(default_factory=dict)
    hardware: dict[str, str] = field(default_factory=dict)
    numerics: int = NUMERICS

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON (NaN is kept as NaN: the records' writer turns it into null)."""
        return asdict(self)

    def score(
        self, metric: str = "skill", component: str | None = None, split: str = "test", items: str = "all"
    ) -> float:
        """One number of the model.

        Raises:
            KeyError: the run has no such score; lists those it has.
        """
        for s in self.scores:
            if (s.split, s.items, s.metric, s.component, s.baseline, s.parameter) == (
                split, items, metric, component, None, None
            ):  # fmt: skip
                return s.value
        have = sorted({f"{s.component}/{s.metric}" if s.component else s.metric for s in self.scores if not s.baseline})
        raise KeyError(f"no score '{metric}' for component {component}, split '{split}'; there are {', '.join(have)}")
