"""Reads Final Cut Pro 7 XML (xmeml), which Premiere and DaVinci Resolve write too.

Source: Apple, Final Cut Pro XML Interchange Format, version 5. Times are frames of the sequence; ``in`` and ``out`` and
keyframes are frames of the clip's media. -1 for a start or end means that the transition beside it says where.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from experiments.timelines.model import Account, Clip, Marker, Rate, Timeline, Track, Transition, without_overlaps
from experiments.timelines.numbers import broken, decimal, exact, number_in
from experiments.timelines.sound import joined
from experiments.timelines.tree import Node
from experiments.timelines.xmeml_filters import motion_of
from mmcore.errors import CorpusError

HOLDERS = ("xmeml", "project", "children", "bin")
ITEMS = ("clipitem", "generatoritem")
Join = tuple[Transition, Fraction]
"""A transition and the time of its cut."""


def read_xmeml(root: Node, file: str) -> Timeline:
    """The first sequence of a file; further ones are listed.

    Raises:
        CorpusError: there is no sequence, or a clip's times cannot be read; says on which line.
    """
    sequences = list(_sequences(root))
    if not sequences:
        raise broken("an xmeml file must hold a sequence", "none", file, root.line)
    reader = _Reader(root, file)
    for other in sequences[1:]:
        reader.account.add(f"sequence '{other.value('name')}': the first of the file is read", other.line)
    return reader.timeline(sequences[0])


def _sequences(node: Node) -> Iterator[Node]:
    """In the order of the file, those that lie within no other; of a bare reference, the sequence is elsewhere."""
    for child in node.children:
        if child.tag == "sequence" and child.children:
            yield child
        elif child.tag in HOLDERS:
            yield from _sequences(child)


class _Reader:
    def __init__(self, root: Node, file: str) -> None:
        self.file = file
        self.account = Account()
        # An element with an id is written out once, and later only named.
        self._whole: dict[tuple[str, str], Node] = {}
        for node in root.walk():
            if node.tag in ("file", "sequence") and node.get("id") and node.children:
                self._whole.setdefault((node.tag, node.get("id")), node)

    def timeline(self, sequence: Node) -> Timeline:
        rate = self.rate(sequence)
        size = sequence.child("media", "video", "format", "samplecharacteristics")
        width, height = (0, 0) if size is None else (number_in(size, at, self.file, 0) for at in ("width", "height"))
        video = sequence.child("media", "video")
        frame = (int(width), int(height)) if width and height else None
        tracks = tuple(self.track(one, rate, frame) for one in (video.all("track") if video else []))
        audio = sequence.child("media", "audio")
        heard = audio.all("track") if audio else []
        for one in heard:
            self.account.add("audio track: sound has no place in tracks of pictures", one.line)
        left_out = self.account.lines()
        # What moves or filters sound is part of no table, and so is not listed.
        self.account = Account()
        sound, channels = joined([track for one in heard if (track := self.heard(one, rate)) is not None])
        return Timeline(
            name=sequence.value("name"),
            rate=rate,
            tracks=tracks,
            width=int(width) or None,
            height=int(height) or None,
            markers=tuple(self.marker(one, rate) for one in sequence.all("marker")),
            left_out=left_out,
            sound=sound,
            channels=channels,
        )

    def heard(self, node: Node, rate: Rate) -> Track | None:
        """A track of sound; None where it cannot be read, since pictures must not be refused for it."""
        try:
            return self.track(node, rate, None)
        except CorpusError:
            return None

    def rate(self, node: Node, default: Rate | None = None) -> Rate:
        found = node.child("rate")
        if found is None:
            if default is not None:
                return default
            raise broken(f"<{node.tag}> needs <rate>", "none", self.file, node.line)
        base = number_in(found, "timebase", self.file)
        if not 1 <= base <= 1000 or base != int(base):
            raise broken("<timebase> must be a whole number of frames", str(base), self.file, found.line)
        ntsc = found.value("ntsc").upper() == "TRUE"
        fps = Fraction(int(base) * 1000, 1001) if ntsc else Fraction(int(base))
        return Rate(fps, node.value("timecode", "displayformat") == "DF")

    def marker(self, node: Node, rate: Rate) -> Marker:
        start, end = (int(number_in(node, tag, self.file, default)) for tag, default in (("in", 0), ("out", -1)))
        duration = rate.seconds(end - start) if end > start else Fraction(0)
        return Marker(rate.seconds(start), node.value("name"), node.value("comment"), duration)

    def track(self, node: Node, rate: Rate, frame: tuple[int, int] | None) -> Track:
        # In the file a transition stands between the two clips that it joins.
        items = node.all(*ITEMS, "transitionitem")
        joins = [self.transition(one, rate) if one.tag == "transitionitem" else None for one in items]
        clips = [
            self.clip(one, rate, frame, joins[at - 1] if at else None, joins[at + 1] if at + 1 < len(items) else None)
            for at, one in enumerate(items)
            if one.tag != "transitionitem"
        ]
        return Track(
            clips=without_overlaps(clips, self.account),
            name=node.get("MZ.TrackName"),
            enabled=node.value("enabled").upper() != "FALSE",
            transitions=tuple(join[0] for join in joins if join),
        )

    def transition(self, node: Node, rate: Rate) -> Join:
        start, end = (rate.seconds(int(number_in(node, tag, self.file))) for tag in ("start", "end"))
        name = node.value("effect", "name") or node.value("name") or "transition"
        match node.value("alignment"):
            case "start" | "start-black":
                cut = start
            case "end" | "end-black":
                cut = end
            case _:
                cut = rate.seconds((rate.frames(start) + rate.frames(end)) // 2)
        return Transition(name, start, max(end - start, Fraction(0))), cut

    def clip(
        self, node: Node, rate: Rate, frame: tuple[int, int] | None, before: Join | None, after: Join | None
    ) -> Clip:
        own = self.rate(node, rate)
        start, end = (int(number_in(node, tag, self.file)) for tag in ("start", "end"))
        first = int(number_in(node, "in", self.file, 0))
        if (start == -1 and before is None) or (end == -1 and after is None):
            rule = "a clip with start or end -1 needs a transition beside it"
            raise broken(rule, f"none beside '{node.value('name')}'", self.file, node.line)
        # The media begins with the transition; the clip is taken as seen from the cut on.
        begin = before[0].start if start == -1 and before else rate.seconds(start)
        seen_from = before[1] if start == -1 and before else begin
        seen_to = after[1] if end == -1 and after else rate.seconds(end)
        media = self._whole.get(("file", (node.child("file") or node).get("id")))
        motion = motion_of(node, own, first, self.account, self.file, frame, self._size(media))
        source, nested = self._source(node, media)
        hidden = seen_from - begin
        return Clip(
            name=node.value("name"),
            source=source,
            path=(media.value("pathurl") or None) if media else None,
            start=seen_from,
            duration=max(seen_to - seen_from, Fraction(0)),
            # With another speed, in and out count frames as they are shown.
            source_start=own.seconds(first) * (abs(exact(motion.speed)) or 1) + hidden * exact(motion.speed),
            speed=motion.speed,
            enabled=node.value("enabled").upper() != "FALSE",
            nested=nested,
            transform=motion.transform_from(hidden),
        )

    def _source(self, node: Node, media: Node | None) -> tuple[str, bool]:
        """The name of what a clip shows, and whether it is a sequence."""
        reference = node.child("sequence")
        if reference is not None:
            inner = self._whole.get(("sequence", reference.get("id")), reference)
            name = inner.value("name") or node.value("name")
            count = sum(one.tag in ITEMS for one in (inner.child("media", "video") or inner).walk())
            self.account.add(
                f"nested sequence '{name}' is one clip: its own {count} clips are not on the tracks", node.line
            )
            return name, True
        if node.child("multiclip") is not None:
            self.account.add(f"multiclip '{node.value('name')}' is one clip: its angles are not told apart", node.line)
        if media is not None:
            return media.value("name") or node.value("name"), False
        return node.value("name") or node.value("effect", "name"), False

    def _size(self, media: Node | None) -> tuple[int, int] | None:
        size = media.child("media", "video", "samplecharacteristics") if media else None
        if size is None or not size.value("width") or not size.value("height"):
            return None
        width, height = (int(decimal(size.value(tag), f"<{tag}>", self.file, size.line)) for tag in ("width", "height"))
        return width, height
