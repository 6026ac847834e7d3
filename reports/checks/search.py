"""Checks of the search that chose an arm's settings."""

from __future__ import annotations

from reports.analyses.search_numbers import edges
from reports.checks.evidence import PASSED, Evidence, Found, not_applicable, not_run, some
from reports.numerals import number


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
