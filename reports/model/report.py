"""What a report says, as plain frozen data: all that a template may see.

A Summary holds numbers, words and tables, never a config object, a data frame or a figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from reports.model.provenance import Provenance
from reports.model.section import Section, Table
from reports.statistics.comparisons import Paired
from reports.statistics.intervals import Estimate
from reports.statistics.verdicts import Decision, Verdict

MOST_IN_FULL = 6
"""Verdicts that are written in full sentences on the first screen."""

Outcome = Literal["passed", "warning", "not applicable", "not run"]


@dataclass(frozen=True)
class MetricFacts:
    """The study's yardstick.

    Args:
        name: as in the study: ``skill``, ``active/f1``.
        title: as in sentences: ``skill``, ``F1 of active``.
        measure, component: its parts; component None is the whole.
        meaning: one plain sentence.
        whole: how components combine into one number; None where they do not.
    """

    name: str
    title: str
    measure: str
    component: str | None
    meaning: str
    higher_is_better: bool
    whole: Literal["mean", "sum"] | None = "mean"

    @property
    def direction(self) -> str:
        """In words, for captions."""
        return "higher is better" if self.higher_is_better else "lower is better"


@dataclass(frozen=True)
class VerdictText:
    """A verdict on the study's metric in plain words.

    Args:
        opening, middle: the words before the arm's and before the reference's name.
        closing: the words behind the reference's name: what the verdict is limited to; empty where it is not.
        evidence: the numbers behind it.
        not_shown: what it does not say.
        parts: the verdicts per component, in words; empty where there are none.
        units: the two arms in original units; empty where nothing was measured in any.
        cost: what it would cost to decide the comparison; empty where it is decided, or that cannot be said.
        lead: what must be read before the numbers: one component makes most of it, or components disagree; else empty.
    """

    arm: str
    reference: str
    verdict: Verdict
    opening: str
    middle: str
    evidence: str
    not_shown: str
    parts: str
    units: str = ""
    cost: str = ""
    closing: str = ""
    lead: str = ""

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        return f"{self.opening}'{self.arm}' {self.middle} '{self.reference}'{self.closing}."


@dataclass(frozen=True)
class Check:
    """A fact about the study that a reader must know, or the news that there is none.

    Args:
        code: never reused for another check.
        title: what is looked for.
        outcome: one of a closed list.
        text: what was found, or why nothing could be; for a check that passed empty, or what is worth knowing.
        reason: why it matters. advice: what to do about a warning.
    """

    code: str
    title: str
    outcome: Outcome
    text: str
    reason: str
    advice: str

    @property
    def more(self) -> str:
        """Where it is explained, in the project's folder."""
        return f"docs/checks.md#{self.code.lower()}"


@dataclass(frozen=True)
class Robust:
    """Numbers of an arm's repeats that assume no shape of the scores; NaN below two repeats, the middle below one.

    Args:
        low, high: bootstrap interval of the mean.
        middle: the interquartile mean. middle_low, middle_high: its bootstrap interval.
    """

    low: float
    high: float
    middle: float
    middle_low: float
    middle_high: float


@dataclass(frozen=True)
class ArmRow:
    """One arm over its repeats.

    Args:
        score: the study's metric on all test items. robust: the same without assuming its shape.
        complete: the same on the items that have every modality.
        components: the metric's measure per component, in the order of :attr:`Summary.components`.
        n, failed, missing: repeats with a score, failed, and not run; others finished without a score, NaN or infinite.
        parameters, flops: of the model; None where no run says so. FLOPs of one forward pass over one window.
        seconds: mean per finished run.
        changes: what it changes on the study's base, as (dotted path, value).
    """

    name: str
    reference: bool
    score: Estimate
    complete: Estimate
    components: tuple[Estimate, ...]
    n: int
    failed: int
    missing: int
    parameters: int | None
    flops: int | None
    seconds: float
    changes: tuple[tuple[str, str], ...]
    robust: Robust


@dataclass(frozen=True)
class Looks:
    """The looks at one comparison of a study that adds repeats until comparisons are decided.

    Args:
        done: numbers of repeats at which it was looked at, rising; () before the first look.
        stopped_at: the look that decided it; None: undecided so far.
        next: the look that it waits for; None: it was decided, or the study is over.
        planned: looks that the rule plans at most.
    """

    done: tuple[int, ...]
    stopped_at: int | None
    next: int | None
    planned: int

    @property
    def repeats(self) -> int:
        """Repeats that its last look read; 0 before the first."""
        return self.done[-1] if self.done else 0


