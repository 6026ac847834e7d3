"""Whole studies: trained, mirrored, reported; disturbed in every way and still the same."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from factories.command import mmstudy, words_of
from factories.deaths import begun, driver_script, script
from factories.once import made_once
from factories.studies import sketching
from filelock import FileLock
from mlflow.tracking import MlflowClient

from experiments.driver import run_study, sync_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options
from experiments.progress import Silent
from experiments.records import LOCK, read_record
from mmcore.errors import ConfigError
from mmcore.record import Record
from mmcore.scores import ItemLoss, Score

EPOCHS = 8
"""More than the three after which processes die here."""
LONG = ["--set", f"training.epochs={EPOCHS}"]


def torch_has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def runs_of(home: Home) -> dict[str, Record]:
    found = {folder.name: read_record(folder) for folder in home.runs.iterdir()}
    return {name: record for name, record in found.items() if record is not None}


class Numbers(NamedTuple):
    """All that must not depend on how a study was disturbed."""

    scores: tuple[Score, ...]
    items: tuple[ItemLoss, ...]
    best_epoch: int
    history: list[dict[str, float]]


def numbers_of(home: Home) -> dict[str, Numbers]:
    """By run."""
    return {
        name: Numbers(
            record.scores,
            record.items,
            record.best_epoch,
            [{k: v for k, v in row.items() if k != "seconds"} for row in record.history],
        )
        for name, record in runs_of(home).items()
    }


def mlflow_runs(home: Home, study: str) -> list[Any]:
    client = MlflowClient(home.mlflow_uri)
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], max_results=1000))


@pytest.fixture(scope="session")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path, tiny_study_text: str
) -> tuple[Home, Path, str]:
    """A longer study run in peace: what a disturbed one must equal."""

    def make(folder: Path) -> None:
        (folder / "level.yaml").write_text(tiny_study_text, encoding="utf-8")
        words = (folder / "level.yaml", "--corpus", tiny_corpus, *LONG)
        with sketching():
            done = mmstudy(Home(folder / "home"), "run", *words)
        assert done.returncode == 0, done.stderr
        (folder / "told.txt").write_text(done.stdout, encoding="utf-8")

    folder = made_once(tmp_path_factory, "undisturbed", make)
    return Home(folder / "home"), folder / "level.yaml", (folder / "told.txt").read_text(encoding="utf-8")


@pytest.mark.rendered
def test_a_study_ends_with_records_report_and_tracked_runs(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    outcome = run_study(str(tiny_study), home.root, Options(corpus=str(tiny_corpus)))
    assert outcome.failed == 0
    assert outcome.mirrored is None
    assert outcome.report.exists()
    assert len(runs_of(home)) == 4
    assert [c.verdict for c in outcome.summary.comparisons if c.component is None] == ["too few repeats"]
    runs = mlflow_runs(home, "level")
    repeats = [run for run in runs if run.data.tags["mmstudy.kind"] == "repeat"]
    arms = [run for run in runs if run.data.tags["mmstudy.kind"] == "arm"]
    assert len(repeats) == 4
    assert len(arms) == 2
    assert {run.info.status for run in runs} == {"FINISHED"}
    both = next(run for run in arms if run.data.tags["mmstudy.arm"] == "both")
    assert both.data.tags["mmstudy.verdict.track"] == "too few repeats"
    assert both.data.metrics["runs/done"] == 2
    skills = [record.score("skill") for record in runs_of(home).values() if record.arm == "both"]
    assert both.data.metrics["test/skill/mean"] == pytest.approx(sum(skills) / 2)

    # A second call trains nothing.
    stamps = {path: path.stat().st_mtime_ns for path in home.runs.rglob("*") if path.suffix in (".json", ".pt")}
    again = run_study(str(tiny_study), home.root, Options(corpus=str(tiny_corpus)))
    assert again.summary.comparisons == outcome.summary.comparisons
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert len(mlflow_runs(home, "level")) == 6

    # Another study that shares an arm shares its runs.
    other = tiny_study.with_name("wider.yaml")
    other.write_text(tiny_study.read_text().replace("track: {model.modalities: [track]}", "track: {model.width: 16}"))
    run_study(str(other), home.root, Options(corpus=str(tiny_corpus)))
    assert len(runs_of(home)) == 6
    tags = [run.data.tags.get("reused_from") for run in mlflow_runs(home, "wider")]
    assert tags.count("level") == 2


def test_a_store_that_is_away_does_not_stop_a_study_and_sync_catches_up(
    tiny_study: Path, tiny_corpus: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    options = Options(corpus=str(tiny_corpus), repeats=1)
    outcome = run_study(str(tiny_study), home.root, options)
    assert outcome.mirrored is not None
    assert "sync" in outcome.mirrored
    assert len(runs_of(home)) == 2
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert sync_study(open_request(str(tiny_study), home, options), home, Silent()) is None
    runs = mlflow_runs(home, "level")
    assert sum(run.data.tags["mmstudy.kind"] == "repeat" for run in runs) == 2
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_a_diverging_arm_is_failed_counted_and_shown(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    text = (
        tiny_study.read_text() + "  wild: {training.optimiser.learning_rate: 1e30, training.schedule.kind: constant}\n"
    )
    tiny_study.write_text(text)
    done = mmstudy(home, "run", tiny_study, "--corpus", tiny_corpus)
    assert done.returncode == 1, done.stderr
    failed = [record for record in runs_of(home).values() if not record.done]
    assert {record.arm for record in failed} == {"wild"}
    assert len(failed) == 2
    for record in failed:
        assert record.failure is not None
        assert record.failure.error == "TrainingDiverged"
        assert (record.failure.step or 0) >= 1
        assert record.failure.component
    assert "wild" in done.stdout
    states = [run.info.status for run in mlflow_runs(home, "level") if run.data.tags["mmstudy.kind"] == "repeat"]
    assert sorted(states) == ["FAILED"] * 2 + ["FINISHED"] * 4


def test_what_cannot_be_done_as_asked_is_refused_and_not_recorded(
    tiny_study: Path, tiny_corpus: Path, home: Home
) -> None:
    lines = (tiny_corpus / "items.csv").read_text().splitlines()
    corpus = tiny_corpus.parent / f"two_groups_{home.root.parent.name}"
    shutil.copytree(tiny_corpus, corpus)
    rows = [f"{line.split(',')[0]},{'ab'[i % 2]}" for i, line in enumerate(lines[1:])]
    (corpus / "items.csv").write_text("\n".join(["item,group", *rows]) + "\n")
    done = mmstudy(home, "run", tiny_study, "--corpus", corpus)
    assert done.returncode == 2, done.stderr
    assert "found 2 groups (a, b)" in done.stderr
    assert "Traceback" not in done.stderr
    assert not home.runs.exists(), "refused before anything was begun"


def test_what_a_machine_broke_is_failed_now_and_tried_again_by_the_same_command(
    tiny_study: Path, tiny_corpus: Path, home: Home
) -> None:
    request = open_request(str(tiny_study), home, Options(corpus=str(tiny_corpus), repeats=1))
    name = plan(request, home).runs[0].fingerprint
    assert name
    home.run(name).mkdir(parents=True)
    (home.run(name) / "checkpoints").write_text("in the way")
    words = ["--repeats", "1"]
    done = mmstudy(home, "run", tiny_study, "--corpus", tiny_corpus, *words)
    assert done.returncode == 1, done.stderr
    record = runs_of(home)[name]
    assert not record.done
    assert record.failure is not None
    assert record.failure.error == "FileExistsError"
    assert plan(request, home).runs[0].state == "to do"
    (home.run(name) / "checkpoints").unlink()
    done = mmstudy(home, "run", tiny_study, "--corpus", tiny_corpus, *words)
    assert done.returncode == 0, done.stderr
    assert runs_of(home)[name].done
    mine = [run for run in mlflow_runs(home, "level") if run.data.tags.get("mmstudy.fingerprint") == name]
    first, second = sorted(mine, key=lambda run: run.info.start_time)
    assert (first.info.status, second.info.status) == ("FAILED", "FINISHED")
    assert "mmstudy.superseded" in first.data.tags
    assert "mmstudy.failure" not in second.data.tags
    # Nothing left to do: neither the old failure nor the new run is touched again.
    assert mmstudy(home, "run", tiny_study, "--corpus", tiny_corpus, *words).returncode == 0
    assert len(mlflow_runs(home, "level")) == 5


@pytest.mark.skipif(torch_has_cuda(), reason="needs a machine without CUDA")
def test_a_package_that_is_not_there_is_told_before_anything_is_trained(
    tiny_study: Path, tiny_corpus: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    changes = (("loss.weighting.kind", "pcgrad"),)
    with pytest.raises(ConfigError, match="pip install torchjd"):
        run_study(str(tiny_study), home.root, Options(corpus=str(tiny_corpus), changes=changes))
    assert not home.runs.exists()


def test_a_device_that_is_not_there_leaves_no_failed_runs_behind(
    tiny_study: Path, tiny_corpus: Path, home: Home
) -> None:
    done = mmstudy(home, "run", tiny_study, "--corpus", tiny_corpus, "--device", "cuda")
    assert done.returncode == 2, done.stderr
    assert "device 'cuda' is not available here" in done.stderr
    assert runs_of(home) == {}


KILLED = """
from pathlib import Path
from experiments.cli.main import main
from experiments.launchers.messages import Told
from factories.deaths import before_each_message, die, let_a_worker_die
from mmcore.events import EpochDone

