"""From answers about damaged inputs to curves over repeats, areas, and paired comparisons of arms.

R repeats, L levels.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reports.frame import StudyResults
from reports.statistics.comparisons import Paired, compare
from reports.statistics.intervals import Estimate, estimate
from reports.statistics.verdicts import Decision, decide

KIND_WORDS = {
    "noise": "noise",
    "drop": "dropped steps",
    "gap": "one gap",
    "lost": "the whole modality lost",
    "delay": "a delay",
}
"""Kinds of damage in words, in the order of the page."""

WHOLE = ("lost", "delay")
"""Kinds whose levels are whole items or whole steps: nothing lies between two of them."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Skill of an arm over the levels of one kind of damage to one modality.

    Args:
        reads: whether the arm reads the modality; where it does not, its skill is the same at all levels.
        levels: in ``unit``. skill_RL: mean over components, NaN where a repeat has no answer.
        components: the same for each component.
    """

    arm: str
    modality: str
    kind: str
    unit: str
    reads: bool
    levels: tuple[float, ...]
    skill_RL: np.ndarray
    components: dict[str, np.ndarray]

    @cached_property
    def area_R(self) -> np.ndarray:
        """Mean skill over the range of levels, by the trapezoid rule: area under the curve ÷ the range."""
        return np.trapezoid(self.skill_RL, self.levels, axis=1) / (self.levels[-1] - self.levels[0])

    @cached_property
    def cost_R(self) -> np.ndarray:
        """Skill without damage − area: what the damage costs."""
        return self.skill_RL[:, 0] - self.area_R

    @cached_property
    def crossing_R(self) -> np.ndarray:
        """For each repeat the level at which skill falls below 0; infinite where it does not, NaN without an answer."""
        return np.array([crossing(self.levels, skill_L, self.kind in WHOLE) for skill_L in self.skill_RL])

    @cached_property
    def crossing(self) -> float:
        """The same of the mean over repeats."""
        known_RL = self.known_RL
        return crossing(self.levels, known_RL.mean(axis=0), self.kind in WHOLE) if len(known_RL) else math.nan

    @cached_property
    def known_RL(self) -> np.ndarray:
        """Skill of the repeats that have one at every level; without rows where none has."""
        return self.skill_RL[np.isfinite(self.skill_RL).all(axis=1)]

    def estimates(self, level: float, overlap: float) -> list[Estimate]:
        """Skill at every level over :attr:`known_RL`, with its interval; arguments as for ``estimate``."""
        return [estimate(skill_R, level, overlap) for skill_R in self.known_RL.T]


def crossing(levels: Sequence[float], skill_L: np.ndarray, whole: bool = False) -> float:
    """The first level at which a curve falls below 0, between two levels by a straight line.

    Args:
        whole: nothing lies between two levels: the first of them that is below 0.

    Returns:
        Infinity where it never does, the first level where it is below 0 from the start, NaN for unknown values.

    Example:
        >>> crossing([0.0, 1.0, 2.0], np.array([0.5, 0.1, -0.1]))
        1.5
    """
    if not np.isfinite(skill_L).all():
        return math.nan
    below = np.flatnonzero(skill_L < 0)
    if not len(below):
        return math.inf
    at = int(below[0])
    if at == 0 or whole:
        return float(levels[at])
    high, low = float(skill_L[at - 1]), float(skill_L[at])
    return float(levels[at - 1] + (levels[at] - levels[at - 1]) * high / (high - low))


@dataclass(frozen=True)
class Comparison:
    """Two arms under one kind of damage to one modality.

    Args:
        area, area_decision: on the area under the curve: which arm is better to have under this damage.
        cost, cost_decision: on what the damage costs: an arm that starts low may still lose less.
    """

    arm: str
    reference: str
    modality: str
    kind: str
    area: Paired
    area_decision: Decision
    cost: Paired
    cost_decision: Decision


@dataclass(frozen=True)
class Robustness:
    """Everything that the answers of a study say about damaged inputs.

    Args:
        repeats: those with answers, in the order of R.
        curves: arm by arm, then modality by modality. comparisons: kind by kind, each kind one family.
        excluded: runs whose sample was another than the reference's in their repeat.
    """

    repeats: tuple[int, ...]
    curves: tuple[Curve, ...]
    comparisons: tuple[Comparison, ...]
    samples: tuple[dict[str, Any], ...]
    excluded: int

    @classmethod
    def of(cls, results: StudyResults) -> Robustness | None:
        """None where nothing was asked."""
        answers, excluded = _alike(results.answers("corruption"), results.study.reference)
        if not answers:
            return None
        repeats = tuple(sorted({answer["repeat"] for answer in answers}))
        by_arm: dict[str, dict[int, dict[str, Any]]] = {}
        for answer in answers:
            by_arm.setdefault(answer["arm"], {})[answer["repeat"]] = answer["result"]
        found = _curves([arm.name for arm in results.study.arms if arm.name in by_arm], by_arm, repeats)
        samples = tuple(answer["result"]["sample"] for answer in answers)
        return cls(repeats, tuple(found), tuple(_comparisons(results, found)), samples, excluded)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that some arm reads, in the order of the corpus."""
        read = {curve.modality for curve in self.curves if curve.reads}
        return tuple(name for name in dict.fromkeys(curve.modality for curve in self.curves) if name in read)

    @property
    def arms(self) -> tuple[str, ...]:
        """Those with answers, in the order of the study."""
        return tuple(dict.fromkeys(curve.arm for curve in self.curves))


