"""What is wrong with the data, counted: one row per item and modality, then a summary per modality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmcore.data.alignment import Aligned, Stream

MANY_INTERPOLATED = 0.5
"""Warn where more than this share of an item's steps is interpolated; the seed experiment's limit."""
_LATER = ("constant_columns", "loud")
"""Numbers that no stream has by itself: loud cells are found when all items are known, see :mod:`mmcore.data.loud`."""
_OF_ROWS = ("non_monotonic", "duplicate_times", "no_time", "empty_segments", "overlaps")
"""Faults of rows."""
NAMED_CONSTANTS = 5
"""Constant columns named in a row; the rest are counted."""


def quality_row(
    item: str,
    modality: str,
    columns: Sequence[str],
    stream: Stream | None,
    aligned: Aligned | None,
    steps: int,
    max_gap: float,
) -> dict[str, Any]:
    """One line of the quality report, ready for JSON.

    Args:
        item, modality: whose; ``modality`` is the table's name for targets in a table of their own.
        columns: the feature names.
        stream: the source rows; None where the item lacks the modality.
        aligned: the rows on the grid; None as above, and for targets of scope item.
        steps: grid steps of the item.
        max_gap: seconds.

    Returns:
        ``item, modality, missing, rows`` (read), ``rows_used`` (that have a part in some step), ``pooled`` (rows a
        step; 0 where the stream is not faster than the step), ``steps, coverage`` (share of steps present),
        ``interpolated`` (share of steps), ``largest_gap`` (seconds), ``nan, inf`` (cells), ``constant_columns``
        (count), ``constant_names`` (the first few; a column with fewer than two known values is not called constant),
        ``non_monotonic, duplicate_times, no_time`` (rows), ``empty_segments`` (segments left out since they do not end
        after their start), ``overlaps`` (segments that start before an earlier one has ended), ``extra_columns``
        (ignored columns of the file), ``loud``
        (cells far outside their column's usual range over all items), ``loud_values`` (a text for each such column;
        both are filled by :func:`mmcore.data.loud.mark_loud`), ``warnings`` (texts). What times tell is added by
        :func:`mmcore.data.timing.add_times`, and ``equal_times_pooled`` (columns in which rows with equal times are
        pooled) by :mod:`mmcore.data.gridding`.
    """
    row: dict[str, Any] = {"item": item, "modality": modality, "missing": stream is None, "rows": 0}
    row |= {"rows_used": 0, "pooled": 0.0, "steps": steps}
    numbers = ("nan", "inf", "constant_columns", *_OF_ROWS, "extra_columns", "loud")
    row |= {"coverage": 0.0, "interpolated": 0.0, "largest_gap": 0.0} | dict.fromkeys(numbers, 0)
    row |= {"constant_names": [], "loud_values": [], "warnings": []}
    if stream is None:
        return row
    if aligned is not None:
        row |= {"rows_used": aligned.rows_used, "pooled": aligned.pooled}
    elif stream.rows:
        row["rows_used"] = len(stream.values_TF)
    if aligned is not None and steps:
        row["coverage"] = float(aligned.present_S.mean())
        row["interpolated"] = float(aligned.interpolated_S.mean())
    elif aligned is None:
        row["coverage"] = float(not np.isnan(stream.values_TF).all())
    constant = [columns[at] for at in np.flatnonzero(_constant_F(stream.values_TF)).tolist()]
    row |= {name: getattr(stream, name) for name in ("rows", "largest_gap", *numbers) if name not in _LATER}
    row |= {"constant_columns": len(constant), "constant_names": constant[:NAMED_CONSTANTS]}
    if row["interpolated"] > MANY_INTERPOLATED:
        row["warnings"].append(f"{row['interpolated']:.0%} of the steps are interpolated")
    if stream.largest_gap > max_gap and stream.end_T is None:
        row["warnings"].append(f"a gap of {stream.largest_gap:.1f} s is longer than {max_gap:g} s and stays absent")
    return row


def _constant_F(values_TF: np.ndarray) -> np.ndarray:
    if len(values_TF) < 2:
        return np.zeros(values_TF.shape[1], bool)
    known_TF = ~np.isnan(values_TF)
    low_F = np.where(known_TF, values_TF, np.inf).min(axis=0)
    high_F = np.where(known_TF, values_TF, -np.inf).max(axis=0)
    return (low_F == high_F) & (known_TF.sum(axis=0) > 1)


def summarise(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line per modality, in order of first mention; sums over items, shares weighted by steps.

    Args:
        rows: of :func:`quality_row`.

    Returns:
        ``modality, items, missing`` (items without it), ``rows`` (read), ``rows_used, pooled`` (the most),
        ``coverage, interpolated`` (over the items that have it), ``seconds_outside, seconds_absent, apart`` (items),
        ``largest_gap, nan, inf, constant_columns`` (the largest count of an item), ``non_monotonic, duplicate_times,
        no_time, empty_segments, overlaps, extra_columns, loud, warnings`` (number of items with a warning),
        ``examples`` (the first three warnings with their items). [] for no rows.
    """
    lines = []
    for modality in dict.fromkeys(row["modality"] for row in rows):
        mine = [row for row in rows if row["modality"] == modality]
        have = [row for row in mine if not row["missing"]]
        steps = sum(row["steps"] for row in have)
        line: dict[str, Any] = {"modality": modality, "items": len(mine), "missing": len(mine) - len(have)}
        line["rows"] = sum(row["rows"] for row in have)
        line["rows_used"] = sum(row["rows_used"] for row in have)
        line["pooled"] = max((row["pooled"] for row in have), default=0.0)
        for share in ("coverage", "interpolated"):
            line[share] = sum(row[share] * row["steps"] for row in have) / steps if steps else 0.0
        for name in ("largest_gap", "constant_columns"):
            line[name] = max((row[name] for row in have), default=0)
        for name in ("seconds_outside", "seconds_absent"):
            line[name] = sum(row[name] for row in have)
        line["apart"] = sum(bool(row["apart"]) for row in have)
        for name in ("nan", "inf", *_OF_ROWS, "extra_columns", "loud"):
            # A store from before something was counted has none of it.
            line[name] = sum(row.get(name, 0) for row in have)
        line["warnings"] = sum(bool(row["warnings"]) for row in have)
        texts = [f"{row['item']}: {text}" for row in have for text in row["warnings"]]
        line["examples"] = texts[:3]
        lines.append(line)
    return lines
