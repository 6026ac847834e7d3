"""From answers about damaged inputs to curves over repeats, areas, and paired comparisons of arms.

R repeats, L levels.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from mmcore.answers.answer import Answered
from mmcore.answers.corruption import CorruptionResult, DamageKind, DamageSample
from mmcore.language import later
from reports.records.frame import StudyResults
from reports.sections.family import Test, differences_of, judge_together
from reports.sections.yardstick import Yardstick
from reports.statistics.intervals import Estimate, estimate

KIND_WORDS: dict[DamageKind, str] = {
    "noise": later("noise"),
    "drop": later("dropped steps"),
    "gap": later("one gap"),
    "lost": later("the whole modality lost"),
    "delay": later("a delay"),
}
"""Kinds of damage in words, in the order of the page."""

Unit = Literal[
    "training standard deviations",
    "share of the steps",
    "share of the window",
    "share of the items",
    "seconds",
    "steps",
]
"""What a level is counted in, as tables say it."""

FAMILIES = 2
"""Families of questions in the section: arms against one another, and each against the naive predictors."""

WHOLE = ("lost", "delay")
"""Kinds whose levels are whole items or whole steps: nothing lies between two of them."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Score of an arm over the levels of one kind of damage to one modality, in the study's metric.

    Args:
        reads: whether the arm reads the modality; where it does not, its score is the same at all levels.
        levels: in ``unit``. score_RL: NaN where a repeat has no answer.
        naive_R: what the best naive predictor scores on the undamaged sample; 0 of skill. sign: 1 where more is better,
            else −1.
        components: scores of each component.
    """

    arm: str
    modality: str
    kind: DamageKind
    unit: Unit
    reads: bool
    levels: tuple[float, ...]
    score_RL: np.ndarray
    naive_R: np.ndarray
    sign: int
    components: dict[str, np.ndarray]

    @cached_property
    def lead_RL(self) -> np.ndarray:
        """How far the score is above the naive predictor's, more is better; below 0 it is worse."""
        return self.sign * (self.score_RL - self.naive_R[:, None])

    @cached_property
    def area_R(self) -> np.ndarray:
        """Mean score over the range of levels, by the trapezoid rule: area under the curve ÷ the range."""
        return np.trapezoid(self.score_RL, self.levels, axis=1) / (self.levels[-1] - self.levels[0])

    @cached_property
    def cost_R(self) -> np.ndarray:
        """What the damage costs on average over the range: score without damage − area, above 0 where it harms."""
        return self.sign * (self.score_RL[:, 0] - self.area_R)

    @cached_property
    def crossing_R(self) -> np.ndarray:
        """For each repeat the level at which the score falls below the naive predictor's; infinite where it does not,
        NaN without an answer."""
        return np.array([crossing(self.levels, lead_L, self.kind in WHOLE) for lead_L in self.lead_RL])

    @cached_property
    def crossing(self) -> float:
        """The same of the mean over repeats."""
        known_RL = self.known_RL
        return crossing(self.levels, known_RL.mean(axis=0), self.kind in WHOLE) if len(known_RL) else math.nan

    @cached_property
    def known_RL(self) -> np.ndarray:
        """:attr:`lead_RL` of the repeats that have one at every level; without rows where none has."""
        return self.lead_RL[np.isfinite(self.lead_RL).all(axis=1)]

    def estimates(self, level: float, overlap: float) -> list[Estimate]:
        """Lead over the naive predictor at every level over :attr:`known_RL`, with its interval; arguments as for
        ``estimate``."""
        return [estimate(lead_R, level, overlap) for lead_R in self.known_RL.T]


