"""Several processes on one search; some of them die."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from mlflow.tracking import MlflowClient
from optuna.trial import TrialState

from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Asked, Options
from experiments.tuning.notes import notes_of
from experiments.tuning.ownership import trials_of
from experiments.tuning.storage import find_study, open_storage, study_name

TRIALS = 15
"""Enough that a process dies early and another one still has work of its own."""

STUDY = """\
question: Does a tuned learning rate help?
preset: null
repeats: 1
reference: default
base:
  data.window: 20
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8}
  training: {epochs: 3, batch: 8}
arms: {default: {}}
search:
  space:
    training.optimiser.learning_rate: {kind: log_uniform, low: 1e-5, high: 1e-1, role: scientific}
    training.batch: {kind: choice, values: [8, 16], role: scientific}
  sampler: random
  budget: {trials: TRIALS}
  repeats: 1
""".replace("TRIALS", str(TRIALS))


TUNE = """
import sys
from pathlib import Path
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options
from experiments.progress import Screen
from experiments.tuning.tune import tune
from mmcore.data.prepare import prepare

home = Home(Path(sys.argv[1])).make()
asked = open_request(sys.argv[2], home, Options(corpus=sys.argv[3], workers=1))
data = asked.study.arms[0].config.data
with Screen() as screen:
    tune(asked, home, screen, lambda: prepare(asked.place.folder, data, home.prepared).path)
"""
"""What ``mmstudy run`` does first: without the confirmation and the report, which have tests of their own."""


@pytest.fixture
def home(tmp_path: Path, with_database: Callable[[Home], Home]) -> Home:
    return with_database(Home(tmp_path / "home"))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "rate.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


def server_binary(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@pytest.fixture
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server of the test's own, which listens on a socket in a folder of its own."""
    initdb, control = server_binary("initdb"), server_binary("pg_ctl")
    if initdb is None or control is None:
        absent = "there is no PostgreSQL server on this machine (Debian: apt-get install postgresql)"
        if os.environ.get("MMSTUDY_REQUIRE_POSTGRES"):
            pytest.fail(absent)
        pytest.skip(absent)
    folder = Path(tempfile.mkdtemp(prefix="mmstudy-postgres-"))
    # The server refuses to run as root.
    as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    options = f"-c listen_addresses='' -c fsync=off -k {folder}"
    try:
        subprocess.run([*as_user, initdb, "-D", str(data), "-A", "trust", "-U", "mmstudy"], check=True, cwd=folder)
        log = str(folder / "log")
        subprocess.run(
            [*as_user, control, "-D", str(data), "-o", options, "-l", log, "-w", "start"], check=True, cwd=folder
        )
        yield f"postgresql://mmstudy@/postgres?host={folder}"
    finally:
        if data.exists():
            subprocess.run([*as_user, control, "-D", str(data), "-m", "immediate", "-w", "stop"], cwd=folder)
        shutil.rmtree(folder)


