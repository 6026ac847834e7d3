"""Runs that do not read their test side, and runs that are stopped: what tuning needs of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from factories.workers import WarmPool

from experiments.execute import trial
from experiments.home import Home
from experiments.launchers.messages import Finished, Job, Message, Stopped, Told
from experiments.records import read_record
from mmcore.config import EvaluationConfig, RunConfig, build_config
from mmcore.data.loader import Loader
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.events import EpochDone, ignore
from mmcore.fingerprint import fingerprint, training_fingerprint
from mmcore.record import Record
from mmcore.scoring import Data


@pytest.fixture
def config(tiny_corpus: Path) -> RunConfig:
    values = {
        "corpus": str(tiny_corpus),
        "data": {"window": 20},
        "model": {"width": 8, "layers": 1, "heads": 2, "feed_forward": 8},
        "training": {"epochs": 2, "batch": 8},
        "evaluation": {"test": False},
    }
    return build_config(values)


@pytest.fixture
def prepared(config: RunConfig, home: Home) -> Prepared:
    return prepare(Path(config.corpus), config.data, home.prepared)


def done(config: RunConfig, home: Home, prepared: Prepared) -> Record:
    name = fingerprint(config, prepared.content)
    folder = home.run(name)
    return trial(config, folder, cache(lambda: prepared), study="s", arm="a", fingerprint=name, on_event=ignore)


def test_a_run_without_a_test_side_reads_no_test_item(
    config: RunConfig, home: Home, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[int] = set()
    genuine = Data._loader

    def spy(self: Data, modalities: Sequence[str], items: Sequence[int], stride: int | None) -> Loader:
        read.update(items)
        return genuine(self, modalities, items, stride)

    monkeypatch.setattr(Data, "_loader", spy)
    record = done(config, home, prepared)
    assert record.done
    assert {score.split for score in record.scores} == {"validation"}
    assert record.items == ()
    assert record.split.sides["test"].windows == 0
    untested = len(prepared.items) - record.split.sides["test"].items
    assert len(read) == untested


def test_what_was_trained_and_tested_before_serves_for_validation(
    config: RunConfig, home: Home, prepared: Prepared
) -> None:
    tested = config.model_copy(update={"evaluation": EvaluationConfig()})
    first = done(tested, home, prepared)
    second = done(config, home, prepared)
    assert not (home.run(fingerprint(config, prepared.content)) / "checkpoints").exists()
    assert second.history == first.history
    validation = tuple(score for score in first.scores if score.split == "validation")
    assert second.scores == validation


def test_modalities_taken_away_and_no_test_share_an_untested_training(
    config: RunConfig, home: Home, prepared: Prepared
) -> None:
    without = config.model_copy(update={"evaluation": EvaluationConfig(without=("audio",), test=False)})
    record = done(without, home, prepared)
    assert record.done
    names = {folder.name for folder in home.runs.iterdir()}
    assert names == {fingerprint(without, prepared.content), fingerprint(config, prepared.content)}
    assert training_fingerprint(without, prepared.content) not in names


def test_a_stopped_run_leaves_a_checkpoint_and_no_record_and_can_be_resumed(
    config: RunConfig, home: Home, prepared: Prepared
) -> None:
    long = config.model_copy(update={"training": config.training.model_copy(update={"epochs": 120})})
    name = fingerprint(long, prepared.content)
    job = Job(name, "s", "a", 0, long, str(home.run(name)), str(prepared.path))
    heard: list[Message] = []
    with WarmPool(1, 1, home.logs) as pool:

        def stop_early(message: Message) -> None:
            heard.append(message)
            if isinstance(message, Told) and isinstance(message.event, EpochDone) and message.event.epoch == 2:
                pool.stop(name)

        pool.run([job], stop_early)
        assert isinstance(heard[-1], Stopped)
        assert read_record(home.run(name)) is None
        epochs = len(json.loads((home.run(name) / "history.json").read_text(encoding="utf-8")))
        assert 2 <= epochs < 120
        # The same worker takes the same job up again, though it was told to leave it before.
        again: list[Message] = []
        pool.run([job], again.append)
    assert isinstance(again[-1], Finished)
    record = read_record(home.run(name))
    assert record is not None
    assert record.epochs == 120
    trained = [m.event.epoch for m in again if isinstance(m, Told) and isinstance(m.event, EpochDone)]
    assert trained[0] == epochs + 1
