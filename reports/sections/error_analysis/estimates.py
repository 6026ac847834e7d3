"""From losses by condition to ratios over repeats, and to where one arm gains on another.

All ratios of all arms, components and conditions, and all gains of all pairs of arms, are one family
(:mod:`reports.sections.family`): the chance that the section has any false word is at most alpha where no condition
makes a difference. Conditions that items have as a whole (columns of items.csv) need a second witness,
:mod:`reports.sections.error_analysis.between_items`; those with too few groups of items ask no question.

R repeats.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmcore.answers.answer import Answered
from mmcore.answers.error_analysis import ErrorsResult
from mmcore.language import later, say
from mmcore.skill import skills_of
from reports.model.section import Word
from reports.records.frame import StudyResults
from reports.sections.error_analysis.between_items import Between, ItemLosses
from reports.sections.family import Test, differences_of, judge_together
from reports.sections.yardstick import Yardstick
from reports.statistics.intervals import Estimate, estimate
from reports.statistics.multiplicity import holm

LEAST_RATIO = 1.1
"""Losses that differ by a smaller factor count as equal: a tenth of a loss is hardly seen in any other measure."""
LEAST_GAIN = 0.02
"""Differences of skill that count as none, where the study's metric is another one: its margin is in another unit."""


LABEL_CHANGES = later("label changes")
"""What an edit is called where the target is a label: no editor cut there."""
CONDITIONS = (later("edit"), LABEL_CHANGES, later("third of the item"))
"""Conditions of the answers that are words; all others are names of the corpus."""
GROUPS = (
    later("no"), later("yes"), later("above 0"), later("present"), later("absent"), later("first"), later("middle"),
    later("last"), later("up to half"), later("none"), later("more than half"),
)  # fmt: skip
"""Groups that are words; all others are values of a column of items.csv."""


def group_words(group: str) -> str:
    """A group as shown."""
    return say(group) if group in GROUPS else group


@dataclass(frozen=True)
class Place:
    """One group of a condition, compared with the condition's first group.

    Args:
        called: what the condition is called where its name does not fit; empty: by its name.
    """

    condition: str
    group: str
    base: str
    called: str = ""

    @property
    def label(self) -> str:
        """As a key: ``edit: yes``."""
        return f"{self.called or self.condition}: {self.group}"

    @property
    def shown(self) -> str:
        """The same as shown; names of features stay as they are."""
        name = self.called or self.condition
        if name in CONDITIONS:
            name = say(name)
        elif name.startswith("tracks "):
            name = say("tracks {parameter}", parameter=name.removeprefix("tracks "))
        return say("{condition}: {group}", condition=name, group=group_words(self.group))

    @property
    def cells(self) -> tuple[str, str, str]:
        """Condition, group and base as cells of a table: keys in files, words on the page."""
        condition, tracked = self.condition, self.condition.removeprefix("tracks ")
        if condition != tracked:
            condition = Word(condition, later("tracks {parameter}"), parameter=tracked)
        condition = Word(condition, self.called) if condition in CONDITIONS else condition
        group, base = (Word(name) if name in GROUPS else name for name in (self.group, self.base))
        return condition, group, base

    @property
    def shown_base(self) -> str:
        """The group that it is compared with, as shown."""
        return group_words(self.base)


