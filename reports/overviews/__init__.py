"""Sections that need no analysis of their own: what the records of a study tell beside its verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.contents import MetricFacts
from reports.frame import StudyResults
from reports.overviews.all_arms import all_arms
from reports.overviews.by_item import by_item
from reports.overviews.calibration import calibration
from reports.sections import Section

if TYPE_CHECKING:
    from reports.figures.style import Figure


def overviews(results: StudyResults, metric: MetricFacts) -> tuple[Section, ...]:
    """One section for each of them that has anything to say, in the order of the page."""
    made = (all_arms(results, metric), by_item(results), calibration(results))
    return tuple(section for section in made if section is not None)


def overview_figures(results: StudyResults, metric: MetricFacts) -> tuple[Figure, ...]:
    """The figures to which these sections refer by name. Imports the drawing library."""
    from reports.figures.calibration import Reliability
    from reports.figures.items import ItemDifferences
    from reports.figures.ranks import AverageRanks

    return AverageRanks(results, metric), ItemDifferences(results), Reliability(results)
