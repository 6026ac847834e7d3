"""What the page about own parts shows is what happens."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from factories.command import mmstudy
from factories.studies import blank_figures, database_from_nothing, migrated, no_mirror, quick_starts, with_database

from experiments.home import Home
from mmcore.model import custom_model, own_encoder
from mmcore.model.fusion import custom as fusion
from mmcore.model.heads import custom as head
from mmcore.promises.models import MODEL_PROMISES

pytestmark = pytest.mark.usefixtures("no_mirror")

__all__ = ["blank_figures", "database_from_nothing", "migrated", "no_mirror", "quick_starts", "with_database"]
PAGE = (Path(__file__).resolve().parent.parent / "docs" / "own-parts.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, flags=re.S)
COMMANDS = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for _, text in BLOCKS:
        if name := re.match(r"# (\S+\.(?:py|yaml))\n", text):
            (tmp_path / name[1]).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_every_command_shown_does_what_is_said(folder: Path) -> None:
    home = Home(folder / "home")
    assert [line.split()[1] for line in COMMANDS] == ["verify"] * 4 + ["plan", "run", "verify"]
    for line in COMMANDS:
        words = shlex.split(line)[1:]
        fewer = ["--repeats", "2", "--set", "training.epochs=1", "--workers", "1"] if words[0] != "verify" else []
        done = mmstudy(home, *words, *fewer)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        if words[0] == "run":
            assert all(
                f"{arm} r1: test pinball" in done.stderr for arm in ("gated", "product", "recurrent", "log_cosh")
            )
        if words[0] == "plan":
            assert "my_parts:Recurrent" in done.stdout


def test_the_table_names_what_a_class_may_name() -> None:
    rows = dict(re.findall(r"^\| (`model[^|]*`) \| [^|]* \| ([^|]*) \|", PAGE, flags=re.M))
    for place, inputs in (
        ("`model.fusion`", fusion.INPUTS),
        ("`model.embedding.MODALITY`", own_encoder.EMBEDDING_INPUTS),
        ("`model.encoder`", own_encoder.ENCODER_INPUTS),
        ("`model.head`", head.INPUTS),
        ("`model`", custom_model.INPUTS),
    ):
        assert {*re.findall(r"`(\w+)`", rows[place])} == {*inputs}, place


def test_the_promise_shown_is_one_that_is_made() -> None:
    shown = re.findall(r"^BROKEN  (\S+) +(.*)$", PAGE, flags=re.M)
    assert shown
    assert {*shown} <= {(promise.name, promise.says) for promise in MODEL_PROMISES}
