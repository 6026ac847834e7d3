"""A verdict on the study's metric in plain words, and the metric itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mmcore.language import say
from mmcore.measures import MEASURES
from reports.cards.card import Card, Line
from reports.cards.shown import Shown
from reports.cards.verdicts import verdict_line
from reports.numbers import prose
from reports.statistics.verdicts import Verdict


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
        return say("higher is better") if self.higher_is_better else say("lower is better")


def measure_words(measure: str) -> str:
    """A measure's title where mmstudy knows it, else its name as it was given, in words."""
    known = MEASURES.get(measure)
    return measure.replace("_", " ") if known is None else say(known.title)


def headline(opening: str, arm: str, middle: str, reference: str, closing: str) -> str:
    """A verdict in one sentence, from the words around the names of both arms."""
    return say(
        "{opening}'{arm}' {middle} '{reference}'{closing}.",
        opening=opening,
        arm=arm,
        middle=middle,
        reference=reference,
        closing=closing,
    )


@dataclass(frozen=True, repr=False)
class VerdictText(Shown):
    """A verdict on the study's metric in plain words.

    Args:
        opening, middle: the words before the arm's and before the reference's name.
        closing: the words behind the reference's name: the verb in a language that has it there, and what the verdict
            is limited to; may be empty.
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
        return headline(self.opening, self.arm, self.middle, self.reference, self.closing)

    @property
    def line(self) -> Line:
        """The verdict with the numbers behind it."""
        return verdict_line(self.headline, self.verdict, prose(self.lead, self.evidence))

    def card(self) -> Card:
        """The verdict, and what it does not say."""
        more = (self.units, self.not_shown, self.cost, self.parts)
        return Card(
            say("Verdict: {verdict}", verdict=say(self.verdict)),
            "",
            (self.line,),
            notes=tuple(text for text in more if text),
        )