def crossing(levels: Sequence[float], lead_L: np.ndarray, whole: bool = False) -> float:
    """The first level at which a curve falls below 0, between two levels by a straight line.

    Args:
        whole: nothing lies between two levels: the first of them that is below 0.

    Returns:
        Infinity where it never does, the first level where it is below 0 from the start, NaN for unknown values.

    Example:
        >>> crossing([0.0, 1.0, 2.0], np.array([0.5, 0.1, -0.1]))
        1.5
    """
    if not np.isfinite(lead_L).all():
        return math.nan
    below = np.flatnonzero(lead_L < 0)
    if not len(below):
        return math.inf
    at = int(below[0])
    if at == 0 or whole:
        return float(levels[at])
    high, low = float(lead_L[at - 1]), float(lead_L[at])
    return float(levels[at - 1] + (levels[at] - levels[at - 1]) * high / (high - low))


@dataclass(frozen=True)
class Comparison:
    """Two arms under one kind of damage to one modality.

    Args:
        area: difference of the area under the curve, more is better: which arm is better to have under this damage.
        cost: difference of what the damage costs: an arm that starts low may still lose less.
    """

    arm: str
    reference: str
    modality: str
    kind: DamageKind
    area: Test
    cost: Test


@dataclass(frozen=True)
class Robustness:
    """Everything that the answers of a study say about damaged inputs.

    Args:
        repeats: those with answers, in the order of R.
        yardstick: what scores are. curves: arm by arm, then modality by modality.
        comparisons: kind by kind, on area and on cost, all of them judged together with half of alpha; the other half
            is that of being above or below the naive predictors.
        excluded: runs whose sample was another than the reference's in their repeat.
    """

    repeats: tuple[int, ...]
    yardstick: Yardstick
    curves: tuple[Curve, ...]
    comparisons: tuple[Comparison, ...]
    samples: tuple[DamageSample, ...]
    excluded: int

    @classmethod
    def of(cls, results: StudyResults) -> Robustness | None:
        """None if there was no such analysis."""
        answers, excluded = _alike(results.answers(CorruptionResult), results.study.reference)
        if not answers:
            return None
        repeats = tuple(sorted({answer.repeat for answer in answers}))
        by_arm: dict[str, dict[int, CorruptionResult]] = {}
        for answer in answers:
            by_arm.setdefault(answer.arm, {})[answer.repeat] = answer.result
        yardstick = Yardstick.of(results)
        found = _curves([arm.name for arm in results.study.arms if arm.name in by_arm], by_arm, repeats, yardstick)
        samples = tuple(answer.result.sample for answer in answers)
        return cls(repeats, yardstick, tuple(found), tuple(_comparisons(results, found)), samples, excluded)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that some arm reads, in the order of the corpus."""
        read = {curve.modality for curve in self.curves if curve.reads}
        return tuple(name for name in dict.fromkeys(curve.modality for curve in self.curves) if name in read)

    @property
    def arms(self) -> tuple[str, ...]:
        """Those with answers, in the order of the study."""
        return tuple(dict.fromkeys(curve.arm for curve in self.curves))


def _alike(
    answers: Sequence[Answered[CorruptionResult]], reference: str
) -> tuple[list[Answered[CorruptionResult]], int]:
    """Answers that were given on one sample in each repeat: the reference's, else the most frequent one."""
    digests: dict[int, str] = {}
    for repeat in {answer.repeat for answer in answers}:
        own = [(a.arm, a.result.sample.digest) for a in answers if a.repeat == repeat]
        most, _ = Counter(digest for _, digest in own).most_common(1)[0]
        digests[repeat] = dict(own).get(reference, most)
    kept = [a for a in answers if a.result.sample.digest == digests[a.repeat]]
    return kept, len(answers) - len(kept)


