"""The language of commands: how it is chosen, and that help, plan, status, checks and reports are in it."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from factories.command import exit_code, mmstudy, words_of
from factories.finished_study import WORDS, project, whole_project
from rich.cells import cell_len
from typer.main import get_command

from experiments.cli.help import WIDTH, HelpText, help_texts
from experiments.cli.main import app
from experiments.home import Home
from mmcore.language import say, speaking
from reports.checks.rules import RULES

__all__ = ["project", "whole_project"]


def _japanese(text: str) -> bool:
    """Whether a text has Japanese letters."""
    return any("\u3040" <= letter <= "\u30ff" or "\u4e00" <= letter <= "\u9fff" for letter in text)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_every_text_of_the_help_has_its_translation() -> None:
    texts = list(help_texts(get_command(app)))
    assert len(texts) > 100
    with speaking("ja"):
        assert not [one for one in texts if not _japanese(say(one.text))]


def test_the_help_of_the_root_of_a_group_and_of_a_verb_is_in_the_language(home: Home) -> None:
    text = ""
    for words in (["--help"], ["home", "--help"], ["plan", "--help"]):
        done = mmstudy(home, "--lang", "ja", *words)
        assert done.returncode == 0, done.stderr
        text = done.stdout
        assert text.startswith("使い方: ")
        assert "オプション:" in text
        # A sign that may not begin a line stands behind the last column.
        assert max(map(cell_len, text.splitlines())) <= WIDTH + 2
        english = [line for line in text.splitlines()[1:] if len(line.split()) > 3 and not _japanese(line)]
        assert not english
    assert "[既定値: cpu]" in text
    assert "[必須]" in text


def test_the_language_may_stand_behind_the_verb_and_before_the_help(home: Home) -> None:
    first = mmstudy(home, "--lang", "ja", "plan", "--help").stdout
    assert mmstudy(home, "plan", "--help", "--lang=ja").stdout == first
    assert mmstudy(home, "plan", "--help").stdout.startswith("Usage: ")


def test_the_environment_and_the_locale_choose_where_no_option_does(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MMSTUDY_LANG")
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert mmstudy(home, "--help").stdout.startswith("使い方")
    monkeypatch.setenv("MMSTUDY_LANG", "en")
    assert mmstudy(home, "--help").stdout.startswith("Usage")


@pytest.mark.parametrize("words", [["--lang", "xx", "list"], ["list", "--lang", "xx"], ["--lang", "xx", "--help"]])
def test_an_unknown_language_is_refused_in_one_line(home: Home, words: list[str]) -> None:
    done = mmstudy(home, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --lang: the language must have a catalogue; expected en or ja; found 'xx'\n"


def test_an_unknown_language_of_the_environment_is_refused_before_work(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MMSTUDY_LANG", "xx")
    done = mmstudy(home, "list", "--format", "json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: MMSTUDY_LANG: the language must have a catalogue")


def test_a_help_that_is_not_translated_would_be_found() -> None:
    with speaking("ja"):
        assert not _japanese(say(HelpText("Do what no catalogue knows.", "x.py").text))


def test_every_check_is_named_and_explained_in_the_language() -> None:
    with speaking("ja"):
        for rule in RULES:
            assert all(_japanese(say(text)) for text in (rule.title, rule.reason, rule.advice)), rule.code


def test_checks_and_plan_are_printed_in_the_language(project: Path) -> None:
    home = Home.choose()
    text = mmstudy(home, "--lang", "ja", "check", *WORDS).stdout
    assert "反復が指定より少ない" in text
    assert "何をすればよいか：" in text
    said = {
        check["code"]: check
        for check in json.loads(mmstudy(home, "check", *WORDS, "--format", "json").stdout)["checks"]
    }
    spoken = json.loads(mmstudy(home, "--lang", "ja", "check", *WORDS, "--format", "json").stdout)["checks"]
    for check in spoken:
        # Scripts read the outcome and the code; people read the rest.
        assert check["outcome"] == said[check["code"]]["outcome"]
        assert _japanese(check["title"])


def test_a_pipe_gets_utf8_where_the_console_has_other_letters(project: Path) -> None:
    out, errors = (io.TextIOWrapper(io.BytesIO(), encoding="cp1252") for _ in range(2))
    with (
        patch.object(sys, "stdout", out),
        patch.object(sys, "stderr", errors),
        patch.object(sys, "argv", ["mmstudy", "--lang", "ja", *words_of(Home.choose(), "plan", *WORDS)]),
        patch.dict(os.environ),
    ):
        assert exit_code() == 0
        out.flush()
    text = out.buffer.getvalue().decode("utf-8")
    assert _japanese(text)
    assert "\\u" not in text
