"""``mmstudy compare`` as a user meets it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from factories.studies import sketching, unmirrored
from typer.testing import CliRunner

from experiments.cli.main import app
from experiments.driver import report_study, run_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options
from mmcore.errors import MMStudyError

pytestmark = pytest.mark.usefixtures("no_mirror")


def mmstudy(home: Home, *words: str | Path) -> Result:
    return CliRunner().invoke(app, ["--home", str(home.root), *map(str, words)])


def refused(home: Home, *words: str | Path) -> MMStudyError:
    error = mmstudy(home, *words).exception
    # The command's entry point turns these into one line and exit code 2.
    assert isinstance(error, MMStudyError), error
    return error


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path, tiny_study_text: str
) -> tuple[Home, Path, Path]:
    """A home in which a study has two repeats, the study's file, and the folder of a report of its first repeat."""
    folder = tmp_path_factory.mktemp("compare")
    study = folder / "level.yaml"
    study.write_text(f"corpus: {tiny_corpus}\n{tiny_study_text}", encoding="utf-8")
    home = Home(folder / "home")
    with sketching(), unmirrored():
        run_study(str(study), home.root, Options(workers=1))
        first = report_study(open_request(str(study), home, Options(repeats=1)), home).report.parent
    return home, study, first


def test_a_study_and_a_report_side_by_side(trained: tuple[Home, Path, Path]) -> None:
    home, study, first = trained
    done = mmstudy(home, "compare", first, study, "--format", "json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["study_changes"] == [{"path": "repeats", "arm": None, "a": 1, "b": 2}]
    assert (told["common_repeats"], told["shared_runs"]) == (1, 2)
    assert told["config_changes"] == []
    assert [side["n"] for side in (told["comparisons"][0]["a"], told["comparisons"][0]["b"])] == [1, 2]
    # The same report by its file, and by the name of its folder in the home.
    by_file = mmstudy(home, "compare", first / "report.json", first.name)
    assert by_file.exit_code == 0
    assert "Nothing: the common arms are the same." in by_file.stdout
    markdown = mmstudy(home, "compare", first, study, "--format", "markdown").stdout
    assert "| repeats |  | 1 | 2 |" in markdown


def test_nothing_is_written(trained: tuple[Home, Path, Path]) -> None:
    home, study, first = trained
    before = sorted(home.root.rglob("*"))
    assert mmstudy(home, "compare", first, study).exit_code == 0
    assert sorted(home.root.rglob("*")) == before


def test_reports_of_other_corpora_are_refused(trained: tuple[Home, Path, Path], tmp_path: Path) -> None:
    home, study, first = trained
    text = (first / "report.json").read_text(encoding="utf-8")
    content = json.loads(text)["provenance"]["corpus"]["content"]
    shutil.copytree(first, tmp_path / "other")
    (tmp_path / "other" / "report.json").write_text(text.replace(content, "0" * 32), encoding="utf-8")
    error = refused(home, "compare", study, tmp_path / "other")
    assert "corpora differ" in error.message
    assert content in (error.expected or "")
    assert "0" * 32 in (error.found or "")


def test_what_is_not_there_is_refused(trained: tuple[Home, Path, Path], tmp_path: Path) -> None:
    home, study, first = trained
    assert "neither a study of the catalogue nor a file" in refused(home, "compare", study, "nosuchstudy").message
    assert str(tmp_path) in refused(home, "compare", study, tmp_path / "report.json").message
    (tmp_path / "report.json").write_text((first / "report.json").read_text(encoding="utf-8")[:2000], encoding="utf-8")
    broken = refused(home, "compare", tmp_path, study)
    assert broken.where is not None
    assert broken.where.rpartition(":")[2].isdigit()
    assert "no finished run" in refused(Home(tmp_path / "empty"), "compare", study, study).message
