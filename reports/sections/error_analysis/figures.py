"""The figures of this section, in its order. Importing this file imports the drawing library."""

from __future__ import annotations

from reports.figures.base import FigureBase
from reports.records.frame import StudyResults
from reports.sections.error_analysis.figures_case import ErrorCase, ErrorEnds
from reports.sections.error_analysis.figures_conditions import ErrorConditions
from reports.sections.error_analysis.section import MOST_DRAWN, MOST_NAMED


def figures(results: StudyResults) -> tuple[FigureBase, ...]:
    """Losses by condition, then by component the hardest span and the arms' own."""
    cases: list[FigureBase] = []
    for i in range(min(MOST_DRAWN, len(results.components))):
        cases += [ErrorCase(results, i), *(ErrorEnds(results, i, place) for place in range(MOST_NAMED))]
    return (ErrorConditions(results), *cases)
