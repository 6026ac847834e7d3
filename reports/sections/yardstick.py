"""What the sections about analyses judge in: the study's own metric, with its margin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from mmcore.answers.parts import ScoreRows, Scores
from mmcore.language import later, say
from mmcore.measures import Measure
from reports.model.section import Word
from reports.numbers import prose
from reports.records.frame import StudyResults

ALL: Final = Word(later("all"))
"""Stands in tables for all components together."""


def said_component(name: str) -> str:
    """A component as a figure names it: all of them in the reader's language."""
    return say(ALL) if name == ALL else name


@dataclass(frozen=True)
class Yardstick:
    """A study's metric, as analyses use it: of the whole (None), and the same measure of other components.

    Where the metric is that of one component (``active/f1``), the whole is that component.

    Args:
        margin: of the study, in the metric's unit.
    """

    measure: Measure
    component: str | None
    margin: float | None

    @classmethod
    def of(cls, results: StudyResults) -> Yardstick:
        """The study's."""
        metric = results.study.metric
        return cls(metric.measure, metric.component, results.study.margin)

    @property
    def sign(self) -> int:
        """What a score is multiplied with, so that more is better."""
        return 1 if self.measure.higher_is_better else -1

    @property
    def title(self) -> str:
        """In words: ``skill``, ``F1 of active``."""
        return self.title_of(None)

    @property
    def naive_is_zero(self) -> bool:
        """Whether 0 is what the better naive predictor scores."""
        return self.measure.name in ("skill", "relative_skill")

    @property
    def bounded(self) -> bool:
        """Whether a score is 1 at best."""
        return self.measure.higher_is_better

    @property
    def lost(self) -> str:
        """What an axis of losses shows: ``skill lost``; ``loss added`` for a measure where lower is better."""
        if self.measure.higher_is_better:
            return say("{measure} lost", measure=self.title)
        return say("{measure} added", measure=self.title)

    def resolve(self, component: str | None) -> str | None:
        """The component whose score is meant; None: all of them together."""
        return self.component if component is None else component

    def named(self, component: str | None) -> str:
        """A component in a table: ``all``, or the component that the study's metric is of."""
        return self.resolve(component) or ALL

    def title_of(self, component: str | None) -> str:
        """The measure of a component in words."""
        of = self.resolve(component)
        measure = say(self.measure.title)
        return measure if of is None else say("{measure} of {part}", measure=measure, part=of)

    def margin_of(self, component: str | None) -> float | None:
        """The margin means the same for a component only where the whole is a mean of components."""
        return self.margin if component is None or self.measure.whole == "mean" else None

    def others(self, results: StudyResults) -> list[str]:
        """Components beside the whole for which the measure is known at all."""
        return [c for c in results.components if c != self.component and results.has(self.measure.name, c)]

    def score(self, scores: Scores, component: str | None) -> float:
        """A score in the measure; NaN where it is not known."""
        known = scores.get(self.measure.name)
        return known.of(self.resolve(component)) if known else math.nan

    def scores(self, rows: ScoreRows, component: str | None, count: int) -> np.ndarray:
        """The same of several levels or subsets, (count,)."""
        known = rows.get(self.measure.name)
        row = known.of(self.resolve(component)) if known else ()
        return np.array(row, float) if row else np.full(count, math.nan)

    def sentence(self) -> str:
        """How numbers are to be read, for the lead of a section."""
        margin = (
            "" if self.margin is None else say("Differences within ± {margin:g} count as none.", margin=self.margin)
        )
        if self.measure.higher_is_better:
            return prose(say("Scores are the study's metric, {title}.", title=self.title), margin)
        return prose(say("Scores are the study's metric, {title} (lower is better).", title=self.title), margin)
