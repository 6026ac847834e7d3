"""A process that is killed while it tidies up leaves nothing that stays for ever."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import pytest
import torch
from filelock import FileLock

import mmcore.atomic
from experiments.examine import examine
from experiments.execute import trial
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options
from experiments.records import LOCK, read_record
from mmcore.analyses import ErrorsAnalysis
from mmcore.config import EvaluationConfig, RunConfig
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.events import ignore
from mmcore.fingerprint import fingerprint
from mmcore.record import Record

Train = Callable[[RunConfig], Record]


class Killed(BaseException):
    """Nothing catches it, and nothing is cleared up after it, as after SIGKILL."""


@pytest.fixture
def config(tiny_study: Path, tiny_corpus: Path, home: Home) -> RunConfig:
    options = Options(corpus=str(tiny_corpus), repeats=1)
    found = plan(open_request(str(tiny_study), home, options), home).runs[0].config
    assert isinstance(found, RunConfig)
    return found.model_copy(update={"threads": 1})


@pytest.fixture
def prepared(config: RunConfig, home: Home) -> Callable[[], Prepared]:
    return cache(partial(prepare, Path(config.corpus), config.data, home.prepared))


@pytest.fixture
def train(prepared: Callable[[], Prepared], home: Home) -> Train:
    def train(config: RunConfig) -> Record:
        name = fingerprint(config, prepared().content)
        return trial(config, home.run(name), prepared, study="s", arm="a", fingerprint=name, on_event=ignore)

    return train


def half_written(home: Home) -> list[str]:
    return sorted(path.name for path in home.runs.rglob("*.tmp"))


def torn_file(folder: Path) -> Path:
    """As a process left it that was killed."""
    path = folder / "checkpoints" / ".last.pt.17-9.tmp"
    path.write_bytes(b"half")
    return path


def dies_when_replacing(monkeypatch: pytest.MonkeyPatch, name: str, nth: int) -> list[str]:
    """The process ends as it moves the nth file of that name into its place; what moved before, in order."""
    moved: list[str] = []

    def replace_file(source: Path, target: Path) -> None:
        if [*moved, target.name].count(name) == nth and target.name == name:
            # The file beside it stays, though this is no real death.
            shutil.copy(source, source.with_name(f".{name}.17-9.tmp"))
            raise Killed
        moved.append(target.name)
        os.rename(source, target)

    monkeypatch.setattr(mmcore.atomic.os, "replace", replace_file)
    return moved


def without_time(record: Record) -> Record:
    history = tuple({**row, "seconds": 0.0} for row in record.history)
    return replace(record, seconds=0.0, started="", finished="", history=history)


@pytest.mark.usefixtures("each_epoch_saved")
def test_the_record_is_written_last(config: RunConfig, train: Train, home: Home, monkeypatch) -> None:
    moved = dies_when_replacing(monkeypatch, "nothing", 1)
    train(config)
    assert moved[-1] == "record.json"
    assert moved.count("last.pt") == config.training.epochs, "it is left as the last epoch wrote it"


@pytest.mark.usefixtures("each_epoch_saved")
@pytest.mark.parametrize(("name", "nth"), [("last.pt", 2), ("items.csv", 1), ("record.json", 1)])
def test_a_run_that_was_killed_at_its_end_is_scored_again_and_leaves_the_same(
    config: RunConfig, train: Train, prepared, home: Home, tmp_path: Path, monkeypatch, name: str, nth: int
) -> None:
    assert config.training.epochs == 2
    key = fingerprint(config, prepared().content)
    alone = trial(config, tmp_path / key, prepared, study="s", arm="a", fingerprint=key, on_event=ignore)
    with monkeypatch.context() as patched:
        dies_when_replacing(patched, name, nth)
        with pytest.raises(Killed):
            train(config)
    assert half_written(home) != []
    assert read_record(home.run(key)) is None
    assert without_time(train(config)) == without_time(alone)
    assert half_written(home) == []
    left, there = (
        torch.load(folder / "checkpoints" / "last.pt", weights_only=True) for folder in (home.run(key), tmp_path / key)
    )
    assert left["optimiser"]["state"] == {}
    assert all(torch.equal(left["model"][name], there["model"][name]) for name in there["model"])


def test_what_lies_beside_a_finished_run_goes_when_it_is_asked_for_tested_or_analysed(
    config: RunConfig, train: Train, prepared, home: Home
) -> None:
    record = train(config)
    folder = home.run(record.fingerprint)
    torn_file(folder)
    assert train(config) == record
    assert half_written(home) == []
    torn = torn_file(folder)
    deaf = config.model_copy(update={"evaluation": EvaluationConfig(without=("audio",))})
    with FileLock(folder / LOCK):
        # Another process works there, and may be about to move that file into its place.
        train(deaf)
    assert torn.exists()
    train(config.model_copy(update={"evaluation": EvaluationConfig(without=("track",))}))
    assert half_written(home) == []
    torn_file(folder)
    assert examine(config, [ErrorsAnalysis()], folder, prepared, ignore) == []
    assert half_written(home) == []
