"""The quality report of a corpus: one row per item and modality, then a summary per modality. No torch, no numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from mmcore.files import read_kept


@dataclass(frozen=True, kw_only=True)
class QualityRow:
    """An item's rows of one modality, or of the targets where these have a table of their own.

    Args:
        modality: the table's name where it is that of the targets.
        missing: the item lacks the modality; the rest is 0 and empty.
        rows: that were read. rows_used: that have a part in some step.
        pooled: rows a step; 0 where the stream is not faster than the step.
        steps: grid steps of the item.
        coverage, interpolated: shares of its steps that are present, and that are interpolated.
        largest_gap: seconds.
        nan, inf: cells.
        constant_columns: a column with fewer than two known values is not called constant.
        non_monotonic, duplicate_times, no_time: rows.
        empty_segments: segments left out since they do not end after their start. overlaps: segments that start before
            an earlier one has ended.
        extra_columns: ignored columns of the file.
        loud: cells far outside their column's usual range over all items. loud_values: a text for the first few such
            columns. Both None in a store from before they were looked for; see :mod:`mmcore.data.loud`.
        constant_names: the first few.
        warnings: texts.
        seconds_outside: of the stream's span beyond the ends of the grid. seconds_absent: steps without the stream.
        apart: what is wrong where the stream never or hardly meets the others; else empty; None in a store from before
            it was judged. See :mod:`mmcore.data.timing`.
        equal_times_pooled: columns in which rows with equal times are pooled.
    """

    item: str
    modality: str
    missing: bool = False
    rows: int = 0
    rows_used: int = 0
    pooled: float = 0.0
    steps: int = 0
    coverage: float = 0.0
    interpolated: float = 0.0
    largest_gap: float = 0.0
    nan: int = 0
    inf: int = 0
    constant_columns: int = 0
    non_monotonic: int = 0
    duplicate_times: int = 0
    no_time: int = 0
    empty_segments: int = 0
    overlaps: int = 0
    extra_columns: int = 0
    loud: int | None = None
    constant_names: tuple[str, ...] = ()
    loud_values: tuple[str, ...] | None = None
    warnings: tuple[str, ...] = ()
    seconds_outside: float = 0.0
    seconds_absent: float = 0.0
    apart: str | None = None
    equal_times_pooled: int = 0


_ROWS = TypeAdapter(tuple[QualityRow, ...])
FILE = "quality.json"
"""Its name in a prepared store."""
AGAIN = "mmstudy run STUDY sets the prepared store aside and prepares the corpus again"


def read_quality(store: Path) -> tuple[QualityRow, ...]:
    """The quality report in a prepared store.

    Raises:
        FileNotFoundError: there is none.
        BrokenFile: the file is torn, or anything in it has a wrong type.
        RecordError: this user may not read it.
    """
    return read_kept(store / FILE, _ROWS, "the quality report of the corpus", AGAIN)


def write_quality(store: Path, rows: Sequence[QualityRow]) -> None:
    """Write the quality report into a prepared store."""
    (store / FILE).write_bytes(_ROWS.dump_json(tuple(rows)))


@dataclass(frozen=True, kw_only=True)
class ModalityQuality:
    """The quality of one modality, over the items that have it.

    Args:
        items: all items. missing: those without it.
        rows_used, nan, inf and the like: sums. pooled, largest_gap, constant_columns: the largest of an item.
        coverage, interpolated: weighted by steps; 0 where there is no step.
        apart, warnings: number of items with such a text.
        examples: the first three warnings with their items.
    """

    modality: str
    items: int
    missing: int
    rows: int
    rows_used: int
    pooled: float
    coverage: float
    interpolated: float
    largest_gap: float
    constant_columns: int
    seconds_outside: float
    seconds_absent: float
    apart: int
    nan: int
    inf: int
    non_monotonic: int
    duplicate_times: int
    no_time: int
    empty_segments: int
    overlaps: int
    extra_columns: int
    loud: int
    warnings: int
    examples: tuple[str, ...] = field(default=())


def summarise(rows: Sequence[QualityRow]) -> list[ModalityQuality]:
    """One line per modality, in order of first mention; [] for no rows."""
    return [_summary(name, [r for r in rows if r.modality == name]) for name in dict.fromkeys(r.modality for r in rows)]


def _summary(modality: str, rows: Sequence[QualityRow]) -> ModalityQuality:
    have = [row for row in rows if not row.missing]
    steps = sum(row.steps for row in have)
    return ModalityQuality(
        modality=modality,
        items=len(rows),
        missing=len(rows) - len(have),
        rows=sum(row.rows for row in have),
        rows_used=sum(row.rows_used for row in have),
        pooled=max((row.pooled for row in have), default=0.0),
        coverage=sum(row.coverage * row.steps for row in have) / steps if steps else 0.0,
        interpolated=sum(row.interpolated * row.steps for row in have) / steps if steps else 0.0,
        largest_gap=max((row.largest_gap for row in have), default=0),
        constant_columns=max((row.constant_columns for row in have), default=0),
        seconds_outside=sum(row.seconds_outside for row in have),
        seconds_absent=sum(row.seconds_absent for row in have),
        apart=sum(bool(row.apart) for row in have),
        nan=sum(row.nan for row in have),
        inf=sum(row.inf for row in have),
        non_monotonic=sum(row.non_monotonic for row in have),
        duplicate_times=sum(row.duplicate_times for row in have),
        no_time=sum(row.no_time for row in have),
        empty_segments=sum(row.empty_segments for row in have),
        overlaps=sum(row.overlaps for row in have),
        extra_columns=sum(row.extra_columns for row in have),
        loud=sum(row.loud or 0 for row in have),
        warnings=sum(bool(row.warnings) for row in have),
        examples=tuple(f"{row.item}: {text}" for row in have for text in row.warnings)[:3],
    )
