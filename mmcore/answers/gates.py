"""What an analysis of gates answers: how far they open, when, and whether that says what the model uses."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from mmcore.answers.parts import Number, Numbers, Part, Score

Holding = Literal["shut", "mean", "open"]
"""How a gate is held: at 0, at its mean by feature, at 1."""


class GateName(Part):
    """A gate, and the modalities that pass it."""

    name: str
    modalities: tuple[str, ...]


class Follows(Part):
    """The raw feature that goes along most closely with the gate's mean, and Pearson's r."""

    feature: str
    correlation: Number


class Opening(Part):
    """How far a gate opens. Beside the counts all is NaN or empty where the gate never had a choice."""

    steps: int
    """With a choice."""
    present: int
    """Steps at which something is behind the gate."""
    mean: Number = math.nan
    deviation: Number = math.nan
    """Standard deviation over features and steps."""
    deviation_over_steps: Number = math.nan
    """Standard deviation of the mean gate over steps."""
    quantiles: Numbers = ()
    """5, 25, 50, 75 and 95 %."""
    histogram: tuple[int, ...] = ()
    shut: Number = math.nan
    """Share of values below 0.05."""
    open: Number = math.nan
    """Share of values above 0.95."""
    between_inputs: Number = math.nan
    """Of the variance of gate values, the share within a feature between steps: 0 for a gate that ignores its input."""
    norm: Number = math.nan
    """Mean length of the vector before the gate."""
    passing: Number = math.nan
    """Mean length of the vector after the gate."""
    follows: Follows | None = None


class Shares(Part):
    """How evenly the gates at a place share: entropies are 0 where one has all, 1 where all have the same."""

    steps: int
    entropy_opening: Number
    entropy_passing: Number
    passing: dict[str, Number]
    """By gate, its mean share of the lengths of all that passes at its place."""


class Condition(Part):
    """A gate's mean while something is so, and while it is not."""

    condition: str
    gate: str
    so: Number
    otherwise: Number = Field(validation_alias="else", serialization_alias="else")
    steps: tuple[int, int]
    """At which it is so, and not."""


class Around(Part):
    """A gate's mean by steps from an edit."""

    lags: tuple[int, ...]
    events: int
    mean: dict[str, Numbers]
    """By gate, a number a lag."""


class Correlations(Part):
    """Rank correlations of gate × norm, the gate alone and the norm alone with what masking costs."""

    passing: Number
    opening: Number
    norm: Number
    n: int
    """Points."""


class GateCorrelations(Part):
    """The correlations of each gate, and with the points of all gates in one row."""

    gates: dict[str, Correlations]
    together: Correlations


class OfComponent(Part):
    """ρ of gate × norm, and the mean increase of a component's loss in units of the naive loss."""

    rho: Number
    increase: Number


class GateFaithfulness(Part):
    """Whether a gate says what the model uses, by step and by item."""

    steps: GateCorrelations | None
    """None for targets of whole items."""
    items: GateCorrelations
    by_component: dict[str, dict[str, OfComponent]]
    """By gate and component: by step, else by item."""


class Held(Part):
    """The scores with a gate held; gate None: all of them."""

    gate: str | None
    held: Holding
    scores: dict[str, Score]


class Clamping(Part):
    """The scores with all gates free, and with gates held."""

    free: dict[str, Score]
    held: tuple[Held, ...]


class GateSample(Part):
    """The test items and windows on which something was done to the model, and how many there are."""

    items: int
    of_items: int
    windows: int
    of_windows: int


class Feature(Part):
    """The raw feature beside a gate; name None: the length of the vector of all that its modality has."""

    name: str | None
    values: Numbers


class TargetLine(Part):
    """A parameter on one track, step by step."""

    parameter: str
    track: int
    kind: str
    true: Numbers
    predicted: Numbers


class Timeline(Part):
    """One item step by step; ``first`` is the grid step of the first number in every row."""

    item: str
    first: int
    gates: dict[str, Numbers]
    passing: dict[str, Numbers]
    features: dict[str, Feature]
    targets: tuple[TargetLine, ...]
    events: tuple[int, ...]
    """Steps."""


class GatesResult(Part):
    """What :func:`mmcore.probes.gates.probe.probe_gates` finds."""

    gates: tuple[GateName, ...]
    places: tuple[tuple[str, ...], ...]
    """Names of gates by the place at which they stand: one with the gates of all modalities, or one for each pair."""
    components: tuple[str, ...]
    step: float | None
    """Seconds; None where steps are rows."""
    distribution: dict[str, Opening]
    shares: Shares
    conditions: tuple[Condition, ...]
    around: Around
    faithfulness: GateFaithfulness
    clamping: Clamping
    sample: GateSample
    timelines: tuple[Timeline, ...]
