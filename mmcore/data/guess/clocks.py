"""Times that are written as text or as dates, as seconds in a column of their own."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from mmcore.data.guess.raw import Raw, not_numeric
from mmcore.data.guess.words import DURATIONS, ENDS, STARTS, TIMES, tokens

_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)")
_WORDS = STARTS | ENDS | DURATIONS | set(TIMES)


def with_seconds(raw: Raw) -> Raw:
    """The same rows, with a column ``NAME_s`` of seconds for each column of clock times (00:01:02.5) or dates.

    Dates become seconds since 1970, in UTC where they name no zone. Other columns stay as they are.
    """
    if raw.form != "table":
        return raw
    added: dict[str, np.ndarray] = {}
    for name in not_numeric(raw.frame):
        column: Any = raw.frame[name]
        if f"{name}_s" in raw.frame.columns:
            continue
        if pd.api.types.is_datetime64_any_dtype(column):
            added[f"{name}_s"] = _since_1970(column)
        elif set(tokens(name)) & _WORDS:
            seconds_T = clock_seconds(column)
            if seconds_T is not None:
                added[f"{name}_s"] = seconds_T
    return replace(raw, frame=raw.frame.assign(**added)) if added else raw


def clock_seconds(column: pd.Series) -> np.ndarray | None:
    """Seconds (T,) of cells such as 00:01:02.5 or 2026-05-01T12:00:00; None where some known cell is neither.

    Example:
        >>> clock_seconds(pd.Series(["00:00:01.5", "0:02"])).tolist()
        [1.5, 2.0]
    """
    known = column.dropna().astype(str).str.strip()
    if not len(known):
        return None
    found = [_CLOCK.fullmatch(cell) for cell in known]
    seconds_T = np.full(len(column), np.nan)
    if all(found):
        there = np.flatnonzero(column.notna().to_numpy())
        seconds_T[there] = [
            int(m[1] or 0) * 3600 + int(m[2]) * 60 + float(m[3].replace(",", ".")) for m in found if m is not None
        ]
        return seconds_T
    if known.str.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d").all():
        return _since_1970(pd.to_datetime(column, format="ISO8601", utc=True))
    return None


def _since_1970(column: pd.Series) -> np.ndarray:
    times = column.dt.tz_convert("UTC").dt.tz_localize(None) if column.dt.tz is not None else column
    return ((times - pd.Timestamp(0)) / pd.Timedelta(seconds=1)).to_numpy(np.float64)
