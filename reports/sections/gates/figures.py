"""The figures of this section, in its order. Importing this file imports the drawing library."""

from __future__ import annotations

from reports.figures.base import FigureBase
from reports.records.frame import StudyResults
from reports.sections.gates.figures_dots import GateComponents, GateConditions, GateFaithfulness
from reports.sections.gates.figures_lines import GateDistribution, GateDrift, GatesAround
from reports.sections.gates.figures_timeline import TIMELINES, GateTimeline


def figures(results: StudyResults) -> tuple[FigureBase, ...]:
    """Those to which the section refers."""
    over_repeats = (GateFaithfulness, GateDistribution, GateConditions, GatesAround, GateComponents, GateDrift)
    of_items = (GateTimeline(results, place) for place in range(TIMELINES))
    return (*(figure(results) for figure in over_repeats), *of_items)
