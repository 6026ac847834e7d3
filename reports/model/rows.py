"""Rows of a report's tables that hold no verdict."""

from __future__ import annotations

from dataclasses import dataclass

from mmcore.language import later
from reports.statistics.intervals import Estimate


@dataclass(frozen=True)
class BaselineRow:
    """A naive predictor that learns nothing, scored on the same items: means over repeats, NaN where unknown."""

    name: str
    score: float
    components: tuple[float, ...]


@dataclass(frozen=True)
class Flip:
    """A naive predictor that names another class in some repeats than in others, and scores otherwise there.

    Args:
        component: None for the whole.
        groups: mean score and number of repeats, by class; the largest group first.
    """

    baseline: str
    measure: str
    component: str | None
    groups: tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class MeasureRow:
    """One measure of one component or parameter, for every arm and baseline.

    Args:
        arms: on all test items, in the order of :attr:`Summary.arms`. complete: on complete items.
        baselines: means in the order of :attr:`Summary.baselines`.
    """

    measure: str
    title: str
    component: str | None
    parameter: str | None
    unit: str
    arms: tuple[Estimate, ...]
    complete: tuple[Estimate, ...]
    baselines: tuple[float, ...]


STATUSES: tuple[str, ...] = (later("done"), later("failed"))
"""Marked for the languages: the status of a run is a key, and is said where it is shown."""


@dataclass(frozen=True)
class RunLine:
    """One run, with what is needed to find it again."""

    arm: str
    repeat: int
    fingerprint: str
    status: str
    failure: str | None
    reused_from: str | None
    seconds: float | None
    score: float
