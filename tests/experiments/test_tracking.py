"""What MLflow's users find: few metrics, the report, where runs come from, tables of items, a view of the runs."""

from __future__ import annotations

import itertools
import json
import math
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from factories.mirrors import begun_of, repeats_of, study_of, told, workdir_of
from factories.records import a_record
from mlflow.tracking import MlflowClient

from experiments.home import Home
from experiments.mirror import Mirror
from experiments.results import aggregates
from experiments.tracking.client import talking
from experiments.tracking.connection import Connection
from experiments.tracking.metrics import MOST, VARIABLE, Chosen, final_numbers
from experiments.tracking.store import Store
from experiments.tracking.views import METRIC_TAG, VIEW_TAG, columns, runs_address
from mmcore.config import ForeignConfig
from mmcore.errors import StoreError, StudyError
from mmcore.measures import parse_metric
from mmcore.record import Record
from mmcore.scores import ItemLoss, Score
from studies.resolved import ResolvedArm

MEASURES = ("skill", "relative_skill", "loss", "accuracy", "balanced_accuracy", "macro_f1", "f1", "log_loss")
COLUMNS = ("learning_rate", "gradient_norm", "gradient_norm_max", "clipped", "steps", "seconds", "gate/audio")
SYSTEM = 6
"""Names of system metrics, with a GPU."""


@pytest.fixture
def home(tmp_path: Path, with_database: Callable[[Home], Home]) -> Home:
    return with_database(Home(tmp_path / "home"))


@pytest.fixture
def client(home: Home) -> MlflowClient:
    return MlflowClient(home.mlflow_uri)


def full(components: int, metric: str = "skill") -> Record:
    """A record with every kind of number, for so many components."""
    parts = [f"c{number}" for number in range(components)]
    scores = [
        Score("test", items, measure, part, 0.5, baseline=baseline)
        for items in ("all", "complete")
        for measure in MEASURES
        for part in (None, *parts)
        for baseline in (None, "persistence", "constant")
    ]
    scores += [Score("test", "all", "mae", part, 0.5, parameter=f"{part}_{axis}") for part in parts for axis in "xy"]
    row = {"epoch": 1.0, **dict.fromkeys(COLUMNS, 1.0)}
    row |= {f"{side}/{kind}": 1.0 for side in ("train", "validation") for kind in ("loss", "skill")}
    row |= {f"{side}/loss/{part}": 1.0 for side in ("train", "validation") for part in parts}
    row |= {f"validation/skill/{part}": 1.0 for part in parts} | {f"weight/{part}": 1.0 for part in parts}
    row[parse_metric(metric).column] = 1.0
    return a_record(scores=tuple(scores), history=(row,), items=(ItemLoss("i", "g", True, "c0", 0.5, 3, math.nan),))


def names_of(record: Record, chosen: Chosen) -> set[str]:
    """All names of metrics of an experiment with such runs."""
    test = {
        score_of: [0.5, 0.6] for score_of in final_numbers(record, parse_metric("skill")) if "/base" not in score_of
    }
    arm = {key: v for name, values in test.items() for key, v in aggregates(name, values).items()}
    found = {*chosen.final(record), *chosen.of_arm({**arm, "runs/done": 2.0, "runs/failed": 0.0})}
    return found | {name for row in record.history for part in chosen.epoch(row) for name in part}


@pytest.mark.parametrize(
    ("components", "metric"), [*itertools.product((1, 3, 6, 7, 12, 40), ("skill", "c0/f1", "accuracy"))]
)
def test_an_experiment_has_at_most_sixty_metrics_however_many_components(components: int, metric: str) -> None:
    study = replace(study_of("both"), metric=parse_metric(metric))
    record = full(components, metric)
    names = names_of(record, Chosen(study, everything=False))
    assert len(names) + SYSTEM + len(("objective",)) <= MOST
    assert {"epoch", "train/loss", "validation/skill", f"test/{metric}", f"test/{metric}/mean", "seconds"} <= names
    assert study.metric.column in names
    every = names_of(record, Chosen(study, everything=True))
    assert names < every
    assert len(every) > 100


def test_components_are_left_out_by_families() -> None:
    study, names = study_of("both"), {}
    for count in (6, 8, 12, 28, 29):
        names[count] = names_of(full(count), Chosen(study, everything=False))
    families = {
        count: [f"test/c{count - 1}/skill" in found, f"test/c{count - 1}/skill/mean" in found,
                f"validation/skill/c{count - 1}" in found, f"train/loss/c{count - 1}" in found]
        for count, found in names.items()
    }  # fmt: skip
    assert families == {
        6: [True, True, True, True],
        8: [True, True, True, False],
        12: [True, True, False, False],
        28: [True, False, False, False],
        29: [False, False, False, False],
    }


