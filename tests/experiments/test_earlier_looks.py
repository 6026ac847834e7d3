"""Repeats added to an undecided study, as a user does it: what the commands say before, in the report and after."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from factories.command import mmstudy
from factories.finished_study import within
from factories.once import made_once
from factories.studies import sketching, unmirrored
from factories.training_code import SCRIPT, project

from experiments.driver import run_study
from experiments.home import Home
from experiments.planning.request import Options
from experiments.progress import Silent

pytestmark = pytest.mark.usefixtures("no_mirror")

SETTINGS = ("--set", "training.optimiser.learning_rate=0.01", "--set", "training.epochs=4", "--workers", "1")
"""With these the arm that sees the level is better in every repeat, and six of them from repeat 6 on do not show it."""


def check_in(home: Home, *words: str | Path) -> Any:
    told = json.loads(mmstudy(home, "check", *words, "--format", "json").stdout)
    return next(check for check in told["checks"] if check["code"] == "ABL046")


def reports_of(home: Home) -> dict[int, Path]:
    """The folder of each report by its number of repeats."""
    found = {path.parent: json.loads(path.read_text("utf-8")) for path in (home.root / "reports").glob("*/report.json")}
    return {told["repeats"]: folder for folder, told in found.items()}


def test_a_claim_of_repeats_that_were_added_after_a_look(home: Home, tiny_study: Path, tiny_corpus: Path) -> None:
    study = (tiny_study, "--corpus", tiny_corpus, *SETTINGS)
    first = mmstudy(home, "run", *study, "--repeats", "6@6", "--quiet")
    assert first.returncode == 0, first.stderr
    before = {path.name: path.read_bytes() for path in reports_of(home)[6].iterdir() if path.is_file()}
    assert "earlier_looks" not in json.loads(before["report.json"])
    assert check_in(home, *study[:-2], "--repeats", "6@6")["outcome"] == "passed"

    planned = " ".join(mmstudy(home, "plan", *study, "--repeats", "16@6").stdout.split())
    assert "warning: an earlier report left 'both' against 'track' undecided." in planned
    assert "--repeats 16@22" in planned
    assert "ABL046" not in mmstudy(home, "plan", *study, "--repeats", "6@6").stdout
    assert "ABL046" not in mmstudy(home, "plan", *study, "--repeats", "16@22").stdout
    told = json.loads(mmstudy(home, "plan", *study, "--repeats", "16@6", "--format", "json").stdout)
    assert any("ABL046" in text for text in told["warnings"])

    second = mmstudy(home, "run", *study, "--repeats", "16@6")
    said = " ".join((second.stdout + second.stderr).split())
    assert "an earlier report left 'both' against 'track' undecided" in said
    assert "'both' is better than 'track'. The number of repeats was changed after a look: undecided" in said
    assert "Warning ABL046: Repeats were changed after a look." in said
    written = json.loads((reports_of(home)[16] / "report.json").read_text(encoding="utf-8"))
    (look,) = written["earlier_looks"]
    assert (look["planned"]["repeats"], look["planned"]["first_repeat"], len(look["runs"])) == (6, 6, 12)
    assert mmstudy(home, "report", *study[:-2], "--repeats", "16@6", "--strict").returncode == 1
    assert check_in(home, *study[:-2], "--repeats", "16@6")["outcome"] == "warning"

    # There is nothing left to train.
    assert "ABL046" not in mmstudy(home, "plan", *study, "--repeats", "16@6").stdout

    # What is written again stays the same, in whatever order.
    whole = (reports_of(home)[16] / "report.json").read_bytes()
    for repeats in ("6@6", "16@6"):
        assert mmstudy(home, "report", *study[:-2], "--repeats", repeats).returncode == 0
    assert (reports_of(home)[16] / "report.json").read_bytes() == whole
    assert {path.name: path.read_bytes() for path in reports_of(home)[6].iterdir() if path.is_file()} == before


def undecided(folder: Path) -> Path:
    """The file of a study with training code of its own: one repeat, equal in both arms, keeps six from a claim."""
    gain = '0.05 if asked.fusion == "gated" else 0.0'
    assert SCRIPT.count(gain) == 1
    rare = '0.05 + 0.001 * asked.seed if asked.fusion == "gated" and asked.seed != 3 else 0.0'
    return project(folder, train=SCRIPT.replace(gain, rare))


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Home]:
    """A study with training code of its own that was undecided after six repeats; nobody changes it."""

    def make(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        path = undecided(folder / "project")
        with sketching(), unmirrored():
            run_study(str(path), folder / "home", Options(repeats=6, workers=2), display=Silent())

    folder = made_once(tmp_path_factory, "looked_at", make)
    return next((folder / "project").glob("*.yaml")), Home(folder / "home")


def test_training_code_of_ones_own_is_no_different(looked_at: tuple[Path, Home], tmp_path: Path) -> None:
    study, made = looked_at
    home = Home(tmp_path / "home")
    shutil.copytree(made.root, home.root)
    assert "ABL046" in mmstudy(home, "plan", study, "--repeats", "10").stdout
    said = " ".join(mmstudy(home, "run", study, "--repeats", "10").stdout.split())
    assert "The number of repeats was changed after a look: undecided after 6 repeats, now better after 10" in said


def test_another_study_with_the_same_arms_was_no_look(looked_at: tuple[Path, Home], tmp_path: Path) -> None:
    """Its number of repeats may have been planned for reasons of its own; its name begins like the first one's."""
    study, made = looked_at
    home, folder = Home(tmp_path / "home"), tmp_path / "project"
    shutil.copytree(made.root, home.root)
    shutil.copytree(study.parent, folder)
    longer, plain = folder / "gate_again.yaml", folder / study.name
    plain.rename(longer)
    shutil.rmtree(reports_of(home)[6])
    assert "12 of 12 runs are there already" in mmstudy(home, "run", longer, "--repeats", "6").stderr
    assert "ABL046" in mmstudy(home, "plan", longer, "--repeats", "10").stdout
    longer.rename(plain)
    assert "ABL046" not in mmstudy(home, "plan", plain, "--repeats", "10").stdout


