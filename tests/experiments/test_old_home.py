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

FILES = Path(__file__).parents[1] / "data" / "home_of_format_1.zip"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The study's file, in the folder of all; its runs and store lie where this version looks for them."""
    with zipfile.ZipFile(FILES) as files:
        files.extractall(tmp_path)
    file, home = tmp_path / "level.yaml", Home(tmp_path / "home")
    request = open_request(str(file), home, Options(corpus=str(tmp_path / "corpus")))
    planned = {(run.arm, run.repeat): home.run(str(run.fingerprint)) for run in plan(request, home).runs}
    for path in list(home.runs.glob("*/record.json")):
        told = json.loads(path.read_text())
        path.parent.rename(planned[told["arm"], told["repeat"]])
    (store,) = home.prepared.iterdir()
    assert request.content is not None
    store.rename(store_path(request.content, request.study.arms[0].config.data, home.prepared))
    return file


def test_its_report_says_what_it_said(study: Path) -> None:
    home = Home(study.parent / "home")
    done = mmstudy(home, "report", study, "--corpus", study.parent / "corpus")
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


def test_all_its_runs_are_done(study: Path) -> None:
    home = Home(study.parent / "home")
    request = open_request(str(study), home, Options(corpus=str(study.parent / "corpus")))
    assert {run.state for run in plan(request, home).runs} == {"done"}


def test_its_prepared_store_is_read(study: Path) -> None:
    (path,) = (study.parent / "home" / "prepared").iterdir()
    store = open_prepared(path)
    assert [item.name for item in store.items] == [f"item{i}" for i in range(8)]
    assert len(store.quality) == 16
    assert set(store.values) == {"audio", "track"}