lost, pids = Path(sys.argv.pop(1)), Path(sys.argv.pop(1))

def die_later(pool, message):
    match message:
        case Told(name, EpochDone(epoch=3)) if lost.exists() and name == lost.read_text():
            pids.write_text(" ".join(map(str, pool.pids)))
            die()

let_a_worker_die(lost)
before_each_message(die_later)
main()
"""
"""First a worker dies, and the driver goes on with another one; then the driver dies, with a run at its third epoch."""


def assert_ended(pids: Path) -> None:
    """No worker outlives its driver."""
    for pid in pids.read_text(encoding="utf-8").split():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(pid))
            assert process.status() == psutil.STATUS_ZOMBIE or process.wait(timeout=120) is None


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
def test_killed_workers_and_drivers_change_no_number(
    undisturbed: tuple[Home, Path, str], tiny_corpus: Path, tmp_path: Path, with_database: Callable[[Home], Home]
) -> None:
    peace, study, told = undisturbed
    home = with_database(Home(tmp_path / "home"))
    lost, pids = tmp_path / "lost", tmp_path / "pids"
    words = ("run", study, "--corpus", tiny_corpus, *LONG)

    driver = begun(script(KILLED, lost, pids, *words_of(home, *words)), tmp_path / "log")
    code, said = driver.wait(timeout=300), (tmp_path / "log").read_text(encoding="utf-8")
    assert code == -signal.SIGKILL, said
    assert "its worker died" in said
    assert_ended(pids)
    assert lost.read_text(encoding="utf-8") not in runs_of(home)

    done = mmstudy(home, *words)
    assert done.returncode == 0, done.stderr
    assert numbers_of(home) == numbers_of(peace)
    assert table_of(done.stdout) == table_of(told)
    runs = mlflow_runs(home, "level")
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sum(run.data.tags["mmstudy.kind"] == "repeat" for run in runs) == 4
    client = MlflowClient(home.mlflow_uri)
    for run in runs:
        if run.data.tags["mmstudy.kind"] == "repeat":
            steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "train/loss")]
            assert sorted(steps) == list(range(1, EPOCHS + 1)), "every epoch once"


INTERRUPTED = """
import os
from pathlib import Path
from experiments import mirror
from experiments.cli.main import main
from experiments.launchers.messages import Told
from factories.deaths import before_each_message
from mmcore.events import EpochDone

