"""The whole way from a corpus on disk to a result."""

import csv
import json
import math
import os
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import mmcore.run as run_module
from mmcore.config import RunConfig
from mmcore.errors import ConfigError, SplitError
from mmcore.events import EpochDone, Note, Progress
from mmcore.run import resolve_device, run
from mmcore.trained import load_trained
from mmcore.training import loop
from mmcore.training.loop import SECONDS_BETWEEN_PROGRESS


# What a run says and leaves ----------------------------------------------------------------------------------------
def test_a_run_says_what_it_did(config, finished, editing_corpus):
    result, _, events = finished
    assert (result.status, result.failure, result.epochs, result.stopped_early) == ("done", None, 4, False)
    assert result.steps == 4 * math.ceil(result.split.train.windows / 4)
    assert result.split.train.items == 12
    assert result.split.validation.items == result.split.test.items == 4
    assert result.split.drawn == "each_repeat"
    assert result.parameters["total"] == sum(v for k, v in result.parameters.items() if k != "total")
    assert result.flops["total"] > 0
    assert result.corpus.missing == {"speech": 1, "noise": 1, "track": 0}
    assert result.corpus.components == ("active", "asset", "position")
    assert (result.corpus.task, result.corpus.leaky, result.corpus.tracks) == ("forecast", False, 2)
    assert result.corpus.units["x"] == "px"
    assert result.config == config(editing_corpus)
    assert [e.epoch for e in events if isinstance(e, EpochDone)] == [1, 2, 3, 4]
    assert [e.row for e in events if isinstance(e, EpochDone)] == [*result.history]
    assert any(isinstance(e, Progress) for e in events)


def test_the_history_has_every_column(finished):
    components = ["active", "asset", "position"]
    expected = {"epoch", "steps", "seconds", "learning_rate", "gradient_norm", "gradient_norm_max", "clipped"}
    expected |= {f"{split}/loss" for split in ("train", "validation")} | {"validation/skill"}
    expected |= {f"{m}/{c}" for m in ("train/loss", "validation/loss", "validation/skill") for c in components}
    expected |= {f"{what}/{m}" for what in ("gate", "gate_saturated") for m in ("speech", "noise", "track")}
    result, _, _ = finished
    for row in result.history:
        assert set(row) == expected
        assert 0.0 < row["gate/track"] < 1.0
        assert row["train/loss"] == pytest.approx(sum(row[f"train/loss/{c}"] for c in components))
    assert result.history[-1]["learning_rate"] == 1e-6
    best = max(result.history, key=lambda row: row["validation/skill"])
    assert best["epoch"] == result.best_epoch
    # The checkpoint that was scored is that epoch's.
    assert result.score("skill", split="validation") == pytest.approx(best["validation/skill"], abs=1e-9)


