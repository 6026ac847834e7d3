"""Checks of the search that chose an arm's settings."""

from __future__ import annotations

from mmcore.language import say
from reports.checks.evidence import PASSED, Evidence, Found, not_applicable, not_run, quoted, some
from reports.numbers import counted, number, percent, prose
from reports.sections.search.estimates import edges


def edge(evidence: Evidence) -> Found:
    """Whether a winner lies at an end of the range that was searched."""
    searches = evidence.results.search
    if not searches:
        return not_applicable(say("nothing was searched"))
    if not any(search.best for search in searches):
        return not_run(say("no trial of the search is complete"))
    found = [
        say("{axis} of '{arm}' ({value}, the lower end)", axis=axis, arm=search.arm, value=number(value))
        if side == "low"
        else say("{axis} of '{arm}' ({value}, the upper end)", axis=axis, arm=search.arm, value=number(value))
        for search in searches
        for axis, side, value in edges(search)
    ]
    return ("warning", say("At an end of its range: {found}.", found=some(found))) if found else PASSED


def seen_by_the_search(evidence: Evidence) -> Found:
    """Whether test groups stood on the training or validation side while settings were chosen."""
    results = evidence.results
    if not results.search:
        return not_applicable(say("nothing was searched"))
    if not results.done:
        return not_run(say("no result of the search is confirmed yet"))
    if results.drawn != "each_repeat":
        return PASSED
    share = evidence.study.arms[0].config.split.test
    seen = 1 - share ** max(one.search.repeats for one in results.search)
    return (
        "warning",
        say(
            "When the search chose, it had trained on or validated on about {seen} of the test groups.",
            seen=percent(seen),
        ),
    )


def unfinished(evidence: Evidence) -> Found:
    """Whether the study's search is yet to be begun or finished, and which arms that leaves open."""
    results = evidence.results
    study, searches = results.study, results.search
    if study.search is None:
        return not_applicable(say("nothing is searched"))
    if searches and all(search.complete for search in searches):
        return PASSED
    ahead = study.to_be_found
    untuned = [name for one in study.search.searches if (name := one.arm) in {arm.name for arm in study.arms}]
    parts = (
        [say("{arms} still to be found: {ahead}", arms=counted(len(ahead), "arm"), ahead=quoted(ahead))]
        if ahead
        else []
    )
    parts += [say("still as written, not yet tuned: {untuned}", untuned=quoted(untuned))] if untuned else []
    listed = say("; ").join(parts)
    text = (
        say("The search is not finished; {parts}.", parts=listed)
        if searches
        else say("The search has not begun with these options; {parts}.", parts=listed)
    )
    command = results.origin.command
    return "warning", prose(text, say("Next: {command}", command=command)) if command else text
