"""Properties, times and keyframes of MLT."""

from __future__ import annotations

import re
from fractions import Fraction

from experiments.timelines.model import Account, Curve, Keyframe, Rate
from experiments.timelines.numbers import LONGEST, broken, decimal, frames_of_timecode
from experiments.timelines.tree import Node

KEY = re.compile(r"^\s*(?P<at>-?[\d:.,;]+)\s*(?P<way>[^\d\s=]?)=(?P<value>.*)$")
CLOCK = re.compile(r"^(\d+):(\d{1,2}):(\d{1,2})[.,](\d{1,6})$")


def properties_of(node: Node) -> dict[str, str]:
    """Its properties by name."""
    return {one.get("name"): one.text.strip() for one in node.all("property")}


def clock_frames(text: str, rate: Rate, file: str, line: int) -> int:
    """Frames of ``75``, ``00:00:02.500`` or ``00:00:02:15``.

    Raises:
        CorpusError: it is none of these.
    """
    text = text.strip()
    clock = CLOCK.match(text)
    if clock:
        hours, minutes, seconds = (int(part) for part in clock.groups()[:3])
        exact = Fraction(int(clock[4]), 10 ** len(clock[4])) + hours * 3600 + minutes * 60 + seconds
        return rate.frames(exact) if exact < LONGEST else _refuse(text, file, line)
    if ":" in text:
        return frames_of_timecode(text, rate, file, line)
    if not re.fullmatch(r"-?\d{1,12}", text):
        return _refuse(text, file, line)
    return int(text)


def _refuse(text: str, file: str, line: int) -> int:
    raise broken("a time must be frames, HH:MM:SS.mmm or HH:MM:SS:FF", repr(text[:40]), file, line)


def keyed(
    text: str, count: int, offset: int, rate: Rate, account: Account, file: str, line: int
) -> list[tuple[Fraction, tuple[float, ...], bool]]:
    """A property with or without keyframes: time from the clip's first frame, numbers, whether it holds.

    Args:
        count: numbers that are read of each value; ``%`` is left to the caller as a fraction of 1, marked by units.
        offset: frame of the clip at the filter's own 0.

    Raises:
        CorpusError: a value that is no number.
    """
    parts = [part for part in text.split(";") if part.strip()]
    found: dict[Fraction, tuple[tuple[float, ...], bool]] = {}
    for part in parts if "=" in text else [f"0={text}"]:
        match = KEY.match(part)
        if match is None:
            raise broken("a keyframe must be TIME=VALUE", repr(part[:40]), file, line)
        if match["way"] not in ("", "|") and len(parts) > 1:
            account.add("eased movement between keyframes: read as a straight one", line)
        time = rate.seconds(clock_frames(match["at"], rate, file, line) + offset)
        words = match["value"].replace("/", " ").replace(",", " ").replace("x", " ").split()
        if len(words) < count:
            raise broken(f"a value must have {count} numbers", repr(match["value"][:40]), file, line)
        found[time] = (tuple(decimal(word, "a value", file, line) for word in words[:count]), match["way"] == "|")
    return [(time, *found[time]) for time in sorted(found)]


def curve(keys: list[tuple[Fraction, tuple[float, ...], bool]], which: int, unit: float, origin: float = 0.0) -> Curve:
    """One number of each keyframe."""
    return Curve(tuple(Keyframe(time, origin + unit * values[which], hold) for time, values, hold in keys))
