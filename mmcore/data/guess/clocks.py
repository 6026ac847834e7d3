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
_DATE = re.compile(
    r"(?:(?P<year>\d{4})(?P<mark>[./])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})"
    r"|(?P<one>\d{1,2})(?P<between>[./-])(?P<two>\d{1,2})(?P=between)(?P<last>\d{4}))"
    r"[T\s]+(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d(?:[.,]\d+)?))?(?:\s?(?P<half>[AaPp])\.?[Mm]\.?)?"
)
"""2026/05/01 12:00:00, 01.05.2026 12:00, 5/1/2026 12:00:00 PM."""
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
    """Seconds (T,) of cells such as 00:01:02.5, 2026-05-01T12:00:00 or 01.05.2026 12:00; None where a cell is neither.

    Example:
        >>> clock_seconds(pd.Series(["00:00:01.5", "0:02"])).tolist()
        [1.5, 2.0]
        >>> clock_seconds(pd.Series(["02.01.1970 00:00:01,5"])).tolist()
        [86401.5]
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
    dates = [_DATE.fullmatch(cell) for cell in known]
    if all(dates) and (iso := _iso([m for m in dates if m is not None])) is not None:
        at = pd.Series(pd.to_datetime(iso, format="ISO8601", errors="coerce"), index=known.index)
        return None if at.isna().any() else _since_1970(at.reindex(column.index))
    return None


def _iso(dates: list[re.Match[str]]) -> list[str] | None:
    """Dates as ISO 8601 has them; None where nothing says which number is the month, and the rows need it.

    Dots put the day first. Elsewhere a number above 12 tells; rows of one day are as far apart either way.
    """
    ones, twos = ([int(m[part]) for m in dates if m[part]] for part in ("one", "two"))
    day_first = any(m["between"] == "." for m in dates) or any(one > 12 for one in ones)
    if (
        not day_first
        and not any(two > 12 for two in twos)
        and len({(m["one"], m["two"], m["last"]) for m in dates}) > 1
    ):
        return None
    found = []
    for m in dates:
        month, day = (
            (m["month"], m["day"]) if m["year"] else (m["two"], m["one"]) if day_first else (m["one"], m["two"])
        )
        hour = int(m["hour"]) if not m["half"] else int(m["hour"]) % 12 + 12 * (m["half"] in "Pp")
        second = (m["second"] or "00").replace(",", ".")
        found.append(f"{m['year'] or m['last']}-{int(month):02}-{int(day):02}T{hour:02}:{m['minute']}:{second}")
    return found


def _since_1970(column: pd.Series) -> np.ndarray:
    times = column.dt.tz_convert("UTC").dt.tz_localize(None) if column.dt.tz is not None else column
    return ((times - pd.Timestamp(0)) / pd.Timedelta(seconds=1)).to_numpy(np.float64)