def test_a_claim_that_stands_already_needs_no_warning(tmp_path: Path) -> None:
    study, home = project(tmp_path / "clear"), Home(tmp_path / "home")
    assert "'gated' is better than 'concat'." in mmstudy(home, "run", study, "--repeats", "6").stdout
    assert "ABL046" not in mmstudy(home, "plan", study, "--repeats", "10").stdout
    assert "ABL046" not in mmstudy(home, "run", study, "--repeats", "10").stdout


def test_its_scores_are_compared_and_judged_with_the_same_doubt(looked_at: tuple[Path, Home], tmp_path: Path) -> None:
    study, made = looked_at
    home = Home(tmp_path / "home")
    shutil.copytree(made.root, home.root)
    assert mmstudy(home, "run", study, "--repeats", "10", "--quiet").returncode == 0
    folders = reports_of(home)
    doubt = "The study's report doubts its claims, since the number of repeats was changed after a look (ABL046)."
    compared = " ".join(mmstudy(home, "compare", folders[6], folders[10]).stdout.split())
    assert "B doubts its claims, since the number of repeats was changed after a look (ABL046)." in compared
    assert "A doubts its claims" not in compared
    judged = mmstudy(home, "judge", folders[10])
    assert judged.returncode == 0, judged.stderr
    assert "'gated' is better than 'concat'." in judged.stdout
    assert doubt in " ".join(judged.stdout.split())
    assert doubt not in " ".join(mmstudy(home, "judge", folders[6]).stdout.split())


def test_the_doubt_travels_with_the_study(tmp_path: Path) -> None:
    """A report elsewhere has no earlier report beside it, and the same bytes all the same."""
    here, there = tmp_path / "here", tmp_path / "there"
    there.mkdir()
    study = undecided(here).name
    with within(here):
        home = Home.choose()
        assert mmstudy(home, "run", study, "--repeats", "6", "--quiet").returncode == 0
        assert mmstudy(home, "home", "export", study, "first.zip", "--repeats", "6").returncode == 0
        assert mmstudy(home, "run", study, "--repeats", "10", "--quiet").returncode == 0
        assert mmstudy(home, "home", "export", study, "second.zip", "--repeats", "10").returncode == 0
        before = (reports_of(home)[10] / "report.json").read_bytes()
    assert "looks.json" not in zipfile.ZipFile(here / "first.zip").namelist()
    assert "looks.json" in zipfile.ZipFile(here / "second.zip").namelist()
    with within(there):
        home = Home.choose()
        for _ in range(2):
            done = mmstudy(home, "home", "import", here / "second.zip", "--with-code")
            assert done.returncode == 0, done.stderr
        assert check_in(home, study, "--repeats", "10")["outcome"] == "warning"
        # Other reports that are written here first are no earlier looks.
        assert mmstudy(home, "report", study, "--repeats", "8").returncode == 0
        assert mmstudy(home, "report", study, "--repeats", "10").returncode == 0
        assert (reports_of(home)[10] / "report.json").read_bytes() == before
        # What goes on there goes on with what is known.
        assert "undecided after 6 repeats" in " ".join(mmstudy(home, "run", study, "--repeats", "12").stdout.split())
        assert mmstudy(home, "home", "check").returncode == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"study": "gate", "comparisons": 3}', "\0"])
def test_a_report_that_cannot_be_read_says_nothing(looked_at: tuple[Path, Home], tmp_path: Path, text: str) -> None:
    study, made = looked_at
    home = Home(tmp_path / "home")
    shutil.copytree(made.root, home.root)
    (reports_of(home)[6] / "report.json").write_text(text, encoding="utf-8")
    planned = mmstudy(home, "plan", study, "--repeats", "10")
    assert planned.returncode == 0, planned.stderr
    assert "ABL046" not in planned.stdout
