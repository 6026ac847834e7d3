"""The tracking store holds what the records hold, once."""

from __future__ import annotations

import getpass
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories.mirrors import begun_of, heard, repeats_of, study_of, told, workdir_of
from factories.records import a_record, failed
from filelock import FileLock
from mlflow.tracking import MlflowClient

from experiments.home import Home
from experiments.mirror import Mirror
from experiments.tracking.metrics import VARIABLE
from experiments.tracking.names import LONGEST_KEY, key_of, score_name, short
from experiments.tracking.store import FINGERPRINT, Store
from mmcore.config import build_config, flat
from mmcore.errors import StoreError
from mmcore.facts import Failure
from mmcore.scores import Score


@pytest.fixture
def home(tmp_path: Path, with_database: Callable[[Home], Home]) -> Home:
    return with_database(Home(tmp_path / "home"))


@pytest.fixture
def client(home: Home) -> MlflowClient:
    return MlflowClient(home.mlflow_uri)


def test_a_finished_run_is_there_with_all_it_has_to_say(home: Home, client: MlflowClient, tmp_path: Path) -> None:
    mirror, config = Mirror(home, study_of("both"), "v", pytest.fail), a_record().config
    mirror.started(begun_of())
    mirror.epoch("f0", {"epoch": 1, "train/loss": 2.0})
    mirror.finished(begun_of(), a_record(), workdir_of(tmp_path), None)
    told(mirror)
    (run,) = repeats_of(client)
    assert run.info.status == "FINISHED"
    params = flat(config.model_dump(mode="json"), empty=True)
    assert run.data.params == {key: str(value) for key, value in params.items()}
    assert (run.data.params["model.width"], run.data.params["loss.weights"]) == ("8", "{}")
    assert run.data.metrics["test/skill"] == 0.5
    assert "test/x/loss/baseline/constant" not in run.data.metrics
    numbers = json.loads(Path(client.download_artifacts(run.info.run_id, "metrics.json", str(tmp_path))).read_text())
    assert (numbers["test/x/loss/baseline/constant"], numbers["test/active/f1"]) == (1.5, None)
    assert [m.value for m in client.get_metric_history(run.info.run_id, "train/loss")] == [2.0, 1.0]
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("tiny", "c" * 32)
    assert json.loads(dataset.dataset.source) == {"uri": "/corpora/tiny"}
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert names == {"record.json", "config.json", "history.json", "environment.json", "metrics.json", "checkpoints"}
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert parent.data.tags["mmstudy.arm"] == "both"
    for one in (run, parent):
        assert one.data.tags["mlflow.source.git.commit"] == "abc"
        assert (one.data.tags["mlflow.source.name"], one.data.tags["mlflow.source.type"]) == ("level.yaml", "LOCAL")
        assert one.data.tags["mlflow.user"] == one.info.user_id == getpass.getuser()
        assert len(one.inputs.dataset_inputs) == 1


def test_mirroring_twice_doubles_nothing(home: Home, client: MlflowClient, tmp_path: Path) -> None:
    workdir = workdir_of(tmp_path)
    for _ in range(2):
        mirror = Mirror(home, study_of("both"), "v", pytest.fail)
        mirror.finished(begun_of(), a_record(), workdir, None)
        told(mirror)
    (run,) = repeats_of(client)
    assert len(client.get_metric_history(run.info.run_id, "train/loss")) == 2
    assert len(client.get_metric_history(run.info.run_id, "test/skill")) == 1


def test_an_interrupted_run_is_killed_and_taken_up_again(home: Home, client: MlflowClient, tmp_path: Path) -> None:
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.started(begun_of())
    mirror.epoch("f0", {"epoch": 1, "train/loss": 2.0})
    heard(mirror)
    mirror.abandon()
    told(mirror)
    (run,) = repeats_of(client)
    assert run.info.status == "KILLED"
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.started(begun_of())
    mirror.finished(begun_of(), a_record(), workdir_of(tmp_path), None)
    told(mirror)
    (again,) = repeats_of(client)
    assert again.info.run_id == run.info.run_id
    assert again.info.status == "FINISHED"
    assert [m.step for m in client.get_metric_history(run.info.run_id, "train/loss")] == [1, 2]


