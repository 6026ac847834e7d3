"""Reads FCPXML, the format of Final Cut Pro since version X, which DaVinci Resolve writes too.

Source: Apple, FCPXML Reference, and its document type definition 1.10. An element's ``offset`` is a time of its parent,
whose own times begin at its ``start``. Elements in lanes lie above (or, below 0, beneath) what they are attached to.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from experiments.timelines.fcpxml_adjust import Frame, speed_of, transform_of
from experiments.timelines.model import REST, Account, Clip, Marker, Rate, Timeline, Track, Transition, without_overlaps
from experiments.timelines.numbers import broken, decimal, rational
from experiments.timelines.sound import side_by_side
from experiments.timelines.tree import Node
from mmcore.errors import CorpusError

CLIPS = ("asset-clip", "clip", "video", "title", "ref-clip", "sync-clip", "mc-clip")
NESTING = ("ref-clip", "sync-clip", "mc-clip")
READ = {
    *CLIPS, "spine", "gap", "transition", "audition", "audio", "marker", "chapter-marker", "note", "metadata",
    "timeMap", "adjust-transform", "adjust-crop", "adjust-volume", "adjust-panner", "audio-channel-source",
    "audio-role-source", "filter-audio", "keyword", "rating", "analysis-marker", "text", "text-style-def", "param",
    "sync-source", "mc-source", "caption", "adjust-conform", "adjust-blend", "conform-rate",
}  # fmt: skip
"""Children of a clip that are read, or have no part in its picture; all others are listed."""


def read_fcpxml(root: Node, file: str) -> Timeline:
    """The first project of a file; further ones are listed.

    Raises:
        CorpusError: there is no sequence, or a time cannot be read; says on which line.
    """
    projects = [one for one in root.walk() if one.tag == "project" and one.child("sequence")]
    if not projects:
        raise broken("an FCPXML file must hold a project with a sequence", "none", file, root.line)
    reader = _Reader(root, file)
    for other in projects[1:]:
        reader.account.add(f"project '{other.get('name')}': the first of the file is read", other.line)
    return reader.timeline(projects[0])


class _Reader:
    def __init__(self, root: Node, file: str) -> None:
        self.file = file
        self.account = Account()
        resources = root.child("resources")
        self.resources = {one.get("id"): one for one in (resources.children if resources else [])}
        self.lanes: dict[int, list[Clip]] = defaultdict(list)
        self.heard: list[Clip] = []
        self.transitions: dict[int, list[Transition]] = defaultdict(list)
        self.markers: list[Marker] = []

    def timeline(self, project: Node) -> Timeline:
        sequence = project.child("sequence")
        assert sequence is not None
        format_ = self.resources.get(sequence.get("format"))
        if format_ is None or not format_.get("frameDuration"):
            raise broken(
                "a sequence needs a format with frameDuration", repr(sequence.get("format")), self.file, sequence.line
            )
        frame_time = rational(format_.get("frameDuration"), "frameDuration", self.file, format_.line)
        if frame_time <= 0:
            raise broken("frameDuration must be above 0", format_.get("frameDuration"), self.file, format_.line)
        self.rate = Rate(1 / frame_time, sequence.get("tcFormat") == "DF")
        size = self.size(format_)
        self.frame = Frame(*size) if size else Frame(0, 0)
        spine = sequence.child("spine")
        if spine is None:
            raise broken("a sequence needs a <spine>", "none", self.file, sequence.line)
        self.story(spine, Fraction(0), self.time(sequence, "tcStart"), 0)
        shown = [lane for lane, clips in self.lanes.items() if clips]
        # A spine of gaps alone is only a base to attach lanes to, and lanes count from 1.
        low = min([0 if 0 in shown else 1, *shown])
        tracks = tuple(
            Track(without_overlaps(self.lanes.get(lane, []), self.account), transitions=tuple(self.transitions[lane]))
            for lane in range(low, max(shown, default=low - 1) + 1)
        )
        return Timeline(
            name=project.get("name"),
            rate=self.rate,
            tracks=tracks,
            width=size[0] if size else None,
            height=size[1] if size else None,
            markers=tuple(sorted(self.markers, key=lambda one: one.time)),
            left_out=self.account.lines(),
            sound=side_by_side(self.heard),
            channels=self.channels(),
        )

    def time(self, node: Node, name: str, default: Fraction = Fraction(0)) -> Fraction:
        text = node.get(name)
        return rational(text, name, self.file, node.line) if text else default

    def size(self, format_: Node | None) -> tuple[int, int] | None:
        if format_ is None or not format_.get("width") or not format_.get("height"):
            return None
        width, height = (int(decimal(format_.get(at), at, self.file, format_.line)) for at in ("width", "height"))
        return (width, height) if width > 0 and height > 0 else None

    def story(self, spine: Node, begin: Fraction, clock: Fraction, lane: int) -> None:
        """A storyline: its elements follow one another. ``begin``: on the timeline; ``clock``: its own time there."""
        at = clock
        items = list(self.expanded(spine))
        for item in items:
            offset = self.time(item, "offset", at)
            duration = self.duration(item)
            if item.tag == "transition":
                start = begin + offset - clock
                name = item.get("name") or "transition"
                self.transitions[lane].append(Transition(name, start, duration))
                continue
            self.element(item, begin + offset - clock, duration, lane)
            at = offset + duration

    def expanded(self, spine: Node) -> Iterator[Node]:
        for item in spine.children:
            if item.tag == "audition":
                self.account.add("audition: its first element is read", item.line)
                yield from item.children[:1]
            elif item.tag in (*CLIPS, "gap", "transition", "audio"):
                yield item
            else:
                self.account.add(f"<{item.tag}> in a storyline", item.line)

    def duration(self, item: Node) -> Fraction:
        if item.get("duration"):
            return max(self.time(item, "duration"), Fraction(0))
        asset = self.resources.get(item.get("ref"))
        if asset is None or not asset.get("duration"):
            raise broken(f"<{item.tag}> needs a duration, or an asset with one", "none", self.file, item.line)
        return self.time(asset, "duration")

    def element(self, item: Node, begin: Fraction, duration: Fraction, lane: int) -> None:
        """A clip or gap, and what is attached to it."""
        own = self.time(item, "start")
        if item.tag != "gap":
            self.clip(item, begin, duration, own, lane)
        for child in item.children:
            at = begin + self.time(child, "offset", own) - own
            if child.tag in ("marker", "chapter-marker"):
                time = begin + self.time(child, "start") - own
                self.markers.append(Marker(time, child.get("value"), child.get("note"), self.time(child, "duration")))
            elif child.tag == "spine":
                self.story(child, at, Fraction(0), lane + self.lane(child))
            elif child.tag == "audition":
                self.account.add("audition: its first element is read", child.line)
                for one in child.children[:1]:
                    self.element(one, at, self.duration(one), lane + self.lane(child))
            elif child.tag in (*CLIPS, "audio") and (child.get("lane") or item.tag == "gap"):
                self.element(child, at, self.duration(child), lane + self.lane(child))
            elif child.tag not in READ:
                self.account.add(f"<{child.tag}> of a clip", child.line)

    def lane(self, node: Node) -> int:
        text = node.get("lane", "0")
        try:
            found = int(text)
        except ValueError:
            found = 1_000_000
        if abs(found) > 10_000:
            raise broken("a lane must be a whole number", repr(text[:40]), self.file, node.line)
        return found

    def clip(self, item: Node, begin: Fraction, duration: Fraction, own: Fraction, lane: int) -> None:
        asset = self.resources.get(item.get("ref"))
        silent = asset is None or asset.tag != "asset" or asset.get("hasAudio") != "1"
        blind = not silent and asset is not None and asset.get("hasVideo", "0") == "0"
        if item.tag == "audio" or item.get("srcEnable") == "audio" or blind:
            self.account.add("clip of sound: it has no place in tracks of pictures", item.line)
            # Pictures must not be refused for sound that cannot be read.
            with contextlib.suppress(CorpusError):
                heard = self.clip_of(item, asset, begin, duration, own, Account())
                self.heard.append(replace(heard, transform=REST))
            return
        self.lanes[lane].append(self.clip_of(item, asset, begin, duration, own, self.account))
        if not silent and item.get("srcEnable", "all") == "all":
            self.heard.append(replace(self.lanes[lane][-1], transform=REST))

    def clip_of(
        self, item: Node, asset: Node | None, begin: Fraction, duration: Fraction, own: Fraction, account: Account
    ) -> Clip:
        inner = next((one for one in item.children if one.tag in ("video", "asset-clip") and not one.get("lane")), None)
        if item.tag in ("clip", "sync-clip") and inner is not None and asset is None:
            asset = self.resources.get(inner.get("ref"))
        nested = item.tag in NESTING
        if nested:
            account.add(f"<{item.tag}> '{item.get('name')}' is one clip: what it holds is not on the tracks", item.line)
        source = (asset.get("name") if asset is not None else "") or item.get("name")
        media = asset.child("media-rep") if asset is not None else None
        path = media.get("src") if media else (asset.get("src") if asset is not None else "")
        size = self.size(self.resources.get(asset.get("format"))) if asset is not None else None
        speed, first = speed_of(item, own, account, self.file)
        media_start = self.time(asset, "start") if asset is not None and asset.tag == "asset" else Fraction(0)
        rest = own if item.tag in ("video", "title") and asset is not None and asset.tag == "effect" else media_start
        return Clip(
            name=item.get("name"),
            source=source,
            path=path or None,
            start=begin,
            duration=duration,
            source_start=first - rest,
            speed=speed,
            enabled=item.get("enabled", "1") != "0",
            nested=nested,
            transform=transform_of(item, own, self.frame, Frame(*size) if size else self.frame, account, self.file),
        )

    def channels(self) -> int:
        """Of the sound of the first asset that says it."""
        said = [one.get("audioChannels") for one in self.resources.values() if one.get("hasAudio") == "1"]
        return next((int(text) for text in said if text.isascii() and text.isdigit() and len(text) < 4), 0)
