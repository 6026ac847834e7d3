"""From losses by condition to ratios over repeats, and to where one arm gains on another.

R repeats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmcore.skill import skills_of
from reports.frame import StudyResults
from reports.statistics.comparisons import Paired, compare
from reports.statistics.intervals import Estimate, estimate
from reports.statistics.verdicts import Decision, decide


@dataclass(frozen=True)
class Place:
    """One group of a condition, held against the condition's first."""

    condition: str
    group: str
    base: str

    @property
    def label(self) -> str:
        """As shown: ``edit: yes``."""
        return f"{self.condition}: {self.group}"


@dataclass(frozen=True)
class Ratio:
    """How many times the loss in the base a component's loss in a group is.

    Args:
        ratio, low, high: geometric mean over repeats and its interval; NaN where not known.
        naive: the same ratio of the naive predictor: how much harder the targets are there.
        skill, base_skill: mean skill in the group and in the base.
        decision: on the logarithms, corrected over the conditions of an arm and component; ``worse`` where the loss is
            higher.
    """

    arm: str
    place: Place
    component: str
    ratio: float
    low: float
    high: float
    n: int
    naive: float
    skill: float
    base_skill: float
    decision: Decision


@dataclass(frozen=True)
class Gain:
    """Skill of an arm − that of another in a group, and in the base.

    Args:
        group, base: the gain there. paired: group − base, repeat by repeat.
        decision: corrected over the conditions of a pair of arms and component.
    """

    arm: str
    reference: str
    place: Place
    component: str
    group: Estimate
    base: Estimate
    paired: Paired
    decision: Decision


@dataclass(frozen=True)
class _Losses:
    """Loss and naive loss of every arm, place, component: one number a repeat, NaN where there is none."""

    repeats: tuple[int, ...]
    places: tuple[Place, ...]
    loss_R: dict[tuple[str, str, str, str], np.ndarray]
    naive_R: dict[tuple[str, str, str, str], np.ndarray]

    @classmethod
    def of(cls, answers: Sequence[dict[str, Any]]) -> _Losses:
        repeats = tuple(sorted({answer["repeat"] for answer in answers}))
        groups: dict[str, dict[str, None]] = {}
        loss_R: dict[tuple[str, str, str, str], np.ndarray] = {}
        naive_R: dict[tuple[str, str, str, str], np.ndarray] = {}
        for answer in answers:
            at = repeats.index(answer["repeat"])
            for condition in answer["result"]["conditions"]:
                for group in condition["groups"]:
                    if group["group"] is None:
                        continue
                    groups.setdefault(condition["name"], {})[group["group"]] = None
                    for into, name in ((loss_R, "loss"), (naive_R, "naive")):
                        for component, value in group[name].items():
                            key = (answer["arm"], condition["name"], group["group"], component)
                            row_R = into.setdefault(key, np.full(len(repeats), math.nan))
                            row_R[at] = math.nan if value is None else value
        return cls(repeats, tuple(_places(groups, answers)), loss_R, naive_R)

    def get(self, arm: str, condition: str, group: str, component: str) -> tuple[np.ndarray, np.ndarray]:
        """Loss and naive loss."""
        key, nothing_R = (arm, condition, group, component), np.full(len(self.repeats), math.nan)
        return self.loss_R.get(key, nothing_R), self.naive_R.get(key, nothing_R)

    def skill(self, arm: str, condition: str, group: str, component: str) -> np.ndarray:
        """Skill in the group, by repeat."""
        return skills_of(*self.get(arm, condition, group, component))


def _places(groups: dict[str, dict[str, None]], answers: Sequence[dict[str, Any]]) -> Iterator[Place]:
    """Every group that is there besides a condition's first one, in the order in which probes tell them."""
    orders: dict[str, list[str]] = {}
    for answer in answers:
        for condition in answer["result"]["conditions"]:
            told = [g["group"] for g in condition["groups"] if g["group"] is not None]
            if len(told) > len(orders.get(condition["name"], [])):
                orders[condition["name"]] = told
    for condition in groups:
        base, *others = orders[condition]
        for group in others:
            yield Place(condition, group, base)


def ratios(results: StudyResults) -> list[Ratio]:
    """Every arm, component and place in which both losses are known in some repeat."""
    answers = results.answers("errors")
    losses = _Losses.of(answers)
    alpha, overlap = results.study.alpha, results.overlap
    found = []
    for arm in _arms(results, answers):
        for component in results.components:
            family: list[tuple[Place, Paired, float, float, float]] = []
            for place in losses.places:
                (loss_R, naive_R), (base_R, naive_base_R) = (
                    losses.get(arm, place.condition, group, component) for group in (place.group, place.base)
                )
                paired = compare(_log(loss_R), _log(base_R), alpha=alpha, overlap=overlap, higher_is_better=False)
                if paired.n:
                    naive = math.exp(estimate(_log(naive_R) - _log(naive_base_R)).mean)
                    skill, base = (
                        estimate(losses.skill(arm, place.condition, group, component)).mean
                        for group in (place.group, place.base)
                    )
                    family.append((place, paired, naive, skill, base))
            decisions = decide([paired for _, paired, *_ in family], alpha=alpha, higher_is_better=False)
            for (place, paired, naive, skill, base), decision in zip(family, decisions, strict=True):
                d = paired.difference
                edges = (math.exp(d.mean), math.exp(d.low), math.exp(d.high))
                found.append(Ratio(arm, place, component, *edges, d.n, naive, skill, base, decision))
    return found


def gains(results: StudyResults) -> list[Gain]:
    """For every comparison of the study: where the arm gains more on the other than elsewhere."""
    answers = results.answers("errors")
    losses, known = _Losses.of(answers), set(_arms(results, answers))
    alpha, overlap = results.study.alpha, results.overlap
    found = []
    for arm, reference in results.study.pairs:
        if arm not in known or reference not in known:
            continue
        for component in results.components:
            family: list[tuple[Place, np.ndarray, np.ndarray, Paired]] = []
            for place in losses.places:
                group_R, base_R = (
                    losses.skill(arm, place.condition, g, component)
                    - losses.skill(reference, place.condition, g, component)
                    for g in (place.group, place.base)
                )
                paired = compare(group_R, base_R, alpha=alpha, overlap=overlap)
                if paired.n:
                    family.append((place, group_R, base_R, paired))
            decisions = decide([paired for *_, paired in family], alpha=alpha)
            for (place, group_R, base_R, paired), decision in zip(family, decisions, strict=True):
                group, base = (estimate(gain_R, 1 - alpha, overlap) for gain_R in (group_R, base_R))
                found.append(Gain(arm, reference, place, component, group, base, paired, decision))
    return found


def _arms(results: StudyResults, answers: Sequence[dict[str, Any]]) -> list[str]:
    answered = {answer["arm"] for answer in answers}
    return [arm.name for arm in results.study.arms if arm.name in answered]


def _log(loss_R: np.ndarray) -> np.ndarray:
    """NaN where there is no loss, or none at all: a ratio to 0 says nothing."""
    return np.log(np.where(loss_R > 0, loss_R, math.nan))
