"""Faults made by chance: forty cases of the campaign, and what its judge calls a failure."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from benchmarks.faults import nodes
from benchmarks.faults.__main__ import in_words, main, summary
from benchmarks.faults.campaign import Campaign, possible_faults
from benchmarks.faults.case import Case
from benchmarks.faults.judge import judge
from benchmarks.faults.kinds import FAULTS, impossible
from benchmarks.faults.started import ADDRESS, Forked
from benchmarks.faults.studies import make

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="SIGKILL, sessions and sub-reapers of Linux"),
    # One process imports everything and forks all others.
    pytest.mark.xdist_group("faults"),
]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Campaign]:
    root = tmp_path_factory.mktemp("faults")
    (root / "made").mkdir()
    shutil.copy(migrated, root / "made" / "mlflow.db")
    with Campaign(0, root, possible_faults(), ("function",)) as made:
        yield made


FORTY = [number for number in range(41) if number != 29]
"""One search in PostgreSQL is dear enough."""


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_forty_cases_end_with_the_undisturbed_table(campaign: Campaign, fault: str) -> None:
    if why := impossible(fault):
        pytest.skip(why)
    mine = [number for number in FORTY if campaign.drawn(number)[0] == fault]
    found = [campaign.run(number) for number in mine]
    assert [in_words(one) for one in found if one.problems] == []
    assert found
    # A fault that comes too late each time would try nothing.
    assert fault == "database restarts" or not all(one.missed for one in found), summary(found)


def test_ctrl_c_at_the_first_moment_of_a_command_ends_it_in_order(campaign: Campaign, tmp_path: Path) -> None:
    err = tmp_path / "err.txt"
    for _ in range(5):
        with open(err, "w") as errors, open(os.devnull) as nothing:
            zygote = campaign.zygote
            driver = Forked("driver", ["mmstudy", "list"], zygote.environment(), nothing, errors, errors)
            driver.signal(signal.SIGINT)
            assert driver.wait(60) == 130, err.read_text()
        assert "Traceback" not in err.read_text()


def test_a_case_is_a_function_of_seed_and_number(campaign: Campaign) -> None:
    drawn = [campaign.drawn(number)[:2] for number in range(30)]
    assert drawn == [campaign.drawn(number)[:2] for number in range(30)]
    assert make("command", campaign.drawn(3)[2]) == make("command", campaign.drawn(3)[2])
    assert all(impossible(fault) is None for fault, _ in drawn)
    assert set(possible_faults()) <= set(FAULTS)


@pytest.mark.cluster
def test_a_lost_node_costs_no_run(tmp_path: Path, migrated: Path) -> None:
    if why := impossible("node lost"):
        pytest.skip(why)
    (tmp_path / "made").mkdir()
    shutil.copy(migrated, tmp_path / "made" / "mlflow.db")
    with Campaign(0, tmp_path, ["node lost"], ("function",)) as campaign:
        found = [campaign.run(number) for number in range(2)]
    assert [in_words(one) for one in found if one.problems] == []
    assert not all(one.missed for one in found)


def test_a_lost_node_is_tried_where_it_is_asked_for_and_ray_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "node lost" not in possible_faults()
    monkeypatch.setattr(nodes, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["faults", "--only", "node lost"])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert "'node lost' cannot be made here: Ray is not installed; pip install 'mmstudy[ray]' brings it" in said


@pytest.fixture(scope="module")
def finished(campaign: Campaign) -> Callable[[Path], Case]:
    """Gives copies of a case in which nothing went wrong."""
    whole = campaign.case(10_000, "function")
    whole.prepare()
    whole.call(0)
    judge(whole)
    assert whole.problems == []

    def copied(folder: Path) -> Case:
        shutil.copytree(whole.folder, folder)
        project = folder / "project"
        home = project / "mlruns"
        with sqlite3.connect(home / "mlflow.db") as store:
            store.execute(
                "UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ?)", (str(whole.folder), str(folder))
            )
        store.close()
        return replace(whole, folder=folder, project=project, home=home, problems=[], tracked=None)

    return copied


def another_table(home: Path) -> str:
    (file,) = home.glob("reports/*/report.json")
    report = json.loads(file.read_text(encoding="utf-8"))
    report["arms"][0]["mean"] += 0.5
    file.write_text(json.dumps(report), encoding="utf-8")
    return "the table is another one"


def leftover(home: Path) -> str:
    next(home.glob("runs/*")).joinpath(".config.json.1-0.tmp").touch()
    return ".config.json.1-0.tmp is left"


def lost_run(home: Path) -> str:
    next(home.glob("runs/*/record.json")).unlink()
    return "record.json is missing"


def running(home: Path) -> str:
    change(home, "UPDATE runs SET status = 'RUNNING' WHERE name = 'gated r0'")
    return "is RUNNING in MLflow"


def doubled_metric(home: Path) -> str:
    change(
        home,
        "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan)"
        " SELECT key, value + 1, timestamp, run_uuid, step, is_nan FROM metrics WHERE key = 'epoch' AND step = 1",
    )
    return "has ('epoch', 1) twice in MLflow"


def lost_metric(home: Path) -> str:
    change(home, "DELETE FROM metrics WHERE key = 'epoch' AND step = 2")
    return "has ('epoch', 2) = None in MLflow"


def trace_of_a_failure(home: Path) -> str:
    change(
        home,
        "INSERT INTO tags (key, value, run_uuid)"
        " SELECT 'mmstudy.failure', 'no', run_uuid FROM runs WHERE name = 'gated r0'",
    )
    return "is FINISHED and has the tag of a failure"


def doubled_run(home: Path) -> str:
    change(home, "UPDATE tags SET value = (SELECT value FROM tags WHERE key = 'mmstudy.fingerprint' LIMIT 1)"
                 " WHERE key = 'mmstudy.fingerprint'")  # fmt: skip
    return "times in MLflow"


def change(home: Path, statement: str) -> None:
    with sqlite3.connect(home / "mlflow.db") as store:
        assert store.execute(statement).rowcount > 0
    store.close()


@pytest.mark.parametrize(
    "spoil",
    [another_table, leftover, lost_run, running, doubled_metric, lost_metric, trace_of_a_failure, doubled_run],
    ids=lambda spoil: spoil.__name__,
)
def test_the_judge_sees_every_kind_of_damage(
    finished: Callable[[Path], Case], tmp_path: Path, spoil: Callable[[Path], str]
) -> None:
    case = finished(tmp_path / "case")
    expected = spoil(case.home)
    judge(case)
    assert any(expected in problem for problem in case.problems), case.problems


def test_the_judge_sees_a_held_lock_and_a_traceback(finished: Callable[[Path], Case], tmp_path: Path) -> None:
    case = finished(tmp_path / "case")
    (case.folder / "err-1.txt").write_text("Traceback (most recent call last):\nKeyError: 'x'\n", encoding="utf-8")
    with FileLock(next(case.home.glob("runs/*/run.lock"))):
        judge(case)
    assert sorted(case.problems) == ["call 1 shows 'Traceback': KeyError: 'x'", "the lock run.lock is still held"]


def add_model(home: Path, model: str, run: str = "r", status: int = 2, metric: float = 0.5) -> None:
    """A logged model of arm 'gated', as MLflow's database has it."""
    place = home / "artifacts" / "models" / model
    place.mkdir(parents=True, exist_ok=True)
    (place / "MLmodel").touch()
    with sqlite3.connect(home / "mlflow.db") as store:
        store.execute(
            "INSERT INTO logged_models VALUES (?, 1, 'level-gated', ?, 0, 0, ?, 'active', 'mmstudy', NULL, NULL)",
            (model, place.as_uri(), status),
        )
        tags = [(model, 1, "mmstudy.arm", "gated"), (model, 1, "mmstudy.fingerprint", run)]
        store.executemany("INSERT INTO logged_model_tags VALUES (?, ?, ?, ?)", tags)
        row = (model, "test/accuracy", 0, 0, metric, 1, "x", None, None, None)
        store.execute(f"INSERT INTO logged_model_metrics VALUES ({', '.join('?' * len(row))})", row)
    store.close()