def test_the_folder_holds_the_run(finished):
    result, folder, _ = finished
    assert sorted(os.listdir(folder)) == [
        "checkpoints", "config.json", "history.json", "items.csv", "normalisation.json"
    ]  # fmt: skip
    assert sorted(os.listdir(folder / "checkpoints")) == ["best.pt", "last.pt"]
    assert RunConfig.model_validate_json((folder / "config.json").read_text()) == result.config
    assert json.loads((folder / "history.json").read_text()) == [*result.history]
    with (folder / "items.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["item"], r["component"]) for r in rows] == [(r.item, r.component) for r in result.items]
    assert [float(r["loss"]) for r in rows] == [r.loss for r in result.items]
    assert len(rows) == 4 * 3


def test_scores_cover_both_splits_the_model_and_its_baselines(finished):
    result, _, _ = finished
    assert {s.split for s in result.scores} == {"validation", "test"}
    assert {s.items for s in result.scores} == {"all", "complete"}
    assert {s.baseline for s in result.scores} == {None, "persistence", "constant"}
    assert {s.metric for s in result.scores} == {
        "skill", "relative_skill", "loss", "log_loss", "f1", "average_precision", "accuracy", "balanced_accuracy",
        "macro_f1", "mae",
    }  # fmt: skip
    assert result.score("mae", "position") > 1.0  # in pixels, where a deviation is about 100


def test_confidence_is_held_against_accuracy_on_every_counted_test_target(finished):
    result, _, _ = finished
    counts = {}
    for row in result.calibration:
        counts[row.component] = counts.get(row.component, 0) + row.count
        assert 0 <= row.accuracy <= 1
        assert row.bin / 15 <= row.confidence + 1e-9 <= (row.bin + 1) / 15 + 1e-6
    scored = {c: sum(i.count for i in result.items if i.component == c) for c in counts}
    assert counts == scored
    classes = {s.component for s in result.scores if s.metric == "accuracy" and s.component and not s.baseline}
    assert set(counts) == classes


def test_the_trained_model_can_be_had_again(config, weights, finished, prepared, editing_corpus):
    _, folder, _ = finished
    model = load_trained(config(editing_corpus), prepared, folder)
    assert all(torch.equal(value, weights(folder, "best")[key]) for key, value in model.state_dict().items())


def test_a_run_neither_reads_nor_moves_the_global_generators(config, weights, editing_corpus, prepared, tmp_path):
    torch.manual_seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002  what must not move
    run(config(editing_corpus, training__epochs=1), tmp_path / "a", prepared=prepared)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    torch.manual_seed(2)
    run(config(editing_corpus, training__epochs=1), tmp_path / "b", prepared=prepared)
    assert all(torch.equal(v, weights(tmp_path / "b", "last")[k]) for k, v in weights(tmp_path / "a", "last").items())


def test_repeats_differ_in_split_and_weights(config, finished, editing_corpus, prepared, tmp_path):
    other = run(config(editing_corpus, repeat=1, training__epochs=1), tmp_path, prepared=prepared)
    assert other.fingerprint != finished[0].fingerprint
    assert {r.item for r in other.items} != {r.item for r in finished[0].items}
    assert other.history[0]["train/loss"] != finished[0].history[0]["train/loss"]


def test_every_n_epochs_a_checkpoint_is_kept(config, editing_corpus, prepared, tmp_path):
    run(config(editing_corpus, training__checkpoint_every=2), tmp_path, prepared=prepared)
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["best.pt", "epoch_0002.pt", "epoch_0004.pt", "last.pt"]


def test_without_a_prepared_store_it_makes_its_own(config, editing_corpus, tmp_path, finished):
    result = run(config(editing_corpus, training__epochs=1), tmp_path)
    assert result.corpus.content == finished[0].corpus.content
    assert (tmp_path / "prepared").is_dir()


def test_progress_is_told_a_few_times_a_second_at_most(config, editing_corpus, prepared, tmp_path, monkeypatch):
    """On a clock of the test's own, that moves by 0.1 s whenever the training looks at it (once or twice a step)."""
    now = 0.0

    def look() -> float:
        nonlocal now
        now += 0.1
        return now

    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=look))
    told = []
    run(config(editing_corpus), tmp_path, lambda e: told.append(now) if isinstance(e, Progress) else None, prepared)
    gaps = [b - a for a, b in pairwise(told)]
    assert len(gaps) >= 3
    assert min(gaps) >= SECONDS_BETWEEN_PROGRESS
    assert max(gaps) <= SECONDS_BETWEEN_PROGRESS + 0.5  # nor is it held back, even over the end of an epoch


# Selection ---------------------------------------------------------------------------------------------------------
def test_patience_ends_a_run_that_no_longer_gains(config, without_time, editing_corpus, prepared, tmp_path):
    stuck = config(
        editing_corpus,
        model__modalities=["noise"],
        training__epochs=30,
        training__patience=2,
        training__schedule={"kind": "constant"},
    )
    result = run(stuck, tmp_path, prepared=prepared)
    assert result.stopped_early
    assert result.epochs == result.best_epoch + 2 < 30
    assert without_time(run(stuck, tmp_path, prepared=prepared)) == without_time(result)


@pytest.mark.parametrize(
    ("value", "note", "best"),
    [(3.0, "the naive loss is 0: the best epoch is picked by validation loss", None), (math.nan, "last epoch", 4)],
)
def test_without_a_validation_skill_the_choice_is_made_otherwise_and_told(
    config, flat_corpus, tmp_path, value, note, best
):
    events = []
    result = run(config(flat_corpus(value)), tmp_path / "run", events.append)
    assert [e.text for e in events if isinstance(e, Note) and note in e.text]
    losses = [row["validation/loss"] for row in result.history]
    assert result.best_epoch == (best or losses.index(min(losses)) + 1)
    assert all(math.isnan(row["validation/skill"]) for row in result.history)
    assert math.isnan(result.score("skill"))
    assert math.isfinite(result.score("loss"))
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert [row["validation/skill"] for row in history] == [None] * 4


