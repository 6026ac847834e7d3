"""Checks of the search that chose an arm's settings."""

from __future__ import annotations

from reports.checks.evidence import PASSED, Evidence, Found, not_applicable, not_run, quoted, some
from reports.numbers import counted, number, percent
from reports.sections.search.estimates import edges


def edge(evidence: Evidence) -> Found:
    """Whether a winner lies at an end of the range that was searched."""
    searches = evidence.results.search
    if not searches:
        return not_applicable("nothing was searched")
    if not any(search.best for search in searches):
        return not_run("no trial of the search is complete")
    found = [
        f"{axis} of '{search.arm}' ({number(value)}, the {'lower' if side == 'low' else 'upper'} end)"
        for search in searches
        for axis, side, value in edges(search)
    ]
    return ("warning", f"At an end of its range: {some(found)}.") if found else PASSED


def seen_by_the_search(evidence: Evidence) -> Found:
    """Whether test groups stood on the training or validation side while settings were chosen."""
    results = evidence.results
    if not results.search:
        return not_applicable("nothing was searched")
    if not results.done:
        return not_run("no result of the search is confirmed yet")
    if results.drawn != "each_repeat":
        return PASSED
    share = evidence.study.arms[0].config.split.test
    seen = 1 - share ** max(one.search.repeats for one in results.search)
    return (
        "warning",
        f"When the search chose, it had trained on or validated on about {percent(seen)} of the test groups.",
    )


def unfinished(evidence: Evidence) -> Found:
    """Whether the study's search is yet to be begun or finished, and which arms that leaves open."""
    results = evidence.results
    study, searches = results.study, results.search
    if study.search is None:
        return not_applicable("nothing is searched")
    if searches and all(search.complete for search in searches):
        return PASSED
    ahead = study.to_be_found
    untuned = [name for one in study.search.searches if (name := one.arm) in {arm.name for arm in study.arms}]
    parts = [f"{counted(len(ahead), 'arm')} still to be found: {quoted(ahead)}"] if ahead else []
    parts += [f"still as written, not yet tuned: {quoted(untuned)}"] if untuned else []
    text = f"The search {'is not finished' if searches else 'has not begun with these options'}; {'; '.join(parts)}."
    command = results.origin.command
    return "warning", f"{text} Next: {command}" if command else text
