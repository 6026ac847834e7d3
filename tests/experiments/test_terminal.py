"""What reaches a terminal, and what reaches a spreadsheet."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from factories.command import mmstudy

from experiments.home import Home
from experiments.progress import Screen
from experiments.terminal import SafeStream, safe
from reports.output.tables import without_formulas

EVIL = "a\x1b[31mb\x1b]0;title\x07c\u202ed\u2066e\x9bf\rg"


def unsafe(text: str) -> list[str]:
    return [c for c in text if c in "\x1b\x07\u202e\u2066\x9b\r"]


def test_unsafe_characters_are_shown_by_their_numbers() -> None:
    assert safe(EVIL) == r"a\u001b[31mb\u001b]0;title\u0007c\u202ed\u2066e\u009bf\u000dg"
    assert safe("日本語 é\n\tx") == "日本語 é\n\tx"
    assert json.loads(safe(json.dumps({"name": "x\u202ey\x9b"}, ensure_ascii=False))) == {"name": "x\u202ey\x9b"}


def test_a_stream_that_cannot_write_a_character_is_no_error() -> None:
    raw = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    SafeStream(raw).write("日本 é")
    raw.flush()
    raw.seek(0)
    assert raw.read() == "\\u65e5\\u672c é"


def test_names_never_reach_a_terminal_raw(tmp_path: Path, tiny_corpus: Path, tiny_study_text: str, home: Home) -> None:
    study = tmp_path / "s\u202e\x1b[31m.yaml"
    study.write_text(tiny_study_text.replace("track:", '"tr\u202eack":', 1))
    for words in (["plan", study], ["plan", study, "--format", "json"], ["status", study], ["run", tmp_path / EVIL]):
        told = mmstudy(home, *words, "--corpus", tiny_corpus)
        assert unsafe(told.stdout + told.stderr) == []
        assert told.stdout or told.stderr
    study.write_text('question: q\nreference: a\narms: {a: {}, "b\u202e": {modle: 1}}\n')
    told = mmstudy(home, "plan", study, "--corpus", tiny_corpus)
    assert (told.returncode, unsafe(told.stderr)) == (2, [])


def test_progress_shows_names_as_they_are_and_safe(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen() as screen:
        screen.say(EVIL)
        screen.finished(f"[bold]{EVIL}", "done", False)
    shown = capsys.readouterr().err
    assert unsafe(shown) == []
    assert "[bold]a" in shown


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_console_of_any_encoding_is_enough(encoding: str) -> None:
    words = [sys.executable, "-m", "experiments.cli", "plan", "音声\u202e"]
    done = subprocess.run(words, capture_output=True, env={"PYTHONIOENCODING": encoding, "PATH": ""})
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"neither a study of the catalogue nor a file" in done.stderr


def test_no_cell_of_an_export_is_a_formula() -> None:
    frame = pd.DataFrame({"arm": ["=cmd|' /C calc'!A0", "+a", "-b", "@c", "audio+track", "-0.5", None], "=n": range(7)})
    lines = without_formulas(frame).to_csv(index=False).splitlines()
    assert [line.rpartition(",")[0] for line in lines] == [
        "arm", "'=cmd|' /C calc'!A0", "'+a", "'-b", "'@c", "audio+track", "-0.5", "",
    ]  # fmt: skip
    assert lines[0] == "arm,'=n"
    plain = pd.DataFrame({"arm": ["a"], "x": [-0.5]})
    assert without_formulas(plain) is plain
