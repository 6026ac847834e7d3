"""A run that was stopped, killed or torn ends as if it had not been."""

import dataclasses
import signal
import subprocess
import sys

import pytest
import torch

import mmcore.training.loop
from mmcore.data.loader import Loader
from mmcore.errors import CheckpointError
from mmcore.events import EpochDone, Note, Progress
from mmcore.run import run

pytestmark = pytest.mark.usefixtures("each_epoch_saved")


class Stop(Exception):
    pass


class StopAt:
    """Raises at the first event for which ``when`` holds."""

    def __init__(self, when):
        self.when = when

    def __call__(self, event):
        if self.when(event):
            raise Stop


@pytest.mark.parametrize(
    "when",
    [
        lambda e: isinstance(e, EpochDone) and e.epoch == 2,
        lambda e: isinstance(e, Progress) and e.epoch == 3 and e.step == 5,
        lambda e: isinstance(e, Progress) and e.epoch == 1 and e.step == 2,
        lambda e: isinstance(e, EpochDone) and e.epoch == 4,
    ],
    ids=["after epoch 2", "within epoch 3", "within epoch 1", "before scoring"],
)
def test_stopped_and_resumed_equals_undisturbed_bit_for_bit(
    config, without_time, same_weights, when, finished, editing_corpus, prepared, tmp_path, monkeypatch
):
    monkeypatch.setattr("mmcore.training.loop.SECONDS_BETWEEN_PROGRESS", 0.0)
    with pytest.raises(Stop):
        run(config(editing_corpus), tmp_path, StopAt(when), prepared)
    resumed = run(config(editing_corpus), tmp_path, prepared=prepared)
    assert without_time(resumed) == without_time(finished[0])
    assert same_weights(tmp_path, finished[1])


@pytest.mark.parametrize("kind", ["uncertainty", "dwa", "gradnorm", "random", "pcgrad"])
@pytest.mark.parametrize("when", [(3, 0), (3, 4)], ids=["after epoch 3", "within epoch 4"])
def test_weightings_go_on_bit_for_bit(
    config, without_time, same_weights, kind, when, editing_corpus, prepared, tmp_path, monkeypatch
):
    monkeypatch.setattr("mmcore.training.loop.SECONDS_BETWEEN_PROGRESS", 0.0)
    epoch, step = when
    stop = StopAt(
        lambda e: (
            isinstance(e, Progress) and (e.epoch, e.step) == (epoch + 1, step)
            if step
            else isinstance(e, EpochDone) and e.epoch == epoch
        )
    )
    weighed = config(editing_corpus, loss__weighting={"kind": kind}, loss__weights={"position": 2.0})
    undisturbed = run(weighed, tmp_path / "whole", prepared=prepared)
    with pytest.raises(Stop):
        run(weighed, tmp_path / "cut", stop, prepared)
    resumed = run(weighed, tmp_path / "cut", prepared=prepared)
    assert without_time(resumed) == without_time(undisturbed)
    assert same_weights(tmp_path / "cut", tmp_path / "whole")
    told = [[row[f"weight/{name}"] for name in ("active", "asset", "position")] for row in resumed.history]
    assert [sum(weights) for weights in told] == pytest.approx([3.0] * 4, rel=1e-5)
    assert len({tuple(weights) for weights in told}) > 1


def test_with_augmentation_too_which_only_training_windows_know(
    config, without_time, same_weights, finished, editing_corpus, prepared, tmp_path, monkeypatch
):
    monkeypatch.setattr("mmcore.training.loop.SECONDS_BETWEEN_PROGRESS", 0.0)
    read, told = Loader.batches, []

    def spy(loader, order=None, augment=None):
        told.append((None if augment is None else augment.epoch, frozenset(loader.table_W4[:, 0].tolist())))
        return read(loader, order, augment)

    monkeypatch.setattr(Loader, "batches", spy)
    kinds = ("jitter", "crop", "feature_dropout", "modality_dropout", "noise", "time_masking")
    changed = config(editing_corpus, augmentation={kind: {} for kind in kinds})
    undisturbed = run(changed, tmp_path / "a", prepared=prepared)
    augmented = [(epoch, items) for epoch, items in told if epoch]
    assert [epoch for epoch, _ in augmented] == [1, 2, 3, 4]
    (trained,) = {items for _, items in augmented}
    names = [item.name for item in prepared.items]
    assert len(trained) == 12
    assert not trained & {names.index(row.item) for row in undisturbed.items}

    within = StopAt(lambda e: isinstance(e, Progress) and e.epoch == 3 and e.step == 5)
    with pytest.raises(Stop):
        run(changed, tmp_path / "b", within, prepared)
    assert without_time(run(changed, tmp_path / "b", prepared=prepared)) == without_time(undisturbed)
    assert same_weights(tmp_path / "a", tmp_path / "b")
    assert not same_weights(tmp_path / "a", finished[1])


def test_a_finished_run_is_not_trained_again(config, without_time, editing_corpus, prepared, tmp_path):
    first = run(config(editing_corpus), tmp_path, prepared=prepared)
    events = []
    again = run(config(editing_corpus), tmp_path, events.append, prepared)
    assert without_time(again) == without_time(first)
    assert [type(e) for e in events] == [Note]
    assert again.seconds > first.history[-1]["seconds"]


