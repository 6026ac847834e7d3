"""A comparison in original units, and what it would cost to decide it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmcore.language import say
from reports.model.report import ComparisonRow
from reports.numbers import counted, duration, number, opened, prose
from reports.records.frame import StudyResults
from reports.statistics.verdicts import THESE_ITEMS
from reports.summary.sentences import paired_means

MOST = 6
"""Parameters or components of a measure that a sentence names; the table of measures has all."""

PLAIN = ("mae", "accuracy")
"""Measures in units that need no explanation: those of the data, and shares of right predictions."""


def in_original_units(results: StudyResults, arm: str, reference: str) -> str:
    """The arm against the reference in original units, means over the repeats in which both have a score.

    Returns:
        Sentences such as ``Mean absolute error: x 12.1 px against 13.4 px.``; empty where no such measure was taken.
    """
    units = results.corpus.units
    with_parameters = {(m, c) for m, c, parameter in results.measured if parameter is not None}
    sentences = []
    for measure in PLAIN:
        differences = []
        for name, component, parameter in results.measured:
            if name != measure or component is None or (parameter is None and (name, component) in with_parameters):
                continue
            table = results.table(measure, component, parameter=parameter)
            if arm not in table or reference not in table:
                continue
            one, two = paired_means(table[arm].to_numpy(float), table[reference].to_numpy(float))
            unit = f" {units[parameter]}" if parameter and units.get(parameter) else ""
            if one == one:
                both = {"one": f"{number(one)}{unit}", "two": f"{number(two)}{unit}"}
                differences.append(say("{name} {one} against {two}", name=parameter or component, **both))
        if differences:
            known = results.measures.get(measure)
            title = measure if known is None else say(known.title)
            sentences.append(_of_measure(title, differences))
    return prose(*map(opened, sentences))


def _of_measure(title: str, differences: Sequence[str]) -> str:
    named, more = say(", ").join(differences[:MOST]), len(differences) - MOST
    if more > 0:
        return say(
            "{measure}: {named} and {more} more in the table of measures.", measure=title, named=named, more=more
        )
    return say("{measure}: {named}.", measure=title, named=named)


def seconds_to_decide(row: ComparisonRow, seconds: Mapping[str, float]) -> float | None:
    """Seconds of one worker for the repeats that would decide a comparison; None where it cannot be said.

    Args:
        seconds: of a run, by arm, as observed.
    """
    more = row.decision.more
    if row.decision.verdict != "undecided" or more is None:
        return None
    if row.decision.would_be is not None and row.decision.would_be.endswith(THESE_ITEMS):
        # They would say nothing about other items, and a verdict is about those.
        return None
    cost = more * (seconds[row.arm] + seconds[row.reference])
    return cost if cost == cost else None


def cost_to_decide(row: ComparisonRow, seconds: Mapping[str, float]) -> str:
    """The same in words; empty where it cannot be said, and where the study adds repeats by its own rule."""
    cost = seconds_to_decide(row, seconds)
    if cost is None or row.looks is not None:
        return ""
    runs = counted(2 * (row.decision.more or 0), "run")
    return say(
        "That means {runs} of '{arm}' and '{reference}', about {duration} of training if runs take as long as they "
        "have so far; several workers can share it.",
        runs=runs,
        arm=row.arm,
        reference=row.reference,
        duration=duration(cost),
    )
