"""Times, units and rates: guessed where the data tell, asked for where they do not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mmcore.data.guess.clocks import clock_seconds
from mmcore.data.guess.rates import resolve_rates
from mmcore.data.guess.times import (
    Span,
    Timing,
    resolve_units,
    segment_columns,
    time_column,
    unit_in_name,
)

LENGTHS = {"a": 20.0, "b": 31.5, "c": 27.25, "d": 43.0}


def points(step: float, unit: float = 1.0, column: str = "time", share: float = 1.0, first: float = 0.0) -> Timing:
    """A dense stream: rows ``step`` seconds apart, written in units of so many seconds."""
    spans = {}
    for item, length in LENGTHS.items():
        rows = int(length * share / step)
        times_T = np.round((first + np.arange(rows) * step) / unit, 6)
        spans[item] = Span(times_T[0], times_T[-1], float(np.median(np.diff(times_T))), rows)
    whole = all(float(span.step).is_integer() and float(span.first).is_integer() for span in spans.values())
    return Timing("points", (column,), spans, whole)


def segments(unit: float = 1.0, whole: bool = False, share: float = 0.9, column: str = "start") -> Timing:
    spans = {item: Span(0.1 / unit, length * share / unit, 2.5 / unit, 8) for item, length in LENGTHS.items()}
    return Timing("segments", (column, "end"), spans, whole)


def rows(rate: float, lengths: dict[str, float] = LENGTHS) -> Timing:
    return Timing("rows", (), {item: Span(0, 0, 0, int(length * rate)) for item, length in lengths.items()})


# Columns -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["frame", "timestamp", "x"], "timestamp"),
        (["x", "time_ms"], "time_ms"),
        (["x", "Time (s)"], "Time (s)"),
        (["frame", "x"], "frame"),
        (["時刻", "x"], "時刻"),
    ],
)
def test_the_surest_name_is_the_column_of_times(names: list[str], found: str) -> None:
    chosen = time_column(names, set(names), set())
    assert chosen is not None
    assert chosen[0] == found


def test_a_first_column_that_rises_is_one_of_times_but_no_counter() -> None:
    assert time_column(["t_x", "y"], {"t_x"}, set()) == ("t_x", "by its name, and it rises in every item")
    assert time_column(["a", "b"], {"a"}, set()) == ("a", "it is the first column and rises in every item")
    assert time_column(["a", "b"], {"a"}, {"a"}) is None
    assert time_column(["a", "b"], {"b"}, set()) is None
    assert time_column(["response_time_mean", "b"], set(), set()) is None


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["video", "start", "end", "label"], ("start", "end", False)),
        (["start_ms", "end_ms", "end_page"], ("start_ms", "end_ms", False)),
        (["startTime", "endTime"], ("startTime", "endTime", False)),
        (["onset", "offset", "value"], ("onset", "offset", False)),
        (["onset", "duration", "value"], ("onset", "duration", True)),
        (["begin", "stop"], ("begin", "stop", False)),
        (["time", "offset"], None),
        (["start", "x"], None),
    ],
)
def test_segments_have_a_start_and_an_end(names: list[str], found: object) -> None:
    assert segment_columns(names) == found


def test_units_in_names() -> None:
    assert unit_in_name("timestamp_ms") == 1e-3
    assert unit_in_name("time [µs]") == 1e-6
    assert unit_in_name("sec") == 1.0
    assert unit_in_name("timestamp") is None


@pytest.mark.parametrize(
    ("cells", "seconds"),
    [
        (["00:00:01.5", "00:01:00,25"], [1.5, 60.25]),
        (["0:02", "1:00"], [2.0, 60.0]),
        (["2026-05-01T12:00:00", "2026-05-01T12:00:01.5"], [1777636800.0, 1777636801.5]),
        (["morning", "noon"], None),
        (["02.01.1970 00:00:01,5", "03.01.1970 00:00"], [86401.5, 172800.0]),
        (["1970/01/02 00:00:01", "1970/01/02 0:00:02.25"], [86401.0, 86402.25]),
        (["1/2/1970 12:00:01 AM", "1/2/1970 1:00:00 PM"], [86401.0, 133200.0]),
        (["13/1/1970 10:00:00", "14/1/1970 10:00:00"], [1072800.0, 1159200.0]),
        (["1/13/1970 10:00:00", "1/14/1970 10:00:00"], [1072800.0, 1159200.0]),
        # The first of February and of March, or the second and third of January?
        (["1/2/1970 10:00:00", "1/3/1970 10:00:00"], None),
        (["31.02.1970 10:00:00", "31.02.1970 10:00:01"], None),
    ],
)
def test_clock_times_become_seconds(cells: list[str], seconds: list[float] | None) -> None:
    found = clock_seconds(pd.Series(cells))
    assert (None if found is None else found.tolist()) == seconds


# Units ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("unit", "says"), [(1e-3, "milliseconds"), (1e-6, "microseconds"), (1e-9, "nanoseconds")])
def test_a_unit_from_the_length_in_another_stream(unit: float, says: str) -> None:
    found = resolve_units({"audio": points(0.01, unit), "labels": segments()})
    assert found["audio"].factor == unit
    assert says in found["audio"].reason
    assert found["labels"].factor == 1.0
    assert not any(timing.question for timing in found.values())


def test_steps_of_fractions_of_a_second_are_seconds() -> None:
    assert resolve_units({"audio": points(0.01)})["audio"].factor == 1.0


def test_milliseconds_may_start_at_a_timecode() -> None:
    found = resolve_units({"audio": points(0.01, 1e-3, first=3600.0), "visual": points(0.04)})
    assert found["audio"].factor == 1e-3


def test_segments_in_milliseconds_and_whole_seconds() -> None:
    found = resolve_units({"audio": points(0.01), "labels": segments(1e-3, whole=True)})
    assert found["labels"].factor == 1e-3
    found = resolve_units({"audio": points(0.01), "labels": segments(1.0, whole=True)})
    assert found["labels"].factor == 1.0


def test_one_stream_in_seconds_and_one_in_milliseconds_explain_each_other() -> None:
    whole = {item: Span(0, round(length), 2, 10) for item, length in LENGTHS.items()}
    found = resolve_units({"audio": points(0.01, 1e-3), "labels": Timing("segments", ("start", "end"), whole, True)})
    assert found["audio"].factor == 1e-3
    assert found["labels"].factor == 1.0


@pytest.mark.parametrize(
    ("timings", "asked"),
    [
        # Rows 10 apart: milliseconds at 100 a second, or one row in 10 seconds.
        ({"audio": points(0.01, 1e-3)}, ["audio"]),
        # Both in the same unit: neither says which.
        ({"audio": points(0.01, 1e-3), "visual": points(0.04, 1e-3)}, ["audio", "visual"]),
        # Rows 33.4 apart that are no whole numbers.
        ({"visual": points(1 / 29.97, 1e-3)}, ["visual"]),
        # Numbers of frames without another stream.
        ({"visual": points(0.04, 0.04, "frame")}, ["visual"]),
        # 29.97 or 30 frames a second cannot be told from items of half a minute.
        ({"audio": points(0.01), "visual": points(1 / 29.97, 1 / 29.97, "frame")}, ["visual"]),
    ],
)
def test_ambiguous_units_are_asked_for(timings: dict[str, Timing], asked: list[str]) -> None:
    found = resolve_units(timings)
    assert [name for name, timing in found.items() if timing.question] == asked
    assert all(found[name].factor is None for name in asked)


def test_frame_numbers_from_the_length_in_another_stream() -> None:
    found = resolve_units({"audio": points(0.01), "visual": points(0.04, 0.04, "frame")})
    assert found["visual"].factor == pytest.approx(1 / 25)
    assert "frame numbers, 25 a second" in found["visual"].reason


def test_a_name_wins_and_a_contradiction_is_told() -> None:
    found = resolve_units({"audio": points(0.01, 1e-3, "time_s"), "labels": segments()})
    assert found["audio"].factor == 1.0
    assert "times as long as in labels" in found["audio"].reason


# Rates ---------------------------------------------------------------------------------------------------------------
def resolved(**timings: Timing) -> dict[str, Timing]:
    return resolve_rates(resolve_units(timings))


def test_a_rate_from_the_length_in_another_stream() -> None:
    found = resolved(audio=points(0.01), visual=rows(25))
    assert found["visual"].sampling_rate == "25"
    assert "rows a second" in found["visual"].reason


def test_two_usual_rates_that_fit_are_asked_about() -> None:
    found = resolved(audio=points(0.01), visual=rows(30000 / 1001))
    assert found["visual"].sampling_rate is None
    assert "fits 29.97 and 30" in (found["visual"].question or "")
    assert "30000/1001 or 30" in (found["visual"].question or "")


def test_long_items_tell_29_97_from_30() -> None:
    long = {item: 100 * length for item, length in LENGTHS.items()}
    audio = Timing("points", ("time",), {i: Span(0, s - 0.01, 0.01, int(s * 100)) for i, s in long.items()}, factor=1.0)
    assert resolve_rates({"audio": audio, "visual": rows(30000 / 1001, long)})["visual"].sampling_rate == "30000/1001"
    assert resolve_rates({"audio": audio, "visual": rows(30, long)})["visual"].sampling_rate == "30"


@pytest.mark.parametrize(
    ("others", "says"),
    [
        ({}, "no times"),
        ({"audio": points(0.01, 1e-3)}, "no times"),
        ({"labels": segments(share=0.6)}, "not a usual rate"),
    ],
)
def test_rates_that_nothing_tells_are_asked_for(others: dict[str, Timing], says: str) -> None:
    found = resolved(**others, visual=rows(37))
    assert found["visual"].sampling_rate is None
    assert says in (found["visual"].question or "")


def test_lengths_that_do_not_belong_together_give_no_rate() -> None:
    odd = {item: length * (1 + at / 5) for at, (item, length) in enumerate(LENGTHS.items())}
    found = resolved(audio=points(0.01), visual=rows(25, odd))
    assert "do not have the same length" in (found["visual"].question or "")


def test_a_rate_that_an_archive_says_is_not_asked_for() -> None:
    found = resolved(audio=replace(rows(50), sampling_rate="50"), visual=rows(25))
    assert found["visual"].sampling_rate == "25"