def start(home: Home, study: Path, corpus: Path, storage: str | None, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", TUNE, str(home.root), str(study), str(corpus)]
    environment = os.environ | ({"MMSTUDY_STORAGE": storage} if storage else {})
    with open(log, "wb") as file:
        return subprocess.Popen(command, env=environment, stdout=file, stderr=file, start_new_session=True)


def trials(asked: Asked, home: Home, storage: str | None) -> list[optuna.trial.FrozenTrial]:
    with open_storage(home, asked.search_key, storage) as opened:
        study = find_study(opened, study_name(asked.search_key, "tuned"))
        return [] if study is None else trials_of(study)


def kill_in_mid_trial(
    process: subprocess.Popen[bytes], asked: Asked, home: Home, storage: str | None, least: int
) -> int | None:
    """Kill a process while it is at a trial, once ``least`` trials have ended.

    Returns:
        The number of that trial; None where the trial ended between the look and the kill.
    """
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
        # Not while it holds the journal's lock: then nobody could look.
        seen = trials(asked, home, storage)
        if sum(trial.state.is_finished() for trial in seen) < least or not mine(seen, process.pid):
            continue
        process.send_signal(signal.SIGKILL)
        process.wait()
        # Another process may have closed it already.
        left = [trial for trial in trials(asked, home, storage) if pid_of(trial) == process.pid]
        if left and (left[-1].state == TrialState.RUNNING or notes_of(left[-1]).closed == "died"):
            return left[-1].number
        return None
    pytest.fail("it never came to a trial")


def pid_of(trial: optuna.trial.FrozenTrial) -> int | None:
    owner = notes_of(trial).process
    return None if owner is None else owner.pid


def mine(seen: list[optuna.trial.FrozenTrial], pid: int) -> list[optuna.trial.FrozenTrial]:
    """Trials that a process is at, once it is settled what they mean."""
    running = [trial for trial in seen if trial.state == TrialState.RUNNING and notes_of(trial).settings]
    return [trial for trial in running if pid_of(trial) == pid]


def check(asked: Asked, home: Home, storage: str | None, dead: int) -> None:
    """All trials are complete, each setting once, the dead one's too; nothing is left running in the tracking store."""
    seen = [trial for trial in trials(asked, home, storage) if trial.user_attrs.get("closed") != "unused"]
    states = Counter(trial.state for trial in seen)
    assert states == {TrialState.COMPLETE: TRIALS, TrialState.FAIL: 1}
    died = next(trial for trial in seen if trial.number == dead)
    assert died.user_attrs["closed"] == "died"
    (retry,) = [trial for trial in seen if trial.user_attrs.get("retry_of") == dead]
    assert retry.state == TrialState.COMPLETE
    assert retry.params == died.params
    complete = [tuple(trial.params.values()) for trial in seen if trial.state == TrialState.COMPLETE]
    assert len(set(complete)) == TRIALS
    statuses = mlflow_statuses(home)
    assert "RUNNING" not in statuses["trial"] + statuses["search"]
    assert statuses["trial"]["FINISHED"] == TRIALS
    assert statuses["trial"]["KILLED"] == 1


def mlflow_statuses(home: Home) -> dict[str, Counter[str]]:
    client = MlflowClient(home.mlflow_uri)
    experiment = client.get_experiment_by_name("rate")
    assert experiment is not None
    found: dict[str, Counter[str]] = {}
    for run in client.search_runs([experiment.experiment_id], max_results=1000):
        found.setdefault(run.data.tags["mmstudy.kind"], Counter())[run.info.status] += 1
    return found


def asked_of(study: Path, corpus: Path, home: Home) -> Asked:
    return open_request(str(study), home, Options(corpus=str(corpus)))


def search_with_a_death(study: Path, corpus: Path, home: Home, storage: str | None, tmp_path: Path) -> None:
    asked = asked_of(study, corpus, home)
    first, dead = start(home, study, corpus, storage, tmp_path / "first.log"), None
    second = start(home, study, corpus, storage, tmp_path / "second.log")
    try:
        for least in (6, 8, 10):
            dead = kill_in_mid_trial(first, asked, home, storage, least)
            if dead is not None:
                break
            # On a busy machine the trial may end between the look and the kill: another process takes its place.
            first = start(home, study, corpus, storage, tmp_path / "first.log")
        assert dead is not None
        assert second.wait(timeout=500) == 0, (tmp_path / "second.log").read_text(encoding="utf-8")
    finally:
        for process in (first, second):
            if process.poll() is None:
                process.kill()
                process.wait()
    check(asked, home, storage, dead)
    owners: Counter[Any] = Counter(trial.user_attrs["process"]["pid"] for trial in trials(asked, home, storage))
    assert {first.pid, second.pid} <= set(owners)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and sessions are POSIX")
def test_two_processes_share_a_journal_and_one_is_killed(
    study: Path, tiny_corpus: Path, home: Home, tmp_path: Path
) -> None:
    search_with_a_death(study, tiny_corpus, home, None, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and sessions are POSIX")
def test_two_processes_share_a_database_and_one_is_killed(
    study: Path, tiny_corpus: Path, home: Home, tmp_path: Path, postgres: str
) -> None:
    search_with_a_death(study, tiny_corpus, home, postgres, tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and sessions are POSIX")
def test_a_driver_that_was_killed_goes_on_where_it_was(
    study: Path, tiny_corpus: Path, home: Home, tmp_path: Path
) -> None:
    asked = asked_of(study, tiny_corpus, home)
    first = start(home, study, tiny_corpus, None, tmp_path / "first.log")
    try:
        dead = kill_in_mid_trial(first, asked, home, None, least=3)
        for least in (5, 7):
            if dead is None:
                first = start(home, study, tiny_corpus, None, tmp_path / "first.log")
                dead = kill_in_mid_trial(first, asked, home, None, least)
        assert dead is not None
    finally:
        first.kill()
        first.wait()
    second = start(home, study, tiny_corpus, None, tmp_path / "second.log")
    assert second.wait(timeout=500) == 0, (tmp_path / "second.log").read_text(encoding="utf-8")
    check(asked, home, None, dead)
