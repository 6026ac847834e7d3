"""The page about judging scores: its code runs, its commands exist, and they print what it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from factories.command import mmstudy

from experiments.home import Home

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "judge.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|text|sh)\n(.*?)```", PAGE, flags=re.S)
RUN = ("scores.csv", "many.csv", "bad.csv", "twice.csv")
"""Files that the page makes itself: commands on them are run."""


def commands(text: str) -> list[list[str]]:
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("mmstudy ")]


def test_the_page_does_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path / "mlruns")
    namespace: dict[str, object] = {"__name__": "page"}
    printed, compared, ran = "", 0, 0
    for language, text in BLOCKS:
        match language:
            case "text":
                assert text.rstrip() in printed
                compared += 1
            case "python":
                exec(compile(text, "judge.md", "exec"), namespace)
                printed = capsys.readouterr().out
            case _:
                for words in commands(text):
                    if words[1] in RUN:
                        done = mmstudy(home, *words)
                        printed = done.stdout + done.stderr
                        assert done.returncode == (2 if words[1] in ("bad.csv", "twice.csv") else 0), printed
                        ran += 1
    assert compared == 8
    assert ran == 5
