"""The figures of this section, in its order. Importing this file imports the drawing library."""

from __future__ import annotations

from reports.figures.base import FigureBase
from reports.records.frame import StudyResults
from reports.sections.corruption.figures_curves import CorruptionCurves


def figures(results: StudyResults) -> tuple[FigureBase, ...]:
    """Those to which the section refers."""
    return (CorruptionCurves(results),)
