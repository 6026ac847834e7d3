"""Decoding of footage: time stamps, several streams, what is missing, damaged or broken."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from factories.footage import HEIGHT, WIDTH, Pictures, Sound, cut_at, grey, make_clip, tone, turned

from experiments.footage import media
from experiments.footage.grid import SAMPLES
from experiments.footage.sound import listen
from mmcore.errors import CorpusError


def shown(path: Path) -> list[media.Shown]:
    return list(media.pictures(path, media.survey(path), 1, media.Damage()))


def changes(path: Path) -> list[float]:
    """The times of the rows with another picture."""
    return [round((at + 1) * 0.1, 1) for at, one in enumerate(shown(path)) if one.picture_HW3 is not None]


class Recorder:
    """Keeps the loudness of each step."""

    def hear(self, channels_CN: np.ndarray, mono_N: np.ndarray) -> np.ndarray:
        assert mono_N.shape == (SAMPLES,)
        return np.array([np.abs(channels_CN).max()])

    def miss(self) -> np.ndarray:
        return np.array([np.nan])


def loudness(path: Path) -> np.ndarray:
    blocks = media.blocks(path, media.survey(path), media.Damage())
    return np.array([rows[0][0] for rows in listen(blocks, [Recorder()])])


def test_a_row_shows_what_is_on_the_screen_at_its_time(tmp_path: Path) -> None:
    """Time stamps count, not a rate: a picture stays until the next one, and a row never sees a later one."""
    times = [0.0, 0.25, 0.3, 1.02, 1.9]
    path = make_clip(tmp_path / "uneven.mkv", Pictures(lambda t: grey(int(t * 100))(t), times))
    rows = shown(path)
    assert len(rows) == 20  # the last picture is there for the 0.1 s that the file's rate promises
    assert changes(path) == [0.1, 0.3, 1.1, 1.9]
    levels = [int(one.picture_HW3[0, 0, 0]) for one in rows if one.picture_HW3 is not None]
    assert levels == [0, 30, 102, 190]


def test_rows_before_the_first_picture_have_none(tmp_path: Path) -> None:
    path = make_clip(
        tmp_path / "late.mkv", Pictures(cut_at(9), [1.0, 1.1, 1.2]), Sound(tone(), 1.5)
    )  # fmt: skip
    assert changes(path) == [1.0, 1.1, 1.2]
    assert len(loudness(path)) == 15


def test_of_several_streams_the_rule_chooses_and_says_which(tmp_path: Path) -> None:
    path = make_clip(
        tmp_path / "several.mkv",
        Pictures(grey(10), size=(32, 24)),
        Sound(tone(0.1), rate=8000),
        Pictures(grey(200)),
        Sound(tone(0.9, channels=2), layout="stereo"),
    )
    found = media.survey(path)
    assert (found.video, found.audio) == (2, 3)
    assert found.notes == (
        "2 videos; took stream 2 (64×48), the largest picture",
        "2 sounds; took stream 3 (2 channels, 16000 Hz): the default, then most channels, highest rate",
    )
    first = shown(path)[0].picture_HW3
    assert first is not None
    assert first.mean() > 150
    assert loudness(path).max() > 0.8


def test_all_channels_of_surround_sound_are_heard(tmp_path: Path) -> None:
    def only_the_centre(t: np.ndarray) -> np.ndarray:
        return np.stack([tone()(t)[0] * (channel == 2) for channel in range(6)])

    path = make_clip(tmp_path / "surround.mkv", Sound(only_the_centre, layout="5.1", rate=48_000))
    survey = media.survey(path)
    blocks = list(media.blocks(path, survey, media.Damage()))
    assert {block.channels_CN.shape[0] for block in blocks} == {6}
    mono = np.concatenate([block.mono_N for block in blocks])
    assert np.abs(mono).max() > 0.1  # the mixture keeps the centre
    assert len(loudness(path)) == 20


def test_a_hole_in_the_sound_is_missed_and_not_closed(tmp_path: Path) -> None:
    with_hole = Sound(tone(), seconds=0.5), Sound(tone(), seconds=0.5, start=1.05)
    paths = [make_clip(tmp_path / f"{at}.mkv", one) for at, one in enumerate(with_hole)]
    blocks = [
        block for path in paths for block in media.blocks(path, media.Survey(0, 1, None, 0, None), media.Damage())
    ]
    rows = np.array([rows[0][0] for rows in listen(iter(blocks), [Recorder()])])
    assert np.isnan(rows).tolist() == [False] * 5 + [True] * 6 + [False] * 4


@pytest.mark.parametrize("stream", ["no sound", "no video"])
def test_a_clip_may_lack_sound_or_video(tmp_path: Path, stream: str) -> None:
    one = Pictures(grey(50)) if stream == "no sound" else Sound(tone())
    path = make_clip(tmp_path / "half.mkv", one)
    assert bool(shown(path)) is (stream == "no sound")
    assert bool(len(loudness(path))) is (stream == "no video")


def test_a_rotation_flag_is_followed(tmp_path: Path) -> None:
    def top_is_white(time: float) -> np.ndarray:
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[: HEIGHT // 2] = 255
        return picture

    path = turned(make_clip(tmp_path / "phone.mp4", Pictures(top_is_white)))
    picture = shown(path)[0].picture_HW3
    assert picture is not None
    assert picture.shape == (WIDTH, HEIGHT, 3)
    # With the clock, what was above is on the right.
    assert picture[:, : HEIGHT // 2 - 4].mean() < 40
    assert picture[:, HEIGHT // 2 + 4 :].mean() > 215


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "wide.mkv", Pictures(grey(50), times=(0.0, 0.1), size=(1280, 720)))
    picture = shown(path)[0].picture_HW3
    assert picture is not None
    assert picture.shape == (288, 512, 3)


def test_damaged_packets_are_left_out_and_counted(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "whole.mp4", Pictures(cut_at(1.0)))
    with av.open(str(path)) as container:
        packet = next(
            packet for packet in container.demux(video=0) if packet.pts and packet.time_base * packet.pts >= 1
        )
    data = bytearray(path.read_bytes())
    assert packet.pos
    data[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    broken = tmp_path / "damaged.mp4"
    broken.write_bytes(data)
    damage = media.Damage()
    rows = list(media.pictures(broken, media.survey(broken), 1, damage))
    assert len(rows) == 20
    assert damage.packets >= 1
    assert damage.lines("video")[0].startswith(f"video: {damage.packets} damaged packet")


def test_a_file_that_ends_in_the_middle_gives_what_is_there(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "whole.mkv", Pictures(cut_at(1.0), [at / 10 for at in range(20)]))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 5 <= len(shown(cut)) <= 12


def test_subtitles_inside_a_file_are_found(tmp_path: Path) -> None:
    srt = tmp_path / "text.srt"
    srt.write_text("1\n00:00:00,500 --> 00:00:01,000\nHallo\n\n2\n00:00:01,200 --> 00:00:01,500\ndu\n\n")
    sound = make_clip(tmp_path / "sound.mkv", Sound(tone()))
    path = tmp_path / "both.mkv"
    with av.open(str(path), "w") as out, av.open(str(sound)) as one, av.open(str(srt)) as other:
        made = [out.add_stream_from_template(source.streams[0]) for source in (one, other)]
        for source, stream in zip((one, other), made, strict=True):
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = stream
                    out.mux(packet)
    np.testing.assert_allclose(media.cues(path, media.survey(path)), [(0.5, 1.0), (1.2, 1.5)])
    assert media.cues(sound, media.survey(sound)) == []


@pytest.mark.parametrize("content", [b"", b"no media at all" * 100, b"\x1aE\xdf\xa3" + bytes(500)])
def test_what_is_no_media_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.mp4"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=r"no.mp4: footage must be a media file that FFmpeg reads"):
        media.survey(path)


def test_a_broken_time_stamp_ends_a_stream_and_not_the_memory(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "jump.mkv", Pictures(cut_at(9), [0.0, 0.1, 0.2, 90_000.0]))
    damage = media.Damage()
    assert len(list(media.pictures(path, media.survey(path), 1, damage))) <= 4
    assert damage.lines("video") == ["video: a time stamp 90000 s after the last one; the rest is left out"]


def test_the_frame_and_the_rate_of_a_file(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "film.mp4", Pictures(grey(90)))
    assert media.shape_of(path) == (10, WIDTH, HEIGHT)
    # As a player shows it.
    assert media.shape_of(turned(path)) == (10, HEIGHT, WIDTH)
    assert media.shape_of(make_clip(tmp_path / "sound.wav", Sound(tone()))) is None