def test_epochs_that_a_killed_driver_never_heard_of_are_added(home: Home, client: MlflowClient, tmp_path: Path) -> None:
    # The worker had finished epoch 1 when the driver died; the next driver hears of epoch 2 first.
    rows = [{"epoch": epoch, "train/loss": 4.0 - epoch} for epoch in (1, 2, 3)]
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.started(begun_of())
    mirror.epoch("f0", rows[1])
    heard(mirror)
    mirror.abandon()
    told(mirror)
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.started(begun_of())
    mirror.finished(begun_of(), a_record(history=rows), workdir_of(tmp_path), None)
    told(mirror)
    (run,) = repeats_of(client)
    found = client.get_metric_history(run.info.run_id, "train/loss")
    assert sorted((m.step, m.value) for m in found) == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert run.data.metrics["train/loss"] == 1.0


def test_a_mirror_cut_off_between_requests_neither_loses_nor_doubles_metrics(
    home: Home, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"epoch": epoch} | {f"train/loss/{i}": epoch + i / 10 for i in range(7)} for epoch in range(1, 8)]
    workdir = workdir_of(tmp_path)
    monkeypatch.setattr("experiments.tracking.connection.LARGEST_BATCH", 10)
    sent = MlflowClient.log_batch

    def cut_off(self: MlflowClient, run_id: str, *args: Any, **words: Any) -> Any:
        if any(metric.step == 3 for metric in words.get("metrics", ())):
            raise OSError("killed")
        return sent(self, run_id, *args, **words)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(MlflowClient, "log_batch", cut_off)
        warnings: list[str] = []
        mirror = Mirror(home, study_of("both"), "v", warnings.append)
        mirror.finished(begun_of(), a_record(history=rows), workdir, None)
        mirror.close(timeout=300)
        assert warnings
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.finished(begun_of(), a_record(history=rows), workdir, None)
    told(mirror)
    (run,) = repeats_of(client)
    for key in rows[0]:
        steps = [metric.step for metric in client.get_metric_history(run.info.run_id, key)]
        assert sorted(steps) == list(range(1, 8)), key


