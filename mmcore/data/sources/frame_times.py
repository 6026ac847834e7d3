"""The times of one table that a user hands over: a column, segments, or the index."""

from __future__ import annotations

from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from mmcore.data.sources.given import Data, Faults
from mmcore.language import number_of

Clock = Literal["rows", "seconds", "dates", "dates in UTC"]
"""Which clock times are read from: none (rows count), seconds of the item, or dates, which have no 0 of their own."""


def times_of(
    frame: pd.DataFrame, data: Data, name: str, item: str, faults: Faults
) -> tuple[pd.DataFrame, dict[str, np.ndarray], Clock]:
    """Read the times of a table: segments, a column, or the index.

    An index counts as times where it holds dates, timedeltas, floats or intervals, or has the name of the time column.

    Returns:
        The frame without its times; ``time`` or ``start`` and ``end`` as seconds (float64) or, for dates, nanoseconds
        since 1970 (int64), {} where there are none; the clock.
    """
    found: dict[str, pd.Series] = {}
    used: list[str] = []
    index = frame.index
    if data.start in frame.columns and data.end in frame.columns:
        if data.time in frame.columns:
            faults.add(
                "a table has one time a row, or the start and end of segments",
                name=name,
                item=item,
                found=f"columns {data.time}, {data.start} and {data.end}",
                next_step="Drop or rename those that do not hold times",
            )
        used = [data.start, data.end]
        found = {"start": cast("pd.Series", frame[data.start]), "end": cast("pd.Series", frame[data.end])}
    elif data.time in frame.columns:
        found, used = {"time": cast("pd.Series", frame[data.time])}, [data.time]
    elif isinstance(index, pd.IntervalIndex):
        found = {"start": index.left.to_series(), "end": index.right.to_series()}
    elif isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex) or index.name == data.time or index.dtype.kind == "f":
        found = {"time": index.to_series()}
    frame = frame.drop(columns=used)
    if not found:
        return frame, {}, "rows"
    if data.sampling_rate is not None:
        faults.add(
            "sampling_rate is for tables without times",
            name=name,
            item=item,
            found=f"times in {' and '.join(found)}",
            next_step="Leave sampling_rate out, or drop the times",
        )
    times: dict[str, np.ndarray] = {}
    clocks: set[Clock] = set()
    for column, series in found.items():
        read = _seconds(series, column, name, item, faults)
        if read is None:
            return frame, {}, "rows"
        times[column], clock = read
        clocks.add(clock)
    if len(clocks) > 1:
        faults.add("start and end must be on one clock", name=name, item=item, found=" and ".join(sorted(clocks)))
    _check_order(times, name, item, faults)
    return frame, times, clocks.pop()


def _seconds(series: pd.Series, column: str, name: str, item: str, faults: Faults) -> tuple[np.ndarray, Clock] | None:
    """Seconds, or nanoseconds since 1970 of dates."""
    kind: Any = series.dtype
    missing = int(series.isna().sum())
    if missing:
        faults.add(
            f"'{column}' must be known in every row",
            name=name,
            item=item,
            found=f"{number_of(missing, 'row')} without it",
            next_step=f'Drop them: frame.dropna(subset=["{column}"])',
        )
        return None
    if isinstance(kind, pd.DatetimeTZDtype):
        utc: Any = series.dt.tz_convert("UTC").dt.tz_localize(None)
        return utc.to_numpy("datetime64[ns]").astype(np.int64), "dates in UTC"
    if kind.kind == "M":
        return series.to_numpy("datetime64[ns]").astype(np.int64), "dates"
    if kind.kind == "m":
        return series.to_numpy("timedelta64[ns]").astype(np.int64) / 1e9, "seconds"
    if not pd.api.types.is_numeric_dtype(kind) or kind.kind in "cb":
        faults.add(
            f"'{column}' must hold seconds, timedeltas or dates",
            name=name,
            item=item,
            found=f"{kind} such as {series.iloc[0]!r}"[:80],
            next_step=f'Convert it: pd.to_datetime(frame["{column}"]) or pd.to_timedelta(frame["{column}"])',
        )
        return None
    seconds_T = series.to_numpy(np.float64)
    if not np.isfinite(seconds_T).all():
        row = int(np.flatnonzero(~np.isfinite(seconds_T))[0])
        faults.add(
            f"'{column}' must be finite", name=name, item=item, found=f"{seconds_T[row]} in row {row}",
            next_step="Drop such rows",
        )  # fmt: skip
        return None
    return seconds_T, "seconds"


def _check_order(times: dict[str, np.ndarray], name: str, item: str, faults: Faults) -> None:
    if "time" in times:
        back = np.flatnonzero(np.diff(times["time"]) <= 0)
        if len(back):
            row = int(back[0])
            same = times["time"][row] == times["time"][row + 1]
            mend = '.drop_duplicates("time", keep="last")' if same else '.sort_values("time")'
            faults.add(
                "times must increase from row to row",
                name=name,
                item=item,
                found=f"{_shown(times['time'][row])} before {_shown(times['time'][row + 1])}, rows {row} and {row + 1}",
                next_step=f"Write frame{mend}; a long table (a row for each name and time) needs frame.pivot first",
            )
        return
    empty = np.flatnonzero(times["end"] <= times["start"])
    if len(empty):
        row = int(empty[0])
        faults.add(
            "a segment must end after its start",
            name=name,
            item=item,
            found=f"{_shown(times['start'][row])} to {_shown(times['end'][row])} in row {row}",
            next_step="Correct or drop such rows",
        )
    if (np.diff(times["start"]) < 0).any():
        faults.add(
            "segments must stand in the order of their starts",
            name=name,
            item=item,
            next_step='Sort them: frame.sort_values("start")',
        )


def _shown(time: Any) -> str:
    return str(np.datetime64(int(time), "ns")) if isinstance(time, np.integer) else f"{time:g}"
