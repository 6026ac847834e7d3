"""Writes FCPXML 1.10, which Final Cut Pro and DaVinci Resolve open.

All tracks hang on a gap as long as the timeline, the lowest in lane 1. Keyframes move in straight lines; one that holds
becomes two.
"""

from __future__ import annotations

from fractions import Fraction
from xml.etree import ElementTree as ET

from experiments.timelines.fcpxml_adjust import SIDES
from experiments.timelines.model import Account, Curve, LeftOut, Timeline
from experiments.timelines.placed import Placed, changed, moves, placed, plain, size_of, together, url_of, without_holds
from experiments.timelines.sound import same_place

VERSION = "1.10"


def fcpxml_of(timeline: Timeline) -> tuple[bytes, tuple[LeftOut, ...]]:
    """A file, and what it does not hold."""
    account = Account()
    size = size_of(timeline, account)
    root = ET.Element("fcpxml", version=VERSION)
    resources = ET.SubElement(root, "resources")
    frame = 1 / timeline.rate.fps
    ET.SubElement(resources, "format", id="r1", frameDuration=_time(frame), width=str(size[0]), height=str(size[1]))
    event = ET.SubElement(ET.SubElement(root, "library"), "event", name=timeline.name)
    project = ET.SubElement(event, "project", name=timeline.name)
    length = _time(timeline.rate.on_frame(timeline.duration) or frame)
    form = "DF" if timeline.rate.drop else "NDF"
    sequence = ET.SubElement(project, "sequence", format="r1", duration=length, tcStart="0s", tcFormat=form)
    gap = ET.SubElement(ET.SubElement(sequence, "spine"), "gap", name="Gap", offset="0s", start="0s", duration=length)
    writer = _Writer(timeline, size, account, resources)
    for lane, track in enumerate(timeline.tracks, start=1):
        if not track.enabled:
            account.add("track that is switched off: its clips are written as switched off")
        for one in placed(track, timeline, account):
            writer.clip(gap, one, lane, track.enabled)
    for below, parts in enumerate(writer.heard, start=1):
        for one in parts:
            writer.sound(gap, one, -below)
    for marker in timeline.markers:
        attributes = {"start": _time(timeline.rate.on_frame(marker.time)), "value": marker.name or "marker"}
        if marker.duration:
            attributes["duration"] = _time(timeline.rate.on_frame(marker.duration) or frame)
        if marker.note:
            attributes["note"] = marker.note
        ET.SubElement(gap, "marker", attributes)
    ET.indent(root)
    content = b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n' + ET.tostring(root, encoding="utf-8")
    return content + b"\n", account.lines()


def _time(seconds: Fraction) -> str:
    return f"{seconds}s"


