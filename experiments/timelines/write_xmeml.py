"""Writes xmeml 5, which Premiere, DaVinci Resolve and Final Cut Pro 7 open."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree as ET

from experiments.timelines.model import Account, Curve, LeftOut, Rate, Timeline, still
from experiments.timelines.numbers import timecode
from experiments.timelines.placed import Placed, changed, moves, placed, plain, size_of, together, url_of
from experiments.timelines.sound import MOST_CHANNELS, same_place
from experiments.timelines.xmeml_filters import SIDES

NAMES = {"scale": "Scale", "rotation": "Rotation", "center": "Center", "centerOffset": "Anchor Point"}
"""Of parameters, as editing programs show them."""


def xmeml_of(timeline: Timeline) -> tuple[bytes, tuple[LeftOut, ...]]:
    """A file, and what it does not hold."""
    account = Account()
    root = ET.Element("xmeml", version="5")
    sequence = _add(root, "sequence", id="sequence-1")
    _add(sequence, "name", timeline.name)
    _add(sequence, "duration", timeline.rate.frames(timeline.duration))
    _rate(sequence, timeline.rate)
    code = _add(sequence, "timecode")
    _rate(code, timeline.rate)
    _add(code, "string", timecode(0, timeline.rate))
    _add(code, "frame", 0)
    _add(code, "displayformat", "DF" if timeline.rate.drop else "NDF")
    media = _add(sequence, "media")
    video = _add(media, "video")
    size = size_of(timeline, account)
    described = _add(_add(video, "format"), "samplecharacteristics")
    _rate(described, timeline.rate)
    for tag, value in zip(("width", "height"), size, strict=True):
        _add(described, tag, value)
    writer = _Writer(timeline, size, account)
    for number, track in enumerate(timeline.tracks, start=1):
        node = _add(video, "track")
        if track.name:
            node.set("MZ.TrackName", track.name)
        for index, one in enumerate(placed(track, timeline, account), start=1):
            writer.picture(node, one, number, index)
        _add(node, "enabled", _true(track.enabled))
        _add(node, "locked", "FALSE")
    if timeline.sound:
        writer.sound(_add(media, "audio"))
    for marker in timeline.markers:
        node = _add(sequence, "marker")
        first = timeline.rate.frames(marker.time)
        _add(node, "comment", marker.note)
        _add(node, "name", marker.name)
        _add(node, "in", first)
        _add(node, "out", first + timeline.rate.frames(marker.duration) if marker.duration else -1)
    ET.indent(root)
    content = b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE xmeml>\n' + ET.tostring(root, encoding="utf-8")
    return content + b"\n", account.lines()


def _add(parent: ET.Element, tag: str, value: object = None, **attributes: str) -> ET.Element:
    node = ET.SubElement(parent, tag, attributes)
    if value is not None:
        node.text = str(value)
    return node


def _true(flag: bool) -> str:
    return "TRUE" if flag else "FALSE"


def _rate(parent: ET.Element, rate: Rate) -> None:
    node = _add(parent, "rate")
    _add(node, "timebase", rate.nominal)
    _add(node, "ntsc", _true(rate.ntsc))


@dataclass(frozen=True)
class _Item:
    """A clip as it is written.

    Args:
        node: its element. kind: video or audio. track, index: its place, counted from 1.
    """

    node: ET.Element
    kind: str
    track: int
    index: int


class _Writer:
    def __init__(self, timeline: Timeline, size: tuple[int, int], account: Account) -> None:
        self.timeline, self.size, self.account = timeline, size, account
        self.files: dict[tuple[str, str | None], str] = {}
        self.clips = 0
        self.pictures: list[tuple[Placed, _Item]] = []

    def picture(self, track: ET.Element, one: Placed, number: int, index: int) -> None:
        node, first = self.clip(track, one)
        self.speed(node, one, first, "video")
        self.motion(node, one, first)
        self.pictures.append((one, _Item(node, "video", number, index)))

    def sound(self, audio: ET.Element) -> None:
        """A track for each channel of each track; the clips of one stretch, and its picture, are linked."""
        channels = min(max(self.timeline.channels, 1), MOST_CHANNELS)
        _add(audio, "numOutputChannels", channels)
        number = 0
        for track in self.timeline.sound:
            parts = placed(track, self.timeline, self.account)
            together_of: list[list[_Item]] = [
                [item for other, item in self.pictures if same_place(other, one)][:1] for one in parts
            ]
            for channel in range(1, channels + 1):
                number += 1
                node = _add(audio, "track")
                for index, (one, items) in enumerate(zip(parts, together_of, strict=True), start=1):
                    clip, first = self.clip(node, one)
                    self.speed(clip, one, first, "audio")
                    source = _add(clip, "sourcetrack")
                    _add(source, "mediatype", "audio")
                    _add(source, "trackindex", channel)
                    items.append(_Item(clip, "audio", number, index))
                _add(node, "enabled", _true(track.enabled))
                _add(node, "locked", "FALSE")
                _add(node, "outputchannelindex", channel)
            for items in together_of:
                self.link(items)

    @staticmethod
    def link(items: list[_Item]) -> None:
        """Let clips be moved and cut together."""
        if len(items) < 2:
            return
        for item in items:
            for other in items:
                link = _add(item.node, "link")
                _add(link, "linkclipref", other.node.get("id"))
                _add(link, "mediatype", other.kind)
                _add(link, "trackindex", other.track)
                _add(link, "clipindex", other.index)
                if other.kind == "audio":
                    _add(link, "groupindex", 1)

    def clip(self, track: ET.Element, one: Placed) -> tuple[ET.Element, int]:
        """The clip without what moves it, and its first frame of the media."""
        clip, rate = one.clip, self.timeline.rate
        self.clips += 1
        node = _add(track, "clipitem", id=f"clipitem-{self.clips}")
        # in and out count frames as they are shown, so that a faster clip begins earlier.
        first = round(one.source / abs(clip.speed)) if clip.speed else one.source
        _add(node, "name", clip.name)
        _add(node, "enabled", _true(clip.enabled))
        _add(node, "duration", first + one.frames)
        _rate(node, rate)
        for tag, value in (("start", one.first), ("end", one.first + one.frames)):
            _add(node, tag, value)
        for tag, value in (("in", first), ("out", first + one.frames)):
            _add(node, tag, value)
        if not clip.speed:
            _add(node, "stillframe", "TRUE")
        self.file(node, one)
        return node, first

    def file(self, node: ET.Element, one: Placed) -> None:
        key = (one.clip.source, one.clip.path)
        known = key in self.files
        identity = self.files.setdefault(key, f"file-{len(self.files) + 1}")
        file = _add(node, "file", id=identity)
        if known:
            return
        _add(file, "name", one.clip.source)
        _add(file, "pathurl", url_of(one.clip, self.account))
        _rate(file, self.timeline.rate)
        media = _add(file, "media")
        described = _add(_add(media, "video"), "samplecharacteristics")
        for tag, value in zip(("width", "height"), self.size, strict=True):
            _add(described, tag, value)
        if self.timeline.sound:
            _add(_add(media, "audio"), "channelcount", max(self.timeline.channels, 1))

    def speed(self, node: ET.Element, one: Placed, first: int, kind: str) -> None:
        speed = one.clip.speed
        if speed not in (0.0, 1.0):
            effect = self.effect(node, "Time Remap", "timeremap", kind)
            self.parameter(effect, "speed", [still(100 * abs(speed))], first)
            _add(_named(effect, "reverse"), "value", _true(speed < 0))

    def motion(self, node: ET.Element, one: Placed, first: int) -> None:
        curves = one.clip.transform.curves()
        basic = [curves[name] for name in ("scale", "x", "y", "anchor_x", "anchor_y", "rotation")]
        rest = (1.0, 0.5, 0.5, 0.5, 0.5, 0.0)
        if any(moves(curve) or curve.keyframes[0].value != at for curve, at in zip(basic, rest, strict=True)):
            effect = self.effect(node, "Basic Motion", "basic")
            self.parameter(effect, "scale", [changed(curves["scale"], lambda value: 100 * value)], first)
            self.parameter(effect, "rotation", [curves["rotation"]], first)
            for parameter, prefix in (("center", ""), ("centerOffset", "anchor_")):
                pair = [changed(curves[prefix + axis], lambda value: value - 0.5) for axis in ("x", "y")]
                self.parameter(effect, parameter, together(pair, self.timeline.rate.seconds(1)), first)
        if any(moves(curves[name]) or curves[name].keyframes[0].value for name in SIDES.values()):
            effect = self.effect(node, "Crop", "crop")
            for side, name in SIDES.items():
                self.parameter(effect, side, [changed(curves[name], lambda value: 100 * value)], first)

    def effect(self, node: ET.Element, name: str, identity: str, kind: str = "video") -> ET.Element:
        effect = _add(_add(node, "filter"), "effect")
        for tag, value in (
            ("name", name),
            ("effectid", identity),
            ("effectcategory", "motion"),
            ("effecttype", "motion"),
            ("mediatype", kind),
        ):
            _add(effect, tag, value)
        return effect

    def parameter(self, effect: ET.Element, name: str, curves: list[Curve], first: int) -> None:
        """One number, or horizontal and vertical ones with the same times."""
        node = _named(effect, name)
        _value(node, [curve.keyframes[0].value for curve in curves])
        if not any(moves(curve) for curve in curves):
            return
        for keys in zip(*(curve.keyframes for curve in curves), strict=True):
            key = _add(node, "keyframe")
            _add(key, "when", first + self.timeline.rate.frames(keys[0].time))
            _value(key, [one.value for one in keys])
            _add(_add(key, "interpolation"), "name", "hold" if keys[0].hold else "linear")


def _named(effect: ET.Element, name: str) -> ET.Element:
    node = _add(effect, "parameter")
    _add(node, "parameterid", name)
    _add(node, "name", NAMES.get(name, name))
    return node


def _value(node: ET.Element, numbers: list[float]) -> None:
    if len(numbers) == 1:
        _add(node, "value", plain(numbers[0]))
        return
    value = _add(node, "value")
    for tag, number in zip(("horiz", "vert"), numbers, strict=True):
        _add(value, tag, plain(number))