pids, number = Path(sys.argv.pop(1)), int(sys.argv.pop(1))
mirror.PATIENCE = 120  # on a busy machine, too, MLflow is to hear of it

def interrupt(pool, message):
    match message:
        case Told(_, EpochDone()) if not pids.exists():
            pids.write_text(" ".join(map(str, pool.pids)))
            os.kill(os.getpid(), number)

before_each_message(interrupt)
main()
"""
"""A signal as soon as a run has an epoch."""


@pytest.mark.skipif(os.name == "nt", reason="sends POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_or_sigterm_ends_cleanly_and_the_same_command_resumes(
    number: signal.Signals,
    undisturbed: tuple[Home, Path, str],
    tiny_corpus: Path,
    tmp_path: Path,
    with_database: Callable[[Home], Home],
) -> None:
    peace, study, _ = undisturbed
    home = with_database(Home(tmp_path / "home"))
    pids = tmp_path / "pids"
    words = ("run", study, "--corpus", tiny_corpus, *LONG)
    interrupted = driver_script(INTERRUPTED, pids, str(int(number)), *words_of(home, *words))
    # A real process hears Ctrl-C.
    driver = begun(interrupted, tmp_path / "log", forked=number != signal.SIGINT)
    code, said = driver.wait(timeout=300), (tmp_path / "log").read_text(encoding="utf-8")
    assert code == 130
    assert "the same command resumes" in said
    assert "Traceback" not in said
    assert_ended(pids)
    assert len(runs_of(home)) < 4
    assert "RUNNING" not in {run.info.status for run in mlflow_runs(home, "level")}
    done = mmstudy(home, *words)
    assert done.returncode == 0, done.stderr
    assert numbers_of(home) == numbers_of(peace)


def table_of(text: str) -> list[str]:
    """Printed lines without paths and training times."""
    return [line for line in text.splitlines() if "/" not in line and " s" not in line]


class WhileAnotherTrains(Silent):
    """Another command holds one run until all others are done here."""

    def __init__(self, lock: FileLock, others: int) -> None:
        self.lock, self.others, self.order = lock, others, list[str]()
        # A driver that waits for the other one first would wait for ever.
        self.patience = threading.Timer(200, self.lock.release, kwargs={"force": True})
        self.patience.start()

    def finished(self, name: str, outcome: str, failed: bool, group: str = "") -> None:
        self.order.append(name)
        if len(self.order) == self.others:
            self.lock.release()
            self.patience.cancel()


def test_a_second_command_takes_other_runs_instead_of_waiting(
    tiny_study: Path, tiny_corpus: Path, home: Home, with_database: Callable[[Home], Home]
) -> None:
    with_database(home)
    options = Options(corpus=str(tiny_corpus), workers=1)
    first = plan(open_request(str(tiny_study), home, options), home).runs[0]
    assert first.fingerprint is not None
    home.run(first.fingerprint).mkdir(parents=True)
    lock = FileLock(home.run(first.fingerprint) / LOCK, thread_local=False)
    lock.acquire()
    display = WhileAnotherTrains(lock, others=3)
    try:
        outcome = run_study(str(tiny_study), home.root, options, display=display)
    finally:
        display.patience.cancel()
        lock.release(force=True)
    assert outcome.failed == 0
    assert display.order[-1] == f"{first.arm} r{first.repeat}"
    assert len(runs_of(home)) == 4
