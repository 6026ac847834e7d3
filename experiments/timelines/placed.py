"""Clips on whole frames, and what every writer needs to know of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from urllib.parse import quote

import numpy as np

from experiments.timelines.model import Account, Clip, Curve, Keyframe, Timeline, Track

WIDTH, HEIGHT = 1920, 1080
"""Of a frame whose size nobody says."""


@dataclass(frozen=True)
class Placed:
    """A clip in frames of the timeline.

    Args:
        first: of its frames. frames: how many. source: frames of the media before the first one that is seen.
    """

    clip: Clip
    first: int
    frames: int
    source: int


def placed(track: Track, timeline: Timeline, account: Account) -> list[Placed]:
    """Clips of a track by start; those that last no frame, and transitions, are listed."""
    found: list[Placed] = []
    for clip in track.clips:
        first, end = timeline.rate.frames(clip.start), timeline.rate.frames(clip.end)
        if end <= first:
            account.add(f"clip '{clip.name}' lasts less than a frame")
            continue
        if clip.nested:
            account.add(f"nested sequence '{clip.source}' is written as a clip of media with its name")
        found.append(Placed(clip, first, end - first, timeline.rate.frames(clip.source_start)))
    for one in track.transitions:
        account.add(f"transition '{one.name}': clips meet in a cut")
    return found


def size_of(timeline: Timeline, account: Account) -> tuple[int, int]:
    """Width and height of the frame."""
    if timeline.width and timeline.height:
        return timeline.width, timeline.height
    account.add(f"the timeline does not say the size of its frame: written as {WIDTH} × {HEIGHT}")
    return WIDTH, HEIGHT


def url_of(clip: Clip, account: Account) -> str:
    """Where the media lies, as a URL; made up from its name where the timeline does not say."""
    if clip.path is None:
        account.add(f"media '{clip.source}' has no path: link it in the editing program")
        return "file:///" + quote(clip.source or clip.name or "media")
    if re.match(r"^[a-zA-Z][a-zA-Z0-9+.-]+:", clip.path):
        return clip.path
    return ("file://" if clip.path.startswith("/") else "") + quote(clip.path)


def moves(curve: Curve) -> bool:
    """Whether a curve needs keyframes."""
    return not curve.constant


def together(curves: Sequence[Curve], frame: Fraction) -> list[Curve]:
    """The same movements with keyframes at the same times, for formats that keep pairs of numbers.

    Args:
        frame: seconds of a frame, within which a value moves that held, if not all curves hold.
    """
    moving = [curve for curve in curves if moves(curve)]
    holds = bool(moving) and all(one.hold for curve in moving for one in curve.keyframes)
    if not holds:
        curves = [without_holds(curve, frame) for curve in curves]
    times = sorted({one.time for curve in curves for one in curve.keyframes})
    times_N = np.array([float(time) for time in times])
    found = []
    for curve in curves:
        values_N = curve.at(times_N)
        found.append(
            Curve(tuple(Keyframe(time, float(value), holds) for time, value in zip(times, values_N, strict=True)))
        )
    return found


def without_holds(curve: Curve, frame: Fraction) -> Curve:
    """For formats whose keyframes cannot hold: the value moves within the last frame before the next keyframe."""
    keys: list[Keyframe] = []
    for one, following in zip(curve.keyframes, [*curve.keyframes[1:], None], strict=True):
        keys.append(replace(one, hold=False))
        if one.hold and following is not None and following.time - frame > one.time:
            keys.append(Keyframe(following.time - frame, one.value))
    return Curve(tuple(keys))


def changed(curve: Curve, unit: Callable[[float], float]) -> Curve:
    """A curve in other units."""
    return Curve(tuple(replace(one, value=unit(one.value)) for one in curve.keyframes))


def plain(number: float) -> str:
    """A number as it is written: short, and never -0."""
    return f"{number + 0.0:.9g}"
