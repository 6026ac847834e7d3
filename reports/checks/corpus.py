"""Checks of the corpus and its sides: cells, columns and labels that make a verdict mean less than it says."""

from __future__ import annotations

from reports.checks.evidence import Evidence, Found, not_run, some, warn_if
from reports.numerals import counted

NAMED = 3
"""Findings that a text names before it counts the rest."""


def loud(evidence: Evidence) -> Found:
    """Cells far outside the usual range of their column, as the quality report counts them."""
    rows = [row for row in evidence.results.quality if row.get("loud") is not None]
    if not rows:
        return not_run("The quality report of this corpus does not count loud values.")
    found = [row for row in rows if row["loud"] > 0]
    texts = [f"in item '{row['item']}', {row['modality']}: {text}" for row in found for text in row["loud_values"]]
    cells = sum(int(row["loud"]) for row in found)
    return warn_if(
        bool(found),
        lambda: f"{counted(cells, 'value')} in {counted(len(found), 'table')}: {some(texts, NAMED)}.",
    )
