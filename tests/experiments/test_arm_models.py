"""The best model of each arm in MLflow: one for an arm, whatever happens, with the numbers of the report."""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.entities import LoggedModel

import mmstudy
from experiments.best_models import best_models, best_run
from experiments.driver import sync_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options, variant
from experiments.progress import Silent
from experiments.results import load_results
from experiments.tracking.arm_models import log_arm_model
from experiments.tracking.client import MlflowClient, modelling
from experiments.tracking.connection import SUPERSEDED
from experiments.tracking.store import Store
from experiments.trained_arm import TrainedArm
from mmcore.record import Run
from reports.records.frame import StudyResults
from reports.summary.build import summarise

pyfunc = modelling()[0]
Trained = tuple[Path, Path, Home]


@pytest.fixture
def own(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A copy of the finished home, which a test may change; for MLflow its study is the one of the original."""
    shutil.copytree(trained[2].root, tmp_path / "home")
    original = variant(open_request(str(trained[0]), trained[2], Options(corpus=str(trained[1]))))
    monkeypatch.setattr("experiments.driver.variant", lambda request: original)
    return Home(tmp_path / "home")


def models(home: Home, study: str = "level") -> dict[str, LoggedModel]:
    """The logged models by arm; each arm has one at most."""
    client = MlflowClient(home.mlflow_uri)
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    found = client.search_logged_models([experiment.experiment_id])
    assert len({one.tags["mmstudy.arm"] for one in found}) == len(found)
    return {one.tags["mmstudy.arm"]: one for one in found}


def sync(trained: Trained, home: Home) -> str | None:
    options = Options(corpus=str(trained[1]))
    return sync_study(open_request(str(trained[0]), home, options), home, Silent())


def place_of(model: LoggedModel) -> str:
    return str(model.artifact_location).removeprefix("file://")


def frame(corpus: Path, item: str) -> pd.DataFrame:
    tables = {name: pd.read_parquet(corpus / name / f"{item}.parquet") for name in ("audio", "track")}
    columns = {"audio.level": tables["audio"]["level"], "track.0_x": tables["track"]["0_x"]}
    return pd.DataFrame({"item": item, **columns})


def test_a_study_leaves_one_model_for_each_arm_that_predicts(trained: Trained) -> None:
    found, client = models(trained[2]), MlflowClient(trained[2].mlflow_uri)
    # An arm with a placebo reads other items' streams.
    assert sorted(found) == ["both", "track"]
    for arm, model in found.items():
        assert str(model.status) == "READY"
        assert model.name == f"level-{arm}"
        opened = mmstudy.load(trained[2].root, trained[0], arm, corpus=str(trained[1]))
        assert model.tags["mmstudy.repeat"] == str(opened.best)
        run, parent = client.get_run(str(model.source_run_id)), client.get_run(model.tags["mmstudy.arm_run"])
        assert run.outputs is not None
        assert [one.model_id for one in run.outputs.model_outputs] == [model.model_id]
        assert parent.data.tags["mmstudy.model"] == model.model_id
        assert model.params == run.data.params
        wanted = {k: v for k, v in run.data.metrics.items() if k.startswith("test/")}
        wanted |= {k: v for k, v in parent.data.metrics.items() if k.endswith(("/mean", "/sd"))}
        assert {metric.key: metric.value for metric in model.metrics or ()} == wanted
        assert "test/skill/mean" in wanted
        for name in run.data.metrics:
            history = client.get_metric_history(run.info.run_id, name)
            assert len({(m.step, m.timestamp) for m in history}) == len(history), f"{name} is there twice"
        assert model.tags["mmstudy.verdict"] == parent.data.tags["mmstudy.verdict"]
        card = (Path(place_of(model)) / "MODEL_CARD.md").read_text(encoding="utf-8")
        assert card.startswith(f"# Model card: arm '{arm}', repeat {opened.best}, of study 'level'")


def test_a_logged_model_gives_the_numbers_of_predict(arm: TrainedArm, trained: Trained) -> None:
    place = place_of(models(trained[2])["both"])
    model = pyfunc.load_model(place)
    assert model.metadata.signature.inputs.input_names() == ["item", "audio.level", "track.0_x"]
    assert list(pd.read_json(Path(place) / "input_example.json", orient="split")) == [
        "item",
        "audio.level",
        "track.0_x",
    ]
    given = frame(trained[1], "item03").iloc[:33]
    given.loc[5:9, "audio.level"] = np.nan
    time = np.arange(33) * 0.1
    tables = {
        "audio": pd.DataFrame({"time": time, "level": given["audio.level"]}),
        "track": pd.DataFrame({"time": time, "0_x": given["track.0_x"]}),
    }
    expected = arm.predict({"item03": tables}, "best").values
    found = model.predict(given)
    assert found["step"].tolist() == expected["step"].tolist()
    np.testing.assert_allclose(found["value"], expected["value"], atol=1e-6)


def test_no_file_of_a_model_names_a_place_of_this_machine(trained: Trained) -> None:
    place = Path(place_of(models(trained[2])["both"]))
    for path in place.rglob("*"):
        # MLflow itself keeps where the model lies.
        if path.is_file() and path.name != "MLmodel":
            assert str(trained[1]).encode() not in path.read_bytes(), path.name


def test_a_second_sync_changes_nothing(trained: Trained, own: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def state(home: Home = own) -> dict[str, object]:
        return {arm: (m.model_id, m.last_updated_timestamp, len(m.metrics or ())) for arm, m in models(home).items()}

    assert sync(trained, own) is None
    # The copy's artifacts lie elsewhere, and its models are still those of the original.
    before = state()
    assert before == state(trained[2])
    files = sorted(path for path in own.artifacts.rglob("*"))
    # A new version of mmstudy is no other model.
    monkeypatch.setattr("experiments.model_card.__version__", "99.0")
    assert sync(trained, own) is None
    assert state() == before
    assert sorted(path for path in own.artifacts.rglob("*")) == files


def without_models(home: Home) -> None:
    client = MlflowClient(home.mlflow_uri)
    for model in models(home).values():
        client.delete_logged_model(model.model_id)


@pytest.mark.parametrize("at", ["log_model_artifacts", "log_outputs", "finalize_logged_model", "log_model_artifact"])
def test_what_was_cut_off_is_completed_and_is_there_once(
    trained: Trained, own: Home, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    without_models(own)

    def broken(*_: object) -> None:
        raise ConnectionError("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, at, broken)
        assert "could not log the model of an arm" in str(sync(trained, own))
    (begun,) = models(own).values()
    assert sync(trained, own) is None
    found = models(own)
    assert sorted(found) == ["both", "track"]
    assert found["both"].model_id == begun.model_id
    assert all(str(one.status) == "READY" for one in found.values())
    assert (Path(place_of(found["both"])) / "MODEL_CARD.md").exists()
    run = MlflowClient(own.mlflow_uri).get_run(str(begun.source_run_id))
    assert run.outputs is not None
    assert [one.model_id for one in run.outputs.model_outputs].count(begun.model_id) == 1


def test_two_commands_at_once_log_one_model(trained: Trained, own: Home) -> None:
    without_models(own)
    request = open_request(str(trained[0]), own, Options(corpus=str(trained[1])))
    todo = plan(request, own)
    results = load_results(todo, own)
    (model, _) = best_models(todo, results, summarise(results), own)
    store = Store(own)
    experiment = store.experiment_of("level")
    (parent,) = store.all_runs(experiment, "tags.`mmstudy.kind` = 'arm' and tags.`mmstudy.arm` = 'both'")
    problems: list[Exception] = []

    def log() -> None:
        try:
            log_arm_model(Store(own), experiment, "level", parent.info.run_id, model)
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=log) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert list(models(own)) == ["both"]


def test_a_better_repeat_replaces_the_model_and_a_registered_one_stays(
    trained: Trained, own: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = models(own)
    client = MlflowClient(own.mlflow_uri)
    client.create_registered_model("kept")
    kept = before["track"]
    client.create_model_version("kept", str(kept.artifact_location), kept.source_run_id, model_id=kept.model_id)
    # As after a repeat was added that does better than those before.
    other = {arm: 1 - int(before[arm].tags["mmstudy.repeat"]) for arm in ("both", "track")}

    def the_other(arm: str, results: StudyResults) -> Run:
        (run,) = (run for run in results.done if run.arm == arm and run.repeat == other[arm])
        return run

    with monkeypatch.context() as patch:
        patch.setattr("experiments.best_models.best_run", the_other)
        assert sync(trained, own) is None
    found = {m.model_id: m for m in client.search_logged_models([before["both"].experiment_id])}
    now = {m.tags["mmstudy.arm"]: m for m in found.values() if SUPERSEDED not in m.tags}
    assert {arm: now[arm].tags["mmstudy.repeat"] for arm in now} == {arm: str(repeat) for arm, repeat in other.items()}
    assert before["both"].model_id not in found, "deleted, as MLflow deletes"
    assert SUPERSEDED in found[kept.model_id].tags
    assert sync(trained, own) is None
    back = {m.model_id: m for m in client.search_logged_models([before["both"].experiment_id])}
    assert SUPERSEDED not in back[kept.model_id].tags
    assert len(back) == 2


def test_the_best_is_that_of_predict_by_every_kind_of_metric(trained: Trained) -> None:
    for metric in ("skill", "loss", "position/skill", "position/mae"):
        options = Options(corpus=str(trained[1]), metric=metric)
        request = open_request(str(trained[0]), trained[2], options)
        results = load_results(plan(request, trained[2]), trained[2])
        for arm in ("both", "track"):
            run = best_run(arm, results)
            assert run is not None
            opened = mmstudy.load(trained[2].root, trained[0], arm, corpus=str(trained[1]), metric=metric)
            assert run.repeat == opened.best
    assert best_run("nobody", results) is None


def test_a_model_without_mmstudy_says_what_it_needs(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mmcore.exporting", None)
    with pytest.raises(ImportError, match=r"which is not installed here.*--format mlflow"):
        pyfunc.load_model(place_of(models(trained[2])["both"]))


def test_an_arm_whose_run_is_open_has_no_model_yet(trained: Trained, own: Home) -> None:
    request = open_request(str(trained[0]), own, Options(corpus=str(trained[1]), repeats=3))
    todo = plan(request, own)
    results = load_results(todo, own)
    assert list(best_models(todo, results, summarise(results), own)) == []