def _curves(
    arms: Sequence[str], by_arm: dict[str, dict[int, CorruptionResult]], repeats: Sequence[int], yardstick: Yardstick
) -> list[Curve]:
    # Whoever reads most comes first, so that modalities stand in the corpus's order.
    widest = max(by_arm.values(), key=lambda of_repeat: max(len(r.modalities) for r in of_repeat.values()))
    order = list(
        dict.fromkeys(m for results in (widest, *by_arm.values()) for r in results.values() for m in r.modalities)
    )
    levels: dict[tuple[str, DamageKind], tuple[float, ...]] = {}
    for of_repeat in by_arm.values():
        for result in of_repeat.values():
            for modality, damaged in result.modalities.items():
                for kind, curve in damaged.curves.items():
                    levels[modality, kind] = curve.levels
    found = []
    for arm in arms:
        answers = [by_arm[arm].get(repeat) for repeat in repeats]
        seconds = any(answer.delay_unit is not None for answer in answers if answer)
        for modality in order:
            for kind in KIND_WORDS:
                if (modality, kind) in levels:
                    at = levels[modality, kind]
                    reads = any(answer is not None and modality in answer.modalities for answer in answers)
                    scores = {
                        c: np.array([_row(yardstick, one, modality, kind, c, len(at)) for one in answers])
                        for c in (None, *_components(answers))
                    }
                    found.append(
                        Curve(
                            arm, modality, kind, _unit(kind, seconds), reads, at, scores.pop(None),
                            np.array([_naive(yardstick, answer) for answer in answers]), yardstick.sign,
                            {c: score_RL for c, score_RL in scores.items() if c is not None},
                        )
                    )  # fmt: skip
    return found


def _components(answers: Sequence[CorruptionResult | None]) -> list[str]:
    scores = [score for answer in answers if answer for score in answer.clean.values()]
    return list(dict.fromkeys(component for score in scores for component in score.components))


def _naive(yardstick: Yardstick, answer: CorruptionResult | None) -> float:
    """What the best naive predictor scores on the sample; NaN where none has a score."""
    if answer is None:
        return math.nan
    if yardstick.naive_is_zero:
        return 0.0
    scores = [yardstick.score(scores, None) for scores in answer.naive.values()]
    return yardstick.sign * max((yardstick.sign * v for v in scores if not math.isnan(v)), default=math.nan)


def _row(
    yardstick: Yardstick,
    answer: CorruptionResult | None,
    modality: str,
    kind: DamageKind,
    component: str | None,
    count: int,
) -> np.ndarray:
    """A repeat's score at each level: the undamaged one at all of them where the modality is not read."""
    if answer is None:
        return np.full(count, math.nan)
    if modality in answer.modalities:
        return yardstick.scores(answer.modalities[modality].curves[kind].scores, component, count)
    return np.full(count, yardstick.score(answer.clean, component))


def _unit(kind: DamageKind, seconds: bool) -> Unit:
    match kind:
        case "noise":
            return "training standard deviations"
        case "drop":
            return "share of the steps"
        case "gap":
            return "share of the window"
        case "lost":
            return "share of the items"
        case _:
            return "seconds" if seconds else "steps"


def _comparisons(results: StudyResults, curves: Sequence[Curve]) -> list[Comparison]:
    study = results.study
    at = {(curve.arm, curve.modality, curve.kind): curve for curve in curves}
    asked: list[tuple[Curve, Curve]] = []
    for kind in KIND_WORDS:
        for arm, reference in study.known_pairs:
            for modality in dict.fromkeys(curve.modality for curve in curves):
                one, two = at.get((arm, modality, kind)), at.get((reference, modality, kind))
                if one is not None and two is not None and (one.reads or two.reads):
                    asked.append((one, two))
    areas = [one.sign * differences_of(one.area_R, two.area_R) for one, two in asked]
    costs = [differences_of(one.cost_R, two.cost_R) for one, two in asked]
    tests = judge_together(
        [*areas, *costs],
        alpha=study.alpha,
        overlap=results.overlap,
        margins=[study.margin] * (2 * len(asked)),
        families=FAMILIES,
    )
    found = []
    for (one, two), area, cost in zip(asked, tests[: len(asked)], tests[len(asked) :], strict=True):
        if area is not None and cost is not None:
            found.append(Comparison(one.arm, two.arm, one.modality, one.kind, area, cost))
    return found
