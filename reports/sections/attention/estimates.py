"""From the answers about attention to numbers over repeats: layers, flows, faithfulness, and what differs between arms.

R repeats, A arms, L lags.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from mmcore.answers.attention import AttentionResult, Layer, RolloutFaithfulness
from mmcore.language import later, say
from reports.records.frame import StudyResults
from reports.sections.faithfulness import Faithfulness, judge
from reports.sections.family import Test, differences_of, judge_together
from reports.statistics.agreement import icc, mean_rank_correlation
from reports.statistics.bounded import estimate_correlation, estimate_within, p_of_correlations
from reports.statistics.comparisons import compare
from reports.statistics.intervals import Estimate
from reports.statistics.multiplicity import holm

FAMILIES = 2
"""Families of questions in the section, which share alpha evenly: about single arms, and about arms against another."""
Request = Literal["occlusion", "past", "events"]
"""Tests of every arm: is rollout right, does it overstate the past, do edits get more than their share?"""

Measure = Literal["entropy", "distance", "events", "apart"]
Correlation = Literal["occlusion", "gradient", "nearness", "beyond"]
Compared = Literal["rollout", "occlusion"]
"""The weight that rollout gives, and the change of outputs."""

MEASURES: dict[Measure, str] = {
    "entropy": later("how widely attention spreads"),
    "distance": later("how far attention looks"),
    "events": later("how much attention goes to edits"),
    "apart": later("how far heads differ"),
}
"""What is compared between arms, in words; each is a mean over layers and heads."""
LABEL_CHANGES = later("how much attention goes to label changes")
"""What edits are called where the target is a label: no editor cut there."""
OTHERS = later("other steps (earlier ones where a model cannot look ahead)")
"""Steps that are ranked, of models of which some look ahead."""

_ENDS = {"distance": (0.0, math.inf), "events": (-1.0, 1.0)}
"""Between which numbers a measure of a layer can lie, where that is not 0 to 1."""


def apart(row: Layer) -> float:
    """Mean Jensen–Shannon distance over pairs of heads of a layer; NaN for a single head."""
    matrix = np.asarray(row.apart, float)
    H = len(matrix)
    return float(matrix.sum() / (H * (H - 1))) if H > 1 else math.nan


def layer_value(row: Layer, measure: Measure | Literal["own", "past"], step: float) -> float:
    """One number of a layer, the mean over its heads.

    Args:
        row: of an answer's ``layers``. measure: of :data:`MEASURES`, or ``own``, ``past``. Of events it is
            what exceeds the share that equal weights on all allowed keys would give.
        step: seconds of a step; 1 where steps are rows.
    """
    match measure:
        case "apart":
            return apart(row)
        case "distance":
            return step * float(np.mean(row.distance))
        case "events":
            return float(np.mean(row.events)) - row.uniform.events
        case "entropy" | "own" | "past":
            return float(np.mean(getattr(row, measure)))


@dataclass(frozen=True)
class Difference:
    """A measure of attention in an arm against the reference, decided within the family of all such comparisons."""

    arm: str
    reference: str
    measure: Measure
    test: Test


@dataclass(frozen=True)
class Attending:
    """Everything that the answers of a study say about attention.

    Args:
        arms: those with answers, in the study's order. by_arm: their answers by repeat.
        step: seconds of a step; None where steps are rows.
        of_labels: whether targets are labels, whose changes are no edits.
    """

    arms: tuple[str, ...]
    by_arm: dict[str, dict[int, AttentionResult]]
    step: float | None
    reference: str
    alpha: float
    overlap: float
    of_labels: bool = False

    @classmethod
    def of(cls, results: StudyResults) -> Attending | None:
        """None if there is no analysis with an answer."""
        by_arm: dict[str, dict[int, AttentionResult]] = {}
        for answer in results.answers(AttentionResult):
            by_arm.setdefault(answer.arm, {})[answer.repeat] = answer.result
        arms = tuple(arm.name for arm in results.study.arms if arm.name in by_arm)
        if not arms:
            return None
        first = next(iter(by_arm[arms[0]].values()))
        study = results.study
        of_labels = results.corpus.task == "label"
        return cls(arms, by_arm, first.step, study.reference, study.alpha, results.overlap, of_labels)

    @property
    def level(self) -> float:
        """Coverage of intervals."""
        return 1 - self.alpha

    @property
    def unit(self) -> str:
        """Of distances in time."""
        return "steps" if self.step is None else "s"

    @property
    def unit_words(self) -> str:
        """The same in the language of this moment."""
        return say("steps") if self.step is None else "s"

    def measure_words(self, measure: Measure) -> str:
        """Of :data:`MEASURES`, with label changes instead of edits where targets are labels."""
        return LABEL_CHANGES if self.of_labels and measure == "events" else MEASURES[measure]

    @cached_property
    def repeats(self) -> tuple[int, ...]:
        """All repeats with an answer."""
        return tuple(sorted({repeat for answers in self.by_arm.values() for repeat in answers}))

    def over_repeats(self, arm: str, value: Callable[[AttentionResult], float]) -> np.ndarray:
        """One number a repeat, NaN where there is none."""
        answers = [self.by_arm[arm].get(repeat) for repeat in self.repeats]
        return np.array([value(one) if one else math.nan for one in answers])

    def shared(self, values_R: np.ndarray, lowest: float = 0.0, highest: float = 1.0) -> Estimate:
        """Mean and interval over repeats of shares, or of numbers with other ends."""
        return estimate_within(values_R, lowest, highest, self.level, self.overlap)

    def correlated(self, arm: str, measure: Correlation) -> Estimate:
        """The same of :meth:`rho`."""
        return estimate_correlation(self.rho(arm, measure), self.level, self.overlap)

    # What is ranked ------------------------------------------------------------------------------------------------
    @property
    def of_items(self) -> bool:
        """Whether targets belong to items: no span is nearer to such an output than another, and all count."""
        return any(
            not math.isnan(one.occlusion) and math.isnan(one.nearness)
            for arm in self.arms
            for one in self._checked(arm)
        )

    def ranked(self, arm: str) -> str:
        """The steps that are ranked for an output of an arm: ``earlier steps``, ``other steps`` or ``steps``."""
        if self.of_items:
            return "steps"
        causal = next(iter(self.by_arm[arm].values())).causal
        return later("earlier steps") if causal else later("other steps")

    @property
    def ranked_of_all(self) -> str:
        """The same of all arms, for words about all of them."""
        rankings = list(dict.fromkeys(map(self.ranked, self.arms)))
        return rankings[0] if len(rankings) == 1 else OTHERS

    # Layers --------------------------------------------------------------------------------------------------------
    def layers(self, arm: str) -> tuple[tuple[str, int], ...]:
        """Place and layer of all attention over time of an arm, as the model computes it."""
        return tuple(dict.fromkeys((row.place, row.layer) for one in self.by_arm[arm].values() for row in one.layers))

    def layer(self, arm: str, place: str, layer: int, measure: Measure | Literal["own", "past"]) -> Estimate:
        """A measure of one layer over repeats; see :func:`layer_value`."""

        def value(one: AttentionResult) -> float:
            rows = (row for row in one.layers if (row.place, row.layer) == (place, layer))
            return next((layer_value(row, measure, self.step or 1.0) for row in rows), math.nan)

        return self.shared(self.over_repeats(arm, value), *_ENDS.get(measure, (0.0, 1.0)))

    def measured(self, arm: str, measure: Measure, uniform: bool = False) -> Estimate:
        """The same over all layers; see :meth:`measure`."""
        ends = (0.0, 1.0) if uniform and measure == "events" else _ENDS.get(measure, (0.0, 1.0))
        return self.shared(self.measure(arm, measure, uniform), *ends)

    def measure(self, arm: str, measure: Measure, uniform: bool = False) -> np.ndarray:
        """A measure by repeat, the mean over all layers that attend over time.

        Args:
            uniform: what equal weights on all allowed keys would give instead.
        """

        def value(one: AttentionResult) -> float:
            if not one.layers:
                return math.nan
            if uniform:
                size = (self.step or 1.0) if measure == "distance" else 1.0
                return size * float(np.mean([getattr(row.uniform, measure) for row in one.layers]))
            return float(np.mean([layer_value(row, measure, self.step or 1.0) for row in one.layers]))

        return self.over_repeats(arm, value)

    # Faithfulness --------------------------------------------------------------------------------------------------
    def rho(self, arm: str, measure: Correlation) -> np.ndarray:
        """Rank correlation of rollout by repeat: ``occlusion``, ``gradient``, ``beyond``; or ``nearness`` alone."""
        return self.over_repeats(arm, lambda one: getattr(one.faithfulness, measure, math.nan))

    def faithfulness(self, arm: str, measure: Correlation = "occlusion") -> Faithfulness:
        """The word for an arm's rollout."""
        p = self.p_of(arm, "occlusion") if measure == "occlusion" else None
        return judge(self.rho(arm, measure).tolist(), self.overlap, self.level, p)

    def p_of(self, arm: str, asked: Request) -> float:
        """p of a question about a single arm, corrected for all arms and questions (Holm)."""
        return self._corrected[arm, asked]

    @cached_property
    def _corrected(self) -> dict[tuple[str, Request], float]:
        p: dict[tuple[str, Request], float] = {}
        for arm in self.arms:
            too_much_R = self.past(arm, "rollout") - self.past(arm, "occlusion")
            events_R = self.measure(arm, "events")
            p[arm, "occlusion"] = p_of_correlations(self.rho(arm, "occlusion"), self.overlap)
            p[arm, "past"] = compare(too_much_R, np.zeros_like(too_much_R), overlap=self.overlap).p_t
            p[arm, "events"] = compare(events_R, np.zeros_like(events_R), overlap=self.overlap).p_t
        return {one: min(1.0, FAMILIES * adjusted) for one, adjusted in zip(p, holm([*p.values()]), strict=True)}

    def past(self, arm: str, of: Compared) -> np.ndarray:
        """By repeat, the share of all spans but the own one in ``rollout`` or in the effect of ``occlusion``."""
        return self.over_repeats(arm, lambda one: getattr(one.faithfulness and one.faithfulness.past, of, math.nan))

    def reach(self, arm: str, of: Compared) -> np.ndarray:
        """By repeat and lag, the share of ``rollout`` or of the effect of ``occlusion``, (R, L); NaN without one."""
        reaches = [one.faithfulness and one.faithfulness.reach for one in self._answers(arm)]
        length = max((len(one.lags) for one in reaches if one), default=0)
        return np.array([getattr(one, of) if one else [math.nan] * length for one in reaches])

    def lags(self, arm: str) -> np.ndarray:
        """The lags of :meth:`reach`, in :attr:`unit`."""
        for one in self._checked(arm):
            if one.reach:
                return np.array(one.reach.lags) * one.span * (self.step or 1.0)
        return np.empty(0)

    @property
    def spans(self) -> set[int]:
        """Steps that were taken away at once."""
        return {one.span for arm in self.arms for one in self._checked(arm)}

    def _answers(self, arm: str) -> list[AttentionResult]:
        return [self.by_arm[arm][repeat] for repeat in sorted(self.by_arm[arm])]

    def _checked(self, arm: str) -> list[RolloutFaithfulness]:
        return [one.faithfulness for one in self._answers(arm) if one.faithfulness]

    # Flow ----------------------------------------------------------------------------------------------------------
    def flows(self, arm: str) -> dict[tuple[str, str, int], Estimate]:
        """Share by source, target and layer over repeats; {} for an arm whose fusion shows none."""
        names = [(f.source, f.target, f.layer) for one in self._answers(arm) for f in one.flow]

        def share(one: AttentionResult, name: tuple[str, str, int]) -> float:
            return next((f.share for f in one.flow if (f.source, f.target, f.layer) == name), math.nan)

        return {
            name: self.shared(self.over_repeats(arm, lambda one, name=name: share(one, name)))
            for name in dict.fromkeys(names)
        }

    # Between arms and repeats --------------------------------------------------------------------------------------
    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Every measure of every other arm against the reference, corrected together."""
        if self.reference not in self.arms:
            return ()
        asked: list[tuple[str, Measure]] = [
            (arm, name) for name in MEASURES for arm in self.arms if arm != self.reference
        ]
        tests = judge_together(
            [differences_of(self.measure(arm, name), self.measure(self.reference, name)) for arm, name in asked],
            alpha=self.alpha,
            overlap=self.overlap,
            families=FAMILIES,
        )
        return tuple(
            Difference(arm, self.reference, name, test)
            for (arm, name), test in zip(asked, tests, strict=True)
            if test is not None
        )

    def agreement(self, name: Measure) -> float:
        """ICC over arms and repeats of a measure: the share of its variance that is arms; NaN with fewer than two."""
        return icc(np.array([self.measure(arm, name) for arm in self.arms]))

    def stability(self, arm: str) -> float:
        """Mean rank correlation between repeats of how rollout falls off with the lag; NaN below two repeats."""
        return mean_rank_correlation(self.reach(arm, "rollout").T) if len(self.by_arm[arm]) > 1 else math.nan
