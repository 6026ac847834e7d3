"""What an analysis of attention answers: where it looks, what flows, and whether that says what the model uses."""

from __future__ import annotations

import math

from mmcore.answers.parts import Number, Numbers, Part


class Uniform(Part):
    """What equal weights on all allowed keys would give."""

    distance: Number
    own: Number
    past: Number
    events: Number
    tokens: Number = math.nan


class Layer(Part):
    """What the heads of one layer do, means over queries with two keys or more: a number a head.

    Distances in time are in steps; those between heads are Jensen–Shannon's, in bits.
    """

    place: str
    """See :class:`mmcore.probes.attention.maps.AttentionMap`."""
    layer: int
    rows: int
    """Queries."""
    entropy: Numbers
    """1: as wide as it could be."""
    distance: Numbers
    own: Numbers
    """Share on the own step."""
    past: Numbers
    """Share on earlier steps."""
    events: Numbers
    """Share on edits."""
    tokens: Numbers = ()
    """Share on bottleneck tokens; empty where there are none."""
    apart: tuple[Numbers, ...]
    """Distance of each head to each."""
    uniform: Uniform


class Flow(Part):
    """The mean share of a source in a target."""

    source: str
    target: str
    layer: int
    share: Number


class ItemCorrelations(Part):
    """The mean correlations of rollout over the outputs of one item; see :class:`RolloutFaithfulness`."""

    item: str
    outputs: int
    occlusion: Number
    gradient: Number
    nearness: Number
    beyond: Number


class Reach(Part):
    """By lag in spans, the mean share of rollout and of the effect among the first lags."""

    lags: tuple[int, ...]
    rollout: Numbers
    occlusion: Numbers


class Past(Part):
    """The share of all spans but the own one, in rollout and in the effect."""

    rollout: Number = math.nan
    occlusion: Number = math.nan


class RolloutFaithfulness(Part):
    """Rank correlations of attention rollout with what matters, means over items; NaN where nothing was ranked."""

    occlusion: Number
    """With the effect of taking a span away."""
    gradient: Number
    """With gradient × input."""
    nearness: Number
    """Of nearness alone with the effect; NaN where targets belong to items."""
    beyond: Number
    """With the effect, nearness held fixed."""
    items: tuple[ItemCorrelations, ...]
    span: int
    """Steps."""
    windows: int
    reach: Reach | None
    past: Past | None


class Map(Part):
    """Weights in thousandths, mean over heads, queries before keys."""

    place: str
    layer: int
    rows: tuple[tuple[int, ...], ...]


class Window(Part):
    """The maps of one test window; rollout is the last."""

    item: str
    start: int
    steps: int
    pooled: int
    """Steps of a cell."""
    events: tuple[int, ...]
    maps: tuple[Map, ...]


class AttentionResult(Part):
    """What :func:`mmcore.probes.attention.probe.probe_attention` finds."""

    step: float | None
    """Seconds; None where steps are rows."""
    causal: bool
    layers: tuple[Layer, ...]
    flow: tuple[Flow, ...]
    faithfulness: RolloutFaithfulness | None
    """None where nothing attends over time."""
    maps: tuple[Window, ...]
