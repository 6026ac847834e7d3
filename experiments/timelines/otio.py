"""Reads OpenTimelineIO's JSON.

It is read as JSON and not by the library, because the library refuses a whole file for one object of a newer version,
and because editors keep what moves a picture in metadata of their own: DaVinci Resolve in ``Resolve_OTIO``, adapters of
xmeml in ``fcp_xml``, mmstudy in ``mmstudy``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from experiments.timelines.model import Account, Clip, Marker, Rate, Timeline, Track, Transition, without_overlaps
from experiments.timelines.numbers import LONGEST, broken, exact, rate_of
from experiments.timelines.otio_effects import motion_of
from mmcore.errors import CorpusError

Object = Mapping[str, Any]
SEQUENCES = ("Timeline", "Stack")


def schema_of(node: object) -> str:
    """``Clip`` of ``Clip.2``; "" where a value is no object of OpenTimelineIO."""
    name = node.get("OTIO_SCHEMA") if isinstance(node, Mapping) else None
    return name.partition(".")[0] if isinstance(name, str) else ""


def read_otio(content: bytes, file: str) -> Timeline:
    """A timeline, or the first one of a collection.

    Raises:
        CorpusError: no JSON, no timeline in it, or a time that cannot be read; says at which object.
    """
    try:
        root = json.loads(content)
    except (ValueError, RecursionError) as problem:
        line = getattr(problem, "lineno", None)
        raise broken(
            "an .otio file must be whole JSON", getattr(problem, "msg", str(problem))[:120], file, line
        ) from None
    account = Account()
    if schema_of(root) == "SerializableCollection":
        found = [one for one in _list(root, "children") if schema_of(one) == "Timeline"]
        for other in found[1:]:
            account.add(f"timeline '{other.get('name')}': the first of the file is read")
        root = found[0] if found else root
    if schema_of(root) != "Timeline":
        raise CorpusError(
            "an .otio file must hold a Timeline",
            found=repr(root.get("OTIO_SCHEMA") if isinstance(root, Mapping) else type(root).__name__)[:60],
            where=file,
            next_step="Export the whole timeline",
        )
    try:
        return _Reader(file, account).timeline(root)
    except RecursionError:
        raise broken("an .otio file may not nest without end", "too many levels", file) from None


def _list(node: Object, name: str) -> list[Any]:
    found = node.get(name)
    return found if isinstance(found, list) else []


class _Reader:
    def __init__(self, file: str, account: Account) -> None:
        self.file, self.account = file, account
        self.rate = Rate(Fraction(25))

    def timeline(self, root: Object) -> Timeline:
        own = (root.get("metadata") or {}).get("mmstudy")
        own = own if isinstance(own, Mapping) else {}
        stack = root.get("tracks")
        if schema_of(stack) != "Stack":
            raise broken("a Timeline must have a Stack of tracks", repr(stack)[:60], f"{self.file}: tracks")
        assert isinstance(stack, Mapping)
        fps = self.first_rate(root)
        if fps is None:
            raise broken("a timeline must have a time with a rate", "none", self.file)
        self.rate = rate_of(fps, bool(own.get("drop")))
        markers = [*_list(stack, "markers")]
        tracks: list[Track] = []
        heard: list[tuple[Object, str]] = []
        for at, one in enumerate(_list(stack, "children")):
            place = f"tracks.children[{at}]"
            if schema_of(one) != "Track":
                self.account.add(f"{schema_of(one) or 'object'} beside the tracks")
                continue
            if one.get("kind") != "Video":
                self.account.add(f"track of kind {one.get('kind')}: only pictures are read")
                if one.get("kind") == "Audio":
                    heard.append((one, place))
                continue
            tracks.append(self.track(one, place))
        width, height, channels = (own.get(name) for name in ("width", "height", "channels"))
        left_out = self.account
        # What moves or filters sound is part of no table, and so is not listed.
        self.account = Account()
        sound = tuple(track for one in heard if (track := self.heard(*one)) is not None)
        self.account = left_out
        return Timeline(
            name=str(root.get("name") or ""),
            rate=self.rate,
            tracks=tuple(tracks),
            width=width if isinstance(width, int) else None,
            height=height if isinstance(height, int) else None,
            markers=tuple(self.marker(one, f"markers[{at}]") for at, one in enumerate(markers)),
            left_out=self.account.lines(),
            sound=sound,
            channels=channels if isinstance(channels, int) else 0,
        )

    def heard(self, node: Object, place: str) -> Track | None:
        """A track of sound; None where it cannot be read, since pictures must not be refused for it."""
        try:
            return self.track(node, place)
        except CorpusError:
            return None

    def first_rate(self, root: Object) -> float | None:
        """Frames a second of the first clip or gap, else of the timeline's start."""
        waiting: list[Any] = [root.get("tracks")]
        while waiting:
            node = waiting.pop(0)
            if not isinstance(node, Mapping):
                continue
            span = node.get("source_range")
            if isinstance(span, Mapping) and schema_of(node) in ("Clip", "Gap", "Stack"):
                return self.number((span.get("duration") or {}).get("rate"), "source_range.duration.rate")
            waiting += _list(node, "children")
        start = root.get("global_start_time")
        return self.number(start.get("rate"), "global_start_time.rate") if isinstance(start, Mapping) else None

    def number(self, value: object, place: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LONGEST * 1000:
            raise broken("a time must have numbers", repr(value)[:40], f"{self.file}: {place}")
        return float(value)

    def seconds(self, time: object, place: str) -> Fraction:
        """Of a RationalTime."""
        if not isinstance(time, Mapping):
            raise broken("a time must be a RationalTime", repr(time)[:40], f"{self.file}: {place}")
        rate = self.number(time.get("rate"), place)
        if not 0 < rate <= 1_000_000:
            raise broken("a rate must be above 0", f"{rate}", f"{self.file}: {place}")
        return exact(self.number(time.get("value"), place)) / rate_of(rate).fps

    def span(self, node: Object, place: str) -> tuple[Fraction, Fraction]:
        """Start and length of what is used of a clip's media, or of a gap."""
        span = node.get("source_range")
        if not isinstance(span, Mapping):
            media = self.media(node)
            span = media.get("available_range")
        if not isinstance(span, Mapping):
            if node.get("children"):
                return Fraction(0), self.length(node, place)
            raise broken("a clip must say what it uses of its media", "no source_range", f"{self.file}: {place}")
        start = self.seconds(span.get("start_time"), f"{place}.source_range")
        return start, max(self.seconds(span.get("duration"), f"{place}.source_range"), Fraction(0))

    def length(self, node: Object, place: str) -> Fraction:
        """Of a nested stack or track without a range of its own."""
        parts = [
            self.span(one, f"{place}.children[{at}]")[1]
            for at, one in enumerate(_list(node, "children"))
            if schema_of(one) != "Transition"
        ]
        return max(parts, default=Fraction(0)) if schema_of(node) == "Stack" else sum(parts, Fraction(0))

    @staticmethod
    def media(node: Object) -> Object:
        """The media reference that a clip uses."""
        many = node.get("media_references")
        if isinstance(many, Mapping):
            found = many.get(node.get("active_media_reference_key") or "DEFAULT_MEDIA")
        else:
            found = node.get("media_reference")
        return found if isinstance(found, Mapping) else {}

    def track(self, node: Object, place: str) -> Track:
        clips: list[Clip] = []
        transitions: list[Transition] = []
        at = Fraction(0)
        for number, one in enumerate(_list(node, "children")):
            here = f"{place}.children[{number}]"
            kind = schema_of(one)
            if kind == "Transition":
                before, after = (self.seconds(one.get(name), here) for name in ("in_offset", "out_offset"))
                transitions.append(Transition(str(one.get("name") or "transition"), at - before, before + after))
                continue
            if kind not in ("Clip", "Gap", "Stack", "Track"):
                self.account.add(f"{kind or 'object'} on a track")
                continue
            first, length = self.span(one, here)
            if kind != "Gap":
                clips.append(self.clip(one, here, at, first, length, nested=kind in ("Stack", "Track")))
            at += length
        for one in _list(node, "effects"):
            self.account.add(f"effect '{one.get('effect_name')}' of a whole track")
        name = str(node.get("name") or "")
        return Track(without_overlaps(clips, self.account), name, node.get("enabled") is not False, tuple(transitions))

    def clip(self, node: Object, place: str, at: Fraction, first: Fraction, length: Fraction, *, nested: bool) -> Clip:
        media = self.media(node)
        name = str(node.get("name") or "")
        url = media.get("target_url")
        path = url if isinstance(url, str) and url else None
        source = str(media.get("name") or "") or (path or "").replace("\\", "/").rpartition("/")[2] or name
        if nested:
            self.account.add(f"nested sequence '{name}' is one clip: its own clips are not on the tracks")
        for one in _list(node, "markers"):
            del one
            self.account.add("marker of a clip: only those of the timeline are read")
        available = media.get("available_range")
        zero = self.seconds(available.get("start_time"), place) if isinstance(available, Mapping) else Fraction(0)
        motion = motion_of(node, self.rate, first, self.account, f"{self.file}: {place}")
        return Clip(
            name=name,
            source=source,
            path=path,
            start=at,
            duration=length,
            source_start=first - zero,
            speed=motion.speed,
            enabled=node.get("enabled") is not False,
            nested=nested,
            transform=motion.transform_from(Fraction(0)),
        )

    def marker(self, node: Object, place: str) -> Marker:
        span = node.get("marked_range")
        if not isinstance(span, Mapping):
            raise broken("a marker must have a range", repr(span)[:40], f"{self.file}: {place}")
        note = node.get("comment") or ((node.get("metadata") or {}).get("fcp_xml") or {}).get("comment") or ""
        start, length = (self.seconds(span.get(name), place) for name in ("start_time", "duration"))
        return Marker(start, str(node.get("name") or ""), str(note), length)