@dataclass(frozen=True)
class SequentialFacts:
    """How a study that adds repeats went.

    Args:
        least, most, step: its rule: repeats at the first look, at the last, and between looks.
        looks: looks that took place. waiting: the look that waits for runs; None: the study is over.
        runs, runs_at_most: runs that the rule required, and the runs of all arms at ``most``.
        seconds_spared: of one worker, for the runs that are not needed; 0 while the study goes on.
        text: all of it in words.
    """

    least: int
    most: int
    step: int
    looks: tuple[int, ...]
    waiting: int | None
    runs: int
    runs_at_most: int
    seconds_spared: float
    text: str


@dataclass(frozen=True)
class ComparisonRow:
    """A comparison of two arms on the metric (component None) or on one component.

    Args:
        margin: the study's, where it holds; None where it is not set, or set in another unit or scale.
        looks: at it, in a study that adds repeats: then ``paired`` is what the last look saw, with the sequential p
            and intervals adjusted for all looks; None where repeats are fixed.
        tested: the test items that all repeats share, in words (``31 test items``); empty where repeats test their own.
        without_skill: whether neither arm is shown to beat the naive prediction on this component.
        native: whether mmstudy trains the arms, so that it can add repeats.
    """

    arm: str
    reference: str
    component: str | None
    paired: Paired
    decision: Decision
    margin: float | None
    looks: Looks | None = None
    tested: str = ""
    without_skill: bool = False
    native: bool = True

    @property
    def verdict(self) -> Verdict:
        """The verdict, one of a closed list."""
        return self.decision.verdict

    @property
    def shown(self) -> Estimate:
        """The difference with the interval that belongs to the verdict: of new items, or of these items alone."""
        return self.paired.difference if self.decision.only_these_items else self.paired.claimed


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


@dataclass(frozen=True)
class Summary:
    """Everything that a report says about a study.

    Args:
        level: coverage of intervals, 1 − alpha.
        repeats, first_repeat: how many repeats the study asks for, and the number of the first one.
        verdicts: one per comparison of the study, on its metric.
        components: those with a column of their own, in the corpus's order.
        nothing_to_predict: components whose target never varies, or whose naive loss is 0: no score exists.
        comparisons: on the metric first, then per component.
        flips: naive predictors whose mean over repeats stands for none of them.
        families: how the comparisons were corrected, in words.
        covers: which variation the intervals cover and which they do not, in words.
        sections: what analyses found.
        sequential: how repeats were added; None where their number is fixed.
        quality, quality_by_modality: the corpus's quality report, row by row and per modality.
        facts: provenance for people, (label, value). provenance: the same and more for programs.
        native: whether mmstudy trained the models, so that their items and sizes are known. ran: whether it started the
            runs, so that their times and failures are.
        part: what a component is called. across: what holds over all parts where each has verdicts of its own.
    """

    study: str
    question: str
    metric: MetricFacts
    alpha: float
    level: float
    margin: float | None
    repeats: int
    first_repeat: int
    reference: str
    verdicts: tuple[VerdictText, ...]
    checks: tuple[Check, ...]
    components: tuple[str, ...]
    nothing_to_predict: tuple[str, ...]
    arms: tuple[ArmRow, ...]
    comparisons: tuple[ComparisonRow, ...]
    baselines: tuple[BaselineRow, ...]
    measures: tuple[MeasureRow, ...]
    families: str
    covers: str
    missing: Mapping[str, int]
    quality: Table
    quality_by_modality: Table
    runs: tuple[RunLine, ...]
    facts: tuple[tuple[str, str], ...]
    provenance: Provenance
    sections: tuple[Section, ...] = ()
    sequential: SequentialFacts | None = None
    flips: tuple[Flip, ...] = ()
    native: bool = True
    ran: bool = True
    part: str = "component"
    across: Section | None = None

    @property
    def paired(self) -> bool:
        """Whether arms are compared repeat by repeat."""
        return all(c.paired.sizes is None for c in self.comparisons)

    @property
    def shared(self) -> bool:
        """Whether all repeats tested the same items."""
        return any(c.paired.shared for c in self.comparisons)

    @property
    def many(self) -> bool:
        """Whether there are more verdicts than one reads in full: then a table of them comes first."""
        return len(self.verdicts) > MOST_IN_FULL

    @property
    def warnings(self) -> tuple[Check, ...]:
        """The checks that warn."""
        return tuple(c for c in self.checks if c.outcome == "warning")

    @property
    def primary(self) -> tuple[ComparisonRow, ...]:
        """The comparisons on the study's metric."""
        return tuple(c for c in self.comparisons if c.component is None)

    @property
    def by_component(self) -> tuple[ComparisonRow, ...]:
        """The comparisons per component."""
        return tuple(c for c in self.comparisons if c.component is not None)
