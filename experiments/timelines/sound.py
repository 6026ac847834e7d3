"""The sound of an edit: that of the footage, heard once, wherever any track shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from experiments.timelines.model import REST, Clip, Track
from experiments.timelines.numbers import exact
from experiments.timelines.placed import Placed

Span = tuple[Fraction, Fraction]
MOST_CHANNELS = 8
"""Of sound that get a track of their own, where a form has one for each: 7.1."""


def sound_of(tracks: Iterable[Track]) -> tuple[Track, ...]:
    """One clip of sound for each clip of pictures, the lowest track first; where a lower one is heard, a higher is not.

    Several tracks may show the same moment, and its sound twice at once would be louder. A still is silent. Without any
    sound there is no track.
    """
    heard: list[Span] = []
    clips: list[Clip] = []
    seen = (clip for track in tracks if track.enabled for clip in track.clips if clip.enabled)
    for clip in (clip for clip in seen if clip.speed):
        for begin, end in _outside((clip.start, clip.end), heard):
            clips.append(part_of(clip, begin, end))
        heard.append((clip.start, clip.end))
    return (Track(tuple(sorted(clips, key=lambda clip: clip.start)), name="sound"),) if clips else ()


def part_of(clip: Clip, begin: Fraction, end: Fraction) -> Clip:
    """A stretch of a clip, without what moves its picture."""
    inside = (begin - clip.start) * exact(clip.speed)
    return replace(clip, start=begin, duration=end - begin, source_start=clip.source_start + inside, transform=REST)


def _outside(span: Span, taken: Sequence[Span]) -> Iterator[Span]:
    """The parts of a span that no other one holds."""
    at, last = span
    for begin, end in sorted(taken):
        if end <= at or begin >= last:
            continue
        if begin > at:
            yield at, begin
        at = max(at, end)
    if at < last:
        yield at, last


def same_place(one: Placed, other: Placed) -> bool:
    """Whether sound and picture are the same stretch of the same media, so that they belong together."""
    return (one.first, one.frames, one.source) == (other.first, other.frames, other.source) and (
        (one.clip.source, one.clip.path, one.clip.speed) == (other.clip.source, other.clip.path, other.clip.speed)
    )


def joined(tracks: Sequence[Track]) -> tuple[tuple[Track, ...], int]:
    """Tracks of sound as they are read, those with the same clips as one; and how many the first of them stands for.

    Programs of the kind of xmeml have a track for each channel.
    """
    found: list[Track] = []
    counts: list[int] = []
    for track in tracks:
        at = next((at for at, known in enumerate(found) if _alike(known, track)), None)
        if at is None:
            found.append(track)
            counts.append(1)
        else:
            counts[at] += 1
    return tuple(found), counts[0] if counts else 0


def _alike(one: Track, other: Track) -> bool:
    places = ([(c.start, c.duration, c.source_start, c.source) for c in track.clips] for track in (one, other))
    first, second = places
    return bool(first) and first == second


def side_by_side(clips: Iterable[Clip]) -> tuple[Track, ...]:
    """Clips of sound on as few tracks as hold them without two at once, for forms that have no tracks of sound."""
    tracks: list[list[Clip]] = []
    for clip in sorted(clips, key=lambda clip: clip.start):
        free = next((track for track in tracks if track[-1].end <= clip.start), None)
        if free is None:
            tracks.append([clip])
        else:
            free.append(clip)
    return tuple(Track(tuple(track)) for track in tracks)
