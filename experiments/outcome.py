"""The outcome of a study, as Python and a notebook have it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from experiments.shown_path import near
from mmcore.language import say
from reports.cards.card import Card
from reports.numbers import counted
from reports.output.reading import Reading
from reports.records.frame import StudyResults
from reports.summary.build import Summary


@dataclass(frozen=True, repr=False)
class Outcome(Reading):
    """The outcome of a study.

    Args:
        results: every number, as tidy tables.
        summary: the numbers' meaning.
        report: the HTML page.
        failed: runs that failed; they are counted in the report, never dropped.
        mirrored: None, or why the tracking store lacks something.
        unanswered: runs of which an analysis failed; the report says why, the same command tries again.
    """

    results: StudyResults
    summary: Summary
    report: Path
    failed: int
    mirrored: str | None
    unanswered: int = 0

    def card(self) -> Card:
        """The summary's, with what failed and where the report is."""
        notes = []
        if self.failed:
            notes.append(say("{runs} failed; the report counts them", runs=counted(self.failed, "run")))
        if self.unanswered:
            notes.append(say("analyses of {runs} failed; the report says why", runs=counted(self.unanswered, "run")))
        if self.mirrored:
            notes.append(say("MLflow is behind: {mirrored}", mirrored=self.mirrored))
        page = self.report
        notes.append(say("Report: {path}", path=near(page)) if page.is_file() else say("Report: not written yet"))
        card = self.summary.card()
        return replace(
            card, title=say("Outcome of study '{study}'", study=self.summary.study), notes=(*card.notes, *notes)
        )
