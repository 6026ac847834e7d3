"""A stream's times compared with the times of the item's other streams: seconds lost, and faults by name.

S grid steps, T source rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter

import numpy as np

from mmcore.data.alignment import Aligned, Stream
from mmcore.language import counted, later, say, say_of
from mmcore.quality import QualityRow

HARDLY = 0.05
"""Share of the others' steps up to which a stream hardly meets them."""
MUCH_OUTSIDE = 0.1
"""Warn where more than this share of a stream's span lies outside the grid."""
MOSTLY_OUTSIDE = 0.5
"""Above it a wrong unit is looked for."""
LONG = 1.5
"""Rows for each different time from which a table looks like one in long format."""
UNITS = (("milliseconds", 1e3, "0.001"), ("microseconds", 1e6, "1e-06"), ("nanoseconds", 1e9, "1e-09"))
FRAME_RATES = (24.0, 25.0, 29.97, 30.0, 50.0, 60.0)
NEAR = 0.02
"""Relative distance within which a ratio of spans names a frame rate."""
_EXAMPLES = 3


def with_times(
    row: QualityRow,
    stream: Stream | None,
    aligned: Aligned | None,
    grid_S: np.ndarray | None,
    others_S: np.ndarray | None,
    width: float,
) -> QualityRow:
    """A quality row with what its stream's times say.

    Args:
        row: of :func:`mmcore.data.quality.quality_row`.
        stream, aligned: None where the item lacks the modality; ``aligned`` None for targets of scope item.
        grid_S: seconds; None where rows are steps.
        others_S: steps at which another stream of the item is present; None where the stream is not to be judged, as
            the others are measured by it.
        width: seconds of a step.

    Returns:
        The row with ``seconds_outside``, ``seconds_absent``, ``apart``, and warnings for the first and the last; as it
        is where there are no times, no rows or no steps.
    """
    if stream is None or aligned is None or grid_S is None or stream.span is None or not len(grid_S):
        return row
    first, last = stream.span
    if stream.end_T is not None:
        # A segment's end is no longer part of it: the last step that can read it is one earlier.
        last = max(first, last - width)
    outside = _outside(first, last, float(grid_S[0]), float(grid_S[-1]))
    apart, warnings = "", row.warnings
    if others_S is not None and others_S.any() and not np.isnan(stream.values_TF).all():
        apart = _apart(stream, aligned.present_S, grid_S, others_S)
    if apart:
        warnings = (apart, *warnings)
    elif outside > width and outside > MUCH_OUTSIDE * (last - first):
        text = f"{outside:.1f} s of its {last - first:.1f} s lie outside the grid and are not read"
        warnings = (*warnings, text)
    return replace(
        row,
        seconds_outside=outside if outside > width else 0.0,
        seconds_absent=float((~aligned.present_S).sum() * width),
        apart=apart,
        warnings=warnings,
    )


def _outside(first: float, last: float, start: float, end: float) -> float:
    return min(max(start - first, 0.0) + max(last - end, 0.0), last - first)


def _apart(stream: Stream, present_S: np.ndarray, grid_S: np.ndarray, others_S: np.ndarray) -> str:
    assert stream.span is not None, "a timed stream with rows"
    met = float((present_S & others_S).sum() / others_S.sum())
    first, last = stream.span
    start, end = (float(grid_S[np.flatnonzero(others_S)[at]]) for at in (0, -1))
    text = f"times {_seconds(first, last)} against {_seconds(start, end)}"
    length = last - first
    if met <= HARDLY or (length > 0 and _outside(first, last, start, end) > MOSTLY_OUTSIDE * length):
        unit = _unit(length, end - start)
        if unit:
            return f"{text}: {unit} in corpus.yaml?"
    if met > 0:
        return ""
    if last < start or first > end:
        shift = start - first
        shift = round(shift) if abs(shift) >= 100 else round(shift, 2)
        return f"{text}: an offset of {-shift:g} s? Set offset: {shift:g} in corpus.yaml"
    return f"{text}: no row is within reach of a step, see data.tolerance and data.max_gap"


