"""Numbers and times of timelines' files, refused with their line where they are none."""

from __future__ import annotations

import math
from fractions import Fraction

from experiments.timelines.model import Rate
from experiments.timelines.tree import AGAIN, Node
from mmcore.errors import CorpusError

LONGEST = 10_000 * 3_600
"""Seconds of the longest timeline, and the largest number of any kind, times a thousand."""
KNOWN_RATES = tuple(Fraction(n * 1000, 1001) for n in (24, 30, 48, 60, 120))


def broken(rule: str, found: str, file: str, line: int | None = None) -> CorpusError:
    """The error for a value that cannot be read."""
    return CorpusError(rule, found=found, where=file if line is None else f"{file}:{line}", next_step=AGAIN)


def decimal(text: str, what: str, file: str, line: int | None = None) -> float:
    """A finite number.

    Raises:
        CorpusError: it is none, or larger than anything in a timeline.
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not abs(found) <= LONGEST * 1000:
        raise broken(f"{what} must be a number", repr(text[:60]), file, line)
    return found


def number_in(node: Node, tag: str, file: str, default: float | None = None) -> float:
    """The number in a child of an element.

    Raises:
        CorpusError: the child is absent and there is no default, or it is no number.
    """
    child = node.child(tag)
    if child is None or not child.text.strip():
        if default is None:
            raise broken(f"<{node.tag}> needs <{tag}>", "none", file, node.line)
        return default
    return decimal(child.text.strip(), f"<{tag}>", file, child.line)


def exact(number: float) -> Fraction:
    """A number as a short fraction: 0.1 is 1/10."""
    return Fraction(number).limit_denominator(1_000_000)


def rate_of(fps: float, drop: bool = False) -> Rate:
    """A rate from a rounded number: 29.97 and 23.976 are NTSC's."""
    found = exact(fps)
    for known in KNOWN_RATES:
        if abs(found - known) < Fraction(1, 50) and found.denominator != 1:
            found = known
    return Rate(found, drop)


def rational(text: str, what: str, file: str, line: int | None = None) -> Fraction:
    """``1001/30000s`` or ``5s``, in seconds.

    Raises:
        CorpusError: it is no such number.
    """
    top, _, bottom = text.strip().removesuffix("s").partition("/")
    try:
        found = Fraction(top) / Fraction(bottom or "1") if len(text) < 60 else None
    except (ValueError, ZeroDivisionError):
        found = None
    if found is None or abs(found) > LONGEST:
        raise broken(f"{what} must be a time such as 1001/30000s", repr(text[:60]), file, line)
    return found


def frames_of_timecode(text: str, rate: Rate, file: str, line: int | None = None) -> int:
    """Frames from 00:00:00:00. A ``;`` before the frames drops numbers, as does ``rate.drop``.

    Drop-frame timecode leaves out two numbers (four at 59.94) at each minute that ten does not divide (SMPTE ST 12-1).

    Raises:
        CorpusError: it is no timecode, or has a number that drop-frame timecode leaves out.
    """
    parts = text.replace(";", ":").replace(".", ":").split(":")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts):
        raise broken("a timecode must be HH:MM:SS:FF", repr(text[:60]), file, line)
    hours, minutes, seconds, frames = map(int, parts)
    if minutes > 59 or seconds > 59 or frames >= rate.nominal:
        raise broken(f"a timecode counts 60 minutes, 60 seconds and {rate.nominal} frames", repr(text), file, line)
    count = ((hours * 60 + minutes) * 60 + seconds) * rate.nominal + frames
    if not (rate.drop or ";" in text):
        return count
    dropped = 2 * rate.nominal // 30
    if minutes % 10 and not seconds and frames < dropped:
        raise broken("drop-frame timecode has no such frame", repr(text), file, line)
    whole = hours * 60 + minutes
    return count - dropped * (whole - whole // 10)


def timecode(frames: int, rate: Rate) -> str:
    """The timecode of a frame; the inverse of :func:`frames_of_timecode`."""
    fps = rate.nominal
    if rate.drop:
        dropped = 2 * fps // 30
        ten, minute = 600 * fps - 9 * dropped, 60 * fps - dropped
        tens, rest = divmod(frames, ten)
        frames += 9 * dropped * tens + (dropped * ((rest - dropped) // minute) if rest >= dropped else 0)
    seconds, frame = divmod(frames, fps)
    mark = ";" if rate.drop else ":"
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{mark}{frame:02}"
