"""What a report says, as plain frozen data: all that a template may see.

A Summary holds numbers, words and tables, never a config object, a data frame or a figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mmcore.language import later, say
from reports.cards.card import Card, Forest, Grid, Interval, Line
from reports.cards.card import Tone as CardTone
from reports.cards.shown import Shown
from reports.cards.verdicts import check_line, difference_row, verdict_line
from reports.model.provenance import Provenance
from reports.model.rows import BaselineRow, Flip, MeasureRow, RunLine
from reports.model.section import Section, Table, Tone
from reports.model.sequential import Looks, SequentialFacts
from reports.model.setup import NOTHING_KNOWN, Setup
from reports.model.verdict import MetricFacts, VerdictText
from reports.numbers import count, duration, interval, number, probability
from reports.records.looks import Look
from reports.statistics.comparisons import Paired
from reports.statistics.intervals import Estimate
from reports.statistics.verdicts import Decision, Verdict

if TYPE_CHECKING:
    import pandas as pd

MOST_IN_FULL = 6
"""Verdicts that are written in full sentences on the first screen."""

_TONES: Mapping[Tone, CardTone] = {"good": "better", "bad": "worse", "open": "open", "plain": "plain"}

Outcome = Literal["passed", "warning", "not applicable", "not run"]
OUTCOMES: tuple[str, ...] = (later("passed"), later("warning"), later("not applicable"), later("not run"))
"""Marked for the languages: an outcome is a key, and is said where it is shown."""


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


@dataclass(frozen=True, repr=False)
class ComparisonRow(Shown):
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

    def row(self, label: str) -> Interval:
        """Its row in a forest plot."""
        return difference_row(label, self.shown, self.verdict, strong=self.component is None, margin=self.margin)

    def card(self) -> Card:
        """The verdict and its numbers."""
        shown = self.shown
        text = say(
            "{verdict}: difference {difference} ({edges}), n = {n}, p = {p} after Holm",
            verdict=say(self.verdict),
            difference=number(shown.mean, True),
            edges=interval(shown.low, shown.high),
            n=self.paired.n,
            p=probability(self.decision.p_holm),
        )
        words = {"arm": self.arm, "reference": self.reference}
        title = (
            say("Comparison of '{arm}' with '{reference}' on {component}", component=self.component, **words)
            if self.component
            else say("Comparison of '{arm}' with '{reference}'", **words)
        )
        return Card(title, "", (verdict_line(text, self.verdict),))


@dataclass(frozen=True, repr=False)
class Summary(Shown):
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
        setup: settings of the arms and sizes of the splits.
        earlier_looks: reports on some of the same runs; see :func:`reports.records.looks.earlier_looks`.
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
    setup: Setup = NOTHING_KNOWN
    earlier_looks: tuple[Look, ...] = ()

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

    def card(self) -> Card:
        """Verdicts, warnings, the arms' scores, and a small forest plot."""
        findings = () if self.across is None else self.across.findings
        lines = [verdict.line for verdict in self.verdicts]
        lines += [Line(one.text, _TONES[one.tone], detail=one.evidence) for one in findings]
        lines = lines or [Line(self.families)]
        lines += [check_line(check.code, check.title, check.text) for check in self.warnings]
        # Where each part has verdicts of its own, no arm has one score over all of them.
        grids = (self._grid(),) if self.across is None else ()
        return Card(
            say("Summary of study '{study}'", study=self.study), self.question, tuple(lines), grids, self._forest()
        )

    def _grid(self) -> Grid:
        rows = [
            (
                say("{arm} (reference)", arm=arm.name) if arm.reference else arm.name,
                number(arm.score.mean),
                interval(arm.score.low, arm.score.high),
                say("{n} of {all}, {failed} failed", n=arm.n, all=self.repeats, failed=arm.failed)
                if arm.failed
                else say("{n} of {all}", n=arm.n, all=self.repeats),
                count(arm.parameters),
                duration(arm.seconds),
            )
            for arm in self.arms
        ]
        rows += [(say("{baseline} (naive)", baseline=b.name), number(b.score), "", "", "", "") for b in self.baselines]
        columns = (
            say("arm"), self.metric.title, say("interval"), say("repeats"), say("parameters"), say("a run"),
        )  # fmt: skip
        return Grid(columns, tuple(rows)).known()

    def _forest(self) -> Forest | None:
        several = len({(c.arm, c.reference) for c in self.comparisons}) > 1
        rows = []
        for c in sorted(self.comparisons, key=lambda c: c.component is not None):
            between = f"{c.arm} − {c.reference}"
            label = between if c.component is None else f"{c.component}: {between}" if several else c.component
            rows.append(c.row(label))
        metric = self.metric
        caption = say(
            "Differences in {metric} with their intervals ({direction}).",
            metric=metric.title,
            direction=metric.direction,
        )
        axis = say("difference in {metric}", metric=metric.title)
        return Forest(tuple(rows), axis, metric.higher_is_better, caption) if rows else None

    def to_frame(self) -> pd.DataFrame:
        """One row per comparison; component is None on the study's metric. ``low`` and ``high`` belong to the verdict.

        The interval is for new items of the corpus, or for the tested items where the verdict says so. NaN where there
        are too few repeats.
        """
        import pandas as pd

        rows = [
            (
                c.arm, c.reference, c.component, c.paired.n, c.shown.mean, c.shown.low, c.shown.high, c.decision.p,
                c.decision.p_holm, c.paired.effect_size, c.verdict,
            )
            for c in self.comparisons
        ]  # fmt: skip
        columns = (
            "arm", "reference", "component", "n", "difference", "low", "high", "p", "p_holm", "effect_size", "verdict",
        )  # fmt: skip
        return pd.DataFrame(rows, columns=list(columns))
