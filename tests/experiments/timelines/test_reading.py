"""Timelines of editing programs are read, and what is not read is listed."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from experiments.timelines.model import Timeline
from experiments.timelines.reading import read_timeline
from experiments.timelines.table import PARAMETERS, timeline_table, track_table
from mmcore.data.sources.seed_layout import LAYOUTS
from mmcore.errors import CorpusError

XMEML = """<?xml version="1.0"?>
<!DOCTYPE xmeml>
<xmeml version="4"><sequence id="s1"><name>show</name>
<rate><timebase>30</timebase><ntsc>TRUE</ntsc></rate>
<timecode><displayformat>DF</displayformat></timecode>
<media><video><format><samplecharacteristics><width>1920</width><height>1080</height></samplecharacteristics></format>
<track>
<clipitem id="c1"><name>one</name><start>0</start><end>-1</end><in>30</in><out>100</out>
 <file id="f1"><name>a.mov</name><pathurl>file:///a.mov</pathurl><media><video><samplecharacteristics>
 <width>1920</width><height>1080</height></samplecharacteristics></video></media></file>
 <filter><effect><name>Basic Motion</name><effectid>basic</effectid>
  <parameter><parameterid>scale</parameterid><value>100</value>
   <keyframe><when>30</when><value>100</value></keyframe><keyframe><when>60</when><value>200</value></keyframe>
  </parameter>
  <parameter><parameterid>rotation</parameterid><value>-90</value></parameter>
  <parameter><parameterid>center</parameterid><value><horiz>0.25</horiz><vert>-0.1</vert></value></parameter>
  <parameter><parameterid>centerOffset</parameterid><value><horiz>0</horiz><vert>0.5</vert></value></parameter>
 </effect></filter>
 <filter><effect><name>Crop</name><effectid>crop</effectid>
  <parameter><parameterid>right</parameterid><value>42</value></parameter></effect></filter>
 <filter><effect><name>Lumetri</name><effectid>lumetri</effectid></effect></filter>
</clipitem>
<transitionitem><start>50</start><end>70</end><alignment>center</alignment>
 <effect><name>Cross Dissolve</name></effect></transitionitem>
<clipitem id="c2"><name>two</name><start>-1</start><end>100</end><in>0</in><out>50</out><file id="f1"/></clipitem>
<clipitem id="c3"><name>off</name><enabled>FALSE</enabled><start>100</start><end>130</end><in>0</in><out>30</out>
 <file id="f2"><name>b.mov</name></file></clipitem>
</track>
<track><enabled>TRUE</enabled>
<clipitem id="c4"><name>inner</name><start>0</start><end>60</end><in>0</in><out>60</out>
 <sequence id="s2"><name>scene</name><media><video><track>
  <clipitem id="c9"><name>deep</name></clipitem></track></video></media></sequence></clipitem>
<clipitem id="c5"><name>fast</name><start>60</start><end>90</end><in>10</in><out>40</out><file id="f1"/>
 <filter><effect><effectid>timeremap</effectid>
  <parameter><parameterid>speed</parameterid><value>200</value></parameter></effect></filter></clipitem>
