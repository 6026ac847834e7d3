"""The corpus's quality report as tables: one row per item and modality as written, and one row per modality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from mmcore.language import later
from mmcore.quality import QualityRow
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
    "rows": later("rows read"),
    "largest_gap": later("largest gap (s)"),
    "nan": later("NaN"),
    "inf": later("Inf"),
    "non_monotonic": later("times out of order"),
    "duplicate_times": later("double times"),
    "no_time": later("without a time"),
    "empty_segments": later("segments without length"),
    "overlaps": later("overlapping segments"),
    "equal_times_pooled": later("columns that pool equal times"),
    "missing": later("items without it"),
    "pooled": later("rows a step"),
    "seconds_outside": later("outside the grid (s)"),
    "seconds_absent": later("absent (s)"),
    "apart": later("does not meet the others"),
    "loud": later("values far out of range"),
    "loud_values": later("which values"),
    "item": later("item"),
    "items": later("items"),
    "modality": later("modality"),
    "coverage": later("coverage"),
    "interpolated": later("interpolated"),
    "warnings": later("warnings"),
    "steps": later("steps"),
    "rows_used": later("rows used"),
    "extra_columns": later("extra columns"),
    "constant_columns": later("constant columns"),
}


def heading(column: str) -> str:
    """A column's name for people, in English: a key that is said where it is shown."""
    return _HEADINGS.get(column, column.replace("_", " "))


def quality_table(rows: Sequence[QualityRow]) -> Table:
    """All rows; without columns that a store of an earlier version lacks."""
    columns = tuple(each.name for each in fields(QualityRow) if _known(rows, each.name))
    return Table(columns, tuple(tuple(_cell(getattr(row, name)) for name in columns) for row in rows))


def _known(rows: Sequence[QualityRow], column: str) -> bool:
    return any(getattr(row, column) is not None for row in rows)


def quality_by_modality(rows: Sequence[QualityRow]) -> Table:
    """One row a modality: items, items without it, then :data:`SHARES`, :data:`LARGEST`, :data:`SECONDS` and
    :data:`COUNTS` over the rest.

    Without columns that a store of an earlier version lacks; empty for no rows. ``warnings`` counts items with any.
    """
    if not rows:
        return Table((), ())
    rare = {name for name in OF_SEGMENTS if not any(getattr(row, name) for row in rows)}
    shares, largest, seconds, counts = (
        [name for name in group if _known(rows, name) and name not in rare]
        for group in (SHARES, LARGEST, SECONDS, COUNTS)
    )
    lines = []
    for modality in dict.fromkeys(row.modality for row in rows):
        mine = [row for row in rows if row.modality == modality]
        have = [row for row in mine if not row.missing]
        lines.append(
            (
                modality,
                len(mine),
                len(mine) - len(have),
                *(_weighted_mean(have, name) for name in shares),
                *(max((getattr(row, name) for row in have), default=None) for name in largest),
                *(sum(float(getattr(row, name)) for row in have) for name in seconds),
                *(sum(int(getattr(row, name) or 0) for row in have) for name in counts),
                sum(bool(row.warnings) for row in have),
            )
        )
    return Table(("modality", "items", "missing", *shares, *largest, *seconds, *counts, "warnings"), tuple(lines))


def _weighted_mean(rows: Sequence[QualityRow], column: str) -> float | None:
    """Mean over steps; an item without a step counts as one."""
    weights = [row.steps or 1 for row in rows]
    values = [getattr(row, column) for row in rows]
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights) if rows else None


def _cell(value: object) -> object:
    if isinstance(value, tuple):
        return "; ".join(map(str, value)) or None
    return None if value is None or value != value else value
