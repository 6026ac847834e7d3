"""Whatever is mirrored again, by whom and after what: the tracking store holds each thing once, and the last of it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from factories.mirrors import begun_of, heard, repeats_of, study_of, told, workdir_of
from factories.records import a_record, failed
from mlflow.entities import ViewType
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from experiments.home import Home
from experiments.mirror import Background, Mirror
from experiments.tracking.store import SUPERSEDED, Store
from mmcore.facts import Failure
from mmcore.scores import Score


@pytest.fixture
def home(tmp_path: Path, with_database: Callable[[Home], Home]) -> Home:
    return with_database(Home(tmp_path / "home"))


@pytest.fixture
def client(home: Home) -> MlflowClient:
    return MlflowClient(home.mlflow_uri)


def doubled(client: MlflowClient, run: Any) -> list[tuple[str, int]]:
    """Metrics that a run has twice at one step."""
    seen = Counter(
        (name, metric.step) for name in run.data.metrics for metric in client.get_metric_history(run.info.run_id, name)
    )
    return [key for key, count in seen.items() if count > 1]


def test_two_drivers_that_hear_of_one_run_mirror_it_once(home: Home, client: MlflowClient, tmp_path: Path) -> None:
    workdir = workdir_of(tmp_path)
    mirrors = [Mirror(home, study_of("both"), "v", pytest.fail) for _ in range(2)]
    for mirror in mirrors:
        mirror.started(begun_of())
    for mirror in mirrors:
        mirror.finished(begun_of(), a_record(), workdir, None)
    for mirror in mirrors:
        told(mirror)
    (run,) = repeats_of(client)
    assert doubled(client, run) == []
    assert run.data.metrics["test/skill"] == 0.5


def test_two_drivers_at_the_same_moment_mirror_a_run_once(
    home: Home, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both ask the store what it has before either has written anything.
    workdir, together, asked = workdir_of(tmp_path), threading.Barrier(2, timeout=1), MlflowClient.get_run

    def get_run(self: MlflowClient, run_id: str) -> Any:
        found = asked(self, run_id)
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait()
        return found

    monkeypatch.setattr(MlflowClient, "get_run", get_run)
    mirrors = [Mirror(home, study_of("both"), "v", pytest.fail) for _ in range(2)]
    for mirror in mirrors:
        mirror.started(begun_of())
        mirror.finished(begun_of(), a_record(), workdir, None)
        mirror.concluded("both", {"test/skill/mean": 0.5}, {}, failed=False)
    for mirror in mirrors:
        told(mirror)
    monkeypatch.undo()
    (run,) = repeats_of(client)
    assert doubled(client, run) == []
    assert len(run.inputs.dataset_inputs) == 1
    assert doubled(client, client.get_run(run.data.tags["mlflow.parentRunId"])) == []


def test_a_report_made_again_adds_no_metric_and_a_changed_one_adds_a_step(home: Home, client: MlflowClient) -> None:
    for value in (0.5, 0.5, 0.625):
        mirror = Mirror(home, study_of("both"), "v", pytest.fail)
        mirror.concluded("both", {"test/skill/mean": value, "runs/done": 2.0}, {}, failed=False)
        told(mirror)
    experiment = client.get_experiment_by_name("level")
    assert experiment is not None
    (arm,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(arm.info.run_id, "test/skill/mean")
    assert sorted((metric.step, metric.value) for metric in history) == [(0, 0.5), (1, 0.625)]
    assert len(client.get_metric_history(arm.info.run_id, "runs/done")) == 1


def test_steps_of_a_trial_told_again_are_there_once(home: Home, client: MlflowClient) -> None:
    store = Store(home)
    experiment = store.experiment("level", "Does the level help?")
    parent = store.search(experiment, "level", "v", "both", {})
    run = store.trial(experiment, parent, 0, "trial 0", {"model.width": 8}, {})
    store.report_trial(run, [(1, 0.1)])
    store.report_trial(run, [(1, 0.1), (2, 0.2)])
    for _ in range(2):
        store.end_trial(run, {"skill": 0.2}, {}, "FINISHED")
    assert doubled(client, client.get_run(run)) == []
    assert [metric.step for metric in client.get_metric_history(run, "objective")] == [1, 2]


def test_a_finished_run_keeps_nothing_of_an_attempt_that_was_half_mirrored(
    home: Home, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The disk fills up: the run fails, and so does its mirror, in the middle of the artifacts.
    workdir = workdir_of(tmp_path)
    (workdir / "error.txt").write_text("OSError: no space left on device")
    upload = LocalArtifactRepository.log_artifact

    def full(self: LocalArtifactRepository, local_file: str, artifact_path: str | None = None) -> None:
        if local_file.endswith("best.pt"):
            raise OSError(28, "No space left on device")
        upload(self, local_file, artifact_path)

    warnings: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(LocalArtifactRepository, "log_artifact", full)
        mirror = Mirror(home, study_of("both"), "v", warnings.append)
        mirror.finished(begun_of(), failed(failure=Failure("OSError", "no space left")), workdir, None)
        mirror.close(timeout=60)
    assert warnings

    # There is room again: the same run, trained to its end.
    (workdir / "error.txt").unlink()
    (workdir / "record.json").write_text('{"of": "the finished run"}')
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.started(begun_of())
    mirror.finished(begun_of(), a_record(), workdir, None)
    told(mirror)
    runs = repeats_of(client)
    (run,) = [run for run in runs if SUPERSEDED not in run.data.tags]
    assert run.info.status == "FINISHED"
    assert "mmstudy.failure" not in run.data.tags
    assert "error.txt" not in {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    downloaded = Path(client.download_artifacts(run.info.run_id, "record.json", str(tmp_path)))
    assert downloaded.read_text() == '{"of": "the finished run"}'
    assert {run.info.status for run in runs} == {"FINISHED", "FAILED"}


def test_files_that_changed_since_they_were_mirrored_are_mirrored_again(
    home: Home, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workdir, upload = workdir_of(tmp_path), LocalArtifactRepository.log_artifact

    def cut_off(self: LocalArtifactRepository, local_file: str, artifact_path: str | None = None) -> None:
        upload(self, local_file, artifact_path)
        raise OSError("the connection is gone")

    with monkeypatch.context() as patch:
        patch.setattr(LocalArtifactRepository, "log_artifact", cut_off)
        mirror = Mirror(home, study_of("both"), "v", lambda text: None)
        mirror.finished(begun_of(), a_record(), workdir, None)
        mirror.close(timeout=60)
    (workdir / "record.json").write_text('{"newer": true}')
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.finished(begun_of(), a_record(), workdir, None)
    told(mirror)
    (run,) = repeats_of(client)
    downloaded = Path(client.download_artifacts(run.info.run_id, "record.json", str(tmp_path)))
    assert downloaded.read_text() == '{"newer": true}'
    assert client.search_runs([run.info.experiment_id], "", ViewType.DELETED_ONLY) == []


def test_a_number_and_a_tag_travel_in_one_request_and_files_cost_none(
    home: Home, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(home)
    run = store.arm(store.experiment("level", "Does the level help?"), "level", "v", "both", "base")
    asked = Counter[str]()
    for name in ("get_run", "log_batch"):
        original = getattr(SqlAlchemyStore, name)

        def counted(self: SqlAlchemyStore, *args: Any, name: str = name, original: Any = original, **words: Any) -> Any:
            asked[name] += 1
            return original(self, *args, **words)

        monkeypatch.setattr(SqlAlchemyStore, name, counted)
    store.conclude(run, {"test/skill/mean": 0.5}, {"test/skill/mean": 0.5}, {"mmstudy.verdict": "better"}, "FINISHED")
    assert asked == {"get_run": 1, "log_batch": 1}
    there = client.get_run(run)
    assert there.info.status == "FINISHED"
    assert there.data.metrics == {"test/skill/mean": 0.5}
    assert there.data.tags["mmstudy.verdict"] == "better"


@pytest.mark.parametrize(("numbers", "requests"), [(0, [(0, 3)]), (7, [(7, 3)]), (8, [(1, 0), (7, 3)]),
                                                    (18, [(10, 0), (1, 0), (7, 3)])])  # fmt: skip
def test_numbers_and_tags_fill_requests_of_the_size_that_mlflow_takes(
    home: Home, client: MlflowClient, monkeypatch: pytest.MonkeyPatch, numbers: int, requests: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr("experiments.tracking.connection.LARGEST_BATCH", 10)
    store = Store(home)
    run = store.arm(store.experiment("level", "Does the level help?"), "level", "v", "both", "base")
    sent, sizes = MlflowClient.log_batch, list[tuple[int, int]]()

    def counted(self: MlflowClient, run_id: str, **words: Any) -> Any:
        sizes.append((len(words.get("metrics", ())), len(words.get("tags", ()))))
        return sent(self, run_id, **words)

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    values = {f"test/{n}": float(n) for n in range(numbers)}
    store.conclude(run, values, values, {f"mmstudy.{n}": str(n) for n in range(3)}, "FINISHED")
    assert sizes == requests
    data = client.get_run(run).data
    assert data.metrics == values
    assert {f"mmstudy.{n}": str(n) for n in range(3)}.items() <= data.tags.items()


def test_files_of_numbers_have_the_bytes_that_mlflow_writes(home: Home, client: MlflowClient, tmp_path: Path) -> None:
    store = Store(home)
    run = store.arm(store.experiment("level", "Does the level help?"), "level", "v", "both", "base")
    numbers = {"test/skill/mean": 0.1 + 0.2, "test/größe": float("nan"), "runs/done": 2.0}
    store.conclude(run, numbers, {}, {}, "FINISHED")
    client.log_dict(run, {**numbers, "test/größe": None}, "theirs.json")
    ours, theirs = (
        Path(client.download_artifacts(run, name, str(tmp_path))) for name in ("metrics.json", "theirs.json")
    )
    assert ours.read_bytes() == theirs.read_bytes()
    assert ours.stat().st_mode == theirs.stat().st_mode


def test_an_interrupted_command_leaves_out_what_waits_and_marks_what_runs(
    home: Home, client: MlflowClient, tmp_path: Path
) -> None:
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.started(begun_of())
    heard(mirror)
    slow = threading.Event()
    mirror._tasks.put(lambda: slow.wait(0.5))
    mirror.finished(begun_of(), a_record(), workdir_of(tmp_path), None)
    mirror.abandon()
    assert mirror.error is None
    (run,) = repeats_of(client)
    assert run.info.status == "KILLED"
    assert "test/skill" not in run.data.metrics
    again = Mirror(home, study_of("both"), "v", pytest.fail)
    again.finished(begun_of(), a_record(), tmp_path / "run", None)
    told(again)
    (run,) = repeats_of(client)
    assert (run.info.status, run.data.metrics["test/skill"]) == ("FINISHED", 0.5)


class Unopened(Background):
    """A mirror with nothing to do."""

    def _interrupt(self) -> None:
        raise AssertionError("the store was never opened")


def test_a_store_that_was_never_opened_is_not_opened_to_say_goodbye(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    mirror = Unopened(home, pytest.fail)
    mirror.abandon()
    assert mirror.error is None
    assert not home.root.exists()


@pytest.mark.parametrize("last", [0.25, 0.125])
def test_a_score_with_the_name_of_a_column_of_the_history_comes_after_its_epochs(
    home: Home, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: float
) -> None:
    monkeypatch.setenv("MMSTUDY_MLFLOW_METRICS", "all")
    rows = tuple({"epoch": float(n), "validation/skill": value} for n, value in ((1, 0.5), (2, last)))
    record = replace(a_record(), history=rows, scores=(Score("validation", "all", "skill", None, 0.5),))
    for _ in range(2):
        mirror = Mirror(home, study_of("both"), "v", pytest.fail)
        mirror.started(begun_of())
        mirror.finished(begun_of(), record, workdir_of(tmp_path), None)
        told(mirror)
        shutil.rmtree(tmp_path / "run")
    (run,) = repeats_of(client)
    assert doubled(client, run) == []
    history = client.get_metric_history(run.info.run_id, "validation/skill")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.5), (2, last), (3, 0.5)]
    assert run.data.metrics["validation/skill"] == 0.5


def test_an_error_of_the_database_is_one_warning_and_no_traceback(
    home: Home, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    warnings: list[str] = []
    mirror = heard(Mirror(home, study_of("both"), "v", warnings.append))

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("sqlalchemy.engine.default.DefaultDialect.do_execute", full)
    mirror.started(begun_of())
    mirror.close(timeout=60)
    monkeypatch.undo()
    (warning,) = warnings
    assert "database or disk is full" in warning
    assert "Traceback" not in "".join(capfd.readouterr())


def test_what_a_killed_upload_left_goes_with_the_next(home: Home, client: MlflowClient, tmp_path: Path) -> None:
    mirror = heard(Mirror(home, study_of("both"), "v", pytest.fail))
    mirror.started(begun_of())
    heard(mirror)
    (run,) = repeats_of(client)
    left = Path(unquote(urlsplit(run.info.artifact_uri).path)) / "checkpoints" / ".artifact.uploading.x1y2z3"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    mirror.finished(begun_of(), a_record(), workdir_of(tmp_path), None)
    told(mirror)
    assert [path.name for path in left.parent.iterdir()] == ["best.pt"]


def test_two_drivers_that_begin_one_study_at_the_same_moment_make_its_experiment_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [Store(home) for _ in range(2)]
    together, asked = threading.Barrier(2, timeout=1), MlflowClient.get_experiment_by_name

    def get(self: MlflowClient, name: str) -> Any:
        found = asked(self, name)
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait()
        return found

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", get)
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda store: store.experiment("level", "Does it help?"), stores)
    assert first == second
