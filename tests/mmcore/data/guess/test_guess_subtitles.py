"""Subtitles, read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmcore.data.guess.subtitles import read_subtitles
from mmcore.errors import CorpusError


def read(tmp_path: Path, text: str, name: str = "a.srt") -> list[tuple[float, float, str]]:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return [tuple(row) for row in read_subtitles(path).itertuples(index=False)]


def test_subrip(tmp_path: Path) -> None:
    text = (
        "\ufeff1\r\n00:00:01,500 --> 00:00:02,000\r\nHello\r\n<i>there</i>\r\n\r\n"
        "2\r\n01:00:00,000 --> 01:00:01,000\r\n音\r\n"
    )
    assert read(tmp_path, text) == [(1.5, 2.0, "Hello there"), (3600.0, 3601.0, "音")]


def test_webvtt(tmp_path: Path) -> None:
    text = (
        "WEBVTT - title\nKind: captions\n\nNOTE a comment\nover two lines\n\nSTYLE\n::cue {}\n\n"
        "intro\n00:01.000 --> 00:02.500 align:start position:10%\n<v Anna>Hi\n\n00:01:00.000 --> 00:01:01.000\nBye\n"
    )
    assert read(tmp_path, text, "a.vtt") == [(1.0, 2.5, "Hi"), (60.0, 61.0, "Bye")]


@pytest.mark.parametrize("text", ["", "\n\n", "WEBVTT\n", "1\n"])
def test_a_file_without_subtitles_is_empty(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == []


def test_a_subtitle_without_text_has_empty_text(tmp_path: Path) -> None:
    assert read(tmp_path, "1\n00:00:01,000 --> 00:00:02,000\n") == [(1.0, 2.0, "")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1\n00:00:01,000 -> 00:00:02,000\nx\n", "a.srt:1: a subtitle has a line of times"),
        ("1\n00:00:01,000 --> 00:00:02,000\nx\n\nlost\nlines\n", "a.srt:5: a subtitle has a line of times"),
        ("1\n00:00:03,000 --> 00:00:02,000\nx\n", "a.srt:1: a subtitle must not end before it starts"),
    ],
)
def test_what_is_no_subtitle_is_told_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(CorpusError) as caught:
        read(tmp_path, text)
    assert says in str(caught.value)
