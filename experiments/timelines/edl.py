"""Reads edit decision lists in the form CMX3600: cuts, dissolves, wipes and even speeds.

A list says neither its frame rate nor where its timeline begins. Comments may: ``* FRAME RATE: 25`` and
``* RECORD START: 01:00:00:00``. ``FCM: DROP FRAME`` stands for 29.97.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from fractions import Fraction

from experiments.timelines.model import Account, Clip, Marker, Rate, Timeline, Track, Transition, without_overlaps
from experiments.timelines.numbers import broken, exact, frames_of_timecode, rate_of
from experiments.timelines.sound import side_by_side
from mmcore.errors import CorpusError

EVENT = re.compile(
    r"^\s*(?P<number>\d+)\s+(?P<reel>\S+)\s+(?P<channel>\S+)\s+(?P<kind>C|D|W\d*|K\S*)\s+(?:(?P<length>\d{1,4})\s+)?"
    r"(?P<times>[\d:;.]{11}\s+[\d:;.]{11}\s+[\d:;.]{11}\s+[\d:;.]{11})\s*$"
)
SOUND = re.compile(r"A\d*|AA|AA/V|A/V|B")
"""Channels of events that are heard."""
MOST_LINES = 1_000_000
BLACK = "BL"


def _channels(channel: str) -> int:
    return 2 if channel.startswith("AA") else 1


@dataclass
class _Event:
    line: int
    reel: str
    channel: str
    kind: str
    length: int
    times: tuple[str, str, str, str]
    name: str = ""
    to_name: str = ""
    path: str = ""
    speed: float | None = None


def read_edl(content: bytes, file: str, rate: Fraction | None = None) -> Timeline:
    """A list as a timeline: channels V, V2, V3 … are its tracks.

    Args:
        rate: frames a second where the list does not say them.

    Raises:
        CorpusError: no event, no rate, or a line that begins as an event and is none; says on which line.
    """
    lines = content.decode("utf-8-sig", "replace").splitlines()
    if len(lines) > MOST_LINES:
        raise broken(f"an edit list may have {MOST_LINES:,} lines", f"{len(lines):,}", file)
    reader = _Reader(file)
    for at, line in enumerate(lines, start=1):
        reader.line(at, line.strip())
    return reader.timeline(rate)


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.account = Account()
        self.title = ""
        self.drop = False
        self.rate: Rate | None = None
        self.start: str | None = None
        self.events: list[_Event] = []
        self.notes: list[tuple[int, str, str]] = []

    def line(self, at: int, text: str) -> None:
        upper = text.upper()
        if not text:
            return
        if text[0].isdigit():
            self.event(at, text)
        elif upper.startswith("TITLE:"):
            self.title = text[6:].strip()
        elif upper.startswith("FCM:"):
            self.drop = "NON" not in upper and "DROP" in upper
        elif text.startswith("*"):
            self.comment(at, text[1:].strip())
        elif upper.startswith("M2"):
            self.motion(at, text.split())
        else:
            self.account.add(f"'{text.split()[0]}' line: only events, M2 and comments are read", at)

    def event(self, at: int, text: str) -> None:
        found = EVENT.match(text.upper())
        if found is None:
            raise broken(
                "an event must be NUMBER REEL CHANNEL KIND [FRAMES] and four timecodes HH:MM:SS:FF",
                repr(text[:80]), self.file, at,
            )  # fmt: skip
        one, two, three, four = found["times"].split()
        # The reel as it is written: names of media differ by case.
        reel = text.split()[1]
        length = int(found["length"] or 0)
        self.events.append(_Event(at, reel, found["channel"], found["kind"], length, (one, two, three, four)))

    def comment(self, at: int, text: str) -> None:
        key, _, value = text.partition(":")
        value = value.strip()
        last = self.events[-1] if self.events else None
        match key.strip().upper():
            case "FROM CLIP NAME" if last:
                last.name = value
            case "TO CLIP NAME" if last:
                last.to_name = value
            case "SOURCE FILE" | "FROM FILE" if last:
                last.path = value
            case "FRAME RATE":
                self.rate = self.told_rate(value, at)
            case "RECORD START":
                self.start = value
            case "LOC":
                parts = value.split(None, 2)
                if parts:
                    self.notes.append((at, parts[0], parts[2] if len(parts) > 2 else ""))
            case other:
                self.account.add(f"comment '{other[:40]}'", at)

    def told_rate(self, text: str, at: int) -> Rate:
        top, _, bottom = text.partition("/")
        try:
            found = rate_of(float(top)) if not bottom else Rate(Fraction(int(top), int(bottom)))
        except (ValueError, ZeroDivisionError, OverflowError):
            found = Rate(Fraction(0))
        if not 1 <= found.fps <= 1000:
            raise broken("FRAME RATE must be frames a second, such as 25 or 30000/1001", repr(text[:40]), self.file, at)
        return found

    def motion(self, at: int, parts: list[str]) -> None:
        """``M2 REEL 050.0 01:00:00:00``: the source runs at so many frames a second."""
        if not self.events or len(parts) < 3:
            self.account.add("M2 line without an event", at)
            return
        try:
            self.events[-1].speed = float(parts[2])
        except ValueError:
            raise broken("M2 must give frames a second", repr(parts[2][:20]), self.file, at) from None

    def timeline(self, given: Fraction | None) -> Timeline:
        if not self.events and not self.title:
            raise broken("an edit list must hold a title or an event", "neither", self.file)
        rate = self.rate or (Rate(given) if given else None) or (Rate(Fraction(30000, 1001)) if self.drop else None)
        if rate is None:
            raise CorpusError(
                "an edit list must say its frame rate, which its form leaves out",
                found="none",
                where=self.file,
                next_step="Add a line with the rate of the sequence, such as: * FRAME RATE: 25",
            )
        rate = replace(rate, drop=self.drop)
        origin = self.origin(rate)
        tracks: dict[int, list[_Event]] = defaultdict(list)
        heard: list[_Event] = []
        for one in self.events:
            number = self.channel(one)
            if number is not None:
                tracks[number].append(one)
            if SOUND.fullmatch(one.channel):
                heard.append(one)
        markers = tuple(
            Marker(rate.seconds(self.frames(code, rate, at) - origin), note) for at, code, note in self.notes
        )
        left_out = self.account.lines()
        self.account = Account()
        try:
            sound = side_by_side(self.track(heard, rate, origin).clips)
        except CorpusError:
            # Pictures must not be refused for sound that cannot be read.
            sound = ()
        return Timeline(
            name=self.title,
            rate=rate,
            tracks=tuple(self.track(tracks.get(at, []), rate, origin) for at in range(max(tracks, default=-1) + 1)),
            markers=markers,
            left_out=left_out,
            sound=sound,
            channels=max((_channels(one.channel) for one in heard), default=0),
        )

    def channel(self, event: _Event) -> int | None:
        """Track of an event; None for sound."""
        found = re.fullmatch(r"(?:V|B|AA?/V)(\d*)", event.channel)
        if found is None:
            self.account.add(f"event of channel '{event.channel}': only pictures are read", event.line)
            return None
        number = int(found[1] or 1)
        if not 1 <= number <= 1000:
            raise broken("a channel of pictures must be V, V2 … V1000", repr(event.channel), self.file, event.line)
        return number - 1

    def frames(self, code: str, rate: Rate, line: int) -> int:
        return frames_of_timecode(code, rate, self.file, line)

    def origin(self, rate: Rate) -> int:
        """The frame of the record side at which the timeline begins."""
        if self.start is not None:
            return self.frames(self.start, rate, 1)
        if not self.events:
            return 0
        first = min(self.events, key=lambda one: self.frames(one.times[2], rate, one.line))
        hours = re.split("[:;.]", first.times[2])[0]
        if int(hours):
            self.account.add(f"an edit list does not say where its timeline begins: taken as hour {hours}", first.line)
        return self.frames(f"{hours}:00:00:00", replace(rate, drop=self.drop), first.line)

    def track(self, events: list[_Event], rate: Rate, origin: int) -> Track:
        clips: list[Clip] = []
        transitions: list[Transition] = []
        for one in events:
            source_in, source_out, begin, end = (self.frames(code, rate, one.line) for code in one.times)
            if end < begin:
                raise broken("an event must end after it begins", " ".join(one.times[2:]), self.file, one.line)
            cut = begin
            if one.kind != "C" and end > begin:
                name = "dissolve" if one.kind == "D" else f"wipe {one.kind}"
                transitions.append(Transition(name, rate.seconds(begin - origin), rate.seconds(one.length)))
                cut = begin + one.length // 2
                if clips and clips[-1].end == rate.seconds(begin - origin):
                    clips[-1] = replace(clips[-1], duration=rate.seconds(cut - origin) - clips[-1].start)
            if one.reel.upper() == BLACK or end == begin:
                continue
            speed = 1.0 if one.speed is None else one.speed / float(rate.fps if not rate.ntsc else rate.nominal)
            length = max(end - cut, 0)
            name = (one.to_name if one.kind != "C" else "") or one.name
            if source_out - source_in != end - begin and one.speed is None:
                self.account.add(
                    "source and record lengths differ and no M2 line says why: read at normal speed", one.line
                )
            clips.append(
                Clip(
                    name=name or one.reel,
                    source=name or one.reel,
                    path=one.path or None,
                    start=rate.seconds(cut - origin),
                    duration=rate.seconds(length),
                    source_start=rate.seconds(source_in) + rate.seconds(cut - begin) * exact(speed),
                    speed=speed,
                )
            )
        return Track(without_overlaps(clips, self.account), transitions=tuple(transitions))
