"""Several processes on one search; some of them die."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from factories.deaths import Process, begun, driver_script
from mlflow.tracking import MlflowClient
from optuna.trial import TrialState

from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options, Request, trains_itself
from experiments.progress import Silent
from experiments.tuning.notes import notes_of
from experiments.tuning.ownership import trials_of
from experiments.tuning.storage import find_study, open_storage, study_name
from experiments.tuning.tune import tune
from mmcore.data.prepare import prepare

TRIALS = 10
"""Enough for the trials before a death, those of the other process until then, and more for it afterwards."""

FATAL = 3
"""In the middle of its third trial a process dies; until then another one begins no more than so many."""

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
from pathlib import Path
from factories.deaths import die, in_its_nth_run, wait_for
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options
from experiments.progress import Screen
from experiments.tuning.tune import tune
from mmcore.data.prepare import prepare

home, fatal, death = Home(Path(sys.argv[1])).make(), int(sys.argv[4]), Path(sys.argv[5])
match sys.argv[6]:
    case "dies":
        in_its_nth_run(fatal, lambda: (death.touch(), die()))
    case "waits for a death":
        in_its_nth_run(fatal, lambda: wait_for(death))
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


def start(home: Home, study: Path, corpus: Path, storage: str | None, fate: str) -> Process:
    command = driver_script(TUNE, home.root, study, corpus, str(FATAL), home.root / "death", fate)
    environment = {"MMSTUDY_STORAGE": storage} if storage else {}
    return begun(command, log_of(home, fate), **environment)


def log_of(home: Home, fate: str) -> Path:
    return home.root / f"{fate}.log"


def trials(request: Request, home: Home, storage: str | None) -> list[optuna.trial.FrozenTrial]:
    with open_storage(home, request.search_key, storage) as opened:
        study = find_study(opened, study_name(request.search_key, "tuned"))
        return [] if study is None else trials_of(study)


def dead_trial(process: Process, request: Request, home: Home, storage: str | None) -> int:
    """Wait until a process has killed itself in the middle of a trial; the number of that trial."""
    assert process.wait(timeout=300) == -signal.SIGKILL, log_of(home, "dies").read_text(encoding="utf-8")
    mine = [trial for trial in trials(request, home, storage) if pid_of(trial) == process.pid]
    assert len(mine) == FATAL
    # Another process may have closed it already.
    assert mine[-1].state == TrialState.RUNNING or notes_of(mine[-1]).closed == "died"
    return mine[-1].number


def pid_of(trial: optuna.trial.FrozenTrial) -> int | None:
    owner = notes_of(trial).process
    return None if owner is None else owner.pid


def check(request: Request, home: Home, storage: str | None, dead: int) -> None:
    """All trials are complete, each setting once, the dead one's too; nothing is left running in the tracking store."""
    seen = [trial for trial in trials(request, home, storage) if trial.user_attrs.get("closed") != "unused"]
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


def asked_of(study: Path, corpus: Path, home: Home, storage: str | None) -> Request:
    request = open_request(str(study), home, Options(corpus=str(corpus), workers=1, storage=storage))
    assert trains_itself(request)
    return request


def search_with_a_death(study: Path, corpus: Path, home: Home, storage: str | None) -> None:
    request = asked_of(study, corpus, home, storage)
    first = start(home, study, corpus, storage, "dies")
    second = start(home, study, corpus, storage, "waits for a death")
    try:
        dead = dead_trial(first, request, home, storage)
        assert second.wait(timeout=500) == 0, log_of(home, "waits for a death").read_text(encoding="utf-8")
    finally:
        for process in (first, second):
            process.kill()
            process.wait()
    check(request, home, storage, dead)
    owners = Counter(pid_of(trial) for trial in trials(request, home, storage))
    assert {first.pid, second.pid} <= set(owners)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and sessions are POSIX")
def test_two_processes_share_a_journal_and_one_is_killed(study: Path, tiny_corpus: Path, home: Home) -> None:
    search_with_a_death(study, tiny_corpus, home, None)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and sessions are POSIX")
def test_two_processes_share_a_database_and_one_is_killed(
    study: Path, tiny_corpus: Path, home: Home, postgres: str
) -> None:
    search_with_a_death(study, tiny_corpus, home, postgres)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and sessions are POSIX")
def test_a_driver_that_was_killed_goes_on_where_it_was(study: Path, tiny_corpus: Path, home: Home) -> None:
    request = asked_of(study, tiny_corpus, home, None)
    first = start(home, study, tiny_corpus, None, "dies")
    try:
        dead = dead_trial(first, request, home, None)
    finally:
        first.kill()
        first.wait()
    # That a process of its own goes on is proved above; here it is this one.
    data = request.study.arms[0].config.data
    tune(request, home, Silent(), lambda: prepare(request.place.folder, data, home.prepared).path)
    check(request, home, None, dead)
