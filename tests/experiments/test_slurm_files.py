"""What driver and node write for each other, and how the end of a worker is judged; without a cluster."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.launchers.choose import Share, share
from experiments.launchers.engine import Engine, Resources, SlurmEngine
from experiments.launchers.messages import GivenUp, Job, Lost
from experiments.launchers.slurm import places as places_module
from experiments.launchers.slurm import spool
from experiments.launchers.slurm.calls import begin, end_those_without_driver, note_jobs
from experiments.launchers.slurm.places import Place, Places, Worker
from experiments.launchers.slurm.spool import Beat, Pulse, Reader, Sender
from experiments.launchers.slurm.status import FORGOTTEN, Task, refused
from experiments.launchers.slurm.submission import check_settings
from mmcore.config import ForeignConfig
from mmcore.errors import LaunchError
from mmcore.language import shown, speaking


# Lines ---------------------------------------------------------------------------------------------------------------
def test_lines_arrive_once_and_whole(tmp_path: Path) -> None:
    sender, reader = Sender(tmp_path / "out"), Reader(tmp_path / "out")
    assert reader.lines() == []
    sender.send("one\n")
    sender.send("zwei é\n")
    assert reader.lines() == ["one\n", "zwei é\n"]
    assert reader.lines() == []
    with open(tmp_path / "out", "ab") as file:
        file.write(b"hal")
    assert reader.lines() == []
    with open(tmp_path / "out", "ab") as file:
        file.write(b"f\nnext")
    assert reader.lines() == ["half\n"]


def test_zeros_that_nfs_shows_before_the_bytes_arrive_are_waited_for(tmp_path: Path) -> None:
    file, reader = tmp_path / "out", Reader(tmp_path / "out")
    file.write_bytes(b"one\n" + b"\0" * 8)
    assert reader.lines() == ["one\n"]
    file.write_bytes(b"one\n" + b"two\nthr\n")
    assert reader.lines() == ["two\n", "thr\n"]


def test_a_line_that_was_written_in_part_is_written_again_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, write = Sender(tmp_path / "out"), os.pwrite
    sender.send("one\n")

    def full(handle: int, data: bytes, at: int) -> int:
        write(handle, data[:3], at)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool.os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        sender.send("second\n")
    monkeypatch.setattr(spool.os, "pwrite", write)
    sender.send("second\n")
    assert (tmp_path / "out").read_text() == "one\nsecond\n"


def test_a_driver_is_gone_when_its_sign_of_life_does_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(spool.time, "monotonic", lambda: now[0])
    beat = Beat(tmp_path)
    beat.beat()
    # Its file may be as old or as new as it likes: clocks differ.
    os.utime(tmp_path / spool.ALIVE, (0, 0))
    pulse = Pulse(tmp_path, stale=60)
    assert pulse.gone() is None
    now[0] += 59
    assert pulse.gone() is None
    beat.beat()
    now[0] += 59
    assert pulse.gone() is None
    now[0] += 59
    assert pulse.gone() is None
    now[0] += 2
    assert pulse.gone() == "no sign of life of the driver for 60 s"
    beat.close()
    assert pulse.gone() == "the driver ended"
    beat.beat()
    assert pulse.gone() == "the driver ended"
    assert Pulse(tmp_path / "nowhere", stale=60).gone() is None


def test_a_node_ends_at_once_where_its_driver_ended_before_it_began(tmp_path: Path) -> None:
    Beat(tmp_path).close()
    words = ["-P", "-m", "experiments.launchers.slurm.node", str(tmp_path), "60", "foreign", "3"]
    root = str(Path(spool.__file__).resolve().parents[3])
    environment = os.environ | {"SLURM_JOB_ID": "7", "PYTHONPATH": root}
    ended = subprocess.run([sys.executable, *words], timeout=60, env=environment)
    lines = Reader(tmp_path / "worker-3" / "7-0" / spool.OUT).lines()
    assert ended.returncode == 0
    assert json.loads(lines[-1])["node"]["reason"] == "the driver ended"


# What Slurm says -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("reason", "never"),
    [
        ("PartitionTimeLimit", True),
        ("BadConstraints", True),
        ("AccountNotAllowed", True),
        ("QOSMaxCpuPerJobLimit", True),
        ("AssocMaxWallDurationPerJobLimit", True),
        ("QOSMaxCpuPerUserLimit", False),
        ("AssocGrpCpuLimit", False),
        ("Resources", False),
        ("Priority", False),
        ("ReqNodeNotAvail, UnavailableNodes:n1", False),
        ("None", False),
    ],
)
def test_some_reasons_mean_for_ever(reason: str, never: bool) -> None:
    assert Task("PENDING", reason).never == never
    assert not Task("RUNNING", reason).never


def test_words_of_slurm_programs_are_left_out_of_errors() -> None:
    error = refused("sbatch: error: invalid partition specified: x\nsbatch: error: Batch job submission failed: no\n")
    assert error.found == "invalid partition specified: x / Batch job submission failed: no"
    assert refused("").found == "nothing"
    assert refused("sbatch: error: Socket timed out on send/recv operation").rule == "Slurm does not answer"


# The end of a worker -------------------------------------------------------------------------------------------------
def ended(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reason: str | None,
    code: int | None,
    state: Task,
    epochs: bool = True,
) -> tuple[bool, str]:
    """Whether the job is blamed, and why the worker ended."""
    monkeypatch.setattr(places_module, "_VERDICT_SECONDS", 0.0)
    inbox: queue.SimpleQueue[tuple[Worker, str | None]] = queue.SimpleQueue()
    heard = Places(tmp_path, inbox, 30, 60.0)
    place = Place(0, "1_0", tmp_path / "worker-0", state)
    worker = Worker(0, tmp_path / "log", Reader(tmp_path / "out"), Sender(tmp_path / "in"))
    worker.job = Job("f", "s", "a", 0, ForeignConfig(settings={}), "", "")
    worker.reason, worker.code, worker.epochs = reason, code, epochs
    place.worker, worker.silent_since = worker, time.monotonic() - 1
    heard._judge(place, worker)
    assert inbox.get_nowait() == (worker, None)
    fate = worker.death()
    return fate.blames_job, fate.why


@pytest.mark.parametrize(
    ("reason", "code", "state", "blamed", "why"),
    [
        ("SIGTERM", -15, Task("PREEMPTED"), False, "its worker was preempted by Slurm"),
        ("SIGTERM", -15, Task("PENDING", "BeginTime"), False, "its worker was put back into the queue by Slurm"),
        ("SIGTERM", -15, Task("RUNNING"), False, "its worker ended: SIGTERM"),
        ("SIGTERM", -15, Task("TIMEOUT"), False, "its worker's time limit ended"),
        (None, None, Task("NODE_FAIL"), False, "its worker's node failed"),
        (None, None, Task("OUT_OF_MEMORY"), True, "out of memory: Slurm ended it at its limit"),
        ("", -9, Task("OUT_OF_MEMORY"), True, "out of memory: Slurm ended it at its limit"),
        ("", -9, Task("FAILED"), True, ""),
        ("", 1, Task("RUNNING"), True, ""),
        (None, None, Task("FAILED"), True, "its worker's node says nothing more"),
        (None, None, FORGOTTEN, True, "its worker's node says nothing more"),
    ],
)
def test_a_job_is_blamed_for_what_it_may_have_done_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reason: str | None,
    code: int | None,
    state: Task,
    blamed: bool,
    why: str,
) -> None:
    assert ended(tmp_path, monkeypatch, reason, code, state, True) == (blamed, why)


def test_a_run_that_ends_no_epoch_within_the_time_limit_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ended(tmp_path, monkeypatch, "SIGTERM", -15, Task("TIMEOUT"), False) == (
        True,
        "no epoch ended within the time limit of 30 minutes",
    )


def test_what_happened_to_a_worker_is_said() -> None:
    assert Lost("f", 1, -9).text == "its worker died (exit code -9, time 1)"
    assert Lost("f", 0, None, "its worker was preempted by Slurm").text == "its worker was preempted by Slurm"
    assert GivenUp("f", 3, "l", "out of memory").text == "took 3 workers down with it (out of memory); see l"


def test_what_happened_to_a_worker_is_english_in_records_and_said_where_it_is_shown() -> None:
    given_up = GivenUp("f", 3, "l", Task("OUT_OF_MEMORY").why)
    assert str(given_up.text) == "took 3 workers down with it (out of memory: Slurm ended it at its limit); see l"
    with speaking("ja"):
        assert shown(given_up.text) == (
            "3 個のワーカーを道連れに終了しました（メモリ不足：上限に達したため Slurm が終了させました）。"
            "l を見てください"
        )
        assert shown(Lost("f", 1, -9).text) == "ワーカーが終了しました（終了コード -9、1 回目）"
        assert shown(Task("PENDING").why) == "ワーカーを Slurm が待ち行列に戻しました"


# Settings and folders ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (SlurmEngine(resources=Resources(gpus=0.5)), "Slurm gives whole graphics cards to a worker"),
        (SlurmEngine(options={"array": "3"}), "mmstudy sets the sbatch option 'array' itself"),
        (SlurmEngine(options={"job_name": "x"}), "mmstudy sets the sbatch option 'job-name' itself"),
        (SlurmEngine(options={"time": "3"}), "the sbatch option 'time' has a setting of its own"),
        (SlurmEngine(options={"--constraint": "a"}), "an option of sbatch is a long name without dashes"),
        (SlurmEngine(options={"comment": "a\nrm -r"}), "a setting of Slurm's is one line"),
        (SlurmEngine(partition="a\nb"), "a setting of Slurm's is one line"),
    ],
)
def test_settings_that_cannot_be_handed_on_are_refused(engine: SlurmEngine, message: str) -> None:
    with pytest.raises(LaunchError) as caught:
        check_settings(engine, engine.resources.gpus or 0)
    assert caught.value.rule.startswith(message)


def test_workers_are_as_many_as_runs_and_at_most_what_is_set() -> None:
    engine: Engine = SlurmEngine()
    assert share(engine, 1000, None, "cpu", None) == Share(64, 1)
    assert share(engine, 5, None, "cuda", 2) == Share(5, 2, part=1.0)
    assert share(engine, 1000, 200, "cpu", None) == Share(200, 1)
    assert share(SlurmEngine(workers=3), 1000, None, "cpu", None) == Share(3, 1)


def test_a_killed_driver_of_this_machine_has_its_tasks_cancelled_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled: list[str] = []
    monkeypatch.setattr("experiments.launchers.slurm.calls.cancel", cancelled.extend)
    mine, dead, elsewhere = (begin(tmp_path) for _ in range(3))
    assert len({mine, dead, elsewhere}) == 3
    for number, folder in enumerate((mine, dead, elsewhere)):
        Beat(folder).beat()
        note_jobs(folder, [f"{number}_0", f"{number}_1"])
    driver = json.loads((dead / "driver.json").read_text())
    earlier = {"started": driver["started"] - 5, "since_boot": driver["since_boot"] - 5}
    (dead / "driver.json").write_text(json.dumps(driver | earlier))
    # The clock of the machine was set since this call began.
    (mine / "driver.json").write_text(json.dumps(driver | {"started": driver["started"] - 3600}))
    (elsewhere / "driver.json").write_text(json.dumps(driver | {"host": "another", "started": 0}))
    end_those_without_driver(tmp_path)
    end_those_without_driver(tmp_path)
    assert cancelled == ["1_0", "1_1"]
    assert [spool.is_closed(folder) for folder in (mine, dead, elsewhere)] == [False, True, False]