@dataclass(frozen=True)
class Ratio:
    """How many times the loss in the base a component's loss in a group is.

    Args:
        ratio, low, high: geometric mean over repeats and its interval; NaN where not known.
        naive: the same ratio of the naive predictor: how much harder the targets are there.
        skill, base_skill: mean skill in the group and in the base.
        test: on the logarithms; above 0 where the loss is higher than in the base.
        between: what groups of items say, where items have the condition as a whole; its p is part of the test's.
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
    test: Test
    between: Between | None = None

    @property
    def outcome(self) -> str:
        """The verdict in one word."""
        return _outcome(self.test, self.between)

    @property
    def sign(self) -> int:
        """1 where the loss is shown to be higher, −1 lower, else 0."""
        return self.test.sign if self.outcome in ("above", "below") else 0


@dataclass(frozen=True)
class Gain:
    """Skill of an arm − that of another in a group, and in the base.

    Args:
        group, base: the gain there. test: of group − base, repeat by repeat. between: as in :class:`Ratio`.
    """

    arm: str
    reference: str
    place: Place
    component: str
    group: Estimate
    base: Estimate
    test: Test
    between: Between | None = None

    @property
    def outcome(self) -> str:
        """The verdict in one word."""
        return _outcome(self.test, self.between)

    @property
    def sign(self) -> int:
        """1 where the arm is shown to gain more than in the base, −1 less, else 0."""
        return self.test.sign if self.outcome in ("above", "below") else 0


def _outcome(test: Test, between: Between | None) -> str:
    if between is None:
        return test.outcome
    if between.few:
        return "too few groups"
    return "open" if test.outcome == "none" and not between.within(test.margin) else test.outcome


@dataclass(frozen=True)
class _Losses:
    """Loss and naive loss of every arm, place, component: one number a repeat, NaN where there is none."""

    repeats: tuple[int, ...]
    places: tuple[Place, ...]
    loss_R: dict[tuple[str, str, str, str], np.ndarray]
    naive_R: dict[tuple[str, str, str, str], np.ndarray]

    @classmethod
    def of(cls, answers: Sequence[Answered[ErrorsResult]], task: str) -> _Losses:
        repeats = tuple(sorted({answer.repeat for answer in answers}))
        groups: dict[str, dict[str, None]] = {}
        loss_R: dict[tuple[str, str, str, str], np.ndarray] = {}
        naive_R: dict[tuple[str, str, str, str], np.ndarray] = {}
        for answer in answers:
            at = repeats.index(answer.repeat)
            for condition in answer.result.conditions:
                for group in condition.groups:
                    if group.group is None:
                        continue
                    groups.setdefault(condition.name, {})[group.group] = None
                    for into, losses in ((loss_R, group.loss), (naive_R, group.naive)):
                        for component, value in losses.items():
                            key = (answer.arm, condition.name, group.group, component)
                            row_R = into.setdefault(key, np.full(len(repeats), math.nan))
                            row_R[at] = value
        return cls(repeats, tuple(_places(groups, answers, task)), loss_R, naive_R)

    def get(self, arm: str, condition: str, group: str, component: str) -> tuple[np.ndarray, np.ndarray]:
        """Loss and naive loss."""
        key, nothing_R = (arm, condition, group, component), np.full(len(self.repeats), math.nan)
        return self.loss_R.get(key, nothing_R), self.naive_R.get(key, nothing_R)

    def skill(self, arm: str, condition: str, group: str, component: str) -> np.ndarray:
        """Skill in the group, by repeat."""
        return skills_of(*self.get(arm, condition, group, component))


def _places(
    groups: dict[str, dict[str, None]], answers: Sequence[Answered[ErrorsResult]], task: str
) -> Iterator[Place]:
    """Every group that is there besides a condition's first one, in the order of the probes."""
    orders: dict[str, list[str]] = {}
    for answer in answers:
        for condition in answer.result.conditions:
            names = [g.group for g in condition.groups if g.group is not None]
            if len(names) > len(orders.get(condition.name, [])):
                orders[condition.name] = names
    for condition in groups:
        base, *others = orders[condition]
        for group in others:
            yield Place(condition, group, base, LABEL_CHANGES if (condition, task) == ("edit", "label") else "")


@dataclass(frozen=True)
class ItemGroup:
    """The items of one group of a condition that items have as a whole, and what an arm loses on them.

    Args:
        base: the group that it is compared with; its own name where it is the base.
        items, groups: tested in some repeat; groups of items.csv among them.
        loss, naive, skill: means over repeats; NaN where not known.
    """

    arm: str
    component: str
    condition: str
    group: str
    base: str
    items: int
    groups: int
    loss: float
    naive: float
    skill: float


def item_groups(results: StudyResults) -> list[ItemGroup]:
    """Every group of every column of items.csv that is a condition, by arm and component, bases first."""
    answers = results.answers(ErrorsResult)
    losses, by_item = _Losses.of(answers, results.corpus.task), ItemLosses(results.items, answers)
    bases = {(place.condition, place.group): place.base for place in losses.places}
    found = []
    for arm in _arms(results, answers):
        for component in results.components:
            for condition, group in by_item.members:
                loss_R, naive_R = losses.get(arm, condition, group, component)
                if not np.isfinite(loss_R).any():
                    continue
                skill = estimate(losses.skill(arm, condition, group, component)).mean
                means = (float(np.nanmean(loss_R)), estimate(naive_R).mean, skill)
                counts = by_item.counts(arm, component, condition, group)
                base = bases.get((condition, group), group)
                found.append(ItemGroup(arm, component, condition, group, base, *counts, *means))
    return found


def ratios(results: StudyResults) -> list[Ratio]:
    """Every arm, component and place in which both losses are known in some repeat."""
    return results.once(_judged)[0]


def gains(results: StudyResults) -> list[Gain]:
    """For every comparison of the study: where the arm gains more on the other than elsewhere."""
    return results.once(_judged)[1]


def gain_margin(results: StudyResults, component: str) -> float | None:
    """Differences of skill that count as none: the study's margin where its metric is skill."""
    yardstick = Yardstick.of(results)
    return yardstick.margin_of(component) if yardstick.measure.name == "skill" else LEAST_GAIN