</track>
</video><audio><track><clipitem id="c6"><name>sound</name></clipitem></track></audio></media>
<marker><name>here</name><comment>look</comment><in>15</in><out>-1</out></marker>
</sequence></xmeml>
"""


def read(folder: Path, name: str, text: str) -> Timeline:
    (folder / name).write_text(text, encoding="utf-8")
    return read_timeline(folder / name)


def lines(timeline: Timeline) -> str:
    return "\n".join(map(str, timeline.left_out))


def test_xmeml(tmp_path: Path) -> None:
    found = read(tmp_path, "show.xml", XMEML)
    assert (found.name, found.width, found.height, found.rate.fps, found.rate.drop) == (
        "show", 1920, 1080, Fraction(30000, 1001), True,
    )  # fmt: skip
    one, two, off = found.tracks[0].clips
    frame = Fraction(1001, 30000)
    # The dissolve's cut is its middle; the second clip's media begins with the dissolve.
    assert (one.start, one.end, one.source_start) == (0, 60 * frame, 30 * frame)
    assert (two.start, two.end, two.source_start) == (60 * frame, 100 * frame, 10 * frame)
    assert found.tracks[0].transitions[0].name == "Cross Dissolve"
    assert (one.source, two.source, one.path) == ("a.mov", "a.mov", "file:///a.mov")
    assert [clip.enabled for clip in (one, two, off)] == [True, True, False]
    np.testing.assert_allclose(one.transform.scale.at(np.array([0, 15, 40]) * float(frame)), [1, 1.5, 2])
    still = {name: curve.keyframes[0].value for name, curve in one.transform.curves().items()}
    assert (still["rotation"], still["x"], still["y"], still["anchor_y"]) == (-90, 0.75, 0.4, 1.0)
    assert (still["crop_r"], still["crop_l"]) == (0.42, 0)
    nested, fast = found.tracks[1].clips
    assert (nested.nested, nested.source) == (True, "scene")
    assert (fast.speed, fast.source_start) == (2.0, 20 * frame)
    assert (found.markers[0].name, found.markers[0].note, found.markers[0].time) == ("here", "look", 15 * frame)
    shown = lines(found)
    assert "line 21: filter 'Lumetri / lumetri': only Basic Motion, Crop and Time Remap are read" in shown
    assert "nested sequence 'scene' is one clip: its own 1 clips are not on the tracks" in shown
    assert "audio track" in shown


def test_the_table_has_the_names_and_order_of_the_seed(tmp_path: Path) -> None:
    found = read(tmp_path, "show.xml", XMEML)
    frame = timeline_table(found, 0.1)
    assert LAYOUTS[12] == PARAMETERS
    assert list(frame)[:4] == ["time", "0_active", "0_asset_id", "0_scale"]
    assert list(frame)[-1] == "19_crop_b"
    assert frame.attrs["assets"] == ["a.mov", "scene"]
    assert frame["0_active"].tolist() == [1.0] * 34 + [0.0] * 10
    assert frame["1_active"].sum() == 31
    # Where nothing is seen, a track is at rest; a clip that is switched off is not seen.
    assert frame.loc[33, ["1_active", "1_scale", "1_x", "1_anchor_y", "1_crop_r"]].tolist() == pytest.approx(
        [0, 1, 0.5, 0.5, 0]
    )
    np.testing.assert_allclose(frame.loc[:5, "0_scale"], [1.0, 1.1, 1.2, 1.3, 1.4, 1.5], atol=2e-3)
    assert len(timeline_table(found, 0.1, end=1.0)) == 11
    with pytest.raises(CorpusError, match="seconds above 0; found 0"):
        track_table(found, 0)


def test_tracks_above_the_twentieth_are_listed(tmp_path: Path) -> None:
    clip = '<track><clipitem id="c{}"><name>n</name><start>0</start><end>9</end><file id="f1"/></clipitem></track>'
    many = XMEML.replace("</video><audio>", "".join(clip.format(at) for at in range(30)) + "</video><audio>")
    table = track_table(read(tmp_path, "many.xml", many), 0.1)
    assert [str(one) for one in table.left_out] == ["12 tracks above the 20th with 12 clips: the table has 20 tracks"]


FCPXML = """<?xml version="1.0"?>
<!DOCTYPE fcpxml>
<fcpxml version="1.10"><resources>
<format id="r1" frameDuration="1001/30000s" width="1280" height="720"/>
<asset id="r2" name="a" start="3600s" duration="100s" hasVideo="1" format="r1">
<media-rep src="file:///a.mov"/></asset>
<effect id="r3" name="Title" uid="t"/>
</resources><library><event><project name="edit">
<sequence format="r1" tcStart="3600s" tcFormat="DF"><spine>
<asset-clip ref="r2" name="base" offset="3600s" start="3610s" duration="1001/100s">
 <timeMap><timept time="3610s" value="3620s" interp="linear"/>
 <timept time="3620s" value="3640s" interp="linear"/></timeMap>
 <adjust-crop mode="trim"><trim-rect left="17.7777778" top="25"/></adjust-crop>
 <adjust-transform position="17.7777778 -10" scale="2 2" rotation="30">
  <param name="rotation"><keyframeAnimation><keyframe time="3610s" value="0" curve="linear"/>
  <keyframe time="3612s" value="90" curve="linear"/></keyframeAnimation></param></adjust-transform>
 <video ref="r3" name="words" lane="1" offset="3611s" start="0s" duration="2s" enabled="0"/>
 <asset-clip ref="r2" name="over" lane="2" offset="3612s" duration="3s"><filter-video ref="r3"/></asset-clip>
 <marker start="3611s" value="note"/>
