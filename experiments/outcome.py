"""The outcome of a study, as Python and a notebook have it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from experiments.shown_path import near
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
            notes.append(f"{counted(self.failed, 'run')} failed; the report counts them")
        if self.unanswered:
            notes.append(f"analyses of {counted(self.unanswered, 'run')} failed; the report says why")
        if self.mirrored:
            notes.append(f"MLflow is behind: {self.mirrored}")
        notes.append(f"Report: {near(self.report)}" if self.report.is_file() else "Report: not written yet")
        card = self.summary.card()
        return replace(card, title=f"Outcome of study '{self.summary.study}'", notes=(*card.notes, *notes))
