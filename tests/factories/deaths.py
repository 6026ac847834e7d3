"""Processes that die at a known moment, by their own hand.

A test that watches a process from outside and kills it in the middle of something is too late on a busy machine. These
functions run in the process itself: a test starts it with :func:`script` and gives it its moment in code.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from factories.workers import Forking

import experiments.launchers.local as local
from benchmarks.faults.started import ADDRESS, Forked
from experiments.launchers.messages import Job, Message, Refused, Stop, Told, decode
from mmcore.events import EpochDone

TESTS = Path(__file__).resolve().parents[1]


def script(code: str, *words: str | Path) -> list[str]:
    """The command that runs ``code`` with ``words`` as arguments; it may import the packages and these factories."""
    paths = f"import sys; sys.path[:0] = [{str(TESTS)!r}, {str(TESTS.parent)!r}]\n"
    return [sys.executable, "-c", paths + code, *map(str, words)]


def driver_script(code: str, *words: str | Path) -> list[str]:
    """As :func:`script`, for the process of a driver, whose workers are forked with their imports done."""
    if sys.platform != "linux":
        return script(code, *words)
    forks = f"""import os; os.environ[{ADDRESS!r}] = {Forking.address()!r}
from benchmarks.faults.started import Subprocess
from experiments.launchers import local
local.subprocess = Subprocess
"""
    return script(forks + code, *words)


Process = subprocess.Popen[bytes] | Forked


def begun(command: list[str], log: Path, forked: bool = True, **environment: str) -> Process:
    """The process of a command of :func:`script` or :func:`driver_script`, which leads a session of its own.

    Args:
        log: takes what it says, behind what others have said there.
        forked: it has its imports done, and its reports have no figures; otherwise it starts as any other process.
        environment: variables that it has besides this process's.
    """
    with open(log, "ab") as said, open(os.devnull, "rb") as nothing:
        known = os.environ | environment
        if forked and sys.platform == "linux":
            return Forked("code", command[1:], known | {ADDRESS: Forking.address()}, nothing, said, said)
        hears = hears_ctrl_c if os.name == "posix" else None
        return subprocess.Popen(
            command, stdin=nothing, stdout=said, stderr=said, env=known, start_new_session=True, preexec_fn=hears
        )


def hears_ctrl_c() -> None:
    """For a child process: whoever starts the tests in the background makes their children deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


COMMAND = "from experiments.cli.main import main; main()"
"""``mmstudy``, with its words as arguments."""


def die() -> NoReturn:
    """As by ``kill -9``: nothing is written, closed or said any more."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still here")


def before_each_message(do: Callable[[local.LocalPool, Message], None]) -> None:
    """In a driver: call ``do`` with each message of a worker before the driver takes note of it."""
    heard = local.LocalPool._heard

    def first(self: local.LocalPool, worker: local._Worker, line: str, on_message: Callable[[Message], None]) -> None:
        message = decode(line)
        assert not isinstance(message, Job | Stop | Refused)
        do(self, message)
        heard(self, worker, line, on_message)

    local.LocalPool._heard = first


def in_its_nth_run(nth: int, do: Callable[[], object]) -> None:
    """In a driver: call ``do`` once, in the middle of the n-th run that is trained here."""
    begun: set[str] = set()

    def look(_: local.LocalPool, message: Message) -> None:
        match message:
            case Told(name, EpochDone()) if name not in begun:
                begun.add(name)
                if len(begun) == nth:
                    do()

    before_each_message(look)


def wait_for(file: Path, seconds: float = 300) -> None:
    """Go on once another process has written ``file``."""
    end = time.monotonic() + seconds
    while not file.exists():
        assert time.monotonic() < end, f"nobody wrote {file}"
        time.sleep(0.02)


# Workers -----------------------------------------------------------------------------------------------------------
def let_a_worker_die(lost: Path) -> None:
    """In a driver: the first worker that has two epochs of a run dies and leaves the run's name in ``lost``; whoever
    goes on with this run stays at its third epoch."""
    popen = subprocess.Popen
    code = "from factories.deaths import serve; serve(sys.argv[1])"

    def start(command: list[str], **options: Any) -> subprocess.Popen[Any] | Forked:
        if command[-2:] != ["-m", "experiments.launchers.worker"]:
            return popen(command, **options)
        words, ends = script(code, lost), [options[end] for end in ("env", "stdin", "stdout", "stderr")]
        return Forked("code", words[1:], *ends) if ADDRESS in os.environ else popen(words, **options)

    local.subprocess.Popen = start  # pyright: ignore[reportAttributeAccessIssue]


def serve(lost: str) -> None:
    """A worker of :func:`let_a_worker_die`."""
    import experiments.launchers.worker as worker

    tell, place = worker._tell, Path(lost)

    def tell_and_die(channel: Any, line: str) -> None:
        match decode(line):
            case Told(name, EpochDone(epoch=2)):
                with contextlib.suppress(FileExistsError):
                    place.with_suffix(".taken").touch(exist_ok=False)
                    place.write_text(name, encoding="utf-8")
                    die()
            case Told(name, EpochDone(epoch=3)) if place.exists() and place.read_text(encoding="utf-8") == name:
                tell(channel, line)
                # Until the driver is gone: then the thread that reads its orders ends this process.
                threading.Event().wait()
        tell(channel, line)

    worker._tell = tell_and_die
    worker.main()
