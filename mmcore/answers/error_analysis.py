"""What an analysis of errors answers: losses by condition, the worst and best items and spans, and cases to look at."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mmcore.answers.parts import Number, Numbers, Part

Why = Literal["hardest", "worst", "best"]
"""Hardest: for the naive predictor, so the same in every arm; worst and best: for the model."""


class ErrorGroup(Part):
    """Losses in one group of a condition, by component."""

    group: str | None
    """None: the condition is not known there."""
    count: dict[str, int]
    """Counted targets."""
    loss: dict[str, Number]
    naive: dict[str, Number]
    """Loss of the naive predictor."""
    items: tuple[str, ...] | None = Field(default=None, exclude_if=lambda items: items is None)
    """The tested ones; None where items do not have the condition as a whole."""


class ErrorCondition(Part):
    """A division of the targets into groups; the first is the one that others are held against."""

    name: str
    of_items: bool = Field(default=False, exclude_if=lambda of_items: not of_items)
    """Whether it is a column of items.csv, which items have as a whole."""
    groups: tuple[ErrorGroup, ...]


class ItemLoss(Part):
    """What the model, and the naive predictor, lose on an item."""

    item: str
    loss: Number
    naive: Number


class SpanLoss(Part):
    """The same in some steps of an item."""

    item: str
    start: int
    steps: int
    loss: Number
    naive: Number


class ItemEnds(Part):
    """From the most extreme one; ties by name."""

    worst: tuple[ItemLoss, ...]
    best: tuple[ItemLoss, ...]


class SpanEnds(Part):
    """From the most extreme one. The hardest come first from items that have all modalities."""

    hardest: tuple[SpanLoss, ...]
    worst: tuple[SpanLoss, ...]
    best: tuple[SpanLoss, ...]


class CaseLine(Part):
    """A parameter on one track: in original units, the probability of yes, or the class."""

    track: int
    parameter: str
    kind: str
    unit: str
    true: Numbers
    predicted: Numbers


class CaseFeature(Part):
    """One feature of a modality."""

    modality: str
    feature: str
    unit: str
    values: Numbers


class AttentionRow(Part):
    """Weights by step, mean over heads, keys of a step together; weights of steps before those shown are left out."""

    place: str
    """See :class:`mmcore.probes.attention.maps.AttentionMap`."""
    layer: int
    row: Numbers


class CaseAttention(Part):
    """Where the model looks from one place."""

    at: int
    rows: tuple[AttentionRow, ...]
    """The first ones, in the model's order."""
    of: int
    """Rows that there are."""


class Case(Part):
    """A span that is worth a look. Series have one entry a place, NaN where there is nothing."""

    component: str
    why: Why
    item: str
    start: int
    """Step of the item at the first place shown."""
    step: float | None
    """Seconds; None where steps are rows."""
    span: tuple[int, int]
    """First place, and place after the last."""
    loss: Number
    naive: Number
    lines: tuple[CaseLine, ...]
    """Those with the largest loss in the span."""
    features: tuple[CaseFeature, ...]
    """One of each modality but the targets' own."""
    events: tuple[int, ...]
    """Places of edits."""
    gates: dict[str, Numbers]
    """Mean over width, by the gate's name."""
    shares: dict[str, Numbers]
    """Of each modality at its step, where the fusion attends to modalities (mean over heads) or weighs their
    predictions (mean over the component's parameters)."""
    attention: CaseAttention | None
    """Over steps, from the place with the largest loss in the span; None where nothing looks over steps."""


class ErrorsResult(Part):
    """What :func:`mmcore.probes.error_analysis.probe.probe_errors` finds."""

    naive: dict[str, str | None]
    """By component, the naive predictor that skill is measured against; None where none has a loss."""
    conditions: tuple[ErrorCondition, ...]
    items: dict[str, ItemEnds]
    """By component."""
    spans: dict[str, SpanEnds]
    """By component."""
    cases: tuple[Case, ...]
