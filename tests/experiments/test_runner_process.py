"""Processes of training code: how they end, and that none of them outlives the worker that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from factories.deaths import script

from experiments.foreign.process import Ended, in_words, last_lines, run_process


def run(code: str, folder: Path, seconds: float | None = None, look: Callable[[], None] = lambda: None) -> Ended:
    log = folder / "output.log"
    return run_process(
        [sys.executable, "-c", code], folder, log, env={"GREETING": "hello"}, seconds=seconds,
        look=look,
    )  # fmt: skip


def gone(pid: int, seconds: float = 20) -> bool:
    """Whether a process ends in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open("pids", "w") as file:
    file.write(f"{os.getpid()} {child.pid}")
os.rename("pids", "family")
time.sleep(600)
"""
"""A process with a child of its own; their numbers are in the file ``family``."""


def family(folder: Path) -> list[int]:
    while not (folder / "family").exists():
        time.sleep(0.02)
    return [int(pid) for pid in (folder / "family").read_text().split()]


def test_output_and_errors_go_to_the_log_and_the_environment_is_the_users(tmp_path: Path) -> None:
    code = "import os, sys; print(os.environ['GREETING'], os.environ.get('PYTHONPATH')); print('oh', file=sys.stderr)"
    ended = run(code, tmp_path)
    assert (ended.code, in_words(ended, ["x"], None)) == (0, None)
    assert "hello" in last_lines(tmp_path / "output.log")
    assert "oh" in last_lines(tmp_path / "output.log")


def test_our_packages_are_not_on_the_path_of_the_training_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker finds them there; a package of the user's may have the same name."""
    ours = str(Path(__file__).resolve().parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([ours, "/elsewhere"]))
    run("import os; print(os.environ['PYTHONPATH'])", tmp_path)
    assert last_lines(tmp_path / "output.log") == "/elsewhere"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit(3)", "it ended with exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "killed by signal 9 (SIGKILL)"),
        ("import os; os.kill(os.getpid(), 15)", "killed by signal 15 (SIGTERM)"),
    ],
)
def test_how_a_process_ended_in_words(tmp_path: Path, code: str, words: str) -> None:
    assert in_words(run(code, tmp_path), ["x"], None) == words


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    ended = run_process(["no-such-command"], tmp_path, tmp_path / "log", env={}, seconds=None, look=lambda: None)
    assert in_words(ended, ["no-such-command"], None) == "'no-such-command' cannot be run: No such file or directory"


def test_a_timeout_kills_the_whole_family(tmp_path: Path) -> None:
    ended = run(FAMILY, tmp_path, seconds=2.0)
    assert in_words(ended, ["x"], 2.0) == "it was killed after its timeout of 2 seconds"
    assert all(gone(pid) for pid in family(tmp_path))


def test_whoever_looks_can_stop_it(tmp_path: Path) -> None:
    def look() -> None:
        if (tmp_path / "family").exists():
            raise InterruptedError

    with pytest.raises(InterruptedError):
        run(FAMILY, tmp_path, look=look)
    assert all(gone(pid) for pid in family(tmp_path))


def test_what_is_left_in_the_background_ends_with_its_run(tmp_path: Path) -> None:
    run(FAMILY.replace("time.sleep(600)\n", "") + "\n", tmp_path)
    assert all(gone(pid) for pid in family(tmp_path))


WORKER = """
import sys
from pathlib import Path
from experiments.foreign.process import run_process
folder = Path(sys.argv[1])
code = (folder / "code.py").read_text()
run_process([sys.executable, "-c", code], folder, folder / "log", env={}, seconds=None, look=lambda: None)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_its_worker(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "code.py").write_text(FAMILY)
    worker = subprocess.Popen(script(WORKER, tmp_path))
    pids = family(tmp_path)
    worker.send_signal(number)
    worker.wait()
    assert all(gone(pid) for pid in pids)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent was killed")
def test_the_training_code_dies_with_the_process_that_watches_it(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(FAMILY)
    worker = subprocess.Popen(script(WORKER, tmp_path))
    pid, child = family(tmp_path)
    (supervisor,) = psutil.Process(worker.pid).children()
    supervisor.kill()
    assert gone(pid)
    assert worker.wait() == 0
    psutil.Process(child).kill()