def test_an_epoch_with_more_metrics_than_a_request_may_have_travels_in_parts(
    home: Home, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.tracking.connection.LARGEST_BATCH", 10)
    monkeypatch.setenv(VARIABLE, "all")
    rows = [{"epoch": epoch} | {f"train/loss/{i}": 1.0 for i in range(14)} for epoch in (1, 2)]
    sent, sizes = MlflowClient.log_batch, list[int]()

    def counted(self: MlflowClient, run_id: str, *args: Any, **words: Any) -> Any:
        sizes.append(len(words.get("metrics", ())))
        return sent(self, run_id, *args, **words)

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.finished(begun_of(), a_record(history=rows), workdir_of(tmp_path), None)
    told(mirror)
    assert max(sizes) <= 10
    (run,) = repeats_of(client)
    for key in rows[0]:
        steps = [metric.step for metric in client.get_metric_history(run.info.run_id, key)]
        assert sorted(steps) == [1, 2], key


def test_a_run_left_running_by_a_killed_driver_is_reconciled(home: Home, client: MlflowClient) -> None:
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.started(begun_of())
    told(mirror)  # the driver is gone without a word
    assert repeats_of(client)[0].info.status == "RUNNING"
    told(Mirror(home, study_of("both"), "v", pytest.fail))
    assert repeats_of(client)[0].info.status == "KILLED"


def test_what_another_process_trains_is_not_called_killed(home: Home, client: MlflowClient) -> None:
    told_of = Mirror(home, study_of("both"), "v", pytest.fail)
    told_of.started(begun_of())
    told(told_of)
    # The same study on another corpus is none of its business,
    told(Mirror(home, study_of("both"), "another corpus", pytest.fail))
    assert repeats_of(client)[0].info.status == "RUNNING"
    # and neither is a run whose lock is held.
    home.run("f0").mkdir(parents=True)
    with FileLock(home.run("f0") / "run.lock"):
        code = "import sys; from pathlib import Path; from experiments.records import is_locked; "
        code += "sys.exit(0 if is_locked(Path(sys.argv[1])) else 1)"
        assert subprocess.run([sys.executable, "-c", code, str(home.run("f0"))]).returncode == 0
        told(Mirror(home, study_of("both"), "v", pytest.fail))
    assert repeats_of(client)[0].info.status == "RUNNING"
    told(Mirror(home, study_of("both"), "v", pytest.fail))
    assert repeats_of(client)[0].info.status == "KILLED"


def test_a_failed_run_is_failed_with_its_reason(home: Home, client: MlflowClient, tmp_path: Path) -> None:
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    failure = Failure("TrainingDiverged", "NaN in loss", epoch=1, step=3, component="position")
    mirror.finished(begun_of(), failed(failure=failure), workdir_of(tmp_path), None)
    told(mirror)
    (run,) = repeats_of(client)
    assert run.info.status == "FAILED"
    assert run.data.tags["mmstudy.failure"] == "NaN in loss"


def test_a_reused_run_is_a_light_mirror(home: Home, client: MlflowClient, tmp_path: Path) -> None:
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.finished(begun_of(), a_record(), workdir_of(tmp_path), "another_study")
    told(mirror)
    (run,) = repeats_of(client)
    assert run.data.tags["reused_from"] == "another_study"
    assert run.data.metrics["test/skill"] == 0.5
    assert client.list_artifacts(run.info.run_id) == []


def test_verdicts_stand_on_the_arm(home: Home, client: MlflowClient) -> None:
    mirror = Mirror(home, study_of("both", "track"), "v", pytest.fail)
    mirror.concluded("both", {"test/skill/mean": 0.5}, {"mmstudy.verdict.track": "better"}, failed=False)
    told(mirror)
    experiment = client.get_experiment_by_name("level")
    assert experiment is not None
    (arm,) = client.search_runs([experiment.experiment_id], "tags.`mmstudy.verdict.track` = 'better'")
    assert arm.data.tags["mmstudy.arm"] == "both"
    assert arm.data.metrics == {"test/skill/mean": 0.5}


def test_arms_with_quotes_in_their_names_are_found_again(home: Home, client: MlflowClient) -> None:
    for _ in range(2):
        told(Mirror(home, study_of("d'Alembert"), "v", pytest.fail))
    experiment = client.get_experiment_by_name("level")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 1


def test_names_that_the_store_does_not_take_as_keys_are_spelt_out(
    home: Home, client: MlflowClient, tmp_path: Path
) -> None:
    # "audio+visual" is what every modality study calls an arm.
    history = ({"epoch": 1, "train/loss/größe (%)": 2.0},)
    score = Score("test", "all", "skill", "größe (%)", 0.5)
    record = a_record(arm="audio+visual", scores=(score,), history=history)
    config = build_config({"corpus": "c", "loss": {"weights": {"größe (%)": 2.0}}})
    mirror = Mirror(home, study_of("audio+visual", "a>b"), "v", pytest.fail)
    mirror.finished(begun_of(arm="audio+visual", config=config), record, workdir_of(tmp_path), None)
    metrics = {"test/größe (%)/skill/mean": 0.5}
    mirror.concluded("a>b", metrics, {"mmstudy.verdict.audio+visual": "worse"}, failed=False)
    told(mirror)
    (run,) = repeats_of(client)
    assert run.data.metrics["test/größe :28::25::29:/skill"] == 0.5
    assert run.data.metrics["train/loss/größe :28::25::29:"] == 2.0
    assert run.data.params["loss.weights.größe :28::25::29:"] == "2.0"
    experiment = client.get_experiment_by_name("level")
    assert experiment is not None
    (arm,) = client.search_runs([experiment.experiment_id], "tags.`mmstudy.verdict.audio and visual` = 'worse'")
    assert arm.data.metrics == {"test/größe :28::25::29:/skill/mean": 0.5}


def test_a_store_that_is_away_is_one_warning_and_no_more(home: Home, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    warnings: list[str] = []
    mirror = Mirror(home, study_of("both"), "v", warnings.append)
    mirror.started(begun_of())
    mirror.finished(begun_of(), a_record(), workdir_of(tmp_path), None)
    mirror.close(timeout=300)
    assert isinstance(mirror.error, StoreError)
    assert len(warnings) == 1
    assert "mmstudy sync" in warnings[0]


@pytest.mark.usefixtures("database_from_nothing")
def test_a_process_killed_while_it_makes_the_database_leaves_no_broken_one(tmp_path: Path) -> None:
    # A database whose migration was cut off can never be opened again ("table … already exists").
    home = Home(tmp_path / "home").make()
    # In the middle of the migration: ten tables are there, the last one (of which there are dozens) is not.
    code = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from sqlalchemy import Engine, event
from experiments.home import Home
from experiments.tracking.store import Store

made = []

@event.listens_for(Engine, "after_cursor_execute")
def die(connection, cursor, statement, *rest):
    made.extend([statement] if "CREATE TABLE" in statement.upper() else [])
    if len(made) == 10:
        os.kill(os.getpid(), signal.SIGKILL)

Store(Home(Path(sys.argv[1])))
"""
    assert subprocess.run([sys.executable, "-c", code, str(home.root)]).returncode == -signal.SIGKILL
    assert list(home.root.glob("mlflow.db*"))
    assert Store(home).experiment("level", "?")
    assert not list(home.root.glob("mlflow.db.partial*"))


def test_scores_have_readable_names() -> None:
    names = [score_name(score) for score in a_record().scores]
    assert names == ["test/skill", "test/active/f1", "test/x/loss/baseline/constant"]


def test_flattening_keeps_every_leaf() -> None:
    nested = {"a": {"b": {"c": 1}, "d": []}, "e": None, "f": {}}
    assert flat(nested, empty=True) == {"a.b.c": 1, "a.d": [], "e": None, "f": {}}
    assert flat(nested) == {"a.b.c": 1, "a.d": [], "e": None}


def test_tags_are_the_ones_that_studies_are_searched_by() -> None:
    assert FINGERPRINT == "mmstudy.fingerprint"


@pytest.mark.parametrize("name", ["loss/..", "/loss", "loss//x", "a/./b", "..", "l" * 260, "größe" * 60, "🎬" * 100])
def test_every_name_becomes_a_key_that_the_store_takes(
    home: Home, client: MlflowClient, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "all")
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.concluded("both", {name: 0.5}, {f"mmstudy.verdict.{name}": "better"}, failed=False)
    told(mirror)
    experiment = client.get_experiment_by_name("level")
    assert experiment is not None
    (arm,) = client.search_runs([experiment.experiment_id])
    assert arm.data.metrics == {key_of(name): 0.5}


def test_long_names_that_begin_alike_have_keys_of_their_own() -> None:
    one, other = (key_of("l" * 300 + end) for end in "ab")
    assert one != other
    assert {len(one), len(other)} == {LONGEST_KEY}


def test_names_and_texts_of_any_length_are_taken(home: Home, client: MlflowClient, tmp_path: Path) -> None:
    long = "a" * 400
    study = replace(study_of(long), name="s" * 250, question="q" * 6000)
    mirror = Mirror(home, study, "v", pytest.fail)
    mirror.finished(begun_of(arm=long), a_record(arm=long), workdir_of(tmp_path), None)
    told(mirror)
    assert Store(home).experiment_of(study.name)
    (run,) = repeats_of(client, short(study.name))
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    assert len(parent.info.run_name or "") == LONGEST_KEY
    assert parent.data.tags["mmstudy.arm"] == long


def test_a_study_without_runs_is_refused_with_the_one_that_was_meant(home: Home, tmp_path: Path) -> None:
    def refused(study: str) -> str | None:
        with pytest.raises(StoreError, match=f"study '{study}' has no runs in the tracking store") as caught:
            Store(home).experiment_of(study)
        return caught.value.next_step

    assert refused("lvel") == "Start it: mmstudy run lvel"
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.finished(begun_of(), a_record(), workdir_of(tmp_path), None)
    told(mirror)
    assert refused("lvel") == "Did you mean 'level'? Valid: level. To start it: mmstudy run lvel"
    assert refused("nope") == "Valid: level. To start it: mmstudy run nope"
