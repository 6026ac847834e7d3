"""Reads MLT XML as Kdenlive and Shotcut write it.

Source: MLT Framework, mlt-xml document type. Points ``in`` and ``out`` are frames or clock times, both included.
Keyframes of a filter count from the filter's own ``in``.
"""

from __future__ import annotations

import json
import re
from fractions import Fraction

from experiments.timelines.mlt_filters import transform_of
from experiments.timelines.mlt_values import clock_frames, properties_of
from experiments.timelines.model import Account, Clip, Marker, Rate, Timeline, Track, Transition, without_overlaps
from experiments.timelines.numbers import broken, decimal, exact
from experiments.timelines.tree import Node

PRODUCERS = ("producer", "chain")
UNSEEN = ("black", "black_track")
DEEPEST = 20


def read_mlt(root: Node, file: str) -> Timeline:
    """The timeline of a project: of several sequences, the one that is rendered.

    Raises:
        CorpusError: no profile, no tractor, or a reference that leads nowhere; says on which line.
    """
    return _Reader(root, file).timeline()


class _Reader:
    def __init__(self, root: Node, file: str) -> None:
        self.file, self.root = file, root
        self.account = Account()
        self.by_id = {one.get("id"): one for one in root.children if one.get("id")}
        profile = root.child("profile")
        if profile is None:
            raise broken("an MLT file needs a <profile>", "none", file, root.line)
        wide, tall, top, bottom = (
            int(decimal(profile.get(name), name, file, profile.line))
            for name in ("width", "height", "frame_rate_num", "frame_rate_den")
        )
        if min(wide, tall, top, bottom) <= 0:
            raise broken(
                "size and rate of a <profile> must be above 0", f"{wide}, {tall}, {top}, {bottom}", file, profile.line
            )
        self.size = (wide, tall)
        self.rate = Rate(Fraction(top, bottom))

    def timeline(self) -> Timeline:
        tractors = self.root.all("tractor")
        if not tractors:
            raise broken("an MLT file must hold a tractor", "none", self.file, self.root.line)
        main = tractors[-1]
        for _ in range(DEEPEST):
            # Newer projects wrap the sequence that is open into one more tractor.
            inner = [self.find(one) for one in main.all("track")]
            if len(inner) != 1 or inner[0].tag != "tractor" or self.is_track(inner[0]):
                break
            main = inner[0]
        others = [one for one in tractors if "kdenlive:uuid" in properties_of(one) and one is not main]
        for one in others:
            name = properties_of(one).get("kdenlive:clipname", one.get("id"))
            self.account.add(f"sequence '{name}': the one that is rendered is read", one.line)
        tracks = []
        for one in main.all("track"):
            target = self.find(one)
            if self.unseen(target) or properties_of(target).get("kdenlive:audio_track") == "1":
                if not self.unseen(target):
                    self.account.add("audio track: sound has no place in tracks of pictures", target.line)
                continue
            if properties_of(target).get("shotcut:audio") == "1":
                self.account.add("audio track: sound has no place in tracks of pictures", target.line)
                continue
            tracks.append(self.track(target, one.get("hide")))
        for one in main.all("filter"):
            self.account.add(f"filter '{properties_of(one).get('mlt_service', '')}' of the whole timeline", one.line)
        return Timeline(
            name=properties_of(main).get("kdenlive:clipname") or self.root.get("title"),
            rate=self.rate,
            tracks=tuple(tracks),
            width=self.size[0],
            height=self.size[1],
            markers=self.guides(main),
            left_out=self.account.lines(),
        )

    def find(self, track: Node) -> Node:
        found = self.by_id.get(track.get("producer"))
        if found is None:
            raise broken(
                f"a <{track.tag}> must name what is in the file", repr(track.get("producer")), self.file, track.line
            )
        return found

    @staticmethod
    def unseen(node: Node) -> bool:
        """The black picture beneath all tracks."""
        named = properties_of(node)
        return node.tag in PRODUCERS and (node.get("id").startswith(UNSEEN) or named.get("resource") in UNSEEN)

    def is_track(self, tractor: Node) -> bool:
        """Whether a tractor is one track of two playlists, as Kdenlive has them."""
        return all(self.by_id.get(one.get("producer"), tractor).tag == "playlist" for one in tractor.all("track"))

    def track(self, node: Node, hide: str) -> Track:
        lists = [node] if node.tag == "playlist" else [self.find(one) for one in node.all("track")]
        clips = [clip for one in lists if one.tag == "playlist" for clip in self.playlist(one)]
        transitions = []
        for one in node.all("transition"):
            named = properties_of(one)
            begin, end = self.frames(one, "in", 0), self.frames(one, "out", 0)
            name = named.get("kdenlive_id") or named.get("mlt_service") or "mix"
            if named.get("mlt_service") != "mix" or "kdenlive:mixcut" in named:
                transitions.append(Transition(name, self.rate.seconds(begin), self.rate.seconds(end - begin + 1)))
        for one in node.all("filter"):
            service = properties_of(one).get("mlt_service", "")
            if service not in ("volume", "panner", "audiolevel"):
                self.account.add(f"filter '{service}' of a whole track", one.line)
        return Track(
            clips=without_overlaps(clips, self.account),
            name=properties_of(node).get("kdenlive:track_name", ""),
            enabled=hide not in ("video", "both"),
            transitions=tuple(transitions),
        )

    def frames(self, node: Node, name: str, default: int) -> int:
        text = node.get(name)
        return clock_frames(text, self.rate, self.file, node.line) if text else default

    def playlist(self, node: Node) -> list[Clip]:
        clips: list[Clip] = []
        at = 0
        for one in node.children:
            if one.tag == "blank":
                at += self.frames(one, "length", 0)
            elif one.tag == "entry":
                clip, length = self.entry(one, at)
                clips.append(clip)
                at += length
        return clips

    def entry(self, node: Node, at: int) -> tuple[Clip, int]:
        producer = self.find(node)
        named = properties_of(producer)
        first = self.frames(node, "in", self.frames(producer, "in", 0))
        last = self.frames(node, "out", self.frames(producer, "out", first - 1))
        length = max(last - first + 1, 0)
        speed = self.speed(named, producer)
        nested = producer.tag == "tractor"
        name = named.get("kdenlive:clipname") or self.base(named.get("resource", "")) or producer.get("id")
        if nested:
            self.account.add(f"nested sequence '{name}' is one clip: its own clips are not on the tracks", node.line)
        for link in producer.all("link"):
            self.account.add(
                f"link '{properties_of(link).get('mlt_service', '')}': speed that changes is not read", link.line
            )
        path = None if nested or named.get("mlt_service") in ("color", "kdenlivetitle") else named.get("resource")
        clip = Clip(
            name=name,
            source=name,
            path=re.sub(r"^[-\d.]+:", "", path) if path else None,
            start=self.rate.seconds(at),
            duration=self.rate.seconds(length),
            source_start=self.rate.seconds(first) * exact(abs(speed)),
            speed=speed,
            enabled=named.get("set.test_image") != "1",
            nested=nested,
            transform=transform_of(
                [*producer.all("filter"), *node.all("filter")], first, self.size, self.rate, self.account, self.file
            ),
        )
        return clip, length

    def speed(self, named: dict[str, str], producer: Node) -> float:
        if named.get("mlt_service") != "timewarp":
            return 1.0
        return decimal(named.get("warp_speed", "1"), "warp_speed", self.file, producer.line)

    @staticmethod
    def base(resource: str) -> str:
        return re.sub(r"^[-\d.]+:", "", resource).replace("\\", "/").rpartition("/")[2]

    def guides(self, main: Node) -> tuple[Marker, ...]:
        """Kdenlive's guides, a list in JSON in a property of the sequence or of the bin."""
        for node in (main, *self.root.all("playlist")):
            named = properties_of(node)
            text = named.get("kdenlive:sequenceproperties.guides") or named.get("kdenlive:docproperties.guides")
            if not text:
                continue
            try:
                found = json.loads(text)
                return tuple(Marker(self.rate.seconds(int(one["pos"])), str(one.get("comment", ""))) for one in found)
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                self.account.add("guides that are no list of positions", node.line)
        return ()
