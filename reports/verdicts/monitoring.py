"""Sequential monitoring of a study: which looks took place, what each decided, and which runs the rule requires.

All of it is a function of the records in order of repeats: a look after n repeats reads repeats 0 … n−1 and nothing
else, whatever else is there. So a study that was killed and started again takes the same decisions, and so does one
that finds runs of another study. A run that failed counts as there: its pair is missing, no look waits for it.

Looks read the comparisons on the study's metric, the family that decides. Comparisons by component are read at the last
look of their two arms' comparison, with sequential p values of their own family.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from reports.model.report import Looks
from reports.records.frame import StudyResults
from reports.statistics.comparisons import Paired
from reports.statistics.sequential import Rule, before_looks, compare_sequentially
from reports.statistics.verdicts import Decision, decide
from studies.resolved import AnyStudy

DECIDED = ("better", "worse", "equivalent")
"""Verdicts at which a comparison gets no more repeats."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Monitoring:
    """How far a sequential study is.

    Args:
        rule: its looks.
        looks: of each comparison, in the order of the study's pairs.
        asked: every (arm, repeat) that the rule has required so far, including the next look.
        waiting: the look that waits for runs; None: the study is over.
        overlap: n_test / n_train of the first look, used at all looks.
    """

    rule: Rule
    looks: dict[Pair, Looks]
    asked: frozenset[tuple[str, int]]
    waiting: int | None
    overlap: float

    def repeats(self, arm: str) -> int:
        """Repeats of an arm that the rule has required so far."""
        return sum(name == arm for name, _ in self.asked)

    @property
    def open(self) -> tuple[Pair, ...]:
        """Comparisons that nothing has decided yet."""
        return tuple(pair for pair, looks in self.looks.items() if looks.stopped_at is None)

    @property
    def taken(self) -> tuple[int, ...]:
        """Looks that have taken place."""
        return max((looks.done for looks in self.looks.values()), key=len)


def rule_of(study: AnyStudy) -> Rule | None:
    """The looks of a sequential study; None where repeats are fixed."""
    written = study.sequential
    return None if written is None else Rule(written.min, written.max, written.step)


def monitoring_of(results: StudyResults) -> Monitoring | None:
    """Follow the rule through the records that are there; None for a study whose repeats are fixed."""
    study, rule = results.study, rule_of(results.study)
    if rule is None:
        return None
    # Counted from the study's first repeat, which is not 0 after a search.
    first = study.first_repeat
    there = {(run.arm, run.repeat - first) for run in results.runs}
    overlap = _overlap(results, rule)
    every = [arm.name for arm in study.arms]
    compared: dict[Pair, tuple[Paired, ...]] = {}
    done: dict[Pair, list[int]] = {pair: [] for pair in study.pairs}
    stopped: dict[Pair, int] = {}
    asked = {(arm, repeat) for arm in every for repeat in range(rule.least)}
    waiting = None
    for look in rule.looks:
        active = [pair for pair in study.pairs if pair not in stopped]
        if not active:
            break
        asked |= {(arm, repeat) for pair in active for arm in pair for repeat in range(look)}
        if not asked <= there:
            waiting = look
            break
        if not compared:
            compared = _at_every_look(results, rule, overlap, there)
        for pair in active:
            done[pair].append(look)
        family = [compared[pair][rule.looks.index(done[pair][-1])] for pair in study.pairs]
        for pair, decision in zip(study.pairs, _decide(study, family), strict=True):
            # Repeats cannot decide about other items than they share: a look only tests the repeats.
            if pair in active and decision.side in DECIDED:
                stopped[pair] = look
    looks = {
        pair: Looks(tuple(done[pair]), stopped.get(pair), None if pair in stopped else waiting, len(rule.looks))
        for pair in study.pairs
    }
    return Monitoring(rule, looks, frozenset((arm, first + repeat) for arm, repeat in asked), waiting, overlap)


def compare_in_course(
    monitoring: Monitoring,
    pair: Pair,
    arm: Sequence[float] | np.ndarray,
    reference: Sequence[float] | np.ndarray,
    *,
    alpha: float,
    higher_is_better: bool,
    comparisons: int,
) -> Paired:
    """Two arms as their last look saw them, on any measure.

    Args:
        arm, reference: one number for each of repeats 0, 1, …, NaN where there is none.
        comparisons: how many the family holds.
    """
    looks = monitoring.looks[pair]
    if not looks.done:
        before = slice(0, monitoring.rule.least)
        return before_looks(
            arm[before], reference[before], overlap=monitoring.overlap, higher_is_better=higher_is_better
        )
    return compare_sequentially(
        arm,
        reference,
        monitoring.rule,
        upto=looks.repeats,
        alpha=alpha,
        overlap=monitoring.overlap,
        higher_is_better=higher_is_better,
        comparisons=comparisons,
    )[-1]


def by_repeat(results: StudyResults, measure: str, component: str | None) -> Mapping[str, np.ndarray]:
    """Each arm's numbers on the test split by repeat, in order, NaN where there is none."""
    known = results.once(_by_repeat)
    if (measure, component) not in known:
        study = results.study
        table = results.table(measure, component).reindex(study.numbers)
        columns = dict(zip(table.columns, np.ascontiguousarray(table.to_numpy(float).T), strict=True))
        nothing = np.full(study.repeats, math.nan)
        known[measure, component] = {arm.name: columns.get(arm.name, nothing) for arm in study.arms}
    return known[measure, component]


def _by_repeat(_: StudyResults) -> dict[tuple[str, str | None], dict[str, np.ndarray]]:
    """What :func:`by_repeat` has looked up so far: each of hundreds of comparisons asks for all arms."""
    return {}


def _at_every_look(
    results: StudyResults, rule: Rule, overlap: float, there: set[tuple[str, int]]
) -> dict[Pair, tuple[Paired, ...]]:
    """Each comparison at every look for which both arms' runs are there."""
    study, metric = results.study, results.study.metric
    scores = by_repeat(results, metric.measure.name, metric.component)
    found = {}
    for arm, reference in study.pairs:
        both = [(arm, r) in there and (reference, r) in there for r in range(rule.most)]
        found[arm, reference] = compare_sequentially(
            scores[arm],
            scores[reference],
            rule,
            upto=both.index(False) if False in both else rule.most,
            alpha=study.alpha,
            overlap=overlap,
            higher_is_better=metric.measure.higher_is_better,
            comparisons=len(study.pairs),
        )
    return found


def _decide(study: AnyStudy, family: Sequence[Paired]) -> list[Decision]:
    higher = study.metric.measure.higher_is_better
    return decide(family, alpha=study.alpha, margin=study.margin, higher_is_better=higher)


def _overlap(results: StudyResults, rule: Rule) -> float:
    """Test size ÷ training size over the first look's finished runs, or the first look's that has any."""
    for look in rule.looks:
        splits = [run.split for run in results.done if run.repeat < results.study.first_repeat + look]
        if splits:
            # As in a study of fixed size: where repeats share their test side, the term does not apply.
            if all(split.came_about != "each_repeat" for split in splits):
                return 0.0
            return fmean(split.groups("test") / split.groups("train") for split in splits)
    return 0.0