</asset-clip>
<transition name="Cross Dissolve" offset="3609s" duration="2s"/>
<gap offset="360901/100s" duration="1s"/>
<ref-clip ref="r9" name="nest" offset="361201/100s" duration="2s"/>
</spine></sequence></project></event></library></fcpxml>
"""


def test_fcpxml(tmp_path: Path) -> None:
    found = read(tmp_path, "edit.fcpxml", FCPXML)
    assert (found.rate.fps, found.rate.drop, found.width) == (Fraction(30000, 1001), True, 1280)
    base, nest = found.tracks[0].clips
    assert (base.start, base.speed, base.source_start, base.path) == (0, 2.0, 20, "file:///a.mov")
    values = {name: curve.keyframes[0].value for name, curve in base.transform.curves().items()}
    # Percentages of the frame's height, y upwards, angles counterclockwise.
    assert values["x"] == pytest.approx(0.6)
    assert values["y"] == pytest.approx(0.6)
    assert (values["crop_l"], values["crop_t"]) == (pytest.approx(0.1), 0.25)
    np.testing.assert_allclose(base.transform.rotation.at(np.array([0.0, 1, 2])), [0, -45, -90])
    assert (nest.nested, nest.start) == (True, Fraction(1201, 100))
    (words,), (over,) = found.tracks[1].clips, found.tracks[2].clips
    assert (words.start, words.enabled, words.source) == (1, False, "Title")
    assert (over.start, over.duration) == (2, 3)
    assert found.markers[0].time == 1
    assert found.tracks[0].transitions[0].start == 9
    assert "<ref-clip> 'nest' is one clip" in lines(found)
    assert "<filter-video> of a clip" in lines(found)


MLT = """<?xml version="1.0"?>
<mlt producer="main_bin">
<profile width="1920" height="1080" frame_rate_num="25" frame_rate_den="1"/>
<producer id="black_track"><property name="resource">black</property></producer>
<chain id="chain0" out="499"><property name="resource">/a.mp4</property></chain>
<producer id="slow"><property name="resource">0.5:/b.mp4</property><property name="mlt_service">timewarp</property>
<property name="warp_speed">0.5</property></producer>
<playlist id="p0"><blank length="00:00:01.000"/>
<entry producer="chain0" in="50" out="00:00:03.960">
 <filter in="50" out="99"><property name="mlt_service">qtblend</property>
 <property name="rect">0=0 0 1920 1080 1;25=480 270 960 540 1</property>
 <property name="rotation">0=0;25=10</property><property name="rotate_center">1</property></filter>
 <filter><property name="mlt_service">crop</property><property name="left">192</property></filter>
 <filter><property name="mlt_service">frei0r.glow</property></filter>
</entry></playlist><playlist id="p1"/>
<tractor id="t0"><property name="kdenlive:track_name">V1</property>
<track producer="p0"/><track producer="p1"/></tractor>
<playlist id="p2"><entry producer="slow" in="10" out="34"/></playlist>
<tractor id="t1"><track producer="p2"/></tractor>
<playlist id="p3"><entry producer="chain0" in="0" out="9"/></playlist>
<tractor id="t2"><property name="kdenlive:audio_track">1</property><track producer="p3"/></tractor>
<tractor id="main"><property name="kdenlive:sequenceproperties.guides">[{"comment":"here","pos":25,"type":0}]</property>
<track producer="black_track"/><track producer="t2" hide="video"/><track producer="t0"/>
<track producer="t1" hide="video"/></tractor>
</mlt>
"""


def test_kdenlive(tmp_path: Path) -> None:
    found = read(tmp_path, "edit.kdenlive", MLT)
    assert (found.rate.fps, found.width, len(found.tracks)) == (25, 1920, 2)
    (clip,) = found.tracks[0].clips
    assert (clip.start, clip.duration, clip.source_start, clip.source, clip.path) == (1, 2, 2, "a.mp4", "/a.mp4")
    times = np.array([0.0, 0.5, 1.0])
    np.testing.assert_allclose(clip.transform.scale.at(times), [1, 0.75, 0.5])
    np.testing.assert_allclose(clip.transform.x.at(times), 0.5)
    np.testing.assert_allclose(clip.transform.rotation.at(times), [0, 5, 10])
    assert clip.transform.crop_l.at(times)[0] == pytest.approx(0.1)
    (slow,) = found.tracks[1].clips
    assert (slow.speed, slow.source_start, slow.path) == (0.5, Fraction(1, 5), "/b.mp4")
    assert not found.tracks[1].enabled
    assert (found.markers[0].name, found.markers[0].time) == ("here", 1)
    assert "filter 'frei0r.glow'" in lines(found)
    assert "audio track" in lines(found)


EDL = """TITLE: my edit
FCM: DROP FRAME

