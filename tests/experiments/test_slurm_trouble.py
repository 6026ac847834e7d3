"""What goes wrong on a Slurm cluster: preemption, scancel, requests that no node serves, drivers that are killed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from factories.deaths import script
from factories.launcher_contract import CODE, LauncherContract, until
from factories.slurm_cluster import SlurmCluster, slurm_cluster

from experiments.foreign.attempt import TrainingCode
from experiments.home import Home
from experiments.launchers.engine import Resources, SlurmEngine
from experiments.launchers.messages import Finished, GivenUp, Job, Lost, Message, Told, encode
from experiments.launchers.slurm import pool as pool_module
from experiments.launchers.slurm import status
from experiments.launchers.slurm.pool import SlurmPool
from experiments.records import read_record
from mmcore.errors import LaunchError
from studies.runner import FunctionRunner

__all__ = ["slurm_cluster"]

pytestmark = [pytest.mark.usefixtures("slurm_cluster"), pytest.mark.cluster]

HALF = Resources(cpus=4)
"""Of the cluster: two such workers fill it."""


@pytest.fixture
def place(tmp_path: Path) -> Home:
    """A home whose path has all that a shell, or a pattern of Slurm's, takes for something else."""
    return Home(tmp_path / 'it\'s 100 %j "hôme" $HOME').make()


@pytest.fixture
def job(tmp_path: Path, place: Home) -> Callable[..., Job]:
    """A run of training code that resumes."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "mine.py").write_text(CODE, encoding="utf-8")
    (folder / "beside.py").write_text("LEVEL = 0.25\n", encoding="utf-8")
    runner = FunctionRunner(function="mine:run", resumes=True)
    code = TrainingCode(runner, str(folder), ("beside.py", "mine.py"), "accuracy")
    return lambda number, does: LauncherContract().runner_job(place, code, number, does)


def opened(place: Home, workers: int, engine: SlurmEngine) -> SlurmPool:
    return SlurmPool(engine, workers, 1, 0, place.logs, foreign=True)


def task_of(pool: SlurmPool, job: Job) -> str:
    """The task whose worker is at a job."""
    workers = {one.task: one.worker for one in pool._places.open if one.worker is not None}
    at = {task: worker.job.fingerprint for task, worker in workers.items() if worker.job is not None}
    (task,) = [task for task, name in at.items() if name == job.fingerprint]
    return task


def test_a_worker_that_is_put_back_into_the_queue_costs_its_run_no_blame(
    slurm_cluster: SlurmCluster, place: Home, job: Callable[..., Job]
) -> None:
    jobs = [job(0, "goes on"), job(1, "scores"), job(2, "scores")]
    heard: list[Message] = []

    def hear(message: Message) -> None:
        heard.append(message)
        if isinstance(message, Told) and sum(isinstance(one, Told) for one in heard) == 1:
            slurm_cluster.slurm("scontrol", "requeue", task_of(pool, jobs[0]))

    with opened(place, 2, SlurmEngine(resources=HALF)) as pool:
        pool.run([jobs[0]], hear)
        pool.run(jobs[1:], hear)
    lost = [message for message in heard if isinstance(message, Lost)]
    assert [(one.fingerprint, one.deaths, one.why) for one in lost] == [
        (jobs[0].fingerprint, 0, "its worker was put back into the queue by Slurm")
    ]
    assert lost[0].text == "its worker was put back into the queue by Slurm"
    finished = [message for message in heard if isinstance(message, Finished)]
    assert finished[0] == Finished(jobs[0].fingerprint, "done")
    assert {one.fingerprint for one in finished} == {one.fingerprint for one in jobs}
    record = read_record(place.run(jobs[0].fingerprint))
    assert record is not None
    assert [score.value for score in record.scores] == [2.0]


PREEMPTED = ("its worker was preempted by Slurm", "its worker was put back into the queue by Slurm")


def test_preempted_workers_come_back_when_the_cluster_is_free_again(
    slurm_cluster: SlurmCluster, place: Home, job: Callable[..., Job]
) -> None:
    one, heard, remarks = job(0, "goes on"), list[Message](), list[str]()

    def hear(message: Message) -> None:
        heard.append(message)
        if isinstance(message, Told) and sum(isinstance(other, Told) for other in heard) == 1:
            urgent = ["--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 4"]
            slurm_cluster.slurm("sbatch", *urgent)

    with opened(place, 1, SlurmEngine(partition="main")) as pool:
        pool.say = remarks.append
        pool.run([one], hear)
    lost = [message for message in heard if isinstance(message, Lost)]
    assert [(message.deaths, message.why in PREEMPTED) for message in lost] == [(0, True)], lost
    assert heard[-1] == Finished(one.fingerprint, "done")
    assert remarks
    assert remarks[0].startswith("waiting for Slurm: 0 of 1 worker at work")


def test_scancel_takes_workers_away_for_good(slurm_cluster: SlurmCluster, place: Home, job: Callable[..., Job]) -> None:
    long, short, heard = job(0, "waits"), job(1, "scores"), list[Message]()

    def hear(message: Message) -> None:
        heard.append(message)
        if isinstance(message, Told) and message.fingerprint == long.fingerprint:
            # The other worker takes the job over, and is taken away too.
            slurm_cluster.slurm("scancel", task_of(pool, long))

    with opened(place, 2, SlurmEngine(resources=HALF)) as pool:
        with pytest.raises(LaunchError) as caught:
            pool.run([long, short], hear)
        assert len(pool._places.all) == 2
    assert caught.value.rule == "the workers were cancelled"
    assert [(one.deaths, one.why) for one in heard if isinstance(one, Lost)] == [
        (0, "its worker was cancelled by scancel")
    ] * 2
    assert Finished(short.fingerprint, "done") in heard


DRIVER = """
import os
from pathlib import Path
from experiments.home import Home
from experiments.launchers.engine import Resources, SlurmEngine
from experiments.launchers.messages import decode
from experiments.launchers.slurm.pool import SlurmPool
from factories.deaths import die

