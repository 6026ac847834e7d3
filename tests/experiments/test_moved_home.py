"""A home that is moved or copied, with the folder around it or alone, is the same home."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from factories.mirrors import begun_of, repeats_of, study_of, told, workdir_of
from factories.records import a_record
from mlflow.tracking import MlflowClient

from experiments.driver import report_study, run_study
from experiments.home import Home
from experiments.mirror import Mirror
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options

SEARCHED = """\
search:
  space: {training.optimiser.learning_rate: {kind: log_uniform, low: 0.0001, high: 0.01}}
  budget: {trials: 2}
"""


@pytest.fixture
def with_runs(tmp_path: Path, with_database: Callable[[Home], Home]) -> Home:
    """A home with a mirrored run."""
    home = with_database(Home(tmp_path / "first" / "mlruns"))
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.finished(begun_of(), a_record(), workdir_of(tmp_path), None)
    told(mirror)
    return home


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["second", "a b#c?d%20é"])
def test_artifacts_of_a_copied_home_are_in_the_copy(with_runs: Home, tmp_path: Path, name: str) -> None:
    copy = Home(tmp_path / name / "mlruns")
    shutil.copytree(with_runs.root, copy.root)
    before = files_of(with_runs.root)
    mirror = Mirror(copy, study_of("both"), "v", pytest.fail)
    mirror.finished(begun_of(fingerprint="f1", repeat=1), a_record(fingerprint="f1", repeat=1), tmp_path / "run", None)
    told(mirror)
    assert files_of(with_runs.root) == before, "the original is not touched"
    shutil.rmtree(with_runs.root)
    client = MlflowClient(copy.mlflow_uri)
    runs = repeats_of(client)
    assert len(runs) == 2
    for run in runs:
        assert Path(client.download_artifacts(run.info.run_id, "record.json")).read_text() == "{}"
    assert not with_runs.root.exists(), "the old place is not made again"
    known = {"first", "run", name}
    assert {path.name for path in tmp_path.iterdir()} == known, "nothing outside the home"


def test_what_is_elsewhere_on_purpose_stays_there(with_runs: Home, tmp_path: Path) -> None:
    client = MlflowClient(with_runs.mlflow_uri)
    own = client.create_experiment("own", artifact_location="s3://bucket/own")
    moved = Home(tmp_path / "second" / "mlruns")
    moved.root.parent.mkdir()
    shutil.move(with_runs.root, moved.root)
    told(Mirror(moved, study_of("both"), "v", pytest.fail))
    assert MlflowClient(moved.mlflow_uri).get_experiment(own).artifact_location == "s3://bucket/own"


def test_a_study_and_its_search_keep_their_names(tmp_path: Path, tiny_study_text: str) -> None:
    def names(project: Path) -> tuple[str, str]:
        study = project / "level.yaml"
        study.parent.mkdir(parents=True, exist_ok=True)
        study.write_text(tiny_study_text + SEARCHED, encoding="utf-8")
        request = open_request(str(study), Home(project / "mlruns"), Options(corpus="simulated:quick", repeats=3))
        return request.key, request.search_key

    assert names(tmp_path / "one") == names(tmp_path / "another")


def test_what_an_earlier_version_began_goes_on_under_its_name(
    tiny_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, options = Home(tmp_path / "mlruns"), Options(corpus="simulated:quick")
    folder = home.corpora / "simulated-quick-0"
    said = json.dumps([str(tiny_study), str(folder), [None, None, None, []]])
    whole = f"level-simulated-quick-0-{hashlib.blake2b(said.encode(), digest_size=3).hexdigest()}"
    assert open_request(str(tiny_study), home, options).key != whole
    home.report(whole).mkdir(parents=True)
    assert open_request(str(tiny_study), home, options).key == whole
    home.report(whole).rmdir()
    monkeypatch.setenv("MMSTUDY_STORAGE", "postgresql://somewhere/searches")
    assert open_request(str(tiny_study), home, options).search_key == whole


def test_a_moved_folder_reports_the_same_bytes(
    tmp_path: Path, tiny_study_text: str, monkeypatch: pytest.MonkeyPatch, with_database: Callable[[Home], Home]
) -> None:
    project, options = tmp_path / "here", Options(corpus="simulated:quick", changes=(("training.epochs", 1),))
    project.mkdir()
    (project / "level.yaml").write_text(tiny_study_text, encoding="utf-8")
    monkeypatch.chdir(project)
    with_database(Home(project / "mlruns"))
    outcome = run_study("level.yaml", None, options)
    before = files_of(outcome.report.parent)
    monkeypatch.chdir(tmp_path)
    shutil.move(project, tmp_path / "there")
    monkeypatch.chdir(tmp_path / "there")
    home = Home.choose()
    request = open_request("level.yaml", home, options)
    assert plan(request, home).count("to do") == 0
    again = report_study(request, home)
    assert again.report.is_relative_to(tmp_path / "there")
    assert files_of(again.report.parent) == before
    assert not project.exists()
