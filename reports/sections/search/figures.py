"""The figures of this section, in its order. Importing this file imports the drawing library."""

from __future__ import annotations

from reports.figures.base import FigureBase
from reports.records.frame import StudyResults
from reports.sections.search.figures_front import Front
from reports.sections.search.figures_history import BestOfN, SearchedAndConfirmed, SearchHistory
from reports.sections.search.figures_space import Importances, Slices


def figures(results: StudyResults) -> tuple[FigureBase, ...]:
    """Those to which the section refers."""
    all_of_them = (SearchHistory, SearchedAndConfirmed, BestOfN, Importances, Slices, Front)
    return tuple(figure(results) for figure in all_of_them)