class _Writer:
    def __init__(self, timeline: Timeline, size: tuple[int, int], account: Account, resources: ET.Element) -> None:
        self.timeline, self.size, self.account, self.resources = timeline, size, account, resources
        self.assets: dict[tuple[str, str | None], tuple[str, ET.Element]] = {}
        self.frame = 1 / timeline.rate.fps
        self.heard = [placed(track, timeline, account) for track in timeline.sound]
        """Sound that no clip of pictures has yet."""

    def asset(self, one: Placed) -> str:
        key = (one.clip.source, one.clip.path)
        if key not in self.assets:
            identity = f"r{len(self.assets) + 2}"
            node = ET.SubElement(
                self.resources, "asset", id=identity, name=one.clip.source, start="0s", hasVideo="1", format="r1"
            )
            ET.SubElement(node, "media-rep", kind="original-media", src=url_of(one.clip, self.account))
            if self.timeline.sound:
                node.set("hasAudio", "1")
                node.set("audioSources", "1")
                node.set("audioChannels", str(max(self.timeline.channels, 1)))
            self.assets[key] = identity, node
        identity, node = self.assets[key]
        # An asset must be as long as what its clips use of it.
        used = self.timeline.rate.seconds(one.source + one.frames)
        known = Fraction(node.get("duration", "0").removesuffix("s"))
        node.set("duration", _time(max(known, used)))
        return identity

    def clip(self, gap: ET.Element, one: Placed, lane: int, seen: bool) -> None:
        clip, start = one.clip, self.timeline.rate.seconds(one.source)
        node = self.stretch(gap, one, lane)
        if not (clip.enabled and seen):
            node.set("enabled", "0")
        if self.timeline.sound and not (clip.enabled and seen and self.takes(one)):
            node.set("srcEnable", "video")
        self.crop(node, one, start)
        self.transform(node, one, start)

    def takes(self, one: Placed) -> bool:
        """Whether a clip of pictures has its whole sound with it, as one clip of Final Cut Pro."""
        for parts in self.heard:
            for part in parts:
                if same_place(part, one):
                    parts.remove(part)
                    return True
        return False

    def sound(self, gap: ET.Element, one: Placed, lane: int) -> None:
        """A clip of sound alone, below the pictures."""
        node = self.stretch(gap, one, lane)
        node.set("srcEnable", "audio")
        node.set("audioRole", "dialogue")

    def stretch(self, gap: ET.Element, one: Placed, lane: int) -> ET.Element:
        """A clip with its place, media and speed."""
        clip, rate = one.clip, self.timeline.rate
        start, duration = rate.seconds(one.source), rate.seconds(one.frames)
        attributes = {
            "ref": self.asset(one),
            "lane": str(lane),
            "offset": _time(rate.seconds(one.first)),
            "name": clip.name,
            "start": _time(start),
            "duration": _time(duration),
        }
        node = ET.SubElement(gap, "asset-clip", attributes)
        if clip.speed != 1:
            held = ET.SubElement(node, "timeMap")
            last = start + duration * Fraction(clip.speed).limit_denominator(1_000_000)
            for time, value in ((start, start), (start + duration, last)):
                ET.SubElement(held, "timept", time=_time(time), value=_time(value), interp="linear")
        return node

    def crop(self, node: ET.Element, one: Placed, start: Fraction) -> None:
        curves = one.clip.transform.curves()
        if not any(moves(curves[name]) or curves[name].keyframes[0].value for _, name in SIDES):
            return
        rect = ET.SubElement(ET.SubElement(node, "adjust-crop", mode="trim"), "trim-rect")
        for side, name in SIDES:
            wide = self.size[0] / self.size[1] if side in ("left", "right") else 1.0
            cut = without_holds(changed(curves[name], lambda value, wide=wide: 100 * value * wide), self.frame)
            rect.set(side, plain(cut.keyframes[0].value))
            self.keys(rect, side, [cut], start, "linear")

    def transform(self, node: ET.Element, one: Placed, start: Fraction) -> None:
        curves = one.clip.transform.curves()
        wide = 100 * self.size[0] / self.size[1]
        across, down = (lambda value: (value - 0.5) * wide), (lambda value: (0.5 - value) * 100)
        pairs = {
            "position": [changed(curves["x"], across), changed(curves["y"], down)],
            "scale": [curves["scale"], curves["scale"]],
            "rotation": [changed(curves["rotation"], lambda value: -value)],
            "anchor": [changed(curves["anchor_x"], across), changed(curves["anchor_y"], down)],
        }
        rest = {"scale": 1.0}
        still = all(
            not moves(curve) and abs(curve.keyframes[0].value - rest.get(name, 0.0)) < 1e-12
            for name, pair in pairs.items()
            for curve in pair
        )
        if still:
            return
        adjust = ET.SubElement(node, "adjust-transform")
        for name, pair in pairs.items():
            same = together([without_holds(curve, self.frame) for curve in pair], self.frame)
            adjust.set(name, " ".join(plain(curve.keyframes[0].value) for curve in same))
            # Final Cut Pro ignores a whole parameter if a position's keyframe says how it is reached.
            self.keys(adjust, name, same, start, None if name == "position" else "linear")

    def keys(self, node: ET.Element, name: str, curves: list[Curve], start: Fraction, way: str | None) -> None:
        if not any(moves(curve) for curve in curves):
            return
        holder = ET.SubElement(ET.SubElement(node, "param", name=name), "keyframeAnimation")
        for keys in zip(*(curve.keyframes for curve in curves), strict=True):
            time = _time(start + self.timeline.rate.on_frame(keys[0].time))
            key = ET.SubElement(holder, "keyframe", time=time, value=" ".join(plain(one.value) for one in keys))
            if way is not None:
                key.set("curve", way)