def test_the_judge_sees_models_that_are_not_there_once(finished: Callable[[Path], Case], tmp_path: Path) -> None:
    shutil.copytree(finished(tmp_path / "first").expected.home, tmp_path / "expected")
    add_model(tmp_path / "expected", "m-1")

    def problems(name: str, spoil: Callable[[Path], None]) -> list[str]:
        case = finished(tmp_path / name)
        case = replace(case, problems=[], expected=replace(case.expected, home=tmp_path / "expected"))
        spoil(case.home)
        judge(case)
        return case.problems

    def twice(home: Path) -> None:
        add_model(home, "m-1")
        add_model(home, "m-2")

    def torn(home: Path) -> None:
        add_model(home, "m-1")
        (home / "artifacts" / "models" / "m-1" / "MLmodel").unlink()

    assert problems("whole", lambda home: add_model(home, "m-1")) == []
    assert problems("none", lambda home: None) == ["arm gated has no model in MLflow"]
    assert problems("twice", twice) == ["arm gated has 2 models in MLflow"]
    assert problems("torn", torn) == ["the model of arm gated in MLflow has other files: ['MLmodel']"]
    (pending,) = problems("pending", lambda home: add_model(home, "m-1", status=1))
    (other,) = problems("other", lambda home: add_model(home, "m-1", run="s"))
    (numbers,) = problems("numbers", lambda home: add_model(home, "m-1", metric=0.6))
    assert pending.endswith("is not READY but 1")
    assert other.endswith("is of run s instead of r")
    assert numbers.endswith("has other numbers: {'test/accuracy': 0.6} instead of {'test/accuracy': 0.5}")


def test_a_process_that_has_just_ended_takes_no_signal_and_tells_its_code_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its end and what the zygote says of it a kill found no process, and its socket stayed open."""
    monkeypatch.chdir(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as zygote, open(os.devnull, "r+b") as nothing:
        zygote.bind("z")
        zygote.listen()

        def answer() -> socket.socket:
            there, _ = zygote.accept()
            for file in socket.recv_fds(there, 4096, 3)[1]:
                os.close(file)
            there.send(json.dumps({"pid": ended.pid}).encode())
            return there

        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(answer)
            forked = Forked("server", ["server"], {ADDRESS: "z"}, nothing, nothing, nothing)
        with asked.result() as there:
            forked.kill()
            assert forked.poll() is None
            there.send(json.dumps({"code": 3}).encode())
            assert forked.wait(10) == 3
