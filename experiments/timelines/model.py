"""A timeline: tracks of clips, each with its place in time and a transform that may move.

Times are exact fractions of a second from the timeline's start, so that 29.97 frames a second lose nothing.

Units of a transform: ``scale`` 1 is 100 %. ``x``, ``y`` say where the clip's anchor lies in the frame, ``anchor_x``,
``anchor_y`` where it is within the clip, both as fractions of the frame, 0.5 the centre, y downwards.
``rotation`` is in degrees, clockwise. ``crop_l``, ``crop_r``, ``crop_t``, ``crop_b`` are the fractions of the clip that
are cut off at each side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Rate:
    """Frames a second, and whether timecodes drop numbers (29.97 and 59.94 only)."""

    fps: Fraction
    drop: bool = False

    @property
    def nominal(self) -> int:
        """Frames that a timecode counts in a second: 30 for 29.97."""
        return max(1, round(self.fps))

    @property
    def ntsc(self) -> bool:
        """Whether a second is 1001/1000 of what the timecode says."""
        return self.fps != self.nominal

    def frames(self, seconds: Fraction) -> int:
        """The nearest frame."""
        return round(seconds * self.fps)

    def seconds(self, frames: int) -> Fraction:
        """Exactly."""
        return Fraction(frames) / self.fps

    def on_frame(self, seconds: Fraction) -> Fraction:
        """The time of the nearest frame."""
        return self.seconds(self.frames(seconds))


@dataclass(frozen=True)
class Keyframe:
    """A value at a time.

    Args:
        time: seconds from the clip's start on the timeline; may lie before it or beyond its end.
        value: in the units of the module.
        hold: whether the value stays until the next keyframe; else it moves there in a straight line.
    """

    time: Fraction
    value: float
    hold: bool = False


@dataclass(frozen=True)
class Curve:
    """A parameter over time: its first value before the first keyframe, its last after the last one.

    Args:
        keyframes: at least one, their times increasing.
    """

    keyframes: tuple[Keyframe, ...]

    @property
    def constant(self) -> bool:
        """Whether it never moves."""
        return len({one.value for one in self.keyframes}) == 1

    def at(self, times_N: np.ndarray) -> np.ndarray:
        """Values at seconds from the clip's start, (N,)."""
        when_F = np.array([float(one.time) for one in self.keyframes])
        value_F = np.array([one.value for one in self.keyframes])
        found_N = np.interp(times_N, when_F, value_F)
        if any(one.hold for one in self.keyframes):
            # A microsecond more, for times that were rounded: 1001/30000 s has no end of digits.
            last_N = np.clip(np.searchsorted(when_F, times_N + 1e-6, side="right") - 1, 0, len(when_F) - 1)
            held_F = np.array([one.hold for one in self.keyframes])
            found_N = np.where(held_F[last_N], value_F[last_N], found_N)
        return found_N


def still(value: float) -> Curve:
    """A parameter that never moves."""
    return Curve((Keyframe(Fraction(0), float(value)),))


FULL, CENTRE, NOTHING = still(1), still(0.5), still(0)


