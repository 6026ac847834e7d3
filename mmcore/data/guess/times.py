"""Which column holds times, and in what unit: seconds, milliseconds, frame numbers, segments.

A unit is guessed where a name says it, where times of fractions of a second can be nothing else, or where another
stream of the same items says how long they are. It is never guessed from size alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import median
from typing import Literal

import numpy as np
import pandas as pd

from mmcore.data.guess.words import DURATIONS, ENDS, FRAMES, STARTS, TIMES, UNITS, tokens
from mmcore.data.timing import FRAME_RATES
from mmcore.language import later, sentence

Form = Literal["points", "segments", "rows"]
ASK = "???"
"""What the guess writes where only the reader knows."""
_DECADES = (
    (1.0, later("seconds")),
    (1e-3, later("milliseconds")),
    (1e-6, later("microseconds")),
    (1e-9, later("nanoseconds")),
)
_NEAR = 0.02
"""Relative distance within which a ratio of lengths names a frame rate."""
_SHORTEST_ITEM = 1.0
"""Seconds below which an item is too short to be believed."""


@dataclass(frozen=True)
class Span:
    """Times of one table as written: first and last, the median step, and rows."""

    first: float
    last: float
    step: float
    rows: int

    @property
    def length(self) -> float:
        """From the first to the last time."""
        return self.last - self.first


@dataclass(frozen=True)
class Timing:
    """How a stream's rows get their times.

    Args:
        form: ``points`` (a time each), ``segments`` (start and end), ``rows`` (no times in the file).
        columns: of the times; none for ``rows``.
        spans: item to its times as written.
        whole: all times are whole numbers.
        factor: seconds of one written unit; None where it is not known.
        offset: seconds added.
        sampling_rate: rows a second for ``rows``; None where it is not known.
        reason: why, without a full stop.
        question: what the reader has to answer; None where nothing is open.
        by_name: the unit stands in the column's name, or the format has one.
    """

    form: Form
    columns: tuple[str, ...] = ()
    spans: dict[str, Span] = field(default_factory=dict)
    whole: bool = False
    factor: float | None = None
    offset: float = 0.0
    sampling_rate: str | None = None
    reason: str = ""
    question: str | None = None
    by_name: bool = False
    is_frames: bool = False

    def length(self, item: str) -> float:
        """From the first time of an item to the last, and one step on where rows have one time each; as written."""
        span = self.spans[item]
        return span.length + (span.step if self.form == "points" else 0.0)

    @property
    def known(self) -> bool:
        """Whether seconds can be computed."""
        return self.factor is not None if self.form != "rows" else self.sampling_rate is not None


def segment_columns(names: list[str]) -> tuple[str, str, bool] | None:
    """Columns of start and end, and whether the second is a duration; None where there are none.

    Example:
        >>> segment_columns(["video", "start_ms", "end_ms", "label"])
        ('start_ms', 'end_ms', False)
        >>> segment_columns(["onset", "duration", "value"])
        ('onset', 'duration', True)
    """
    starts = [name for name in names if set(tokens(name)) & STARTS]
    # ``offset`` is an end only beside an ``onset``.
    onset = any("onset" in tokens(name) for name in names)
    ends = [name for name in names if set(tokens(name)) & ENDS and (onset or "offset" not in tokens(name))]
    ends = [name for name in ends if name not in starts]
    lengths = [name for name in names if set(tokens(name)) & DURATIONS]
    for start in [*starts, *(name for name in names if lengths and "onset" in tokens(name))]:
        rest = _rest(start, STARTS | {"onset"})
        alike = [end for end in ends if _rest(end, ENDS) == rest]
        if alike:
            return start, alike[0], False
    onsets = [name for name in names if set(tokens(name)) & (STARTS | {"onset"}) and name not in ends]
    if len(onsets) == 1 and len(ends) == 1:
        return onsets[0], ends[0], False
    if len(onsets) == 1 and len(lengths) == 1:
        return onsets[0], lengths[0], True
    return None


def _rest(name: str, words: frozenset[str] | set[str]) -> list[str]:
    return [word for word in tokens(name) if word not in words]


def time_column(names: list[str], rising: set[str], counts: set[str]) -> tuple[str, str] | None:
    """The column of times and why it is one; None where no column is.

    Args:
        names: columns of numbers, in file order.
        rising: those that rise in every table. counts: those that rise by 1.
    """
    for words in TIMES:
        found = [name for name in names if words in tokens(name) and not set(tokens(name)) & DURATIONS]
        found = [name for name in found if tokens(name)[0] in TIMES or tokens(name)[-1] in TIMES]
        if len(found) > 1:
            found = [name for name in found if name in rising] or found
        if found:
            rises = found[0] in rising
            return found[0], sentence("by its name, and it rises in every item") if rises else sentence("by its name")
    if names and names[0] in rising and names[0] not in counts:
        return names[0], sentence("it is the first column and rises in every item")
    return None


def unit_in_name(name: str) -> float | None:
    """Seconds of the unit in a column's name; None where there is none.

    Example:
        >>> unit_in_name("timestamp_ms"), unit_in_name("time [s]"), unit_in_name("time")
        (0.001, 1.0, None)
    """
    found = [UNITS[word] for word in tokens(name) if word in UNITS]
    return found[-1] if found else None


def span_of(frame: pd.DataFrame, columns: tuple[str, ...]) -> Span | None:
    """The times of one table as written; None where it has none."""
    starts_T = np.asarray(pd.to_numeric(frame[columns[0]], errors="coerce"), float)
    ends_T = np.asarray(pd.to_numeric(frame[columns[-1]], errors="coerce"), float)
    known_T = np.isfinite(starts_T) & np.isfinite(ends_T)
    if not known_T.any():
        return None
    starts_T = np.sort(starts_T[known_T])
    step = float(np.median(np.diff(starts_T))) if len(starts_T) > 1 else 0.0
    return Span(float(starts_T[0]), float(ends_T[known_T].max()), step, len(starts_T))


def resolve_units(timings: dict[str, Timing]) -> dict[str, Timing]:
    """Give every stream with times its unit, where the numbers show it.

    Args:
        timings: by stream; ``rows`` are passed over.

    Returns:
        The same streams; where they do not show the unit ``factor`` is None and ``question`` asks for it.
    """
    found = {name: _by_itself(timing) for name, timing in timings.items()}
    for _ in found:
        anchors = {name: timing for name, timing in found.items() if timing.form != "rows" and timing.known}
        unknown = [name for name, timing in found.items() if timing.form != "rows" and not timing.known]
        if not anchors:
            break
        for name in unknown:
            found[name] = _against(found[name], anchors)
    unknown = [name for name, timing in found.items() if timing.form != "rows" and not timing.known]
    if len(unknown) > 1 and len(unknown) == sum(timing.form != "rows" for timing in found.values()):
        found |= _against_each_other({name: found[name] for name in unknown})
    for name, timing in found.items():
        if timing.form != "rows" and not timing.known:
            found[name] = replace(timing, question=_question(name, timing))
        elif timing.by_name and timing.form != "rows":
            others = {other: t for other, t in found.items() if other != name and t.form != "rows" and t.known}
            found[name] = replace(timing, question=None, reason=_not_contradicted(timing, others))
    return found


def _by_itself(timing: Timing) -> Timing:
    if timing.form == "rows" or timing.known:
        return timing
    column = timing.columns[0]
    unit = unit_in_name(column)
    if unit is not None:
        said = sentence(dict(_DECADES)[unit])
        return replace(
            timing,
            factor=unit,
            by_name=True,
            reason=sentence("{said}, as the name '{column}' says", said=said, column=column),
        )
    if timing.is_frames or set(tokens(column)) & FRAMES:
        return replace(timing, is_frames=True)
    steps = [span.step for span in timing.spans.values() if span.rows > 1]
    if timing.whole or not steps:
        return timing
    step = median(steps)
    if timing.form == "points" and step < 1:
        return replace(timing, factor=1.0, reason=sentence("seconds, as rows are {step:.4g} apart", step=step))
    longest = max(span.length for span in timing.spans.values())
    if timing.form == "segments" and longest < 36_000:
        return replace(
            timing, factor=1.0, reason=sentence("seconds, as segments start at fractions, {step:.3g} apart", step=step)
        )
    return timing


def _against(timing: Timing, anchors: dict[str, Timing]) -> Timing:
    """A unit from the length of the same items in streams whose unit is known."""
    for name, anchor in sorted(anchors.items(), key=lambda pair: pair[1].form != "points"):
        assert anchor.factor is not None
        ratios = [
            timing.length(item) / (anchor.length(item) * anchor.factor)
            for item, span in timing.spans.items()
            if item in anchor.spans and anchor.spans[item].length > 0 and span.length > 0
        ]
        if not ratios:
            continue
        ratio = median(ratios)
        ratio_text = sentence("items are {ratio:.4g} times as long as in {name}", ratio=ratio, name=name)
        nearest = min(FRAME_RATES, key=lambda rate: abs(ratio / rate - 1))
        for factor, unit in _DECADES:
            # Frame numbers of a stream that covers little of its items must not pass for seconds.
            low = (0.2 if factor == 1 else 0.1) if timing.whole else 0.05
            if low < ratio * factor < 2 and not timing.is_frames:
                return replace(
                    timing,
                    factor=factor,
                    reason=sentence("{unit}, as {why}", unit=sentence(unit), why=ratio_text)
                    if factor != 1
                    else sentence("seconds, as {name}", name=name),
                )
        if timing.whole and abs(ratio / nearest - 1) <= _NEAR:
            near = [rate for rate in FRAME_RATES if abs(ratio / rate - 1) <= _frame_spread(ratios, timing)]
            if len(near) == 1:
                why = sentence("frame numbers, {rate:g} a second, as {why}", rate=near[0], why=ratio_text)
                return replace(timing, factor=1 / near[0], reason=why, is_frames=True)
            return replace(
                timing,
                is_frames=True,
                reason=sentence(
                    "{why}: frame numbers, {rates} a second?",
                    why=ratio_text,
                    rates=either([f"{rate:g}" for rate in near or [nearest]]),
                ),
            )
        timing = replace(timing, reason=ratio_text)
    return timing


def _frame_spread(ratios: list[float], timing: Timing) -> float:
    """How far the true rate may lie from the median ratio, relative."""
    rows = median(span.length for span in timing.spans.values())
    middle = median(ratios)
    return max(median(abs(ratio / middle - 1) for ratio in ratios), 2 / max(rows, 1))


def _against_each_other(unknown: dict[str, Timing]) -> dict[str, Timing]:
    """Streams of which one is 1,000 times as long as another: the short one is in seconds if items are then long."""
    lengths = {
        name: median(span.length for span in timing.spans.values()) for name, timing in unknown.items() if timing.spans
    }
    if len(lengths) < 2:
        return unknown
    shortest = min(lengths, key=lambda name: lengths[name])
    if lengths[shortest] < _SHORTEST_ITEM or not any(
        500 < length / lengths[shortest] < 2000 for length in lengths.values()
    ):
        return unknown
    anchor = replace(
        unknown[shortest], factor=1.0, reason=sentence("seconds: another stream of the items is in milliseconds")
    )
    return {name: anchor if name == shortest else _against(t, {shortest: anchor}) for name, t in unknown.items()}


def _not_contradicted(timing: Timing, others: dict[str, Timing]) -> str:
    """The reason, with a remark where the unit in a name makes items far longer or shorter than another stream does."""
    assert timing.factor is not None
    for name, other in others.items():
        assert other.factor is not None
        ratios = [
            span.length * timing.factor / (other.spans[item].length * other.factor)
            for item, span in timing.spans.items()
            if item in other.spans and other.spans[item].length > 0
        ]
        if ratios and not 0.02 < median(ratios) < 50:
            return sentence(
                "{why}; but its items are {ratio:.3g} times as long as in {name}",
                why=timing.reason,
                ratio=median(ratios),
                name=name,
            )
    return timing.reason


def _question(name: str, timing: Timing) -> str:
    if timing.is_frames:
        named = {"name": name, "column": timing.columns[0]}
        if not timing.reason:
            return sentence("{name}: '{column}' counts frames. Frames a second? Write rate: 1/FRAMES_A_SECOND", **named)
        return sentence(
            "{name}: '{column}' counts frames. Frames a second? ({why}) Write rate: 1/FRAMES_A_SECOND",
            why=timing.reason,
            **named,
        )
    spans = list(timing.spans.values())
    steps = [span.step for span in spans if span.rows > 1]
    times = sentence("times about {step:g} apart", step=median(steps)) if steps else sentence("times one a table")
    if timing.reason:
        times = sentence("{first}; {second}", first=times, second=timing.reason)
    return sentence(
        "{name}: in what unit is '{column}' ({times})? "
        "Write rate: 1 for seconds, 0.001 for milliseconds, 1/25 for frames of 25 a second",
        name=name,
        column=timing.columns[0],
        times=times,
    )


def either(rates: list[str]) -> str:
    """One of these, for a sentence; they are not empty."""
    text = rates[0]
    for rate in rates[1:]:
        text = sentence("{rates} or {rate}", rates=text, rate=rate)
    return text
