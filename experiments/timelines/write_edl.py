"""Writes a CMX3600 edit list: cuts and even speeds. All else that a timeline holds is listed.

Channels above the first are V2, V3 …, which Premiere and DaVinci Resolve read; the form itself has one for pictures.
"""

from __future__ import annotations

from experiments.timelines.model import REST, Account, LeftOut, Timeline
from experiments.timelines.numbers import timecode
from experiments.timelines.placed import placed

REEL = "AX"
"""Of media without a tape."""


def edl_of(timeline: Timeline) -> tuple[bytes, tuple[LeftOut, ...]]:
    """A list, and what it does not hold."""
    account = Account()
    rate = timeline.rate
    lines = [
        f"TITLE: {_one_line(timeline.name)}",
        f"FCM: {'DROP FRAME' if rate.drop else 'NON-DROP FRAME'}",
        f"* FRAME RATE: {rate.fps}",
        f"* RECORD START: {timecode(0, rate)}",
    ]
    events = []
    for number, track in enumerate(timeline.tracks, start=1):
        for one in placed(track, timeline, account):
            if not (one.clip.enabled and track.enabled):
                account.add("clip that is switched off: an edit list has no such clips")
                continue
            events.append((one.first, number, "V" if number == 1 else f"V{number}", one))
    both = "AA" if timeline.channels > 1 else "A"
    for below, track in enumerate(timeline.sound):
        if below:
            account.add("second track of sound: an edit list has one here")
            break
        events += [(one.first, len(timeline.tracks) + 1, both, one) for one in placed(track, timeline, account)]
    if timeline.sound and timeline.channels > len("AA"):
        account.add("channels of sound above the second: an edit list has two")
    for at, (_, _, channel, one) in enumerate(sorted(events, key=lambda event: event[:2]), start=1):
        clip = one.clip
        used = one.frames if clip.speed == 1 else max(1, round(one.frames * abs(clip.speed)))
        codes = [timecode(max(0, frame), rate) for frame in (
            one.source, one.source + used, one.first, one.first + one.frames
        )]  # fmt: skip
        lines += ["", f"{at:03}  {REEL:<8} {channel:<5} C        {' '.join(codes)}"]
        if clip.speed != 1:
            shown = round(clip.speed * rate.nominal, 1)
            lines.append(f"M2   {REEL:<8}       {shown:05.1f}                {codes[0]}")
            if abs(shown - clip.speed * rate.nominal) > 1e-9:
                account.add("speed: an edit list rounds it to a tenth of a frame a second")
        lines.append(f"* FROM CLIP NAME: {_one_line(clip.source or clip.name)}")
        if clip.path is not None:
            lines.append(f"* SOURCE FILE: {_one_line(clip.path)}")
        for name, curve in clip.transform.curves().items():
            if curve != getattr(REST, name) and (not curve.constant or curve.keyframes[0].value != _rest(name)):
                account.add(f"{name} of a clip: an edit list holds cuts alone")
    for marker in timeline.markers:
        code = timecode(rate.frames(marker.time), rate)
        lines += [f"* LOC: {code} RED     {_one_line(' '.join(filter(None, (marker.name, marker.note))))}"]
    return "\n".join([*lines, ""]).encode(), account.lines()


def _rest(name: str) -> float:
    return getattr(REST, name).keyframes[0].value


def _one_line(text: str) -> str:
    return " ".join(text.split())
