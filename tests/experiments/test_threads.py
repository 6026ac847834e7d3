"""One thread a run, whatever else is open, whatever the machine has and whatever the environment says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from experiments.cli.main import app
from experiments.driver import run_study
from experiments.home import Home
from experiments.launchers import local
from experiments.launchers.choose import Share, share
from experiments.launchers.engine import LocalEngine
from experiments.launchers.local import THREAD_VARIABLES, thread_note
from experiments.launchers.start import MEMORY_VARIABLES
from experiments.planning.request import Options
from experiments.records import read_record
from mmcore.config import build_config
from mmcore.events import EpochDone, Event
from mmcore.run import run
from mmcore.training.threads import with_threads

pytestmark = pytest.mark.usefixtures("no_mirror")


@pytest.mark.parametrize("cores", [1, 2, 8, 64])
@pytest.mark.parametrize("runs", [1, 2, 7, 100])
@pytest.mark.parametrize("workers", [None, 1, 2, 16])
def test_threads_follow_from_nothing_but_what_is_asked(
    monkeypatch: pytest.MonkeyPatch, cores: int, runs: int, workers: int | None
) -> None:
    monkeypatch.setattr(local.os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert share(LocalEngine(), runs, workers, "cpu").threads == 1
    assert share(LocalEngine(), runs, workers, "cpu", threads=3).threads == 3


def test_workers_by_default_fill_the_cores_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    given = [
        share(LocalEngine(), runs, None, "cpu", threads) for runs, threads in ((100, None), (100, 3), (100, 16), (3, 1))
    ]
    assert given == [Share(8, 1), Share(2, 3), Share(1, 16), Share(3, 1)]


def test_what_is_set_in_the_environment_is_told_where_it_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert thread_note(1) is None
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert thread_note(1) is None
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert thread_note(4) is None
    assert thread_note(1) == "OMP_NUM_THREADS=4 is not used: runs have one thread each; --threads N sets another number"


@pytest.mark.parametrize("threads", [None, 2])
def test_a_run_from_python_has_its_own_threads_and_restores_those_of_the_process(
    tiny_corpus: Path, tmp_path: Path, threads: int | None
) -> None:
    seen: set[int] = set()

    def look(event: Event) -> None:
        if isinstance(event, EpochDone):
            seen.add(torch.get_num_threads())

    model = {"width": 8, "layers": 1, "heads": 2, "feed_forward": 8}
    config = build_config(
        {
            "corpus": str(tiny_corpus), "threads": threads, "model": model,
            "data": {"window": 20}, "training": {"epochs": 1, "batch": 8},
        }
    )  # fmt: skip
    with with_threads(3):
        run(config, tmp_path / "run", look)
        assert torch.get_num_threads() == 3
    assert seen == {threads or 1}


def test_threads_are_restored_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="mine"), with_threads(before + 1):
        raise RuntimeError("mine")
    assert torch.get_num_threads() == before


def test_a_worker_is_told_its_threads_before_it_imports_anything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[dict[str, str]] = []

    class Dead:
        stdout = None

        def __init__(self, *_: object, env: dict[str, str], **__: object) -> None:
            started.append(env)

    monkeypatch.setattr(local.subprocess, "Popen", Dead)
    monkeypatch.setattr(local.LocalPool, "_read", lambda *_: None)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    local.LocalPool(1, 2, tmp_path)
    assert {name: started[0][name] for name in THREAD_VARIABLES} == dict.fromkeys(THREAD_VARIABLES, "2")


def test_a_worker_keeps_its_memory_unless_the_user_or_foreign_code_has_a_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[dict[str, str]] = []
    monkeypatch.setattr(local.subprocess, "Popen", lambda *_, env, **__: started.append(env))
    first, second = MEMORY_VARIABLES
    monkeypatch.setenv(first, "65536")
    monkeypatch.delenv(second, raising=False)
    local.start_worker(1, tmp_path / "log")
    local.start_worker(1, tmp_path / "log", foreign=True)
    assert [(env.get(first), env.get(second)) for env in started] == [
        ("65536", MEMORY_VARIABLES[second]),
        ("65536", None),
    ]


def test_the_last_open_run_of_a_study_has_one_thread_as_all_others(
    tiny_corpus: Path, tiny_study: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had all cores, rounded differently, and the report warned of different machines."""
    monkeypatch.setattr(local.os, "sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    outcome = run_study(str(tiny_study), home.root, Options(corpus=str(tiny_corpus), workers=2))
    folders = sorted(home.runs.iterdir())
    before = read_record(folders[0])
    assert before is not None
    (folders[0] / "record.json").unlink()
    (folders[0] / "checkpoints" / "last.pt").unlink()
    again = run_study(str(tiny_study), home.root, Options(corpus=str(tiny_corpus)))
    after = read_record(folders[0])
    assert after is not None
    assert after.scores == before.scores
    assert [{**row, "seconds": 0} for row in after.history] == [{**row, "seconds": 0} for row in before.history]
    assert {json.loads((f / "record.json").read_text())["environment"]["threads"] for f in folders} == {1}
    found = {check.code: check.outcome for check in again.summary.checks}
    assert found["ABL023"] == {c.code: c.outcome for c in outcome.summary.checks}["ABL023"] == "passed"


def test_runs_with_other_threads_are_mixed_and_named(tiny_corpus: Path, tiny_study: Path, home: Home) -> None:
    run_study(str(tiny_study), home.root, Options(corpus=str(tiny_corpus), workers=2))
    folder = sorted(home.runs.iterdir())[0]
    record = read_record(folder)
    assert record is not None
    (folder / "record.json").unlink()
    (folder / "checkpoints" / "last.pt").unlink()
    again = run_study(str(tiny_study), home.root, Options(corpus=str(tiny_corpus), threads=2))
    (told,) = [check for check in again.summary.checks if check.code == "ABL023"]
    assert told.outcome == "warning"
    assert "machine" not in told.text
    assert "Numbers of threads differ" in told.text
    assert "1 (3 runs)" in told.text
    assert "2 (1 run)" in told.text
    assert f"different from most: '{record.arm}' repeat {record.repeat}." in told.text


@pytest.mark.parametrize("verb", ["run", "analyse", "plan"])
def test_every_verb_that_computes_takes_threads(verb: str) -> None:
    assert "--threads" in CliRunner().invoke(app, [verb, "--help"]).stdout