def test_short_epochs_wait_for_the_disk_but_now_and_then(
    config, without_time, same_weights, finished, editing_corpus, prepared, tmp_path, monkeypatch
):
    """The files at the end are the same; the best weights are those of their epoch, whatever was trained after it."""
    monkeypatch.setattr(mmcore.training.loop, "SECONDS_BETWEEN_CHECKPOINTS", 3600.0)
    written, write = [], mmcore.training.loop.save_checkpoint
    monkeypatch.setattr(
        mmcore.training.loop, "save_checkpoint", lambda path, content: written.append(path.name) or write(path, content)
    )
    values = iter((1.0, 3.0, 2.0, 0.0))
    judge = mmcore.training.loop.Selection.judge
    monkeypatch.setattr(
        mmcore.training.loop.Selection, "judge", lambda *a: dataclasses.replace(judge(*a), value=next(values))
    )
    record = run(config(editing_corpus), tmp_path / "rarely", prepared=prepared)
    assert written == ["best.pt", "last.pt"]
    written.clear()
    monkeypatch.setattr(mmcore.training.loop, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    values = iter((1.0, 3.0, 2.0, 0.0))
    each = run(config(editing_corpus), tmp_path / "each", prepared=prepared)
    assert written == ["best.pt", "last.pt"] * 2 + ["last.pt"] * 2
    assert record.best_epoch == each.best_epoch == 2
    assert without_time(record) == without_time(each)
    assert same_weights(tmp_path / "rarely", tmp_path / "each")
    for name in ("best.pt", "last.pt"):
        one, other = (
            torch.load(tmp_path / folder / "checkpoints" / name, weights_only=True) for folder in ("rarely", "each")
        )
        assert one["epoch"] == other["epoch"] == (2 if name == "best.pt" else 4)
        assert one.keys() == other.keys()


def test_who_ends_a_training_at_an_epochs_end_loses_nothing_of_it(
    config, without_time, finished, editing_corpus, prepared, tmp_path, monkeypatch
):
    monkeypatch.setattr(mmcore.training.loop, "SECONDS_BETWEEN_CHECKPOINTS", 3600.0)
    with pytest.raises(Stop):
        run(config(editing_corpus), tmp_path, StopAt(lambda e: isinstance(e, EpochDone) and e.epoch == 3), prepared)
    notes = []
    record = run(config(editing_corpus), tmp_path, lambda e: isinstance(e, Note) and notes.append(e.text), prepared)
    assert "resumed after epoch 3 of 4" in notes
    assert without_time(record) == without_time(finished[0])


KILLED = """
import os, signal, sys
from mmcore.config import RunConfig
from mmcore.events import EpochDone
from mmcore.run import run
import mmcore.training.loop

mmcore.training.loop.SECONDS_BETWEEN_CHECKPOINTS = 0.0

def die(event):
    if isinstance(event, EpochDone) and event.epoch == 2:
        # The compiler of torch costs a process as much to import as torch itself, and is of no use here.
        assert not {"torch._dynamo", "sympy"} & {*sys.modules}
        os.kill(os.getpid(), signal.SIGKILL)

config = RunConfig.model_validate_json(open(sys.argv[1]).read())
run(config, sys.argv[2], die)
"""


@pytest.mark.slow
def test_killed_and_resumed_equals_undisturbed(config, without_time, same_weights, editing_corpus, prepared, tmp_path):
    (tmp_path / "config.json").write_text(config(editing_corpus, threads=1).model_dump_json())
    command = [sys.executable, "-c", KILLED, str(tmp_path / "config.json"), str(tmp_path / "run")]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    saved = torch.load(tmp_path / "run" / "checkpoints" / "last.pt", weights_only=True)
    assert saved["epoch"] == 2
    threads = torch.get_num_threads()
    try:
        resumed = run(config(editing_corpus, threads=1), tmp_path / "run", prepared=prepared)
        undisturbed = run(config(editing_corpus, threads=1), tmp_path / "other", prepared=prepared)
    finally:
        torch.set_num_threads(threads)
    assert without_time(resumed) == without_time(undisturbed)
    assert same_weights(tmp_path / "run", tmp_path / "other")


@pytest.mark.parametrize("name", ["last.pt", "best.pt"])
def test_a_torn_checkpoint_is_told_and_training_starts_anew(
    config, without_time, finished, editing_corpus, prepared, tmp_path, name
):
    with pytest.raises(Stop):
        run(config(editing_corpus), tmp_path, StopAt(lambda e: isinstance(e, EpochDone) and e.epoch == 2), prepared)
    torn = tmp_path / "checkpoints" / name
    torn.write_bytes(torn.read_bytes()[:1000])
    events = []
    result = run(config(editing_corpus), tmp_path, events.append, prepared)
    notes = [e.text for e in events if isinstance(e, Note)]
    assert len(notes) == 1
    assert name in notes[0]
    assert notes[0].endswith("Training starts again from epoch 0")
    assert [e.epoch for e in events if isinstance(e, EpochDone)] == [1, 2, 3, 4]
    assert without_time(result) == without_time(finished[0])


def test_a_folder_of_another_run_is_refused(config, editing_corpus, prepared, tmp_path):
    run(config(editing_corpus, training__epochs=1), tmp_path, prepared=prepared)
    before = (tmp_path / "config.json").read_text()
    with pytest.raises(CheckpointError, match="must belong to the run that reads it"):
        run(config(editing_corpus, training__epochs=2), tmp_path, prepared=prepared)
    assert (tmp_path / "config.json").read_text() == before