def _judged(results: StudyResults) -> tuple[list[Ratio], list[Gain]]:
    """All questions of the section, judged together."""
    answers = results.answers(ErrorsResult)
    losses, arms = _Losses.of(answers, results.corpus.task), _arms(results, answers)
    of_ratios = [
        (arm, place, component)
        for arm in arms
        for component in results.components
        for place in losses.places
        if np.isfinite(_log_ratio(losses, arm, place, component)).any()
    ]
    of_gains = [
        (pair, place, component)
        for pair in results.study.known_pairs
        if set(pair) <= set(arms)
        for component in results.components
        for place in losses.places
        if np.isfinite(np.subtract(*_gained(losses, pair, place, component))).any()
    ]
    level, by_item = 1 - 2 * results.study.alpha, ItemLosses(results.items, answers)
    betweens = [
        *(by_item.ratio(arm, component, p.condition, (p.group, p.base), level) for arm, p, component in of_ratios),
        *(by_item.gain(pair, component, p.condition, (p.group, p.base), level) for pair, p, component in of_gains),
    ]
    values = [
        *(_log_ratio(losses, *one) for one in of_ratios),
        *(differences_of(*_gained(losses, *one)) for one in of_gains),
    ]
    margins = [
        *(math.log(LEAST_RATIO) for _ in of_ratios),
        *(gain_margin(results, component) for *_, component in of_gains),
    ]
    tests = _both_witnesses(results, values, margins, betweens)
    at = len(of_ratios)
    found = [
        _ratio(losses, *one, test, between)
        for one, test, between in zip(of_ratios, tests[:at], betweens[:at], strict=True)
    ]
    gained = [
        _gain(results, losses, *one, test, between)
        for one, test, between in zip(of_gains, tests[at:], betweens[at:], strict=True)
    ]
    return found, gained


def _both_witnesses(
    results: StudyResults,
    values: Sequence[np.ndarray],
    margins: Sequence[float | None],
    betweens: Sequence[Between | None],
) -> list[Test]:
    """Tests over repeats, where there are groups of items with their p where it is the larger one.

    Questions with too few groups of items are judged apart: they get an estimate, and no verdict is made of them.
    """

    def judge(places: Sequence[int]) -> dict[int, Test]:
        tests = judge_together(
            [values[i] for i in places],
            alpha=results.study.alpha,
            overlap=results.overlap,
            margins=[margins[i] for i in places],
        )
        return {i: test for i, test in zip(places, tests, strict=True) if test is not None}

    few = [i for i, between in enumerate(betweens) if between is not None and between.few]
    tests = judge([i for i in range(len(values)) if i not in set(few)]) | judge(few)
    known = [(i, between.p) for i, between in enumerate(betweens) if between is not None and not between.few]
    for (i, _), p in zip(known, holm([p for _, p in known]), strict=True):
        tests[i] = replace(tests[i], p=max(tests[i].p, p))
    return [tests[i] for i in range(len(values))]


def _log_ratio(losses: _Losses, arm: str, place: Place, component: str) -> np.ndarray:
    (loss_R, _), (base_R, _) = (losses.get(arm, place.condition, g, component) for g in (place.group, place.base))
    return differences_of(_log(loss_R), _log(base_R))


def _ratio(losses: _Losses, arm: str, place: Place, component: str, test: Test, between: Between | None) -> Ratio:
    groups = (place.group, place.base)
    (_, naive_R), (_, naive_base_R) = (losses.get(arm, place.condition, g, component) for g in groups)
    naive = math.exp(estimate(_log(naive_R) - _log(naive_base_R)).mean)
    skill, base = (estimate(losses.skill(arm, place.condition, g, component)).mean for g in groups)
    d = test.estimate
    edges = (math.exp(d.mean), math.exp(d.low), math.exp(d.high))
    return Ratio(arm, place, component, *edges, d.n, naive, skill, base, test, between)


def _gained(losses: _Losses, pair: tuple[str, str], place: Place, component: str) -> tuple[np.ndarray, np.ndarray]:
    """Skill of an arm − that of another in a place's group, and in its base."""
    group_R, base_R = (
        np.subtract(*(losses.skill(arm, place.condition, g, component) for arm in pair))
        for g in (place.group, place.base)
    )
    return group_R, base_R


def _gain(
    results: StudyResults,
    losses: _Losses,
    pair: tuple[str, str],
    place: Place,
    component: str,
    test: Test,
    between: Between | None,
) -> Gain:
    level = 1 - results.study.alpha
    group, base = (estimate(x_R, level, results.overlap) for x_R in _gained(losses, pair, place, component))
    return Gain(*pair, place, component, group, base, test, between)


def _arms(results: StudyResults, answers: Sequence[Answered[ErrorsResult]]) -> list[str]:
    answered = {answer.arm for answer in answers}
    return [arm.name for arm in results.study.arms if arm.name in answered]


def _log(loss_R: np.ndarray) -> np.ndarray:
    """NaN where there is no loss, or none at all: a ratio to 0 says nothing."""
    return np.log(np.where(loss_R > 0, loss_R, math.nan))
