"""What a run leaves in the home once its record is written: all that a study can still use, and no more."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments import execute as trials
from experiments.execute import trial
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options
from experiments.records import read_record
from mmcore.config import EvaluationConfig, RunConfig
from mmcore.data.prepare import prepare
from mmcore.data.prepared import Prepared
from mmcore.errors import MMStudyError
from mmcore.events import EpochDone
from mmcore.fingerprint import fingerprint
from mmcore.record import Record
from mmcore.scores import Score
from mmcore.training import loop


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def config(tiny_study: Path, tiny_corpus: Path, home: Home) -> RunConfig:
    """Of an arm that reads both modalities, three epochs."""
    request = open_request(
        str(tiny_study), home.make(), Options(corpus=str(tiny_corpus), changes=(("training.epochs", 3),))
    )
    return request.study.arms[0].config.model_copy(update={"threads": 1})


@pytest.fixture
def prepared(config: RunConfig, home: Home) -> Prepared:
    return prepare(Path(config.corpus), config.data, home.prepared)


def folder_of(config: RunConfig, prepared: Prepared, home: Home) -> Path:
    return home.run(fingerprint(config, prepared.content))


def trained(
    config: RunConfig, prepared: Prepared, home: Home, on_event: Callable[[Any], None] = lambda event: None
) -> Record:
    folder = folder_of(config, prepared, home)
    return trial(
        config, folder, lambda: prepared, study="s", arm="a", fingerprint=folder.name, on_event=on_event
    )  # fmt: skip


def last(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoints" / "last.pt", weights_only=True)


def interrupt(epoch: int) -> Callable[[Any], None]:
    def on_event(event: Any) -> None:
        if isinstance(event, EpochDone) and event.epoch == epoch:
            raise KeyboardInterrupt

    return on_event


def scores(record: Record) -> tuple[Score, ...]:
    return record.scores


def test_a_finished_run_keeps_no_state_of_the_optimiser(config: RunConfig, prepared: Prepared, home: Home) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(config, prepared, home, interrupt(2))
    folder = folder_of(config, prepared, home)
    assert read_record(folder) is None
    assert last(folder)["optimiser"]["state"], "an interrupted run goes on from it"
    before = (folder / "checkpoints" / "last.pt").stat().st_size
    record = trained(config, prepared, home)
    assert record.epochs == 3
    assert last(folder)["optimiser"]["state"] == {}
    assert (folder / "checkpoints" / "last.pt").stat().st_size < 0.7 * before
    undisturbed = Home(home.root.with_name("undisturbed")).make()
    assert scores(trained(config, prepared, undisturbed)) == scores(record)


@pytest.mark.parametrize("test", [True, False])
def test_its_training_can_still_be_tested_in_another_way(
    config: RunConfig, prepared: Prepared, home: Home, test: bool
) -> None:
    """Trained for itself, or as a trial of a search; the other one's history is that of the training."""
    if not test:
        config = config.model_copy(update={"evaluation": EvaluationConfig(test=False)})
    record = trained(config, prepared, home)
    assert last(folder_of(config, prepared, home))["optimiser"]["state"] == {}
    told: list[Any] = []
    other = config.model_copy(update={"evaluation": EvaluationConfig(without=("audio",), test=test)})
    assert not other.trains
    found = trained(other, prepared, home, told.append)
    assert found.done
    assert not any(isinstance(event, EpochDone) for event in told), "nothing is trained"
    for same in ("history", "best_epoch", "epochs", "steps", "stopped_early"):
        assert getattr(found, same) == getattr(record, same)
    assert scores(found) != scores(record)


def test_what_killed_processes_left_half_written_goes(config: RunConfig, prepared: Prepared, home: Home) -> None:
    folder = folder_of(config, prepared, home)
    (folder / "checkpoints").mkdir(parents=True)
    torn = [
        folder / "checkpoints" / ".last.pt.x1y2z3", folder / "checkpoints" / ".best.pt.abc",
        folder / "record.json.99999.tmp",
    ]  # fmt: skip
    for path in torn:
        path.write_bytes(b"half")
    trained(config, prepared, home)
    assert not any(path.exists() for path in torn)
    kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert kept == {
        "checkpoints/best.pt", "checkpoints/last.pt", "config.json", "history.json", "items.csv", "normalisation.json",
        "record.json", "run.lock",
    }  # fmt: skip


@pytest.mark.parametrize("problem", [OSError("no space"), RuntimeError("stream"), KeyboardInterrupt()])
def test_what_goes_wrong_while_a_run_is_tidied_costs_no_result(
    config: RunConfig, prepared: Prepared, home: Home, monkeypatch: pytest.MonkeyPatch, problem: BaseException
) -> None:
    folder = folder_of(config, prepared, home)
    asked: list[bool] = []

    def held(path: Path) -> None:
        asked.append(read_record(folder) is None)
        raise problem

    with monkeypatch.context() as patched:
        patched.setattr(trials, "_remove_torn", held)
        if isinstance(problem, KeyboardInterrupt):
            with pytest.raises(KeyboardInterrupt):
                trained(config, prepared, home)
        else:
            assert trained(config, prepared, home).done
    assert asked == [True], "the record comes last"
    assert last(folder)["optimiser"]["state"] == {}, "as training left it"
    weights = (folder / "checkpoints" / "best.pt").stat().st_mtime_ns
    assert trained(config, prepared, home).done
    assert (folder / "checkpoints" / "best.pt").stat().st_mtime_ns == weights, "nothing is trained again"
    stamp = (folder / "record.json").stat().st_mtime_ns
    assert trained(config, prepared, home).done
    assert (folder / "record.json").stat().st_mtime_ns == stamp


@pytest.mark.usefixtures("each_epoch_saved")
def test_a_full_disk_is_no_failure_of_the_run_which_goes_on_once_there_is_room(
    config: RunConfig, prepared: Prepared, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, saved = folder_of(config, prepared, home), loop.save_checkpoint

    def full(path: Path, content: Mapping[str, object]) -> None:
        if (folder / "checkpoints" / "last.pt").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        saved(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", full)
        with pytest.raises(MMStudyError, match="no space left on the disk") as problem:
            trained(config, prepared, home)
    assert problem.value.where is not None
    assert problem.value.where.startswith(str(folder))
    assert read_record(folder) is None
    assert not (folder / "error.txt").exists()
    record = trained(config, prepared, home)
    undisturbed = Home(home.root.with_name("undisturbed")).make()
    assert scores(trained(config, prepared, undisturbed)) == scores(record)


def test_the_traceback_of_an_attempt_goes_with_the_failure(
    config: RunConfig, prepared: Prepared, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(config, prepared, home)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", lambda path, content: 1 / 0)
        assert trained(config, prepared, home).why == "division by zero"
    assert "ZeroDivisionError" in (folder / "error.txt").read_text()
    assert trained(config, prepared, home).done
    assert not (folder / "error.txt").exists()
