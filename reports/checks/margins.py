"""The check of the margin: whether it could have called anything but equivalent."""

from __future__ import annotations

import numpy as np

from mmcore.language import later, say
from reports.checks.evidence import Evidence, Found, not_applicable, some, warn_if
from reports.checks.rule import Rule
from reports.model.report import ComparisonRow
from reports.numbers import number
from reports.records.frame import StudyResults


def wide(evidence: Evidence) -> Found:
    """Comparisons that are equivalent by a margin which reaches from every score of their arms to 0."""
    if evidence.results.study.margin is None:
        return not_applicable(say("The study sets no margin."))
    found: list[str] = []
    for row in evidence.comparisons:
        if row.margin is None or not row.verdict.startswith("equivalent") or not _judged(row, evidence.results):
            continue
        scores = _scores(row, evidence.results)
        if len(scores) and np.abs(scores).max() <= row.margin:
            found.append(_named(row, scores))
    return warn_if(
        bool(found),
        lambda: say(
            "The margin, ±{margin}, is no smaller than any score of {found}.",
            margin=number(evidence.results.study.margin or 0.0),
            found=some(found),
        ),
    )


def _judged(row: ComparisonRow, results: StudyResults) -> bool:
    """Whether a comparison is on the metric. On a component our arms may be near 0 because none has any skill there."""
    return row.component is None or (results.foreign is not None and results.foreign.by_part)


def _scores(row: ComparisonRow, results: StudyResults) -> np.ndarray:
    """The finite scores of both arms in all repeats."""
    metric = results.study.metric
    table = results.table(metric.measure.name, row.component or metric.component)
    values = table[[name for name in (row.arm, row.reference) if name in table]].to_numpy(float).ravel()
    return values[np.isfinite(values)]


def _named(row: ComparisonRow, scores: np.ndarray) -> str:
    text = say("'{arm}' against '{reference}'", arm=row.arm, reference=row.reference)
    if row.component is not None:
        text = say("{text} on '{part}'", text=text, part=row.component)
    return say("{text} ({low} to {high})", text=text, low=number(float(scores.min())), high=number(float(scores.max())))


MARGIN_RULES = (
    Rule(
        "ABL047",
        later("The margin is as large as the scores"),
        "Two arms are called equivalent, and the study's margin is at least as large as the absolute value of each of "
        "their scores. mmstudy refuses a margin of 1 and more for its own metrics between −1 and 1.",
        later(
            "Then an arm whose scores are 0 counts as equivalent too: the verdict says nothing of the arms. Often such "
            "a margin is in percent, or in the unit of another metric."
        ),
        later(
            "Write the margin in the unit of the metric: two points of a hundred are 0.02 where accuracy lies between "
            "0 and 1. Choose it before you see results."
        ),
        wide,
        about="scores",
    ),
)