# Known truth -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def learned(config, editing_corpus, prepared, tmp_path_factory):
    """Skill of the model that hears the speech which every edit copies, and of the one that does not."""
    results = {}
    for name, modalities in (("all", None), ("deaf", ["noise", "track"])):
        long = config(editing_corpus, training__epochs=15, model__modalities=modalities, model__width=32)
        results[name] = run(long, tmp_path_factory.mktemp(name), prepared=prepared)
    return results


def test_what_is_copied_from_a_modality_is_learned_through_it_alone(learned):
    for component in (None, "active", "asset", "position"):
        assert learned["all"].score("skill", component) > 0.8
        assert learned["deaf"].score("skill", component) < 0.15


def test_arms_are_scored_on_the_same_targets(learned):
    counts = [[(r.item, r.component, r.count, r.naive_loss) for r in a.items] for a in learned.values()]
    assert counts[0] == counts[1]


def test_reconstruct_is_leaky_and_says_so(config, editing_corpus, prepared, tmp_path):
    result = run(
        config(editing_corpus, task={"kind": "reconstruct"}, model__modalities=["track"], training__epochs=15),
        tmp_path,
        prepared=prepared,
    )
    assert result.corpus.leaky
    assert result.score("skill") > 0.8


def test_labels_of_items_are_learned_and_each_item_is_scored_once(config, label_corpus, tmp_path):
    result = run(config(label_corpus, training__epochs=8), tmp_path)
    assert result.score("accuracy") == 1.0
    assert result.score("skill", "exercise") > 0.7
    assert [r.count for r in result.items] == [1] * result.split.test.items
    assert result.split.test.windows > result.split.test.items
    assert {s.baseline for s in result.scores} == {None, "majority", "prior"}


# Failure -----------------------------------------------------------------------------------------------------------
def test_a_diverged_run_is_a_failed_run_with_its_history(config, editing_corpus, prepared, tmp_path):
    wild = config(
        editing_corpus,
        training__optimiser={"kind": "adam", "learning_rate": 1e19},
        training__schedule={"kind": "constant"},
        training__clip_norm=None,
    )
    result = run(wild, tmp_path, prepared=prepared)
    assert result.status == "failed"
    assert result.failure.error == "TrainingDiverged"
    assert result.failure.component in {
        "active",
        "asset",
        "position",
        "embedding",
        "encoder",
        "head",
        "fusion",
        "all",
    }
    assert result.failure.step >= 2
    assert f"step {result.failure.step}" in result.failure.message
    assert result.epochs == len(result.history)
    assert len(json.loads((tmp_path / "history.json").read_text())) == result.epochs
    assert result.scores == ()
    assert result.parameters["total"] > 0


def test_nan_in_a_gradient_names_the_part_and_nan_in_a_loss_the_component(
    config, editing_corpus, prepared, tmp_path, monkeypatch
):
    build = run_module.build_model
    for parameter, part in (("head", "head"), ("encoder", "encoder")):

        def broken(*arguments, parameter=parameter):
            model = build(*arguments)
            next(getattr(model, parameter).parameters()).register_hook(lambda grad: grad * math.nan)
            return model

        monkeypatch.setattr(run_module, "build_model", broken)
        result = run(config(editing_corpus), tmp_path / part, prepared=prepared)
        assert (result.failure.component, result.failure.epoch, result.failure.step) == (part, 1, 1)
        assert "a gradient is not finite" in result.failure.message
        assert f"{part}." in result.failure.message

    def poisoned(*arguments):
        model = build(*arguments)
        model.register_forward_hook(lambda module, inputs, output: output * torch.tensor([1.0] * 5 + [math.nan]))
        return model

    monkeypatch.setattr(run_module, "build_model", poisoned)
    result = run(config(editing_corpus), tmp_path / "loss", prepared=prepared)
    assert result.failure.component == "position"
    assert "a training loss is not finite" in result.failure.message