001  TAPE1    V     C        00:00:10:00 00:00:12:00 01:00:00:00 01:00:02:00
* FROM CLIP NAME: one.mov
002  TAPE1    V     C        00:00:12:00 00:00:12:00 01:00:02:00 01:00:02:00
002  TAPE2    V     D    020 00:00:20:00 00:00:23:00 01:00:02:00 01:00:05:00
* TO CLIP NAME: two.mov
M2   TAPE2          060.0                00:00:20:00
003  BL       V     C        00:00:00:00 00:00:01:00 01:00:05:00 01:00:06:00
004  TAPE1    A2    C        00:00:00:00 00:00:01:00 01:00:05:00 01:00:06:00
* ASC_SOP (1 1 1)
"""


def test_edit_list(tmp_path: Path) -> None:
    found = read(tmp_path, "list.edl", EDL)
    assert (found.name, found.rate.fps, found.rate.drop) == ("my edit", Fraction(30000, 1001), True)
    one, two = found.tracks[0].clips
    frame = Fraction(1001, 30000)
    # Up to the middle of the dissolve.
    assert (one.source, one.start, one.end) == ("one.mov", 0, 70 * frame)
    assert (two.source, two.start, two.end, two.speed) == ("two.mov", 70 * frame, 150 * frame, 2.0)
    assert two.source_start == 600 * frame + 20 * frame
    assert found.tracks[0].transitions[0].duration == 20 * frame
    shown = lines(found)
    assert "taken as hour 01" in shown
    assert "channel 'A2': only pictures are read" in shown
    assert "comment 'ASC_SOP (1 1 1)'" in shown


def test_an_edit_list_with_semicolons_throughout(tmp_path: Path) -> None:
    found = read(tmp_path, "list.edl", EDL.replace("01:00:00:00", "01;00;00;00"))
    assert found.tracks[0].clips[0].start == 0


def otio(children: list[object], **more: object) -> str:
    track = {"OTIO_SCHEMA": "Track.1", "kind": "Video", "name": "V1", "children": children}
    stack = {"OTIO_SCHEMA": "Stack.1", "children": [track]}
    return json.dumps({"OTIO_SCHEMA": "Timeline.1", "name": "edit", "tracks": {**stack, **more}})


def span(first: float, frames: float, rate: float = 24.0) -> dict[str, object]:
    def time(value: float) -> dict[str, object]:
        return {"OTIO_SCHEMA": "RationalTime.1", "value": value, "rate": rate}

    return {"OTIO_SCHEMA": "TimeRange.1", "start_time": time(first), "duration": time(frames)}


def test_otio_with_what_other_programs_keep_in_metadata(tmp_path: Path) -> None:
    zoom = {"Parameter ID": "transformationPan", "Parameter Value": 0.0, "Default Parameter Value": 0.0,
            "Key Frames": {"0": {"Value": 0.0}, "24": {"Value": 0.5, "InBez": {}}}}  # fmt: skip
    resolve = {"Effect Name": "Transform", "Enabled": True, "Parameters": [zoom]}
    effect = {"OTIO_SCHEMA": "Effect.1", "effect_name": "Resolve Effect", "metadata": {"Resolve_OTIO": resolve}}
    fade = {**effect, "metadata": {"Resolve_OTIO": {"Effect Name": "Composite", "Parameters": [{}]}}}
    basic = {"effect": {"effectid": "basic", "parameter": [{"parameterid": "scale", "value": "93.8"}]}}
    media = {"OTIO_SCHEMA": "ExternalReference.1", "target_url": "file:///x/a.mov", "available_range": span(86400, 99)}
    clip = {"OTIO_SCHEMA": "Clip.2", "name": "one", "source_range": span(86410, 48), "effects": [effect, fade],
            "media_references": {"DEFAULT_MEDIA": media}}  # fmt: skip
    premiere = {"OTIO_SCHEMA": "Clip.2", "name": "two", "source_range": span(0, 24), "enabled": False,
                "metadata": {"fcp_xml": {"filter": basic}}}  # fmt: skip
    gap = {"OTIO_SCHEMA": "Gap.1", "source_range": span(0, 12)}
    stack = {"OTIO_SCHEMA": "Stack.1", "name": "scene", "children": [], "source_range": span(0, 24)}
    # A version that the library does not know yet: it refuses the whole file.
    marker = {"OTIO_SCHEMA": "Marker.99", "name": "here", "marked_range": span(12, 0)}
    found = read(tmp_path, "edit.otio", otio([clip, gap, premiere, stack], markers=[marker]))
    one, two, scene = found.tracks[0].clips
    assert (one.start, one.duration, one.source, one.source_start) == (0, 2, "a.mov", Fraction(10, 24))
    np.testing.assert_allclose(one.transform.x.at(np.array([0.0, 0.5, 1.0])), [0.5, 0.75, 1.0])
    assert (two.start, two.enabled, two.transform.scale.keyframes[0].value) == (2.5, False, 0.938)
    assert (scene.nested, scene.start) == (True, 3.5)
    assert found.markers[0].time == 0.5
    shown = lines(found)
    assert "effect 'Composite': only Transform and Cropping are read" in shown
    assert "eased movement between keyframes" in shown
    assert "nested sequence 'scene'" in shown


BOMB = '<?xml version="1.0"?><!DOCTYPE xmeml [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><xmeml><name>&b;</name></xmeml>'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("edit.mp4", "", r"found '\.mp4'\. Export it as xmeml"),
        ("edit.xml", "<html/>", r"expected <xmeml>, <fcpxml> or <mlt>; found <html>"),
        ("edit.xml", "<xmeml><sequence>", r"edit\.xml:1: .* must be whole XML; found"),
        ("edit.xml", BOMB, r"may declare no entities: they can grow without end; found entity 'a'"),
        ("edit.xml", "<a>" * 300 + "</a>" * 300, r"may have 200 elements within one another"),
        ("edit.xml", XMEML.replace("<start>0</start><end>-1", "<start>soon</start><end>-1"),
         r"edit\.xml:8: <start> must be a number; found 'soon'"),
        ("edit.xml", XMEML.replace("<timebase>30", "<timebase>0"), r"<timebase> must be a whole number of frames"),
        ("edit.xml", "<xmeml/>", r"an xmeml file must hold a sequence"),
        ("edit.fcpxml", FCPXML.replace('duration="1001/100s"', 'duration="1/0s"'), r"fcpxml:10: duration must be"),
        ("edit.fcpxml", FCPXML.replace('frameDuration="1001/30000s"', ""), r"needs a format with frameDuration"),
        ("edit.mlt", MLT.replace('track producer="t0"', 'track producer="t7"'), r"what is in the file; found 't7'"),
        ("edit.mlt", MLT.replace("480 270", "wide 270"), r"a value must be a number; found 'wide'"),
        ("edit.edl", EDL.replace("FCM: DROP FRAME", ""), r"must say its frame rate.*\* FRAME RATE: 25"),
        ("edit.edl", EDL.replace("00:00:10:00", "00:61:10:00"), r"edit\.edl:4: a timecode counts 60 minutes"),
        ("edit.edl", EDL.replace("TAPE1    V     C        00:00:10", "TAPE1 00:00:10"), r"edl:4: an event must be"),
        ("edit.edl", "nothing", r"must hold a title or an event"),
        ("edit.otio", "{", r"edit\.otio:1: an \.otio file must be whole JSON"),
        ("edit.otio", "[" * 100_000, r"must be whole JSON"),
        ("edit.otio", '{"OTIO_SCHEMA": "Clip.2"}', r"must hold a Timeline; found 'Clip\.2'"),
        ("edit.otio", otio([{"OTIO_SCHEMA": "Clip.2", "source_range": span(0, float("inf"))}]),
         r"tracks\.children\[0\]\.children\[0\]\.source_range: a time must have numbers; found inf"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=message):
        read(tmp_path, name, text)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="a timeline's file must be readable"):
        read_timeline(tmp_path / "nowhere.xml")
    (tmp_path / "folder.xml").mkdir()
    with pytest.raises(CorpusError, match="a folder"):
        read_timeline(tmp_path / "folder.xml")
