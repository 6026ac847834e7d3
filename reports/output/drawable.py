"""The figures of a report, by name. Imports the drawing library."""

from __future__ import annotations

from reports.figures.across import VerdictsByPart
from reports.figures.base import FigureBase
from reports.figures.components import ComponentScores
from reports.figures.cost import CostAgainstScore
from reports.figures.curves import LearningCurves
from reports.figures.forest import Forest, Verdicts
from reports.figures.heatmap import DifferencesByComponent
from reports.figures.repeats import ScoresByRepeat
from reports.figures.weights import LossWeights
from reports.model.report import Summary
from reports.records.frame import StudyResults
from reports.sections.build import figures
from reports.sections.standard import overview_figures


def drawable(summary: Summary, results: StudyResults) -> tuple[FigureBase, ...]:
    """Every figure that a report can have, in the order of the page, also those without anything to draw."""
    return (
        VerdictsByPart(summary),
        Verdicts(summary),
        Forest(summary),
        DifferencesByComponent(summary),
        ScoresByRepeat(summary),
        # Scores of other code need not have components.
        *([ComponentScores(summary)] if summary.native or summary.components else []),
        CostAgainstScore(summary),
        LearningCurves(results),
        LossWeights(results),
        *overview_figures(results, summary.metric),
        *figures(results),
    )


def has_content(figure: FigureBase) -> bool:
    """Whether it has anything to draw."""
    return bool(figure.frame()[figure.value].notna().any())