def test_of_unknown_training_code_the_first_numbers_become_metrics() -> None:
    config = ForeignConfig(settings={"lr": 0.1})
    study = study_of("both")
    study = replace(study, arms=(ResolvedArm("both", {}, config),), metric=parse_metric("accuracy"))
    scores = tuple(Score("test", "all", f"score{n}", None, 0.5) for n in range(80))
    scores = (*scores, Score("test", "all", "accuracy", None, 0.5))
    row = {"epoch": 1.0} | {f"logged{n}": 1.0 for n in range(80)}
    chosen = Chosen(study, everything=False)
    names = names_of(a_record(config=config, scores=scores, history=(row,)), chosen)
    assert len(names) + SYSTEM <= MOST
    assert {"test/accuracy", "test/score0", "logged0", "test/accuracy/mean"} <= names
    assert chosen.epoch({"epoch": 2.0, "logged79": 1.0}) == [{"epoch": 2.0}], "what was left out once stays left out"


def test_a_metric_by_parameters_has_the_mean_of_its_parameters() -> None:
    record = full(1, "c0/mae")
    assert final_numbers(record, parse_metric("c0/mae"))["test/c0/mae"] == 0.5


def test_all_numbers_are_added_to_a_run_that_had_the_main_ones(
    home: Home, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, workdir = full(3), workdir_of(tmp_path)
    for choice in ("main", "all", "all", "main"):
        monkeypatch.setenv(VARIABLE, choice)
        mirror = Mirror(home, study_of("both"), "v", pytest.fail)
        mirror.finished(begun_of(), record, workdir, None)
        told(mirror)
        (run,) = repeats_of(client)
        assert ("weight/c0" in run.data.metrics) == (choice == "all" or "test/c0/log_loss" in run.data.metrics)
    expected = {*final_numbers(record, parse_metric("skill")), *record.history[0], "epoch_seconds"}
    assert run.data.metrics.keys() == expected
    for name in run.data.metrics:
        assert len(client.get_metric_history(run.info.run_id, name)) == 1, name


def test_a_run_of_an_earlier_version_has_all_its_metrics_and_stays_as_it_is(
    home: Home, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.finished(begun_of(), a_record(), workdir_of(tmp_path), None)
    told(mirror)
    (run,) = repeats_of(client)
    client.delete_tag(run.info.run_id, "mmstudy.metrics")
    monkeypatch.setenv(VARIABLE, "all")
    store = Store(home)
    parent = run.data.tags["mlflow.parentRunId"]
    assert store.mirrored(run.info.experiment_id, [parent], everything=True) == {"f0"}


def test_a_choice_of_metrics_that_is_none_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "some")
    with pytest.raises(StudyError, match="expected main or all; found 'some'"):
        Mirror(home, study_of("both"), "v", pytest.fail)


def a_report(home: Home, **files: str) -> Path:
    folder = home.report("level")
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def artifacts(client: MlflowClient, run: str, folder: str = "") -> set[str]:
    found = set()
    for one in client.list_artifacts(run, folder):
        found |= artifacts(client, run, one.path) if one.is_dir else {one.path}
    return found


def test_the_report_is_kept_once_and_follows_its_changes(home: Home, client: MlflowClient, tmp_path: Path) -> None:
    folder = a_report(home, report_html="<p>1", tables__arms_csv="a", figures__gates_svg="<svg>")

    def reported() -> dict[str, str]:
        mirror = Mirror(home, study_of("track", "both"), "v", pytest.fail)
        mirror.reported(folder)
        told(mirror)
        experiment = client.get_experiment_by_name("level")
        assert experiment is not None
        return {run.data.tags["mmstudy.arm"]: run.info.run_id for run in client.search_runs([experiment.experiment_id])}

    runs = reported()
    assert artifacts(client, runs["track"]) == {
        "report/report.html", "report/tables/arms.csv", "report/figures/gates.svg",
    }  # fmt: skip
    assert artifacts(client, runs["both"]) == set(), "the reference arm keeps it for all"
    note = client.get_run(runs["both"]).data.tags["mlflow.note.content"]
    assert note.startswith("model.width = 8")
    assert f"/runs/{runs['track']}/artifacts/report/report.html" in note
    (folder / "report.html").write_text("<p>2")
    (folder / "figures" / "gates.svg").unlink()
    assert reported() == runs
    assert artifacts(client, runs["track"]) == {"report/report.html", "report/tables/arms.csv"}
    page = client.download_artifacts(runs["track"], "report/report.html", str(tmp_path))
    assert Path(page).read_text() == "<p>2"


def test_a_report_that_did_not_change_is_not_sent_again(
    home: Home, monkeypatch: pytest.MonkeyPatch, client: MlflowClient
) -> None:
    folder = a_report(home, report_html="<p>1")
    for again in (False, True):
        if again:
            monkeypatch.setattr("experiments.tracking.artifacts.get_artifact_repository", pytest.fail)
        mirror = Mirror(home, study_of("both"), "v", pytest.fail)
        mirror.reported(folder)
        told(mirror)


def test_tables_that_are_too_large_are_named_instead(
    home: Home, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.tracking.artifacts.LARGEST", 5)
    folder = a_report(home, report_html="<p>1", tables__history_csv="far too long")
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.reported(folder)
    told(mirror)
    (run,) = client.search_runs(["1"])
    assert artifacts(client, run.info.run_id) == {"report/report.html"}
    assert run.data.tags["mmstudy.report_left_out"] == "tables/history.csv"


def test_the_losses_of_test_items_are_a_table_as_mlflow_writes_tables(
    home: Home, client: MlflowClient, tmp_path: Path
) -> None:
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.finished(begun_of(), full(1), workdir_of(tmp_path), None)
    told(mirror)
    (run,) = repeats_of(client)
    assert json.loads(run.data.tags["mlflow.loggedArtifacts"]) == [{"path": "test_items.json", "type": "table"}]
    table = pd.read_json(client.download_artifacts(run.info.run_id, "test_items.json", str(tmp_path)), orient="split")
    assert [*table.columns] == ["item", "group", "component", "loss", "naive_loss", "targets"]
    assert table.iloc[0, :4].tolist() == ["i", "g", "c0", 0.5]


def test_the_view_shows_arm_repeat_metric_and_verdict(home: Home, client: MlflowClient) -> None:
    told(Mirror(home, study_of("both"), "v", pytest.fail))
    experiment = client.get_experiment_by_name("level")
    assert experiment is not None
    saved = json.loads(experiment.tags[VIEW_TAG])
    state = json.loads(saved["state"])
    assert state["selectedColumns"] == [
        "tags.`mmstudy.arm`", "tags.`mmstudy.repeat`", "metrics.`test/skill/mean`", "metrics.`test/skill`",
        "tags.`mmstudy.verdict`",
    ]  # fmt: skip
    assert [*columns("test/skill")] == state["columnOrder"]
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`test/skill/mean`", False)
    assert experiment.tags[METRIC_TAG] == "test/skill"
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert runs_address("1") == "#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=mmstudy"
    assert len(experiment.tags[VIEW_TAG]) < 5000


def test_system_metrics_are_logged_while_a_run_goes_on_and_once_an_epoch(home: Home, client: MlflowClient) -> None:
    mirror = Mirror(home, study_of("both"), "v", pytest.fail)
    mirror.loaded("f0", 1, {"system/cpu_utilization_percentage": 1.0})  # of a run that was never started
    mirror.started(begun_of())
    for epoch in (1, 1, 2):
        mirror.loaded("f0", epoch, {"system/cpu_utilization_percentage": 50.0})
    told(mirror)
    (run,) = repeats_of(client)
    history = client.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")
    assert [(one.step, one.value) for one in history] == [(1, 50.0), (2, 50.0)]


# A store that fails -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("damage", ["noise", "a hole"])
def test_a_torn_database_is_to_be_renamed_since_waiting_does_not_mend_it(home: Home, damage: str) -> None:
    path = home.root / "mlflow.db"
    whole = path.read_bytes()
    path.write_bytes(b"\x07" * 3000 if damage == "noise" else whole[:4096] + bytes(len(whole) - 4096))
    with pytest.raises(StoreError) as refused:
        Connection(home)
    assert refused.value.where == home.mlflow_uri
    assert "rename this file, and mmstudy sync STUDY makes a new one" in str(refused.value.next_step)
    path.rename(home.root / "aside.db")
    Connection(home)
    assert path.is_file()


def test_an_error_of_mlflow_about_a_torn_database_is_known_for_what_it_is(home: Home) -> None:
    """MLflow raises its own in the place of SQLite's."""
    connection = Connection(home)
    path = home.root / "mlflow.db"
    path.write_bytes(path.read_bytes()[:4096] + b"\x07" * (path.stat().st_size - 4096))
    with pytest.raises(StoreError) as refused:
        connection.find_or_create("0", "a", {}, ("a",))
    assert "rename this file" in str(refused.value.next_step)


def test_a_store_that_is_away_may_come_back(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as refused, talking("http://127.0.0.1:1", "open"):
        sqlite3.connect(tmp_path / "no folder" / "mlflow.db")
    assert isinstance(refused.value.__cause__, sqlite3.OperationalError)
    assert "when the store is back" in str(refused.value.next_step)
