"""All arms against all, as a section: an overview beside the study's own comparisons."""

from __future__ import annotations

import math

from reports.contents import MetricFacts
from reports.frame import StudyResults
from reports.numerals import counted, listing, number, probability
from reports.sections import Finding, Section, SectionTable, plain_table
from reports.statistics.ranks import FEWEST_ARMS, Ranks, ranks

NAMED = 8
"""Arms of a group that are named; of a larger one the first and the last."""


def ranked(results: StudyResults, metric: MetricFacts) -> Ranks:
    """The arms of a study ranked by its metric."""
    scores = results.table(metric.measure, metric.component)
    return ranks(scores, higher_is_better=metric.higher_is_better, alpha=results.study.alpha)


def all_arms(results: StudyResults, metric: MetricFacts) -> Section | None:
    """Ranks, Friedman's test and who is told apart; None below three arms with scores or two common repeats."""
    found = ranked(results, metric)
    if len(found.arms) < FEWEST_ARMS or found.n < 2:
        return None
    return Section(
        key="all_arms",
        title="All arms against all",
        question="Which arms stand out when all are ranked together?",
        lead=(
            f"In each repeat the arms are ranked by {metric.title}, the best first. Friedman's test asks whether all "
            f"could be equally good; average ranks that are further apart than Nemenyi's critical difference of "
            f"{number(found.critical_difference)} are told apart."
        ),
        findings=tuple(_findings(found, results.study.alpha)),
        figures=("critical_difference",),
        tables=(
            SectionTable(
                "ranks",
                f"Average rank by {metric.title} over {counted(found.n, 'repeat')}, 1 is the best",
                plain_table(("arm", "average rank"), list(zip(found.arms, found.average, strict=True))),
            ),
        ),
        limits=_limits(found, results),
    )


def _findings(found: Ranks, alpha: float) -> list[Finding]:
    evidence = f"χ² = {number(found.statistic)}, p = {probability(found.p)}, n = {found.n}.".replace("= below", "below")
    if math.isnan(found.p):
        first = Finding("All arms tie in every repeat, so there is nothing to rank.", "tied", "open")
    elif found.p <= alpha:
        first = Finding("The arms are not all equally good.", "differ", "plain", evidence)
    else:
        first = Finding("The ranks fit arms that are all equally good.", "not told apart", "open", evidence)
    told = [first]
    if found.alike == (found.arms,):
        return [*told, Finding("No two arms are further apart than the critical difference.", "", "plain")]
    told.append(Finding(f"'{found.arms[0]}' ranks first with {number(found.average[0])} on average."))
    told += [Finding(f"Not told apart: {_named(group)}.") for group in found.alike]
    return told


def _named(group: tuple[str, ...]) -> str:
    if len(group) <= NAMED:
        return listing([f"'{name}'" for name in group])
    return f"the {len(group)} arms from '{group[0]}' to '{group[-1]}'"


def _limits(found: Ranks, results: StudyResults) -> str:
    text = (
        "Ranks say who is ahead how often, not by how much, and the rank of an arm depends on which others take part. "
        "Both tests are on the study's metric alone. "
    )
    if results.overlap > 0:
        text += (
            "Both take repeats as independent; here their splits share training data, so both find differences too "
            "easily. "
        )
    text += "The verdicts rest on the paired comparisons, never on this."
    left = [arm.name for arm in results.study.arms if arm.name not in found.arms]
    if left:
        text += f" Without a score and left out: {listing(left)}."
    return text + (
        f" Of {counted(results.study.repeats, 'repeat')} those count in which every one of these arms has a score."
        if found.n < results.study.repeats
        else ""
    )