@dataclass(frozen=True)
class Transform:
    """Where and how large a clip is seen. Its fields are ten of the twelve parameters of a track, in their order."""

    scale: Curve = FULL
    x: Curve = CENTRE
    y: Curve = CENTRE
    anchor_x: Curve = CENTRE
    anchor_y: Curve = CENTRE
    rotation: Curve = NOTHING
    crop_l: Curve = NOTHING
    crop_r: Curve = NOTHING
    crop_t: Curve = NOTHING
    crop_b: Curve = NOTHING

    def curves(self) -> dict[str, Curve]:
        """By name, in the order of the parameters."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def of(cls, curves: dict[str, Curve]) -> Transform:
        """With these curves, and all others at rest."""
        return replace(cls(), **curves)


REST = Transform()


@dataclass(frozen=True)
class Clip:
    """A stretch of some media on a track.

    Args:
        name: as the program shows it. source: name of the media or of the nested sequence; "" where it has none.
        path: where the media lies, as the file says it.
        start, duration: its place on the timeline, in seconds; under a transition, clips meet at the cut.
        source_start: which second of the media is seen first.
        speed: seconds of media in a second of the timeline; negative backwards, 0 a still.
        enabled: whether it is seen. nested: whether the source is a sequence.
    """

    name: str
    source: str
    start: Fraction
    duration: Fraction
    source_start: Fraction = Fraction(0)
    path: str | None = None
    speed: float = 1.0
    enabled: bool = True
    nested: bool = False
    transform: Transform = REST

    @property
    def end(self) -> Fraction:
        """The second after its last one."""
        return self.start + self.duration


@dataclass(frozen=True)
class Transition:
    """A dissolve, wipe or the like between two clips of a track, or of one with nothing."""

    name: str
    start: Fraction
    duration: Fraction


@dataclass(frozen=True)
class Track:
    """Clips that do not overlap, by start."""

    clips: tuple[Clip, ...]
    name: str = ""
    enabled: bool = True
    transitions: tuple[Transition, ...] = ()


@dataclass(frozen=True)
class Marker:
    """A note at a time of the timeline."""

    time: Fraction
    name: str
    note: str = ""
    duration: Fraction = Fraction(0)


@dataclass(frozen=True)
class LeftOut:
    """Something that was in a file, or on a timeline, and was not taken along.

    Args:
        what: the element and why, such as ``filter 'GraphicAndType': only Basic Motion and Crop are read``.
        count: how often. line: of the first, where the file has lines.
    """

    what: str
    count: int = 1
    line: int | None = None

    def __str__(self) -> str:
        place = "" if self.line is None else f"line {self.line}: "
        return f"{place}{self.what}" + (f" ({self.count} times)" if self.count > 1 else "")


@dataclass(frozen=True)
class Timeline:
    """A sequence of an editing program.

    Args:
        name: of the sequence. rate: of its frames.
        tracks: those of pictures, from the lowest up.
        width, height: of its frame in pixels; None where the file does not say.
        markers: notes on it. left_out: what the file holds besides, which was not read.
        sound: tracks of sound. Their clips have no transform, and models do not learn from them.
        channels: of that sound; 0: unknown, or there is none.
    """

    name: str
    rate: Rate
    tracks: tuple[Track, ...]
    width: int | None = None
    height: int | None = None
    markers: tuple[Marker, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    sound: tuple[Track, ...] = ()
    channels: int = 0

    @property
    def duration(self) -> Fraction:
        """Up to the end of its last clip."""
        return max((clip.end for track in self.tracks for clip in track.clips), default=Fraction(0))


@dataclass
class Account:
    """Counts what is left out while a file is read or written; equal ones become one line."""

    _found: dict[str, LeftOut] = field(default_factory=dict)

    def add(self, what: str, line: int | None = None) -> None:
        """One more."""
        known = self._found.get(what)
        self._found[what] = LeftOut(what, 1, line) if known is None else replace(known, count=known.count + 1)

    def lines(self) -> tuple[LeftOut, ...]:
        """In the order in which each was met first."""
        return tuple(self._found.values())


def without_overlaps(clips: Sequence[Clip], account: Account) -> tuple[Clip, ...]:
    """Clips by start, each cut off where the next begins; what lasts no time is left out."""
    ordered = sorted(clips, key=lambda clip: clip.start)
    kept: list[Clip] = []
    for at, clip in enumerate(ordered):
        following = ordered[at + 1].start if at + 1 < len(ordered) else clip.end
        if clip.end > following:
            account.add(f"clip '{clip.name}' runs into the next one on its track, and ends where that begins")
            clip = replace(clip, duration=following - clip.start)
        if clip.duration > 0:
            kept.append(clip)
        else:
            account.add(f"clip '{clip.name}' lasts no time")
    return tuple(kept)
