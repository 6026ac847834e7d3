"""Every page: its commands exist with their options, its Python compiles, its YAML can be read."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import typer.main
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
HISTORY = {"CHANGELOG.md", "decisions.md"}
"""Pages that name what is gone."""
FRAGMENTS = {"extend.md"}
"""Pages whose Python is parts of files; tests/test_add_a_fusion.py puts them there."""


@cache
def command() -> Any:
    return typer.main.get_command(import_module("experiments.cli.main").app)


USAGE = typer.BadParameter.__base__
"""What the command line raises at a command that it does not understand."""


def blocks(page: Path, *languages: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    return [block for language, block in found if language in languages]


def in_blocks(page: Path) -> Iterator[str]:
    """Commands on lines of their own, with their options."""
    for block in blocks(page, "sh", ""):
        for line in block.replace("\\\n", " ").splitlines():
            words = re.split(r"\s{2,}#", line)[0].strip().removeprefix("$ ")
            if words.startswith("mmstudy "):
                yield words


def in_sentences(page: Path) -> Iterator[str]:
    """Commands within text; what stands for any word (STUDY, DIR, …) stays."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    yield from (found.replace("…", "") for found in re.findall(r"`(mmstudy [a-z-][^`]*)`", text))


def parse(line: str) -> None:
    """Let the command line read a command, without doing anything.

    Raises:
        USAGE: an unknown verb or option, a value that an option cannot have, a missing argument.
    """
    words = shlex.split(line)[1:]
    group = command()
    context = group.make_context("mmstudy", words[:])
    # Options of mmstudy itself may stand before the verb.
    while words and words[0].startswith("--"):
        words = words[2:]
    while words and hasattr(group, "resolve_command"):
        name, group, words = group.resolve_command(context, words)
    if not hasattr(group, "resolve_command"):
        group.make_context(name, words[:], parent=context)


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """A command with ``--lang ja`` lets this process speak Japanese from then on."""
    with patch.dict(os.environ):
        yield


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_exist(page: Path) -> None:
    if page.name in HISTORY:
        pytest.skip("tells of earlier versions")
    for line in in_blocks(page):
        parse(line)
    for line in in_sentences(page):
        assert missing_from(line) in (None, "an argument"), line


def missing_from(line: str) -> str | None:
    """What a command in a sentence leaves to its reader: `mmstudy plan` names the verb, KIND stands for a word."""
    try:
        parse(line)
    except typer.BadParameter as problem:
        verb = type(problem).__name__ == "MissingParameter" and "--" not in line
        return "an argument" if verb or "'KIND'" in str(problem.message) else str(problem)
    return None


def test_every_verb_is_in_the_list_of_commands() -> None:
    named = {line.split()[1] for line in in_blocks(ROOT / "docs" / "use.md")}
    assert sorted({*command().commands} - named) == []


def test_a_wrong_command_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("`mmstudy run STUDY`, `mmstudy`\n\n```sh\nmmstudy plan fusion \\\n  --repeats 3   # so\n```\n")
    assert [*in_blocks(page)] == ["mmstudy plan fusion    --repeats 3"]
    assert [*in_sentences(page)] == ["mmstudy run STUDY"]
    for line in (
        "mmstudy plans fusion",
        "mmstudy plan fusion --repaets 3",
        "mmstudy plan",
        "mmstudy data import zip A",
    ):
        with pytest.raises(USAGE):
            parse(line)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_code_of_a_page_can_be_read(page: Path) -> None:
    for block in blocks(page, "yaml"):
        assert yaml.safe_load(block.replace("???", "1")) is not None
    if page.name not in FRAGMENTS:
        for block in blocks(page, "python"):
            compile(block, page.name, "exec")