def _alike(answers: Sequence[dict[str, Any]], reference: str) -> tuple[list[dict[str, Any]], int]:
    """Answers that were given on one sample in each repeat: the reference's, else the most frequent one."""
    digests: dict[int, str] = {}
    for repeat in {answer["repeat"] for answer in answers}:
        own = [(a["arm"], a["result"]["sample"]["digest"]) for a in answers if a["repeat"] == repeat]
        most, _ = Counter(digest for _, digest in own).most_common(1)[0]
        digests[repeat] = dict(own).get(reference, most)
    kept = [a for a in answers if a["result"]["sample"]["digest"] == digests[a["repeat"]]]
    return kept, len(answers) - len(kept)


def _curves(arms: Sequence[str], by_arm: dict[str, dict[int, dict[str, Any]]], repeats: Sequence[int]) -> list[Curve]:
    # Whoever reads most comes first, so that modalities stand in the corpus's order.
    widest = max(by_arm.values(), key=lambda of_repeat: max(len(r["modalities"]) for r in of_repeat.values()))
    order = list(
        dict.fromkeys(m for results in (widest, *by_arm.values()) for r in results.values() for m in r["modalities"])
    )
    levels: dict[tuple[str, str], tuple[float, ...]] = {}
    for of_repeat in by_arm.values():
        for result in of_repeat.values():
            for modality, told in result["modalities"].items():
                for kind, curve in told["curves"].items():
                    levels[modality, kind] = tuple(curve["levels"])
    found = []
    for arm in arms:
        answers = [by_arm[arm].get(repeat) for repeat in repeats]
        seconds = any(answer["delay_unit"] is not None for answer in answers if answer)
        for modality in order:
            for kind in KIND_WORDS:
                if (modality, kind) in levels:
                    at = levels[modality, kind]
                    rows = [_row(answer, modality, kind, len(at)) for answer in answers]
                    names = next((list(by_component) for _, by_component, _ in rows if by_component), [])
                    found.append(
                        Curve(
                            arm, modality, kind, _unit(kind, seconds), any(reads for *_, reads in rows), at,
                            np.array([skill for skill, _, _ in rows], float),
                            {c: np.array([r.get(c, [math.nan] * len(at)) for _, r, _ in rows], float) for c in names},
                        )
                    )  # fmt: skip
    return found


def _row(
    answer: dict[str, Any] | None, modality: str, kind: str, count: int
) -> tuple[list[float], dict[str, list[float]], bool]:
    """A repeat's skill at each level, the same by component, and whether the modality is read."""
    if answer is None:
        return [math.nan] * count, {}, False
    if modality in answer["modalities"]:
        curve = answer["modalities"][modality]["curves"][kind]
        return _known(curve["skill"]), {c: _known(v) for c, v in curve["components"].items()}, True
    clean = answer["clean"]
    flat = {component: _known([value] * count) for component, value in clean["components"].items()}
    return _known([clean["skill"]] * count), flat, False


def _known(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else float(value) for value in values]


def _unit(kind: str, seconds: bool) -> str:
    match kind:
        case "noise":
            return "training deviations"
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
    margin = study.margin if study.metric.measure.name == "skill" and study.metric.component is None else None
    found = []
    for kind in KIND_WORDS:
        family: list[tuple[Curve, Curve]] = []
        for arm, reference in study.pairs:
            for modality in dict.fromkeys(curve.modality for curve in curves):
                one, two = at.get((arm, modality, kind)), at.get((reference, modality, kind))
                if one is not None and two is not None and (one.reads or two.reads):
                    family.append((one, two))
        alpha, overlap = study.alpha, results.overlap
        areas = [compare(one.area_R, two.area_R, alpha=alpha, overlap=overlap) for one, two in family]
        costs = [
            compare(one.cost_R, two.cost_R, alpha=alpha, overlap=overlap, higher_is_better=False) for one, two in family
        ]
        on_area = decide(areas, alpha=study.alpha, margin=margin)
        on_cost = decide(costs, alpha=study.alpha, margin=margin, higher_is_better=False)
        for (one, two), area, area_decision, cost, cost_decision in zip(
            family, areas, on_area, costs, on_cost, strict=True
        ):
            told = (area, area_decision, cost, cost_decision)
            found.append(Comparison(one.arm, two.arm, one.modality, kind, *told))
    return found
