"""Sections that need no analysis of their own: what the records of a study show beside its verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.model.report import MetricFacts
from reports.model.section import Section
from reports.records.frame import StudyResults
from reports.sections.arms.section import all_arms
from reports.sections.items.section import by_item
from reports.sections.reliability.section import calibration

if TYPE_CHECKING:
    from reports.figures.base import FigureBase


def overviews(results: StudyResults, metric: MetricFacts) -> tuple[Section, ...]:
    """One section for each of them that has anything to say, in the order of the page."""
    if results.foreign is not None:
        # What these scores hold by item is the user's measure, not a loss.
        made = (all_arms(results, metric),)
    else:
        made = (all_arms(results, metric), by_item(results), calibration(results))
    return tuple(section for section in made if section is not None)


def overview_figures(results: StudyResults, metric: MetricFacts) -> tuple[FigureBase, ...]:
    """The figures to which these sections refer by name. Imports the drawing library."""
    from reports.sections.arms.figures import AverageRanks
    from reports.sections.items.figures import ItemDifferences
    from reports.sections.reliability.figures import Reliability

    if results.foreign is not None:
        return (AverageRanks(results, metric),)
    return AverageRanks(results, metric), ItemDifferences(results), Reliability(results)
