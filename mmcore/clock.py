"""When the rows of a table are: by a column of times, by a sampling rate, or by the start and end of each row."""

from __future__ import annotations

import re
from typing import Any

from pydantic import PositiveFloat, ValidationInfo, field_validator, model_validator

from mmcore.frozen import Frozen
from mmcore.names import Name

TIME = "time"
"""The column of times where corpus.yaml names none."""


class Clock(Frozen):
    """How the rows of a stream's tables get their seconds of the item: ``time × rate + offset``."""

    offset: float = 0.0
    """Seconds added to every time; -3600 for a timecode that starts at one hour."""
    rate: PositiveFloat | None = None
    """Factor on every time, or a fraction as text; None: 1. 0.001 for milliseconds, 30/29.97 for frames of 29.97 a
    second that were stamped as if 30."""
    time: Name | None = None
    """The column of times; None: ``time``, unless ``sampling_rate`` or ``start`` and ``end`` say when rows are."""
    sampling_rate: PositiveFloat | None = None
    """Rows a second, or a fraction as text (30000/1001), of a table without times: row i, from 0, is at
    i / sampling_rate seconds."""
    start: Name | None = None
    """The column where a row's segment starts; together with ``end``. A row is in force at times t with
    start ≤ t < end; of several such rows the one that started last."""
    end: Name | None = None
    """The column where a row's segment ends."""

    @field_validator("rate", "sampling_rate", mode="before")
    @classmethod
    def _fraction(cls, rate: Any, info: ValidationInfo) -> Any:
        found = re.fullmatch(r"\s*([\d.]+)\s*/\s*([\d.]+)\s*", rate) if isinstance(rate, str) else None
        try:
            return float(found[1]) / float(found[2]) if found else rate
        except (ValueError, ZeroDivisionError):
            raise ValueError(
                f"{info.field_name} '{rate}' is not a fraction of two numbers above 0. Write for example 30/29.97"
            ) from None

    @model_validator(mode="after")
    def _one_way(self) -> Clock:
        if (self.start is None) != (self.end is None):
            missing, there = ("end", "start") if self.end is None else ("start", "end")
            raise ValueError(f"{there} is given without {missing}. A segment needs both: write {missing}: COLUMN")
        if self.start is not None and self.start == self.end:
            raise ValueError(f"start and end both name column '{self.start}'. Name two columns")
        ways = [key for key in ("time", "sampling_rate", "start") if getattr(self, key) is not None]
        if len(ways) > 1:
            listed = " and ".join("start, end" if way == "start" else way for way in ways)
            raise ValueError(f"{listed} each say when rows are. Keep one of them")
        if self.sampling_rate is not None and self.rate is not None:
            raise ValueError("rate changes times, and sampling_rate makes them. Write the true sampling_rate alone")
        return self

    @property
    def factor(self) -> float:
        """What times are multiplied by."""
        return 1.0 if self.rate is None else self.rate

    @property
    def keeps_times(self) -> bool:
        """Whether times are used as written."""
        return self.offset == 0.0 and self.factor == 1.0

    @property
    def intervals(self) -> bool:
        """Whether each row is a segment with a start and an end."""
        return self.start is not None

    @property
    def columns_of_time(self) -> tuple[str, ...]:
        """The columns that a timed table must have: one of times, a start and an end, or none for a sampling rate."""
        if self.start is not None and self.end is not None:
            return (self.start, self.end)
        return () if self.sampling_rate is not None else (self.time or TIME,)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that say something about times, as written."""
        changed = {"offset": self.offset != 0.0, "rate": self.factor != 1.0}
        named = ("time", "sampling_rate", "start", "end")
        return tuple(key for key, is_so in changed.items() if is_so) + tuple(k for k in named if getattr(self, k))
