"""The corpus's quality report as tables: one row per item and modality as written, and one row per modality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.model.report import Table

SHARES = ("coverage", "interpolated")
"""Shares of an item's steps: averaged over the steps of the items that have the modality."""
LARGEST = ("largest_gap", "constant_columns")
"""The largest of any item."""
SECONDS = ("seconds_outside", "seconds_absent")
"""Summed over items, in seconds."""
COUNTS = (
    "rows", "rows_used", "nan", "inf", "non_monotonic", "duplicate_times", "no_time", "empty_segments", "overlaps",
    "extra_columns", "loud",
)  # fmt: skip
"""Summed over items."""
OF_SEGMENTS = ("empty_segments", "overlaps")
"""Counts of tables of segments alone, shown where there are any."""


_HEADINGS = {
    "rows": "rows read",
    "largest_gap": "largest gap (s)",
    "nan": "NaN",
    "inf": "Inf",
    "non_monotonic": "times out of order",
    "duplicate_times": "double times",
    "no_time": "without a time",
    "empty_segments": "segments without length",
    "overlaps": "overlapping segments",
    "equal_times_pooled": "columns that pool equal times",
    "missing": "items without it",
    "pooled": "rows a step",
    "seconds_outside": "outside the grid (s)",
    "seconds_absent": "absent (s)",
    "apart": "does not meet the others",
    "loud": "values far out of range",
    "loud_values": "which values",
}


def heading(column: str) -> str:
    """A column's name for people."""
    return _HEADINGS.get(column, column.replace("_", " "))


def quality_table(rows: Sequence[dict[str, Any]]) -> Table:
    """All rows, with every column that any of them has, in order of first mention."""
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    return Table(columns, tuple(tuple(_cell(row.get(c)) for c in columns) for row in rows))


def quality_by_modality(rows: Sequence[dict[str, Any]]) -> Table:
    """One row a modality: items, items without it, then :data:`SHARES`, :data:`LARGEST`, :data:`SECONDS` and
    :data:`COUNTS` over the rest.

    Columns that no row has are left out; empty for no rows. ``warnings`` counts items with any.
    """
    known = {key for row in rows for key in row}
    if "modality" not in known:
        return Table((), ())
    known -= {key for key in OF_SEGMENTS if not any(row.get(key) for row in rows)}
    shares, largest, seconds, counts = (
        [c for c in group if c in known] for group in (SHARES, LARGEST, SECONDS, COUNTS)
    )
    lines = []
    for modality in dict.fromkeys(row["modality"] for row in rows):
        mine = [row for row in rows if row["modality"] == modality]
        have = [row for row in mine if not row.get("missing")]
        lines.append(
            (
                modality,
                len(mine),
                len(mine) - len(have),
                *(_weighted_mean(have, c) for c in shares),
                *(max((row.get(c) or 0 for row in have), default=None) for c in largest),
                *(sum(float(row.get(c) or 0) for row in have) for c in seconds),
                *(sum(int(row.get(c) or 0) for row in have) for c in counts),
                sum(bool(row.get("warnings")) for row in have),
            )
        )
    return Table(("modality", "items", "missing", *shares, *largest, *seconds, *counts, "warnings"), tuple(lines))


def _weighted_mean(rows: Sequence[dict[str, Any]], column: str) -> float | None:
    """Mean over steps; an item without a number of steps counts as one."""
    known = [(float(row[column]), float(row.get("steps") or 1)) for row in rows if row.get(column) is not None]
    return sum(value * steps for value, steps in known) / sum(steps for _, steps in known) if known else None


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return "; ".join(str(v) for v in value) or None
    return None if value is None or value != value else value
