"""A pool of worker processes on this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from experiments.launchers.cards import Card, dealt
from experiments.launchers.messages import Job, Stop, encode
from experiments.launchers.pool import Death, Pool, tail
from experiments.launchers.start import FOREIGN, worker_command, worker_environment
from mmcore.language import say

PATIENCE = 1.0
"""Seconds that workers have to end when they are asked to; then they are killed, and what they write is whole."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
)  # fmt: skip
"""From which libraries learn their number of threads as they are imported; workers are given all of them."""


@dataclass(eq=False)
class _Worker:
    number: int
    process: subprocess.Popen[str]
    job: Job | None = None
    served: bool = False  # it has finished or begun something, so its imports work
    log: Path = field(default_factory=Path)
    reader: threading.Thread | None = None

    def send(self, message: Job | Stop) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(encode(message))
            self.process.stdin.flush()
        except OSError:
            pass  # it is dead; its reader thread says so, and the job goes back

    def death(self) -> Death:
        """Its exit code, and the end of its log."""
        code = self.process.wait()
        self.shut()
        return Death(code, str(self.log), tail(self.log))

    def shut(self) -> None:
        """Close our end of its standard input."""
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()


class LocalPool(Pool[_Worker]):
    """Worker processes that each serve many runs.

    Args:
        workers: number of processes.
        threads: CPU threads of each, set before its libraries are imported.
        logs: folder for what workers write to standard error.
        cards: CUDA devices to deal out among the workers; none: the environment is left as it is.
        part: cards of each worker; less than 1: workers share them.
        busy: see :class:`experiments.launchers.pool.Pool`.
        foreign: they serve training code of the user's own alone, and need not import our libraries.

    Example:
        >>> with LocalPool(2, 1, Path("mlruns/logs")) as pool:  # doctest: +SKIP
        ...     pool.run(jobs, print)
    """

    def __init__(
        self,
        workers: int,
        threads: int,
        logs: Path,
        cards: tuple[Card, ...] = (),
        part: float = 1.0,
        busy: Callable[[str], bool] = lambda name: False,
        foreign: bool = False,
    ) -> None:
        self._threads = threads
        self._foreign = foreign
        self._cards, self._part = cards, part
        self._logs = logs
        logs.mkdir(parents=True, exist_ok=True)
        super().__init__(workers, busy)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers alive."""
        return [w.process.pid for w in self._workers if w.process.poll() is None]

    def close(self) -> None:
        """Stop all workers now; what they were doing is resumed from its last checkpoint by the next run."""
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.terminate()
        end = time.monotonic() + PATIENCE
        for worker in self._workers:
            try:
                worker.process.wait(timeout=max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.process.kill()
                worker.process.wait()
            worker.shut()
            if worker.reader is not None:
                # It ends with its process; whoever copies this process next needs all threads to be over.
                worker.reader.join(timeout=0.2)
        self._workers = []

    def _start(self, number: int) -> _Worker:
        log = self._logs / f"worker-{number}.log"
        extra = {"CUDA_VISIBLE_DEVICES": dealt(self._cards, number, self._part)} if self._cards else {}
        worker = _Worker(number, start_worker(self._threads, log, self._foreign, extra), log=log)
        worker.reader = threading.Thread(target=self._read, args=(worker,), name="worker's words", daemon=True)
        worker.reader.start()
        return worker

    def _read(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        with worker.process.stdout as lines:
            for line in lines:
                self._inbox.put((worker, line))
        self._inbox.put((worker, None))


def start_worker(
    threads: int, log: Path, foreign: bool = False, extra: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """A worker process, which reads orders from its standard input and writes messages to its standard output.

    Args:
        threads: CPU threads, set before its libraries are imported.
        log: file for its standard error; its folder exists.
        foreign: it serves training code of the user's own alone, and need not import our libraries.
        extra: more environment variables.
    """
    environment = worker_environment(os.environ, foreign) | {
        **dict.fromkeys(THREAD_VARIABLES, str(threads)),
        "PYTHONPATH": os.pathsep.join([str(code_root()), *filter(None, [os.environ.get("PYTHONPATH")])]),
        **(extra or {}),
    }
    # Ctrl-C goes to the driver alone, which then stops its workers in order.
    windows = sys.platform == "win32"
    flags: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    with open(log, "a", encoding="utf-8") as errors:
        return subprocess.Popen(
            worker_command(*([FOREIGN] if foreign else [])),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            text=True,
            encoding="utf-8",
            creationflags=flags if windows else 0,
            start_new_session=not windows,
        )


def code_root() -> Path:
    """The folder of our packages."""
    import experiments

    return Path(experiments.__file__).resolve().parent.parent


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_note(threads: int) -> str | None:
    """A note if the environment sets a number of threads and runs use another one; else None."""
    unused = [
        f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if os.environ.get(name, str(threads)) != str(threads)
    ]
    if not unused:
        return None
    names = ", ".join(unused)
    if threads == 1:
        return say("{names} is not used: runs have one thread each; --threads N sets another number", names=names)
    return say(
        "{names} is not used: runs have {n} threads each; --threads N sets another number", names=names, n=threads
    )
