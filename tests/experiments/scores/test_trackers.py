"""Scores in MLflow, Optuna and TensorBoard."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import optuna
import pytest
from mlflow.tracking import MlflowClient

from experiments.judge import judge
from experiments.score_sources import read_scores
from mmcore.errors import ScoresError, StoreError


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two models with five seeds each, one failed run, and one without the metric."""
    folder = tmp_path_factory.mktemp("tracking")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(uri)
    experiment = client.create_experiment("digits", artifact_location=folder.as_uri())

    def run(model, seed, values, status="FINISHED"):
        made = client.create_run(experiment, run_name=f"{model}-{seed}").info.run_id
        client.log_param(made, "model", model)
        client.set_tag(made, "seed", str(seed))
        for step, value in enumerate(values):
            client.log_metric(made, "val_acc", value, step=step)
            client.log_metric(made, "val_loss", 1 - value, step=step)
        client.set_terminated(made, status)

    for seed in range(5):
        run("cnn", seed, [0.5, 0.90 + 0.001 * seed, 0.80 + 0.001 * seed])
        run("vit", seed, [0.5, 0.85 + 0.001 * seed, 0.84 + 0.001 * seed])
    run("vit", 5, [0.1], "FAILED")
    run("vit", 6, [])
    return uri


def test_a_run_is_a_row_with_its_parameters_tags_and_last_value(store):
    table = read_scores(f"mlflow:digits@{store}", "val_acc")
    assert len(table.rows) == 10
    assert table.notes == (
        "An MLflow experiment: 10 runs, 'val_acc' at its last value.",
        "Runs that are left out: 1 failed and 1 without 'val_acc'.",
    )
    first = table.rows.iloc[0]
    assert (first["model"], first["seed"], first["val_acc"]) == ("cnn", "0", 0.8)


def test_the_best_step_may_decide_otherwise_than_the_last(store, tmp_path):
    last = judge(f"mlflow:digits@{store}", score="val_acc", reference="cnn", out=tmp_path / "a")
    best = judge(f"mlflow:digits@{store}", score="val_acc", reference="cnn", step="max", out=tmp_path / "b")
    assert [v.verdict for v in (*last.verdicts, *best.verdicts)] == ["better", "worse"]


def test_the_address_is_that_of_the_environment(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    assert len(read_scores("mlflow:digits", "val_acc").rows) == 10


def test_what_is_not_in_the_store_is_named(store, tmp_path):
    with pytest.raises(StoreError, match=r"no such experiment; found 'digit'\. Did you mean 'digits'"):
        read_scores(f"mlflow:digit@{store}")
    with pytest.raises(
        ScoresError, match="which metric is the score; expected --score METRIC; found val_acc, val_loss"
    ):
        read_scores(f"mlflow:digits@{store}")
    with pytest.raises(ScoresError, match="no finished run has the metric; found 'acc'"):
        read_scores(f"mlflow:digits@{store}", "acc")
    missing = tmp_path / "none.db"
    with pytest.raises(ScoresError, match="the tracking store must be there"):
        read_scores(f"mlflow:digits@sqlite:///{missing}")
    assert not missing.exists()


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A grid of two learning rates and six seeds, minimised."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('optuna') / 'study.db'}"
    sampler = optuna.samplers.GridSampler({"lr": [0.1, 0.01], "seed": list(range(6))}, seed=0)
    study = optuna.create_study(storage=uri, study_name="grid", sampler=sampler, direction="minimize")
    rng = np.random.default_rng(0)

    def objective(trial):
        trial.suggest_int("seed", 0, 5)
        return trial.suggest_categorical("lr", [0.1, 0.01]) + 0.01 * rng.normal()

    study.optimize(objective, n_trials=12)
    return uri


def test_settings_of_a_search_are_arms_and_a_parameter_called_seed_is_the_repeat(searched, tmp_path):
    found = judge(f"optuna:{searched}", reference="lr=0.1", out=tmp_path)
    assert [(v.arm, v.verdict) for v in found.verdicts] == [("lr=0.01", "better")]
    assert "An Optuna study: 12 complete trials of 2 settings." in found.notes
    assert not found.summary.metric.higher_is_better


def test_what_is_not_in_the_storage_is_named(searched, tmp_path):
    with pytest.raises(ScoresError, match=r"no such study; found 'gird'\. Did you mean 'grid'"):
        read_scores(f"optuna:{searched}#gird")
    with pytest.raises(ScoresError, match="no such objective; found 'loss'"):
        read_scores(f"optuna:{searched}", "loss")
    with pytest.raises(ScoresError, match="the storage must be there"):
        read_scores(f"optuna:sqlite:///{tmp_path / 'none.db'}")


@pytest.fixture
def events(tmp_path):
    for arm in ("mlp", "cnn"):
        for seed in range(2):
            (tmp_path / "logs" / arm / f"seed_{seed}").mkdir(parents=True)
            (tmp_path / "logs" / arm / f"seed_{seed}" / "events.out.tfevents.1.host").touch()
    return tmp_path / "logs"


def test_without_the_package_the_extra_is_named(events, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ScoresError, match=r'not installed. pip install "mmstudy\[tensorboard\]"'):
        read_scores(events)


class Accumulator:
    """Stands for TensorBoard's, with the part of its interface that is used."""

    def __init__(self, path, size_guidance):
        assert size_guidance == {"scalars": 0, "tensors": 0}
        self.level = 0.9 if "cnn" in path else 0.8

    def Reload(self):
        return self

    def Tags(self):
        return {"scalars": ["acc"], "tensors": ["acc_2"]}

    def Scalars(self, tag):
        return [SimpleNamespace(step=s, wall_time=0.0, value=self.level - 0.1 * s) for s in (1, 0)]

    def Tensors(self, tag):
        return [SimpleNamespace(step=0, wall_time=0.0, tensor_proto=SimpleNamespace(float_val=[self.level]))]


@pytest.fixture
def tensorboard(monkeypatch):
    names = ["tensorboard", "tensorboard.backend", "tensorboard.backend.event_processing"]
    for name in names:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    last = ModuleType(f"{names[-1]}.event_accumulator")
    last.EventAccumulator = Accumulator  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, last.__name__, last)


def test_folders_of_events_are_runs_that_their_names_tell_apart(events, tensorboard):
    table = read_scores(events, "acc")
    assert list(zip(*(table.rows[c] for c in ("arm", "repeat")), strict=True)) == [
        ("cnn", "0"),
        ("cnn", "1"),
        ("mlp", "0"),
        ("mlp", "1"),
    ]
    assert list(table.rows["acc"]) == pytest.approx([0.8, 0.8, 0.7, 0.7])
    assert list(read_scores(events, "acc", "max").rows["acc"]) == pytest.approx([0.9, 0.9, 0.8, 0.8])
    assert list(read_scores(events, "acc_2").rows["acc_2"]) == pytest.approx([0.9, 0.9, 0.8, 0.8])
    with pytest.raises(ScoresError, match="which tag is the score; expected --score TAG; found acc, acc_2"):
        read_scores(events)
