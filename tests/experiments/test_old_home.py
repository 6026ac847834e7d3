"""A home as an earlier version left it: still read, and reported as it was then.

``tests/data/home_of_format_1.zip`` holds a corpus, a study of two arms and two repeats, and of the home the records,
the answers of an analysis and the prepared store; report.json is that of the study.
"""

import json
import zipfile
from pathlib import Path

import pytest
from factories.command import mmstudy

from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options
from mmcore.data.prepared import open_prepared, store_path
from mmcore.fingerprint import NUMERICS, runs_of

FILES = Path(__file__).parents[1] / "data" / "home_of_format_1.zip"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The study's file, in the folder of all; its store lies where this version looks for it."""
    with zipfile.ZipFile(FILES) as files:
        files.extractall(tmp_path)
    file, home = tmp_path / "level.yaml", Home(tmp_path / "home")
    request = open_request(str(file), home, Options(corpus=str(tmp_path / "corpus")))
    (store,) = home.prepared.iterdir()
    assert request.content is not None
    store.rename(store_path(request.content, request.study.arms[0].config.data, home.prepared))
    return file


def test_its_report_says_what_it_said(study: Path) -> None:
    home = Home(study.parent / "home")
    done = mmstudy(home, "report", study, "--corpus", study.parent / "corpus", "--numerics", 3)
    assert done.returncode == 0, done.stderr
    (page,) = home.root.glob("reports/*/report.json")
    before, after = (json.loads(path.read_text()) for path in (study.parent / "report.json", page))
    for part in ("arms", "baselines", "metric", "repeats"):
        assert after[part] == before[part], part
    # A later version may say more of a comparison, and check more.
    assert [{key: c[key] for key in before["comparisons"][0]} for c in after["comparisons"]] == before["comparisons"]
    outcomes = {c["code"]: c["outcome"] for c in after["checks"]}
    assert {c["code"]: outcomes[c["code"]] for c in before["checks"]} == {
        c["code"]: c["outcome"] for c in before["checks"]
    }
    for fact in ("corpus", "splits", "environment", "runs"):
        assert after["provenance"][fact] == before["provenance"][fact], fact


def test_under_its_numerics_all_its_runs_are_done(study: Path) -> None:
    home = Home(study.parent / "home")
    with runs_of(3):
        request = open_request(str(study), home, Options(corpus=str(study.parent / "corpus")))
        found = plan(request, home)
    assert {run.state for run in found.runs} == {"done"}
    assert found.earlier is None


def test_a_plan_says_why_its_runs_are_trained_again_and_how_they_are_still_read(study: Path) -> None:
    """Its numbers are those of another version of the numerics: they are neither mixed with new ones nor lost."""
    home, corpus = Home(study.parent / "home"), study.parent / "corpus"
    request = open_request(str(study), home, Options(corpus=str(corpus)))
    found = plan(request, home)
    assert {run.state for run in found.runs} == {"to do"}
    assert found.earlier == 3
    told = mmstudy(home, "plan", study, "--corpus", corpus)
    assert told.returncode == 0, told.stderr
    text = " ".join((told.stdout + told.stderr).split())
    assert "were trained with version 3 of the numerics" in text
    assert f"computes with version {NUMERICS}" in text
    assert "mmstudy report STUDY --numerics 3" in text
    shown = json.loads(mmstudy(home, "plan", study, "--corpus", corpus, "--format", "json").stdout)
    assert any("--numerics 3" in warning for warning in shown["warnings"])


@pytest.mark.parametrize("version", [0, NUMERICS + 1])
def test_numerics_that_never_were_are_refused(study: Path, version: int) -> None:
    told = mmstudy(Home(study.parent / "home"), "report", study, "--numerics", version)
    assert told.returncode == 2
    assert f"no such version of the numerics; expected 1 to {NUMERICS}; found {version}" in " ".join(
        told.stderr.split()
    )


def test_the_report_of_a_version_that_trained_nothing_says_so(study: Path) -> None:
    home, corpus = Home(study.parent / "home"), study.parent / "corpus"
    told = mmstudy(home, "report", study, "--corpus", corpus, "--numerics", 2)
    assert told.returncode == 2
    assert "Traceback" not in told.stderr


def test_its_prepared_store_is_read(study: Path) -> None:
    (path,) = (study.parent / "home" / "prepared").iterdir()
    store = open_prepared(path)
    assert [item.name for item in store.items] == [f"item{i}" for i in range(8)]
    assert len(store.quality) == 16
    assert set(store.values) == {"audio", "track"}