def _unit(length: float, other: float) -> str:
    """Which unit or count would make a span as long as the other; empty where none would."""
    if length <= 0 or other <= 0:
        return ""
    ratio = length / other
    for name, factor, rate in UNITS:
        if 0.5 < ratio / factor < 2:
            return f"looks like {name}. Set rate: {rate}"
    nearest = min(FRAME_RATES, key=lambda rate: abs(ratio / rate - 1))
    if abs(ratio / nearest - 1) <= NEAR:
        return f"looks like frame numbers, {nearest:g} a second. Set rate: 1/{nearest:g}"
    return ""


def _seconds(first: float, last: float) -> str:
    return "–".join(f"{time:.2f}".rstrip("0").rstrip(".") for time in (first, last)) + " s"


def time_notes(rows: Sequence[QualityRow]) -> list[str]:
    """What is wrong with times, by modality: streams that never meet the others, times that repeat, segments that
    overlap, rows that are left out for want of a time.

    Args:
        rows: quality rows with what :func:`with_times` adds.
    """
    notes = []
    for modality in dict.fromkeys(row.modality for row in rows):
        have = [row for row in rows if row.modality == modality and not row.missing]
        apart = [row for row in have if row.apart]
        if apart:
            examples = "; ".join(f"{row.item}: {row.apart}" for row in apart[:_EXAMPLES])
            notes.append(
                say(
                    "{modality} does not meet the other streams in {n} of {all} items. {examples}",
                    modality=modality,
                    n=len(apart),
                    all=len(have),
                    examples=examples,
                )
            )
        notes += [
            say("{modality}: {text}", modality=modality, text=text)
            for text in (_repeated(have), *_faults(have))
            if text
        ]
    return notes


def _items(rows: Sequence[QualityRow]) -> str:
    """How many items, and the first of them."""
    if len(rows) == 1:
        return say("1 item ({name})", name=rows[0].item)
    return say("{n} items (first {name})", n=len(rows), name=rows[0].item)


def _repeated(have: Sequence[QualityRow]) -> str:
    repeated = [row for row in have if row.duplicate_times]
    if not repeated:
        return ""
    again = sum(row.duplicate_times for row in repeated)
    rows_there = sum(row.rows - row.no_time for row in repeated)
    text = say_of(
        again,
        "1 of {rows} repeats a time in {items}",
        "{n} of {rows} repeat a time in {items}",
        rows=counted(rows_there, "row"),
        items=_items(repeated),
    )
    together = repeated[0].equal_times_pooled
    if together:
        return say_of(
            together,
            "{text}; 1 column pools them by its resample, the others read the last row of equal times",
            "{text}; {n} columns pool them by their resample, the others read the last row of equal times",
            text=text,
        )
    text = say("{text}; of equal times the last row is read", text=text)
    if rows_there >= LONG * (rows_there - again):
        return say(
            "{text}. It looks like a table in long format, with several rows a time: write one row a time, with a "
            "column for each of them; or, if these rows are several values of one thing, set resample for the feature",
            text=text,
        )
    return text


def _faults(have: Sequence[QualityRow]) -> Iterator[str]:
    """Segments that overlap, and rows that are left out."""
    faults: tuple[tuple[Callable[[QualityRow], int], str, str], ...] = (
        (
            attrgetter("overlaps"),
            "1 segment starts before an earlier one has ended in {items}; of several the one that started last is read",
            later(
                "{n} segments start before an earlier one has ended in {items}; of several the one that started last "
                "is read"
            ),
        ),
        (
            attrgetter("empty_segments"),
            "1 segment does not end after its start in {items}, and is left out",
            later("{n} segments do not end after their start in {items}, and are left out"),
        ),
        (
            attrgetter("no_time"),
            "1 row has no time in {items}, and is left out",
            later("{n} rows have no time in {items}, and are left out"),
        ),
    )
    for count_of, one, many in faults:
        rows = [row for row in have if count_of(row)]
        if rows:
            yield say_of(sum(count_of(row) for row in rows), one, many, items=_items(rows))