# Bad input ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"task": {"kind": "label"}}, "task label does not fit the targets"),
        ({"model__causal": False}, "a forecast needs a causal encoder"),
        ({"loss__weights": {"activ": 2.0}}, "Did you mean 'active'"),
        ({"model__modalities": ["speach"]}, "Did you mean 'speech'"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_before_anything_is_written(
    config, editing_corpus, prepared, tmp_path, overrides, message
):
    with pytest.raises(ConfigError, match=message):
        run(config(editing_corpus, **overrides), tmp_path / "run", prepared=prepared)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("kind", ["forecast", "reconstruct"])
def test_targets_of_a_table_allow_labels_only(config, label_corpus, tmp_path, kind):
    with pytest.raises(ConfigError, match=f"task {kind} does not fit"):
        run(config(label_corpus, task={"kind": kind}), tmp_path)


def test_items_too_short_for_the_horizon_are_told(config, editing_corpus, prepared, tmp_path):
    far = config(editing_corpus, task={"kind": "forecast", "horizon": 60})
    with pytest.raises(SplitError, match="the training side of the split needs at least one window"):
        run(far, tmp_path, prepared=prepared)


def test_some_items_too_short_are_left_out_and_counted(config, finished, editing_corpus, prepared, tmp_path):
    test = finished[0].items[0].item
    items = tuple(replace(item, steps=1) if item.name == test else item for item in prepared.items)
    events = []
    result = run(config(editing_corpus), tmp_path, events.append, replace(prepared, items=items))
    assert [e.text for e in events if isinstance(e, Note)] == [
        "1 of 4 test items is too short for the task and is left out"
    ]
    assert {r.item for r in result.items} == {r.item for r in finished[0].items} - {test}
    assert result.history[-1]["validation/loss"] == finished[0].history[-1]["validation/loss"]


def test_an_item_without_a_step_is_not_called_too_short(config, finished, prepared, editing_corpus, tmp_path):
    """It was told when the corpus was prepared; no shorter horizon would bring it back."""
    test = finished[0].items[0].item
    items = tuple(replace(item, steps=0) if item.name == test else item for item in prepared.items)
    events = []
    result = run(config(editing_corpus), tmp_path, events.append, replace(prepared, items=items))
    assert [e.text for e in events if isinstance(e, Note)] == []
    assert {r.item for r in result.items} == {r.item for r in finished[0].items} - {test}


def test_trained_weights_differ_but_reported_losses_keep_weight_one(config, editing_corpus, prepared, tmp_path):
    heavy = config(editing_corpus, loss__weights={"asset": 5.0, "position": 0.0}, training__epochs=1)
    result = run(heavy, tmp_path, prepared=prepared)
    row = result.history[0]
    assert row["train/loss"] == pytest.approx(sum(row[f"train/loss/{c}"] for c in ("active", "asset", "position")))
    assert result.score("loss") == pytest.approx(sum(result.score("loss", c) for c in ("active", "asset", "position")))


def test_devices(editing_corpus):
    assert resolve_device("cpu") == torch.device("cpu")
    if not torch.cuda.is_available():
        assert resolve_device("auto").type in {"cpu", "mps"}
        with pytest.raises(ConfigError, match="device 'cuda' is not available here"):
            resolve_device("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda_a_run_ends_with_the_same_kind_of_result(config, editing_corpus, prepared, finished, tmp_path):
    result = run(config(editing_corpus, device="cuda"), tmp_path, prepared=prepared)
    assert result.fingerprint == finished[0].fingerprint
    assert result.score("skill") == pytest.approx(finished[0].score("skill"), abs=0.1)


def test_an_epoch_may_be_limited_to_some_steps_and_the_schedule_still_ends_at_its_floor(
    config, finished, editing_corpus, prepared, tmp_path
):
    limited = config(editing_corpus, training__steps_per_epoch=1)
    result = run(limited, tmp_path / "few", prepared=prepared)
    assert [row["steps"] for row in result.history] == [row["epoch"] for row in result.history]
    assert result.history[-1]["learning_rate"] == limited.training.schedule.floor
    whole = finished[0]
    per_epoch = int(whole.history[0]["steps"])
    assert per_epoch > 1
    generous = run(config(editing_corpus, training__steps_per_epoch=per_epoch + 1), tmp_path / "all", prepared=prepared)
    assert [row["train/loss"] for row in generous.history] == [row["train/loss"] for row in whole.history]