home, job = Home(Path(sys.argv[1])), decode(sys.argv[2])
with SlurmPool(SlurmEngine(resources=Resources(cpus=4)), 3, 1, 0, home.logs, foreign=True, stale=2.0) as pool:
    pool.run([job], lambda message: die() if type(message).__name__ == "Told" else None)
"""


def test_workers_of_a_killed_driver_end_and_the_next_command_goes_on(
    slurm_cluster: SlurmCluster, place: Home, job: Callable[..., Job]
) -> None:
    one, heard = job(0, "goes on"), list[Message]()
    killed = subprocess.run(script(DRIVER, str(place.root), encode(one)), timeout=120)
    assert killed.returncode == -9
    (before,) = (place.logs / "slurm").iterdir()
    left = (before / "jobs").read_text(encoding="utf-8").split()
    # Two workers run and one waits, which may begin when these have ended. Those that run see no sign of life.
    assert until(lambda: not slurm_cluster.running(), 30)
    assert sum("no sign of life" in file.read_text() for file in before.glob("worker-*/*/out.jsonl")) >= 2
    with opened(place, 1, SlurmEngine()) as pool:
        pool.run([one], heard.append)
    assert heard[-1] == Finished(one.fingerprint, "done")
    assert not [state for task, state in slurm_cluster.states().items() if task in left and state == "PENDING"]
    record = read_record(place.run(one.fingerprint))
    assert record is not None
    assert [score.value for score in record.scores] == [2.0]


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"partition": "nowhere"}, "invalid partition specified: nowhere"),
        ({"resources": Resources(cpus=5)}, "CPU count per node can not be satisfied"),
        ({"minutes": 3 * 24 * 60}, "Slurm's reason is PartitionTimeLimit: the partition's time limit is below"),
        ({"options": {"nonsense": "3"}}, "unrecognized option '--nonsense=3'"),
    ],
)
def test_a_request_that_no_node_serves_is_refused_at_once(
    place: Home, job: Callable[..., Job], settings: dict[str, Any], found: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LaunchError) as caught, opened(place, 1, SlurmEngine(**settings)) as pool:
        pool.run([job(0, "scores")], lambda message: None)
    assert (caught.value.found or "").startswith(found)
    assert "launcher file" in (caught.value.next_step or "")
    assert capfd.readouterr().err == ""


def test_a_cluster_that_does_not_answer_is_named(
    slurm_cluster: SlurmCluster, place: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = (slurm_cluster.folder / "slurm.conf").read_text(encoding="utf-8")
    other = tmp_path / "slurm.conf"
    other.write_text(re.sub("SlurmctldPort=.*", "SlurmctldPort=1", config) + "MessageTimeout=2\n", encoding="utf-8")
    monkeypatch.setenv("SLURM_CONF", str(other))
    with pytest.raises(LaunchError, match=r"^Slurm does not answer; found .*Unable to contact"):
        opened(place, 1, SlurmEngine())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match=r"^'scontrol' is not on this machine\. Run this command on a login node"):
        opened(place, 1, SlurmEngine())


def test_arrays_keep_to_the_limit_and_workers_that_nobody_needs_go(
    slurm_cluster: SlurmCluster, place: Home, job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert status.longest_array() == 101
    monkeypatch.setattr(pool_module, "longest_array", lambda: 2)
    monkeypatch.setattr(pool_module, "_IDLE_SECONDS", 0.2)
    with opened(place, 3, SlurmEngine()) as pool:
        assert [one.task.partition("_")[2] for one in pool._places.all] == ["0", "1", ""]
        watch = pool._watch

        def look() -> None:
            watch()
            if len(pool._places.open) == 1:
                raise KeyboardInterrupt

        monkeypatch.setattr(pool, "_watch", look)
        heard: list[Message] = []
        jobs = [job(0, "waits"), job(1, "scores")]
        with pytest.raises(KeyboardInterrupt):
            pool.run(jobs, heard.append)
        assert Finished(jobs[1].fingerprint, "done") in heard
        assert not [message for message in heard if isinstance(message, Lost | GivenUp)]
        assert task_of(pool, jobs[0]) == pool._places.open[0].task
