"""What is written is read back: every cell of the table, to within a frame and 1e-3."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lxml import etree

from experiments.timelines.model import Clip, Curve, Keyframe, Marker, Rate, Timeline, Track, Transform, Transition
from experiments.timelines.numbers import frames_of_timecode, timecode
from experiments.timelines.reading import read_timeline
from experiments.timelines.sound import sound_of
from experiments.timelines.table import PARAMETERS, track_table
from experiments.timelines.writing import write_timeline
from mmcore.errors import ConfigError

DATA = Path(__file__).parents[2] / "data" / "schemas"
SCHEMAS = {".xml": "xmeml.rng", ".fcpxml": "fcpxml.rng"}
PHASES = [Phase.generate]
"""Without shrinking, which would take a minute."""
RATES = [
    Rate(Fraction(24)), Rate(Fraction(25)), Rate(Fraction(24000, 1001)), Rate(Fraction(30000, 1001), drop=True),
    Rate(Fraction(60000, 1001), drop=True),
]  # fmt: skip
RANGES = {
    "scale": (0.1, 3.0), "x": (-0.5, 1.5), "y": (-0.5, 1.5), "anchor_x": (0.0, 1.0), "anchor_y": (0.0, 1.0),
    "rotation": (-180.0, 180.0), "crop_l": (0.0, 0.4), "crop_r": (0.0, 0.4), "crop_t": (0.0, 0.4), "crop_b": (0.0, 0.4),
}  # fmt: skip


@st.composite
def curves(draw: st.DrawFn, rate: Rate, frames: int, low: float, high: float) -> Curve:
    values = st.floats(low, high).map(lambda value: round(value, 5))
    times = draw(st.lists(st.integers(0, frames), min_size=1, max_size=3, unique=True))
    hold = draw(st.booleans())
    return Curve(tuple(Keyframe(rate.seconds(at), draw(values), hold) for at in sorted(times)))


@st.composite
def clips(draw: st.DrawFn, rate: Rate, first: int) -> Clip:
    frames = draw(st.integers(1, 60))
    chosen = draw(st.lists(st.sampled_from(sorted(RANGES)), max_size=4, unique=True))
    speed = draw(st.sampled_from([1.0, 1.0, 2.0, 0.5, -1.0, 0.0]))
    return Clip(
        name=draw(st.sampled_from(["a cut", "größer & <schräg>"])),
        source=draw(st.sampled_from(["asset_1", "b-roll.mp4", "日本.mov"])),
        start=rate.seconds(first),
        duration=rate.seconds(frames),
        source_start=rate.seconds(2 * draw(st.integers(60, 500))),
        path=draw(st.sampled_from([None, "/films/über all.mp4"])),
        speed=speed,
        enabled=draw(st.sampled_from([True, True, True, False])),
        transform=Transform.of({name: draw(curves(rate, frames, *RANGES[name])) for name in chosen}),
    )


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    rate = draw(st.sampled_from(RATES))
    tracks = []
    for _ in range(draw(st.integers(1, 4))):
        at, found = draw(st.integers(0, 2000)), []
        for _ in range(draw(st.integers(0, 3))):
            clip = draw(clips(rate, at))
            found.append(clip)
            at = rate.frames(clip.end) + draw(st.integers(0, 30))
        tracks.append(Track(tuple(found), enabled=draw(st.sampled_from([True, True, True, False]))))
    tracks.append(Track((draw(clips(rate, 0)),)))
    marker = Marker(rate.seconds(draw(st.integers(0, 100))), "asset 1, 87 %")
    channels = draw(st.sampled_from([0, 1, 2]))
    sound = sound_of(tracks) if channels else ()
    return Timeline("an edit", rate, tuple(tracks), 1920, 1080, (marker,), sound=sound, channels=channels)


def at_rest(timeline: Timeline) -> Timeline:
    """With nothing that an edit list cannot hold."""
    tracks = []
    for track in timeline.tracks:
        kept = [clip for clip in track.clips if clip.enabled and track.enabled]
        tracks.append(Track(tuple(Clip(**{**vars(clip), "transform": Transform()}) for clip in kept)))
    same = {"sound": timeline.sound, "channels": timeline.channels}
    return Timeline(timeline.name, timeline.rate, tuple(tracks), None, None, timeline.markers, **same)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, phases=PHASES)
@given(timeline=timelines())
@pytest.mark.parametrize("suffix", [".xml", ".fcpxml", ".otio", ".edl"])
def test_what_is_written_is_read_back(
    suffix: str, timeline: Timeline, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if suffix == ".otio":
        pytest.importorskip("opentimelineio")
    path = tmp_path_factory.getbasetemp() / f"round{suffix}"
    left_out = write_timeline(timeline, path)
    if suffix in SCHEMAS:
        check_form(path)
    back = read_timeline(path)
    expected = at_rest(timeline) if suffix == ".edl" else timeline

    assert back.rate == timeline.rate
    assert back.markers[0].time == timeline.markers[0].time
    names = ["asset_1", "b-roll.mp4", "日本.mov"]
    step = float(1 / timeline.rate.fps)
    tables = [track_table(one, step, assets=names) for one in (expected, back)]
    S = min(len(table.time_S) for table in tables)
    assert abs(len(tables[0].time_S) - len(tables[1].time_S)) <= 1
    one_SKP, two_SKP = (table.values_SKP[:S] for table in tables)
    for p, name in enumerate(PARAMETERS):
        low, high = RANGES.get(name, (0.0, 0.0))
        # A table's times are rounded to a microsecond, in which what jumps within a frame moves a little.
        moved = 1e-6 * float(timeline.rate.fps) * (high - low)
        np.testing.assert_allclose(two_SKP[..., p], one_SKP[..., p], atol=1e-3 + moved, err_msg=name)
    for track, same in zip(expected.tracks, back.tracks, strict=False):
        assert len(track.clips) == len(same.clips)
        for clip, found in zip(track.clips, same.clips, strict=True):
            assert abs(clip.source_start - found.source_start) <= 1 / timeline.rate.fps
            assert found.speed == pytest.approx(clip.speed, abs=0.01)
    same_sound(expected, back)
    if suffix == ".edl":
        written = [clip for track in timeline.tracks if track.enabled for clip in track.clips if clip.enabled]
        moved = any(
            key.value != Transform().curves()[name].keyframes[0].value
            for clip in written
            for name, curve in clip.transform.curves().items()
            for key in curve.keyframes
        )
        assert moved == any("holds cuts alone" in str(one) for one in left_out)


def overlapping() -> tuple[Track, Track]:
    """Two tracks that show the same footage, in step, from second 0 and from second 2, for four seconds each."""
    low, high = (
        Track((Clip("cut", "film.mp4", Fraction(start), Fraction(4), Fraction(start), "/film.mp4"),))
        for start in (0, 2)
    )
    return low, high


def check_form(path: Path) -> None:
    """Hold a file against what the documentation of its form says of elements, their order and values."""
    schema = etree.RelaxNG(etree.parse(DATA / SCHEMAS[path.suffix]))
    root = etree.parse(path).getroot()
    if not schema.validate(root):
        raise AssertionError(f"{path.name}: {schema.error_log.last_error}")
    # RELAX NG itself follows no references.
    known = {one.get("id") for one in root.iter() if one.get("id")}
    named = {one.get(name) for one in root.iter() for name in ("ref", "format") if one.get(name)}
    named |= {one.text for one in root.iter("linkclipref")}
    if not named <= known:
        raise AssertionError(f"{path.name}: nothing has the id {named - known}")


@pytest.mark.parametrize(
    ("suffix", "good", "bad"),
    [
        (".fcpxml", 'lane="1"', 'lane="one"'),
        (".fcpxml", 'srcEnable="video"', 'srcEnable="picture"'),
        (".fcpxml", 'ref="r2"', 'ref="r9"'),
        (".xml", "<ntsc>FALSE</ntsc>", "<ntsc>no</ntsc>"),
        (".xml", "<linkclipref>clipitem-3</linkclipref>", "<linkclipref>clipitem-9</linkclipref>"),
        (".xml", "<locked>FALSE</locked>", ""),
    ],
)
def test_a_form_is_held_to_its_rules(tmp_path: Path, suffix: str, good: str, bad: str) -> None:
    tracks = overlapping()
    timeline = Timeline("edit", Rate(Fraction(25)), tracks, 1280, 720, sound=sound_of(tracks), channels=1)
    path = tmp_path / f"edit{suffix}"
    write_timeline(timeline, path)
    check_form(path)
    text = path.read_text(encoding="utf-8")
    assert good in text
    path.write_text(text.replace(good, bad, 1), encoding="utf-8")
    with pytest.raises(AssertionError, match=path.name):
        check_form(path)


def same_sound(expected: Timeline, back: Timeline) -> None:
    """Every clip of sound is read back, on one track, to within a frame."""
    frame = 1 / expected.rate.fps
    written = [clip for track in expected.sound for clip in track.clips]
    assert back.channels == (expected.channels if written else back.channels)
    found = [clip for track in back.sound for clip in track.clips]
    assert len(back.sound) == (1 if written else 0)
    for clip, same in zip(written, found, strict=True):
        assert abs(clip.start - same.start) <= frame
        assert abs(clip.duration - same.duration) <= frame
        assert abs(clip.source_start - same.source_start) <= 2 * frame
        assert same.source == clip.source
        assert same.speed == pytest.approx(clip.speed, abs=0.01)
        assert same.transform == Transform()


def test_sound_is_heard_once_and_belongs_to_its_picture(tmp_path: Path) -> None:
    rate = Rate(Fraction(25))
    low, high = overlapping()
    off = replace(high.clips[0], start=Fraction(10), source_start=Fraction(10), enabled=False)
    tracks = (low, replace(high, clips=(*high.clips, off)))
    (sound,) = sound_of(tracks)
    assert [(clip.start, clip.duration, clip.source_start) for clip in sound.clips] == [(0, 4, 0), (4, 2, 4)]
    timeline = Timeline("edit", rate, tracks, 1280, 720, sound=(sound,), channels=2)
    for suffix in (".xml", ".fcpxml", ".otio", ".edl"):
        write_timeline(timeline, tmp_path / f"edit{suffix}")
    root = ET.parse(tmp_path / "edit.xml").getroot()
    links = {
        one.get("id"): [(link.findtext("linkclipref"), link.findtext("mediatype")) for link in one.findall("link")]
        for one in root.iter("clipitem")
    }
    # The first picture with its two channels; two channels of the rest; a picture without sound of its own.
    whole = [("clipitem-1", "video"), ("clipitem-4", "audio"), ("clipitem-6", "audio")]
    assert links["clipitem-1"] == links["clipitem-4"] == whole
    assert links["clipitem-2"] == []
    assert links["clipitem-5"] == [("clipitem-5", "audio"), ("clipitem-7", "audio")]
    clips = [(one.get("lane"), one.get("srcEnable")) for one in ET.parse(tmp_path / "edit.fcpxml").iter("asset-clip")]
    assert clips == [("1", None), ("2", "video"), ("2", "video"), ("-1", "audio")]
    text = (tmp_path / "edit.edl").read_text(encoding="utf-8")
    assert [line.split()[2] for line in text.splitlines() if line[:3].isdigit()] == ["V", "AA", "V2", "AA"]
    library = pytest.importorskip("opentimelineio")
    found = library.adapters.read_from_file(str(tmp_path / "edit.otio"))
    assert [track.kind for track in found.tracks] == ["Video", "Video", "Audio"]
    groups = [clip.metadata.get("Resolve_OTIO", {}).get("Link Group ID") for clip in found.find_clips()]
    assert groups == [1, None, None, 1, None]


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_timecodes_count_every_frame_once(rate: Rate) -> None:
    day = np.unique(np.r_[0:4_000, np.random.default_rng(1).integers(0, 24 * 3600 * rate.nominal - 200_000, 300)])
    codes = [timecode(int(frame), rate) for frame in day]
    assert [frames_of_timecode(code, rate, "list.edl") for code in codes] == day.tolist()


def test_drop_frame_timecode_keeps_to_the_clock() -> None:
    # SMPTE ST 12-1: frames 00 and 01 of a minute are left out, but not in every tenth minute.
    rate = RATES[3]
    assert timecode(1799, rate) == "00:00:59;29"
    assert timecode(1800, rate) == "00:01:00;02"
    assert timecode(17982, rate) == "00:10:00;00"
    assert abs(frames_of_timecode("01:00:00;00", rate, "list.edl") / float(rate.fps) - 3600) < 0.01


def test_the_library_opens_what_is_written(tmp_path: Path) -> None:
    otio = pytest.importorskip("opentimelineio")
    zoom = Curve((Keyframe(Fraction(0), 1.0), Keyframe(Fraction(1), 2.0)))
    clip = Clip(
        "cut", "film", Fraction(1), Fraction(2), Fraction(5), "/film.mp4", transform=Transform.of({"scale": zoom})
    )
    write_timeline(Timeline("edit", Rate(Fraction(25)), (Track((clip,)),)), tmp_path / "edit.otio")
    found = otio.adapters.read_from_file(str(tmp_path / "edit.otio"))
    (written,) = found.find_clips()
    assert written.range_in_parent().start_time.to_seconds() == 1
    assert written.media_reference.target_url == "file:///film.mp4"
    (parameter,) = [
        one
        for effect in written.effects
        for one in effect.metadata["Resolve_OTIO"]["Parameters"]
        if one["Parameter ID"] == "transformationZoomX"
    ]
    assert {frame: key["Value"] for frame, key in parameter["Key Frames"].items()} == {"0": 1.0, "25": 2.0}
    # Without our own metadata Resolve's fields say the same.
    text = json.loads((tmp_path / "edit.otio").read_text())
    text["tracks"]["children"][0]["children"][1]["metadata"] = {}
    (tmp_path / "plain.otio").write_text(json.dumps(text))
    assert read_timeline(tmp_path / "plain.otio").tracks[0].clips[0].transform.scale == zoom


def test_what_a_form_cannot_hold_is_listed(tmp_path: Path) -> None:
    clip = Clip("inner", "scene", Fraction(0), Fraction(2), nested=True)
    fade = Transition("dissolve", Fraction(1), Fraction(1))
    timeline = Timeline("edit", Rate(Fraction(25)), (Track((clip,), transitions=(fade,)),))
    lines = [str(one) for one in write_timeline(timeline, tmp_path / "edit.xml")]
    assert any("nested sequence 'scene'" in line for line in lines)
    assert any("transition 'dissolve'" in line for line in lines)
    assert any("1920 × 1080" in line for line in lines)
    with pytest.raises(ConfigError, match=r"expected \.otio, \.xml, \.fcpxml, \.edl; found '\.mp4'"):
        write_timeline(timeline, tmp_path / "edit.mp4")
