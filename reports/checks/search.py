"""Checks of the search that chose an arm's settings."""

from __future__ import annotations

from reports.analyses.search_numbers import edges
from reports.checks.evidence import PASSED, Evidence, Found, not_applicable, not_run, some
from reports.numerals import number, percent


def edge(evidence: Evidence) -> Found:
    """Whether a winner lies at an end of the range that was searched."""
    searches = evidence.results.search
    if not searches:
        return not_applicable("nothing was searched")
    if not any(search["best"] for search in searches):
        return not_run("no trial of the search is complete")
    found = [
        f"{axis} of '{search['arm']}' ({number(value)}, the {'lower' if side == 'low' else 'upper'} end)"
        for search in searches
        for axis, side, value in edges(search)
    ]
    return ("warning", f"At an end of its range: {some(found)}.") if found else PASSED


def seen_by_the_search(evidence: Evidence) -> Found:
    """Whether test groups stood on the training or validation side while settings were chosen."""
    results = evidence.results
    if not results.search:
        return not_applicable("nothing was searched")
    if not any(run["status"] == "done" for run in results.run_rows):
        return not_run("nothing that was found is confirmed yet")
    if results.drawn != "each_repeat":
        return PASSED
    share = results.study.arms[0].config.split.test
    seen = 1 - share ** max(search["repeats"] for search in results.search)
    return "warning", f"About {percent(seen)} of the test groups were trained on or validated on when the search chose."
