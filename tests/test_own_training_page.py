"""What the page about training code of one's own shows is what happens."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest
import yaml
from factories.command import mmstudy
from factories.studies import blank_figures, migrated, no_mirror, quick_starts, with_database

from experiments.home import Home
from studies.resolve_runner import resolve_runner
from studies.study import read_study

pytestmark = pytest.mark.usefixtures("no_mirror")

__all__ = ["blank_figures", "migrated", "no_mirror", "quick_starts", "with_database"]

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "own-training.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    every = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, flags=re.S | re.M)
    return [text for kind, text in every if kind == language]


def files() -> dict[str, str]:
    """Blocks that begin with their file's name."""
    named = [(re.match(r"# ([\w.]+\.(?:py|yaml))\b", text), text) for text in blocks("python") + blocks("yaml")]
    return {found[1]: text for found, text in named if found}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    for name, text in files().items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_every_command_works_and_says_what_is_shown(project: Path) -> None:
    home, said = Home(project / "mlruns"), {}
    for line in [line.split("  #")[0].strip() for block in blocks("sh") for line in block.splitlines()]:
        done = mmstudy(home, *shlex.split(line)[1:])
        assert done.returncode == 0, (line, done.stderr)
        said[line] = done.stdout
    (shown,) = [block for block in blocks("") if "is better than" in block]
    assert shown.strip() in said["mmstudy run visual.yaml"]
    assert "'deep' is better than 'shallow'" in said["mmstudy run deep.yaml"]
    assert "pruning saved" in said["mmstudy run tuned.yaml"]
    assert len(list((project / "mlruns" / "runs").glob("*/output.log"))) >= 36


def test_the_files_shown_are_those_of_the_commands() -> None:
    assert set(files()) == {"train.py", "visual.yaml", "tuned.yaml", "mine.py", "deep.yaml"}


REST = {
    "question": "Does it help?", "arms": {"one": {}, "two": {"lr": 0.1}}, "reference": "one", "repeats": 2,
    "metric": "accuracy",
}  # fmt: skip


@pytest.mark.parametrize("text", [text for text in blocks("yaml") if "question:" not in text])
def test_the_other_runners_shown_are_accepted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "shown.yaml"
    path.write_text(yaml.safe_dump({**REST, **yaml.safe_load(text)}), encoding="utf-8")
    study, written = read_study(path)
    assert len(resolve_runner("shown", study, written).arms) == 2


def test_every_setting_of_a_runner_is_explained() -> None:
    from studies.runner import GIVEN, CommandRunner, FunctionRunner

    for name in {*CommandRunner.model_fields, *FunctionRunner.model_fields}:
        assert re.search(rf"\b{name}\b", PAGE), name
    for name in GIVEN:
        assert f"`{{{name}}}`" in PAGE
