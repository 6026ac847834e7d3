"""What stands above the tables of a report, and other lines that are put together from its facts."""

from __future__ import annotations

from collections.abc import Mapping

from mmcore.language import say
from reports.model.report import Summary
from reports.model.setup import Setup
from reports.model.verdict import measure_words
from reports.numbers import percent, prose


def arms_caption(summary: Summary) -> str:
    """Of the table of arms."""
    words = {"level": percent(summary.level), "metric": summary.metric.title}
    match summary.native, summary.shared:
        case True, True:
            means = say(
                "Means over repeats on all test items, with {level} intervals of {metric}, which are about the tested "
                "items alone.",
                **words,
            )
        case True, False:
            means = say("Means over repeats on all test items, with {level} intervals of {metric}.", **words)
        case False, True:
            means = say(
                "Means over repeats, with {level} intervals of {metric}, which are about the tested items alone.",
                **words,
            )
        case _:
            means = say("Means over repeats, with {level} intervals of {metric}.", **words)
    naive = say("The last rows are naive baselines: what a prediction without learning scores on the same items.")
    by_component = summary.metric.component is None and summary.components
    return prose(
        means,
        naive if summary.baselines else "",
        say("A name or a number leads to its runs."),
        say("Components by {measure}.", measure=measure_words(summary.metric.measure)) if by_component else "",
    )


def comparisons_caption(summary: Summary) -> str:
    """Of the table of all comparisons."""
    new_items = say(
        "For new items of the corpus the test over groups of items is another of them; for a verdict “on these items” "
        "interval and p are those of these items alone."
    )
    return prose(
        say(
            "Paired by repeat. p and p after Holm are the largest of the tests that better or worse needs: the "
            "sign-flip test and the t-test of the interval."
        )
        if summary.paired
        else say(
            "Repeats are not paired. p and p after Holm are the largest of the tests that better or worse needs: the "
            "permutation test and the t-test of the interval (Welch)."
        ),
        new_items if summary.shared else "",
        say("Floor: the smallest sign-flip p that this number of repeats allows, before and after Holm.")
        if summary.paired
        else say("Floor: the smallest permutation p that this number of repeats allows, before and after Holm."),
        "" if summary.paired else say("Won: couples of one repeat of either arm."),
    )


def measures_caption(summary: Summary) -> str:
    """Of the table of all measures."""
    level = percent(summary.level)
    return prose(
        say("Means over repeats on all test items, with {level} intervals; on complete items in brackets.", level=level)
        if summary.native
        else say("Means over repeats, with {level} intervals.", level=level),
        say("The first columns are naive baselines: predictions without learning.") if summary.baselines else "",
    )


def split_sizes(setup: Setup) -> str:
    """How many items each side of a repeat's split holds: ``train 24, validation 8, test 7–8``."""
    sides, high = [], 0
    for at, side in enumerate(setup.sides):
        counts = [row.sizes[at].items for row in setup.sizes]
        low, high = min(counts), max(counts)
        sides.append(f"{say(side)} {low}" + (f"–{high}" if low != high else ""))
    listed = say(", ").join(sides)
    if high == 1:
        return say("Sizes of the splits: {sides} item a repeat", sides=listed)
    return say("Sizes of the splits: {sides} items a repeat", sides=listed)


def pairs(counts: Mapping[str, int]) -> str:
    """Names with their numbers: ``audio 4, visual 2``."""
    return say(", ").join(f"{name} {n}" for name, n in counts.items())
