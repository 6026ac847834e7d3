"""The figures of this section, in its order. Importing this file imports the drawing library."""

from __future__ import annotations

from reports.figures.style import Figure
from reports.records.frame import StudyResults
from reports.sections.error_analysis.figures_case import ErrorCase, ErrorEnds
from reports.sections.error_analysis.figures_conditions import ErrorConditions
from reports.sections.error_analysis.section import MOST_DRAWN, MOST_TOLD


def figures(results: StudyResults) -> tuple[Figure, ...]:
    """Losses by condition, then by component the hardest span and the arms' own."""
    cases: list[Figure] = []
    for i in range(min(MOST_DRAWN, len(results.components))):
        cases += [ErrorCase(results, i), *(ErrorEnds(results, i, place) for place in range(MOST_TOLD))]
    return (ErrorConditions(results), *cases)
