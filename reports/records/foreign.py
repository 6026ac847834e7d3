"""Scores that other code made, as the results of a study: the same tables as those of runs that mmstudy trained."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import pandas as pd

from mmcore.config import ForeignConfig
from mmcore.facts import CorpusFacts, SplitFacts
from mmcore.language import later
from mmcore.measures import Measure, Metric
from mmcore.record import Record
from mmcore.scores import ItemLoss, Score
from reports.records.frame import StudyResults, tidy
from reports.records.origin import Foreign, Origin
from studies.resolved import ResolvedArm, ResolvedStudy


def own_measure(name: str, higher_is_better: bool, meaning: str = "", whole: str | None = None) -> Measure:
    """A measure that the user computed.

    Args:
        name: as in the scores. meaning: one plain sentence; empty: only where the numbers come from.
        whole: ``mean`` where components combine into their mean; None: they do not combine.
    """
    return Measure(
        name=name,
        higher_is_better=higher_is_better,
        title=name.replace("_", " "),
        meaning=meaning or later("As given with the scores; mmstudy did not compute it."),
        whole="mean" if whole == "mean" else None,
    )


@dataclass(frozen=True)
class Request:
    """The question that scores are to answer.

    Args:
        name, question: heading of the report.
        measure: the user's own, see :func:`own_measure`.
        reference: the arm that others are compared with; its comparisons are ``pairs`` where these are not given.
        pairs: (arm, against), in order.
        alpha, margin: as in a study.
        foreign: where the scores come from.
        settings: of each arm, by name; {} where nothing is known of them.
    """

    name: str
    question: str
    measure: Measure
    reference: str
    pairs: tuple[tuple[str, str], ...] | None = None
    alpha: float = 0.05
    margin: float | None = None
    foreign: Foreign = field(default_factory=Foreign)
    settings: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def foreign_study(request: Request, arms: Sequence[str], repeats: int) -> ResolvedStudy[ForeignConfig]:
    """The study that a request is, with the arms of the scores in their order.

    Args:
        repeats: R; repeats are numbered from 0.
    """
    settings = request.settings
    return ResolvedStudy(
        name=request.name,
        question=request.question,
        metric=Metric(request.measure, None),
        arms=tuple(
            ResolvedArm(arm, dict(settings.get(arm, {})), ForeignConfig(settings=dict(settings.get(arm, {}))))
            for arm in arms
        ),
        reference=request.reference,
        pairs=request.pairs or tuple((arm, request.reference) for arm in arms if arm != request.reference),
        repeats=repeats,
        alpha=request.alpha,
        margin=request.margin,
        preset=None,
        changes={},
    )


def foreign_results(scores: pd.DataFrame, request: Request, origin: Origin | None = None) -> StudyResults:
    """The results of a study from a tidy table of scores.

    A run is an arm and repeat. Its score is the mean over its items, where there are any, and over its components
    where the measure combines them.

    Args:
        scores: one row a score. Columns ``arm`` (text), ``repeat`` (numbers from 0 on), ``value`` (float; NaN: not
            known), and optionally ``component``, ``item`` and ``group`` (text; an item without a group is its own).
            A cell has one row.

    Raises:
        KeyError: a column is missing.
    """
    arms = [str(arm) for arm in scores["arm"].unique()]
    repeats = max(map(int, scores["repeat"]), default=-1) + 1
    study = foreign_study(request, arms, repeats)
    components = tuple(map(str, scores["component"].unique())) if "component" in scores else ()
    records = []
    for key, rows in scores.groupby(["arm", "repeat"], sort=False):
        arm, repeat = cast(tuple[str, int], key)
        values, items = _scores_of(cast(pd.DataFrame, rows), request.measure)
        records.append(_record(request, str(arm), int(repeat), components, values, items))
    return tidy(study, records, origin=origin, foreign=request.foreign)


def _scores_of(rows: pd.DataFrame, measure: Measure) -> tuple[tuple[Score, ...], tuple[ItemLoss, ...]]:
    """The scores of a run, the whole first, and its scores by item."""
    values: dict[str | None, float] = {}
    parts = rows.groupby("component", sort=False) if "component" in rows else [(None, rows)]
    items = []
    for component, part in parts:
        name = None if component is None else str(component)
        value_N = part["value"].to_numpy(float)
        # An item without a number leaves the run without one: a mean over the rest would be of other items.
        values[name] = float(value_N.mean())
        if "item" in part:
            group_N = part["group"] if "group" in part else part["item"]
            items += [
                ItemLoss(str(item), str(group), True, name or measure.name, float(value), 1, math.nan)
                for item, group, value in zip(part["item"], group_N, value_N, strict=True)
            ]
    if None not in values and measure.whole == "mean":
        values = {None: sum(v for v in values.values()) / len(values), **values}
    return tuple(Score("test", "all", measure.name, c, v) for c, v in values.items()), tuple(items)


def _record(
    request: Request,
    arm: str,
    repeat: int,
    components: tuple[str, ...],
    scores: tuple[Score, ...],
    items: tuple[ItemLoss, ...],
) -> Record:
    return Record(
        fingerprint="",
        repeat=repeat,
        status="done",
        failure=None,
        epochs=0,
        best_epoch=0,
        stopped_early=False,
        steps=0,
        seconds=math.nan,
        config=ForeignConfig(settings=dict(request.settings.get(arm, {}))),
        corpus=CorpusFacts(components=components),
        split=SplitFacts(),
        parameters={},
        flops={},
        numerics=0,
        study=request.name,
        arm=arm,
        scores=scores,
        history=(),
        items=items,
    )
