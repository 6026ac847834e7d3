"""Whether predicted probabilities say how often a prediction is right, as a table by arm and as a section.

Expected calibration error: the mean of |accuracy − confidence| over bins of confidence, weighted by their predictions
(Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean

from mmcore.language import say
from reports.model.section import Finding, Section, SectionTable, plain_table
from reports.numbers import counted, interval, number, percent
from reports.records.frame import StudyResults
from reports.sections.joining import clauses
from reports.statistics.intervals import Estimate, estimate

CLOSE = 0.01
"""Mean confidence and accuracy this close are called equal: one prediction in a hundred."""


@dataclass(frozen=True)
class Calibrated:
    """One run on one component; shares of 1.

    Args:
        error: the expected calibration error. confidence, accuracy: means over its predictions, of which there are
            ``count``.
    """

    arm: str
    repeat: int
    component: str
    error: float
    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True)
class _Bin:
    """Predictions of one run on one component with about the same confidence."""

    confidence: float
    accuracy: float
    count: float


def calibration_by_run(results: StudyResults) -> list[Calibrated]:
    """Every run and component with classes, in the order of the tables."""
    bins: dict[tuple[str, int, str], list[_Bin]] = {}
    for row in results.calibration.to_dict("records"):
        bins.setdefault((row["arm"], row["repeat"], row["component"]), []).append(
            _Bin(row["confidence"], row["accuracy"], row["count"])
        )
    runs = []
    for key, rows in bins.items():
        count = sum(row.count for row in rows)
        error, sure, right = (
            sum(value(row) * row.count for row in rows) / count
            for value in (_gap, attrgetter("confidence"), attrgetter("accuracy"))
        )
        runs.append(Calibrated(*key, error, sure, right, int(count)))
    return runs


def _gap(row: _Bin) -> float:
    return abs(row.accuracy - row.confidence)


def calibration(results: StudyResults) -> Section | None:
    """The error of every arm and component with classes; None where nothing is a class, or records are too old."""
    by_run, level = results.once(calibration_by_run), 1 - results.study.alpha
    if not by_run:
        return None
    components = list(dict.fromkeys(run.component for run in by_run))
    by_component: dict[str, list[_Row]] = {component: [] for component in components}
    for arm in results.study.arms:
        for component in components:
            runs = [run for run in by_run if (run.arm, run.component) == (arm.name, component)]
            if runs:
                error = estimate([run.error for run in runs], level, results.overlap)
                sure, right = (fmean(getattr(run, name) for run in runs) for name in ("confidence", "accuracy"))
                by_component[component].append(_Row(arm.name, error, sure, right, sum(run.count for run in runs)))
    columns = ("component", "arm", "error", "low", "high", "confidence", "accuracy", "predictions", "repeats")
    rows = [
        (component, r.arm, r.error.mean, _known(r.error.low), _known(r.error.high), r.sure, r.right, r.count, r.error.n)
        for component, found in by_component.items()
        for r in found
    ]
    return Section(
        key="calibration",
        title=say("Reliability of class probabilities"),
        question=say("Do predicted probabilities say how often a prediction is right?"),
        lead=say(
            "Confidence is the probability that a model gives to the class it predicts. Of a calibrated model, 80 % of "
            "the predictions made with confidence 0.8 are right. The calibration error is the mean distance between "
            "confidence and accuracy over 15 bins of confidence, on test items; 0 is perfect."
        ),
        findings=tuple(_finding(component, found, level) for component, found in by_component.items()),
        figures=("reliability",),
        tables=(
            SectionTable(
                "errors",
                say(
                    "Calibration error by component and arm, with {level} intervals over repeats", level=percent(level)
                ),
                plain_table(columns, rows),
            ),
        ),
        limits=say(
            "The error only looks at the predicted class, not at the probabilities of the others, and is slightly "
            "larger if bins hold few predictions. A calibrated model need not be a good one: the verdicts are about "
            "that."
        ),
    )


@dataclass(frozen=True)
class _Row:
    """An arm on a component, over its repeats."""

    arm: str
    error: Estimate
    sure: float
    right: float
    count: int


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _finding(component: str, rows: list[_Row], level: float) -> Finding:
    """The arms' range of errors on a component, and which way the least calibrated errs."""
    best, worst = (pick(rows, key=lambda row: row.error.mean) for pick in (min, max))
    text = say(
        "On {component} the calibration error of '{arm}' is {mean}.",
        component=component,
        arm=best.arm,
        mean=number(best.error.mean),
    )
    if len(rows) > 1:
        text = say(
            "On {component} the calibration error is {least} at best ('{best}') and {most} at worst ('{worst}').",
            component=component,
            least=number(best.error.mean),
            best=best.arm,
            most=number(worst.error.mean),
            worst=worst.arm,
        )
    lean = say("too sure" if worst.sure > worst.right else "not sure enough")
    if abs(worst.sure - worst.right) < CLOSE:
        lean = say("on the whole as sure as it is right")
    evidence = say(
        "'{arm}' is {lean}: mean confidence {sure}, accuracy {right}, over {repeats}",
        arm=worst.arm,
        lean=lean,
        sure=number(worst.sure),
        right=number(worst.right),
        repeats=counted(worst.error.n, "repeat"),
    )
    edges = say(
        "{level} interval of its error {edges}",
        level=percent(level),
        edges=interval(worst.error.low, worst.error.high),
    )
    return Finding(text, evidence=say("{text}.", text=clauses([evidence, edges if worst.error.n > 1 else ""])))
