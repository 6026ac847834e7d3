"""From the answers about gates to numbers over repeats: how far they open, when, and whether they can be believed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np

from mmcore.answers.gates import Condition, GatesResult, Holding, OfComponent
from mmcore.language import later, say
from reports.numbers import listing
from reports.records.frame import StudyResults
from reports.sections.arms.shown import shown_arms
from reports.sections.gates.belief import Belief, Corrected, believe
from reports.sections.yardstick import Yardstick
from reports.statistics.agreement import icc
from reports.statistics.bounded import estimate_correlation, estimate_within, p_of_correlations
from reports.statistics.comparisons import compare
from reports.statistics.intervals import Estimate, estimate
from reports.statistics.multiplicity import holm

By = Literal["steps", "items"]
Shown = Literal["passing", "opening", "norm"]
"""What is correlated with the loss: gate × norm, the gate alone, the norm alone."""
OpeningNumber = Literal[
    "mean", "deviation", "deviation_over_steps", "shut", "open", "between_inputs", "norm", "passing"
]

FAMILIES = 2
"""Families of questions in the section, which share alpha evenly: whether gates can be believed and matter, and while
what they are wider."""

EDIT: Final = later("an edit")
"""A condition of the answers: some track changes its class."""
LABEL_CHANGE: Final = later("a label change")
"""What an edit is called where the target is a label: no editor cut there."""

LENGTHS: tuple[OpeningNumber, ...] = ("norm", "passing")
"""Of the numbers of an opening, lengths of vectors; all else lies between 0 and 1."""


@dataclass(frozen=True)
class Difference:
    """How much wider a gate is open while something is so, over repeats.

    Args:
        p_holm: of the interval's t-test, after Holm over all conditions of all gates and arms, times the number of
            families of the section; 1 for fewer than two repeats.
        alpha: what it must not be above.
    """

    condition: str
    so: Estimate
    otherwise: Estimate
    difference: Estimate
    p_holm: float
    alpha: float

    @property
    def words(self) -> str:
        """The condition as a sentence names it: a feature by its own name, an edit in the reader's language."""
        return say(self.condition) if self.condition in (EDIT, LABEL_CHANGE) else self.condition

    @property
    def shown(self) -> bool:
        """Whether it is more than the largest of so many chance differences."""
        return self.p_holm <= self.alpha


