"""What is wrong with the data, counted: a row of :mod:`mmcore.quality` for each item and modality."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmcore.data.alignment import Aligned, Stream
from mmcore.quality import QualityRow

MANY_INTERPOLATED = 0.5
"""Warn where more than this share of an item's steps is interpolated; the seed experiment's limit."""
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
) -> QualityRow:
    """One row of the quality report.

    Args:
        item, modality: whose; ``modality`` is the table's name for targets in a table of their own.
        columns: the feature names.
        stream: the source rows; None where the item lacks the modality.
        aligned: the rows on the grid; None as above, and for targets of scope item.
        steps: grid steps of the item.
        max_gap: seconds.

    Returns:
        The row without what times say (:func:`mmcore.data.timing.with_times`) and without loud cells, which are found
        when all items are known (:func:`mmcore.data.loud.mark_loud`).
    """
    if stream is None:
        return QualityRow(item=item, modality=modality, missing=True, steps=steps, apart="")
    used, coverage, interpolated = len(stream.values_TF) if stream.rows else 0, 0.0, 0.0
    if aligned is None:
        coverage = float(not np.isnan(stream.values_TF).all())
    else:
        used = aligned.rows_used
        if steps:
            coverage, interpolated = float(aligned.present_S.mean()), float(aligned.interpolated_S.mean())
    constant = [columns[at] for at in np.flatnonzero(_constant_F(stream.values_TF)).tolist()]
    warnings = []
    if interpolated > MANY_INTERPOLATED:
        warnings.append(f"{interpolated:.0%} of the steps are interpolated")
    if stream.largest_gap > max_gap and stream.end_T is None:
        warnings.append(f"a gap of {stream.largest_gap:.1f} s is longer than {max_gap:g} s and stays absent")
    return QualityRow(
        item=item,
        modality=modality,
        rows=stream.rows,
        rows_used=used,
        pooled=0.0 if aligned is None else aligned.pooled,
        steps=steps,
        coverage=coverage,
        interpolated=interpolated,
        largest_gap=stream.largest_gap,
        nan=stream.nan,
        inf=stream.inf,
        constant_columns=len(constant),
        non_monotonic=stream.non_monotonic,
        duplicate_times=stream.duplicate_times,
        no_time=stream.no_time,
        empty_segments=stream.empty_segments,
        overlaps=stream.overlaps,
        extra_columns=stream.extra_columns,
        constant_names=tuple(constant[:NAMED_CONSTANTS]),
        warnings=tuple(warnings),
        apart="",
    )


def _constant_F(values_TF: np.ndarray) -> np.ndarray:
    if len(values_TF) < 2:
        return np.zeros(values_TF.shape[1], bool)
    known_TF = ~np.isnan(values_TF)
    low_F = np.where(known_TF, values_TF, np.inf).min(axis=0)
    high_F = np.where(known_TF, values_TF, -np.inf).max(axis=0)
    return (low_F == high_F) & (known_TF.sum(axis=0) > 1)
