"""The figures of this section, in its order. Importing this file imports the drawing library."""

from __future__ import annotations

from reports.figures.style import Figure
from reports.records.frame import StudyResults
from reports.sections.corruption.figures_curves import CorruptionCurves


def figures(results: StudyResults) -> tuple[Figure, ...]:
    """Those to which the section refers."""
    return (CorruptionCurves(results),)
