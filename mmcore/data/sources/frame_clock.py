"""The clocks of a whole corpus: seconds of the item from dates, one kind of time per modality, the step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from mmcore.data.sources.frame_tables import RawTable
from mmcore.data.sources.given import Data, Faults, TargetData
from mmcore.data.sources.written import WrittenClock

ALIKE = 0.01
"""Rates that differ by less than this share are one rate."""

Raw = dict[str, dict[str, RawTable]]
"""Modality (or targets) to item to table."""


def seconds_of_items(raw: Raw, given: Mapping[str, Data], faults: Faults) -> Raw:
    """The same tables with dates turned into seconds since the item's first date, over all of its tables.

    Args:
        raw: every table over time.
        faults: receives items whose tables cannot be brought onto one clock: dates beside seconds or a sampling rate,
            dates with a time zone beside dates without; modalities with times in some items only.
    """
    found: Raw = {name: dict(tables) for name, tables in raw.items()}
    for name, tables in raw.items():
        forms = {tuple(table.times): item for item, table in tables.items()}
        if len(forms) > 1:
            forms_text = [f"{' and '.join(form) or 'no times'} in item '{item}'" for form, item in forms.items()]
            faults.add(
                "all tables must have times, or segments, or none", name=name, found=", ".join(sorted(forms_text)),
                next_step="Give all of them times",
            )  # fmt: skip
    for item in dict.fromkeys(item for tables in raw.values() for item in tables):
        mine = {name: tables[item] for name, tables in raw.items() if item in tables}
        clocks = {
            name: "a sampling rate" if table.clock == "rows" and given[name].sampling_rate is not None else table.clock
            for name, table in mine.items()
        }
        timed = {name: clock for name, clock in clocks.items() if clock != "rows"}
        dated = [name for name, clock in timed.items() if clock.startswith("dates")]
        if not dated:
            continue
        if len(set(timed.values())) > 1:
            faults.add(
                "all tables of an item must be on one clock",
                item=item,
                found=", ".join(f"'{name}' in {clock}" for name, clock in timed.items()),
                next_step="Make all of them dates, or subtract the item's first date: "
                "(frame.index - first).total_seconds()",
            )
            continue
        first = min(int(times_T[0]) for name in dated for times_T in mine[name].times.values())
        for name in dated:
            times = {key: (times_T - first) / 1e9 for key, times_T in mine[name].times.items()}
            found[name][item] = replace(mine[name], times=times, clock="seconds")
    return found


def clock_of(data: Data, tables: Mapping[str, RawTable]) -> WrittenClock:
    """What corpus.yaml says about the times of a modality, or of targets over time."""
    written: WrittenClock = {}
    table = next(iter(tables.values()), None)
    if table is not None and "start" in table.times:
        written["start"], written["end"] = "start", "end"
    if data.sampling_rate is not None:
        written["sampling_rate"] = _written(data.sampling_rate)
    if data.rate is not None:
        written["rate"] = _written(data.rate)
    if data.offset:
        written["offset"] = float(data.offset)
    if len(data.missing_values):
        written["missing_values"] = [float(value) for value in data.missing_values]
    return written


def _written(rate: float | Fraction | str) -> float | str:
    if isinstance(rate, Fraction):
        return f"{rate.numerator}/{rate.denominator}"
    return rate if isinstance(rate, str) else float(rate)


def step_of(raw: Raw, given: Mapping[str, Data], target: str, faults: Faults) -> float | None:
    """The seconds per step where none are said; None where no table has times, so that rows are steps.

    That is the distance of the targets' times where they have some of their own, else of all modalities where they
    have one rate.

    Args:
        target: name of the targets, or of the modality that holds them.
        faults: receives a corpus of several rates, and modalities without times beside others with times.
    """
    distances = {name: _distance(tables, given[name], name, faults) for name, tables in raw.items()}
    timed = {name: distance for name, distance in distances.items() if distance is not None}
    if not timed:
        return None
    if target in timed and np.isfinite(timed[target]):
        return _rounded(timed[target])
    points = {name: distance for name, distance in timed.items() if np.isfinite(distance)}
    if points and max(points.values()) <= min(points.values()) * (1 + ALIKE):
        return _rounded(next(iter(points.values())))
    slowest = max(points.values(), default=0.1)
    faults.add(
        "the corpus needs a step: seconds from one step of the model to the next",
        found=", ".join(
            f"'{name}' every {d:.3g} s" if np.isfinite(d) else f"'{name}' in segments" for name, d in timed.items()
        ),
        next_step=f"Set it, for example step={slowest:.2g}; faster modalities are pooled",
    )
    return None


def check_timed(raw: Raw, given: Mapping[str, Data], step: float | None, faults: Faults) -> None:
    """Where the model's steps are seconds, every table needs times; where they are rows, none has."""
    for name, tables in raw.items():
        untimed = next((item for item, table in tables.items() if not table.times), None)
        if step is not None and untimed is not None and given[name].sampling_rate is None:
            kind = "TargetData" if isinstance(given[name], TargetData) else "ModalityData"
            faults.add(
                "every table needs times, since a step has seconds here",
                name=name,
                item=untimed,
                found="neither a column 'time', nor segments, nor an index of times",
                next_step=f"Give its rows per second: {kind}(tables, sampling_rate=25)",
            )


def _distance(tables: Mapping[str, RawTable], data: Data, name: str, faults: Faults) -> float | None:
    """Median seconds between rows; infinite for segments, None without times."""
    if data.sampling_rate is not None:
        try:
            rate = float(Fraction(str(data.sampling_rate).replace(" ", "")))
        except (ValueError, ZeroDivisionError):
            rate = 0.0
        if rate > 0:
            return 1 / rate
        faults.add(
            "sampling_rate must be a number above 0, or a fraction of two such as 30000/1001",
            name=name, found=repr(data.sampling_rate), next_step="Write rows per second",
        )  # fmt: skip
        return None
    gaps = [np.diff(table.times["time"]) for table in tables.values() if "time" in table.times]
    if not gaps:
        return np.inf if any(table.times for table in tables.values()) else None
    every = np.concatenate(gaps)
    factor = data.rate if isinstance(data.rate, int | float) else float(Fraction(data.rate)) if data.rate else 1.0
    return float(np.median(every)) * factor if len(every) else np.inf


def _rounded(seconds: float) -> float:
    """Without the noise of subtracting times."""
    return float(f"{seconds:.6g}")