@dataclass(frozen=True)
class Gating:
    """Everything that the answers of a study say about gates.

    Args:
        arms: those with answers, in the study's order. shown: the few that words and large pictures are about.
        by_arm: their answers by repeat. level: coverage of intervals. yardstick: measures what holding a gate costs.
        of_labels: whether targets are labels, whose changes are no edits.
    """

    arms: tuple[str, ...]
    shown: tuple[str, ...]
    by_arm: dict[str, dict[int, GatesResult]]
    overlap: float
    level: float
    yardstick: Yardstick
    of_labels: bool = False

    @classmethod
    def of(cls, results: StudyResults) -> Gating | None:
        """None if there is no analysis with an answer."""
        by_arm: dict[str, dict[int, GatesResult]] = {}
        for answer in results.answers(GatesResult):
            by_arm.setdefault(answer.arm, {})[answer.repeat] = answer.result
        arms = tuple(arm.name for arm in results.study.arms if arm.name in by_arm)
        if not arms:
            return None
        level, yardstick = 1 - results.study.alpha, Yardstick.of(results)
        of_labels = results.corpus.task == "label"
        return cls(arms, shown_arms(results, arms), by_arm, results.overlap, level, yardstick, of_labels)

    def gates(self, arm: str) -> tuple[str, ...]:
        """Those of the arm's model: one for each modality that it reads, or for each side of a pair."""
        return tuple(gate.name for gate in self.first(arm).gates)

    def behind(self, arm: str, gate: str) -> str:
        """The modalities that pass a gate, in words."""
        return listing([name for one in self.first(arm).gates if one.name == gate for name in one.modalities])

    def beside(self, arm: str, gate: str) -> tuple[str, ...]:
        """The other gates at its place."""
        return tuple(n for place in self.first(arm).places if gate in place for n in place if n != gate)

    def in_pairs(self, arm: str) -> bool:
        """Whether gates weigh two sides at a time, and the result against the next."""
        return len(self.first(arm).places) > 1

    @cached_property
    def all_gates(self) -> tuple[str, ...]:
        """Those of all arms: each has one colour everywhere. Arms with one place of gates come first, and of these
        the one that reads most; so that the sides of pairs, which are more, change no modality's colour."""
        most = sorted(self.arms, key=lambda arm: (self.in_pairs(arm), -len(self.gates(arm))))
        return tuple(dict.fromkeys(name for arm in most for name in self.gates(arm)))

    def first(self, arm: str) -> GatesResult:
        """The answer of an arm's first repeat."""
        answers = self.by_arm[arm]
        return answers[min(answers)]

    def over_repeats(self, arm: str, value: Callable[[GatesResult], float]) -> np.ndarray:
        """One number a repeat, NaN where there is none."""
        return np.array([value(one) for _, one in sorted(self.by_arm[arm].items())], float)

    def estimated(self, values_R: np.ndarray) -> Estimate:
        """Mean and interval over repeats, of numbers without an end."""
        return estimate(values_R, self.level, self.overlap)

    def within(self, values_R: np.ndarray, lowest: float = 0.0, highest: float = 1.0) -> Estimate:
        """The same of numbers that have one."""
        return estimate_within(values_R, lowest, highest, self.level, self.overlap)

    def correlated(self, values_R: np.ndarray) -> Estimate:
        """The same of correlations."""
        return estimate_correlation(values_R, self.level, self.overlap)

    def distribution(self, arm: str, gate: str, what: OpeningNumber) -> Estimate:
        """One number of how far a gate opens; NaN in repeats in which it had no choice."""
        value_R = self.over_repeats(arm, lambda one: getattr(one.distribution[gate], what))
        return self.within(value_R, highest=math.inf if what in LENGTHS else 1.0)

    def present(self, arm: str, gate: str) -> int:
        """Test steps of all repeats at which something is behind a gate, with a choice or without."""
        return sum(one.distribution[gate].present for one in self.by_arm[arm].values())

    def quantile(self, arm: str, gate: str, i: int) -> Estimate:
        """One quantile of a gate's values: 5, 25, 50, 75 and 95 %."""

        def value(one: GatesResult) -> float:
            quantiles = one.distribution[gate].quantiles
            return quantiles[i] if quantiles else math.nan

        return self.within(self.over_repeats(arm, value))

    def histogram(self, arm: str, gate: str) -> np.ndarray:
        """Share of the gate's values in each bin, mean over repeats: every repeat counts the same."""
        histograms = [one.distribution[gate].histogram for one in self.by_arm[arm].values()]
        shares = [np.array(counts) / sum(counts) for counts in histograms if counts]
        return np.mean(shares, axis=0) if shares else np.empty(0)

    def share(self, arm: str, gate: str) -> Estimate:
        """The gate's mean share of the lengths of all that passes at its place."""
        return self.within(self.over_repeats(arm, lambda one: one.shares.passing[gate]))

    def entropy(self, arm: str) -> Estimate:
        """Entropy over the gates at a place of what passes: 1 where all have equal shares."""
        return self.within(self.over_repeats(arm, lambda one: one.shares.entropy_passing))

    def follows(self, arm: str, gate: str) -> tuple[str, float, int] | None:
        """The feature that the gate goes along with in most repeats, mean r there, and in how many."""
        follows = [one.distribution[gate].follows for one in self.by_arm[arm].values()]
        found = [one for one in follows if one is not None]
        if not found:
            return None
        name, times = Counter(one.feature for one in found).most_common(1)[0]
        return name, float(np.mean([one.correlation for one in found if one.feature == name])), times

    # Conditions and edits -------------------------------------------------------------------------------------------
    def conditions(self, arm: str) -> tuple[str, ...]:
        """Everything that was so at some steps and not at others."""
        return tuple(dict.fromkeys(row.condition for one in self.by_arm[arm].values() for row in one.conditions))

    def differences(self, arm: str, gate: str) -> list[Difference]:
        """A gate while something is so, and while not, for every condition; corrected with all gates' (Holm)."""
        found = []
        for condition in self.conditions(arm):
            so_R, else_R = self._condition(arm, gate, condition)
            difference = self.within(so_R - else_R, -1.0)
            p_holm = self._p_of_conditions[arm, gate, condition]
            alpha = 1 - self.level
            name = LABEL_CHANGE if self.of_labels and condition == EDIT else condition
            found.append(Difference(name, self.within(so_R), self.within(else_R), difference, p_holm, alpha))
        return found

    @cached_property
    def _p_of_conditions(self) -> dict[tuple[str, str, str], float]:
        """Of every arm, gate and condition."""
        asked = [(arm, gate, c) for arm in self.arms for gate in self.gates(arm) for c in self.conditions(arm)]
        p_t = [compare(*self._condition(*one), overlap=self.overlap).p_t for one in asked]
        return {one: min(1.0, FAMILIES * p) for one, p in zip(asked, holm(p_t), strict=True)}

    def clearest(self, arm: str, gate: str) -> Difference | None:
        """The largest difference that is shown; None where there is none."""
        shown = [one for one in self.differences(arm, gate) if one.shown]
        return max(shown, key=lambda one: abs(one.difference.mean), default=None)

    def _condition(self, arm: str, gate: str, condition: str) -> tuple[np.ndarray, np.ndarray]:
        def side(of: Callable[[Condition], float]) -> np.ndarray:
            def value(one: GatesResult) -> float:
                rows = (of(row) for row in one.conditions if (row.condition, row.gate) == (condition, gate))
                return next(rows, math.nan)

            return self.over_repeats(arm, value)

        return side(lambda row: row.so), side(lambda row: row.otherwise)

    def around(self, arm: str, gate: str) -> list[tuple[int, Estimate]]:
        """Mean opening by steps from an edit, less each repeat's mean over them; empty where there are no edits."""
        lags = self.first(arm).around.lags
        around = [one.around for _, one in sorted(self.by_arm[arm].items()) if one.around.events]
        if not around:
            return []
        mean_RL = np.array([one.mean[gate] for one in around], float)
        some_R = ~np.isnan(mean_RL).all(1)
        mean_RL = mean_RL[some_R] - np.nanmean(mean_RL[some_R], axis=1, keepdims=True)
        return [(lag, self.within(mean_RL[:, i], -1.0)) for i, lag in enumerate(lags)]

    # Faithfulness ---------------------------------------------------------------------------------------------------
    def rho(self, arm: str, gate: str | None, shown: Shown, by: By) -> np.ndarray:
        """Rank correlations by repeat with what is lost; gate None: the points of all in one row."""

        def value(one: GatesResult) -> float:
            points = one.faithfulness.steps if by == "steps" else one.faithfulness.items
            if points is None:
                return math.nan
            return getattr(points.together if gate is None else points.gates[gate], shown)

        return self.over_repeats(arm, value)

    def by(self, arm: str) -> By:
        """What a point is: a step, or an item where targets belong to items."""
        return "items" if self.first(arm).faithfulness.steps is None else "steps"

    def belief(self, arm: str, gate: str | None, by: By | None = None) -> Belief:
        """Whether a gate (None: all gates together) says what the model uses.

        Args:
            by: what a point is; None: what the words of the section rest on. The p of others are not corrected.
        """
        of = by or self.by(arm)
        return believe(
            self.rho(arm, gate, "passing", of).tolist(),
            self.rho(arm, gate, "opening", of).tolist(),
            self.rho(arm, gate, "norm", of).tolist(),
            self.costs(arm, gate, "mean").tolist(),
            overlap=self.overlap,
            level=self.level,
            margin=self.yardstick.margin,
            corrected=self._corrected[arm, gate] if of == self.by(arm) else None,
        )

    @cached_property
    def _corrected(self) -> dict[tuple[str, str | None], Corrected]:
        """The p of three questions about every gate, and all gates, of every arm; corrected together (Holm)."""
        asked = [(arm, gate) for arm in self.arms for gate in (*self.gates(arm), None)]
        p = []
        for arm, gate in asked:
            by = self.by(arm)
            p.append(p_of_correlations(self.rho(arm, gate, "passing", by), self.overlap))
            p.append(p_of_correlations(self.rho(arm, gate, "opening", by), self.overlap))
            cost_R = self.costs(arm, gate, "mean")
            p.append(compare(cost_R, np.zeros_like(cost_R), overlap=self.overlap).p_t)
        adjusted = [min(1.0, FAMILIES * one) for one in holm(p)]
        return {one: Corrected(*adjusted[3 * i : 3 * i + 3]) for i, one in enumerate(asked)}

    def component_rho(self, arm: str, gate: str, component: str) -> Estimate:
        """ρ of gate × norm with what a component loses."""
        return self.correlated(self._by_component(arm, gate, component, lambda one: one.rho))

    def component_increase(self, arm: str, gate: str, component: str) -> Estimate:
        """How much a component's loss increases without what is behind the gate."""
        return self.estimated(self._by_component(arm, gate, component, lambda one: one.increase))

    def _by_component(self, arm: str, gate: str, component: str, value: Callable[[OfComponent], float]) -> np.ndarray:
        return self.over_repeats(arm, lambda one: value(one.faithfulness.by_component[gate][component]))

    def costs(self, arm: str, gate: str | None, held: Holding, component: str | None = None) -> np.ndarray:
        """By repeat, how much worse the score (of a component) is with a gate held; gate None: all at their means."""

        def value(one: GatesResult) -> float:
            free = self.yardstick.score(one.clamping.free, component)
            rows = (row.scores for row in one.clamping.held if (row.gate, row.held) == (gate, held))
            scores = next(rows, {})
            return self.yardstick.sign * (free - self.yardstick.score(scores, component))

        return self.over_repeats(arm, value)

    def clamping(self, arm: str, gate: str | None, held: Holding, component: str | None = None) -> Estimate:
        """The same over repeats."""
        return self.estimated(self.costs(arm, gate, held, component))

    # Agreement ------------------------------------------------------------------------------------------------------
    def agreement(self, arm: str) -> tuple[float, float]:
        """ICC over repeats of how far gates open (rated: gates), and of when (rated: gate and condition)."""
        names = self.gates(arm)
        how_far = [self.over_repeats(arm, lambda one, n=n: one.distribution[n].mean) for n in names]
        sides = [self._condition(arm, name, condition) for name in names for condition in self.conditions(arm)]
        return icc(np.array(how_far)), icc(np.array([so - other for so, other in sides])) if sides else math.nan
