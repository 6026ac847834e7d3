"""Writes OpenTimelineIO with the library itself; the only importer of ``opentimelineio``.

Its schema has no transform. Clips carry Resolve's ``Transform`` and ``Cropping`` effects, which DaVinci Resolve and
Blender read, and all ten parameters exactly in ``metadata.mmstudy.transform``: lists of [seconds, value, hold].
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from experiments.timelines.model import REST, Account, Clip, Curve, LeftOut, Rate, Timeline, Track
from experiments.timelines.otio_effects import RESOLVE
from experiments.timelines.placed import Placed, moves, placed, url_of
from experiments.timelines.sound import MOST_CHANNELS, same_place
from mmcore.errors import ConfigError

if TYPE_CHECKING:
    import opentimelineio as otio

EFFECTS = {
    "Transform": (2, ("transformationZoomX", "transformationZoomY", "transformationPan", "transformationTilt",
                      "transformationRotationAngle")),
    "Cropping": (3, ("cropLeft", "cropRight", "cropTop", "cropBottom")),
}  # fmt: skip


def otio_of(timeline: Timeline) -> tuple[bytes, tuple[LeftOut, ...]]:
    """A file, and what it does not hold.

    Raises:
        ConfigError: the library is not installed.
    """
    try:
        import opentimelineio as otio
    except ImportError:
        raise ConfigError(
            "an .otio file is written by the library opentimelineio",
            found="it is not installed",
            next_step="Run: pip install 'mmstudy[footage]'. Or write .fcpxml, .xml or .edl, which need no library",
        ) from None
    account = Account()
    rate = timeline.rate
    whole = otio.schema.Timeline(timeline.name, global_start_time=_time(0, rate))
    whole.metadata["mmstudy"] = {"drop": rate.drop, "width": timeline.width, "height": timeline.height}
    if timeline.sound:
        whole.metadata["mmstudy"]["channels"] = timeline.channels
    pictures: list[tuple[Placed, otio.schema.Clip]] = []
    for track in timeline.tracks:
        clips = [(one, _clip(one, rate, account)) for one in placed(track, timeline, account)]
        whole.tracks.append(_track(track, clips, otio.schema.TrackKind.Video, rate))
        pictures += clips
    groups = itertools.count(1)
    for track in timeline.sound:
        clips = [(one, _clip(one, rate, account)) for one in placed(track, timeline, account)]
        for one, clip in clips:
            _link(clip, next((item for other, item in pictures if same_place(other, one)), None), timeline, groups)
        whole.tracks.append(_track(track, clips, otio.schema.TrackKind.Audio, rate))
    for marker in timeline.markers:
        span = _range(rate.frames(marker.time), rate.frames(marker.duration), rate)
        note = otio.schema.Marker(name=marker.name, marked_range=span, comment=marker.note)
        whole.tracks.markers.append(note)
    return otio.adapters.write_to_string(whole, "otio_json").encode() + b"\n", account.lines()


def _track(track: Track, clips: Sequence[tuple[Placed, otio.schema.Clip]], kind: str, rate: Rate) -> otio.schema.Track:
    import opentimelineio as otio

    written = otio.schema.Track(name=track.name, kind=kind)
    written.enabled = track.enabled
    at = 0
    for one, clip in clips:
        if one.first > at:
            written.append(otio.schema.Gap(source_range=_range(0, one.first - at, rate)))
        written.append(clip)
        at = one.first + one.frames
    return written


def _link(sound: otio.schema.Clip, picture: otio.schema.Clip | None, timeline: Timeline, groups: Iterator[int]) -> None:
    """Let DaVinci Resolve move sound and picture together, by its own metadata."""
    channels = range(min(max(timeline.channels, 1), MOST_CHANNELS))
    about: dict[str, object] = {"Channels": [{"Source Channel ID": one, "Source Track ID": 0} for one in channels]}
    if picture is not None:
        about["Link Group ID"] = next(groups)
        picture.metadata["Resolve_OTIO"] = {"Link Group ID": about["Link Group ID"]}
    sound.metadata["Resolve_OTIO"] = about


def _time(frames: int, rate: Rate) -> otio.opentime.RationalTime:
    import opentimelineio as otio

    return otio.opentime.RationalTime(frames, float(rate.fps))


def _range(first: int, frames: int, rate: Rate) -> otio.opentime.TimeRange:
    import opentimelineio as otio

    return otio.opentime.TimeRange(_time(first, rate), _time(frames, rate))


def _clip(one: Placed, rate: Rate, account: Account) -> otio.schema.Clip:
    import opentimelineio as otio

    clip = one.clip
    media = (
        otio.schema.MissingReference(name=clip.source)
        if clip.path is None
        else otio.schema.ExternalReference(target_url=url_of(clip, account))
    )
    media.name = clip.source
    written = otio.schema.Clip(clip.name, media, _range(one.source, one.frames, rate))
    written.enabled = clip.enabled
    if clip.speed == 0:
        written.effects.append(otio.schema.FreezeFrame())
    elif clip.speed != 1:
        written.effects.append(otio.schema.LinearTimeWarp("speed", clip.speed))
    curves = {name: curve for name, curve in clip.transform.curves().items() if not _at_rest(name, curve)}
    if curves:
        kept = {name: [[float(k.time), k.value, k.hold] for k in curve.keyframes] for name, curve in curves.items()}
        written.metadata["mmstudy"] = {"transform": kept}
        for name, (kind, parameters) in EFFECTS.items():
            shown = [_parameter(key, clip, rate) for key in parameters]
            effect = {"Effect Name": name, "Enabled": True, "Name": name, "Parameters": shown, "Type": kind}
            written.effects.append(otio.schema.Effect("", "Resolve Effect", {"Resolve_OTIO": effect}))
    return written


def _at_rest(name: str, curve: Curve) -> bool:
    return not moves(curve) and curve.keyframes[0].value == getattr(REST, name).keyframes[0].value


def _parameter(key: str, clip: Clip, rate: Rate) -> dict[str, object]:
    """One of Resolve's, with keyframes by frame of the clip."""
    name, origin, factor = RESOLVE["transformationZoomX" if key == "transformationZoomY" else key]
    curve = clip.transform.curves()[name]
    values = {one.time: (one.value - origin) / factor + 0.0 for one in curve.keyframes}
    rest = 1.0 if name == "scale" else 0.0
    found: dict[str, object] = {
        "Default Parameter Value": rest,
        "Parameter ID": key,
        "Parameter Value": values[curve.keyframes[0].time],
        "Variant Type": "Double",
    }
    if moves(curve):
        found["Key Frames"] = {
            str(round(Fraction(time) * rate.fps)): {"Value": value, "Variant Type": "Double"}
            for time, value in values.items()
        }
    return found
