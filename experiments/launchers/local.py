"""A pool of worker processes on this machine."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from experiments.launchers.messages import Finished, GivenUp, Job, Lost, Message, Refused, Stop, Stopped, decode, encode
from mmcore.errors import LaunchError, MMStudyError

MAX_DEATHS = 3
"""A job is not tried again after this many workers have died on it: the cause is then the job, not chance."""

_STARTUP_DEATHS = 3

PATIENCE = 1.0
"""Seconds that workers have to end when they are asked to; then they are killed, and what they write is whole."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"
)  # fmt: skip
"""From which libraries learn their number of threads as they are imported; workers are given all of them."""


@dataclass
class _Worker:
    number: int
    process: subprocess.Popen[str]
    job: Job | None = None
    served: bool = False  # it has finished or begun something, so its imports work
    log: Path = field(default_factory=Path)


class LocalPool:
    """Worker processes that each serve many runs.

    Starting the pool starts the processes, which import their libraries while the caller still prepares the data.

    Args:
        workers: number of processes.
        threads: CPU threads of each, set before its libraries are imported.
        logs: folder for what workers write to standard error.
        gpus: number of CUDA devices to deal out among the workers; 0 leaves the environment as it is.
        busy: whether another process does the job of a fingerprint now. Such jobs come last: two commands on one home
            share the work instead of waiting for each other.
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
        gpus: int = 0,
        busy: Callable[[str], bool] = lambda name: False,
        foreign: bool = False,
    ) -> None:
        self._threads = threads
        self._busy = busy
        self._foreign = foreign
        self._gpus = gpus
        self._logs = logs
        self._inbox: queue.SimpleQueue[tuple[_Worker, str | None]] = queue.SimpleQueue()
        self._startup_deaths = 0
        self._waiting: deque[Job] = deque()
        self._open_jobs = 0
        logs.mkdir(parents=True, exist_ok=True)
        self._workers = [self._start(number) for number in range(workers)]

    def __enter__(self) -> LocalPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers alive."""
        return [w.process.pid for w in self._workers if w.process.poll() is None]

    def run(
        self, jobs: Iterable[Job], on_message: Callable[[Message], None], more: Callable[[], bool] | None = None
    ) -> None:
        """Work through the jobs; returns when each has finished, was stopped or was given up.

        A worker that dies is replaced and its job goes back to the head of the queue, to be resumed from its last
        checkpoint. Any exception, KeyboardInterrupt included, leaves through :meth:`close`.

        Args:
            jobs: what to do first; more can be handed in with :meth:`add`, from ``on_message`` or ``more``.
            on_message: hears of the jobs.
            more: called after each message, and twice a second while there is none; whether jobs may still be added.
                None: there are only those that are added while others are open.

        Raises:
            MMStudyError: a job cannot be done as it was asked; the others are resumed by the next call.
            LaunchError: workers die before they can begin anything.
        """
        deaths: dict[str, int] = {}
        self.add(*jobs)
        while (more is not None and more()) or self._open_jobs:
            self._deal_out()
            worker, line = self._next(wait_for_one=more is None)
            if worker is None:
                continue
            if line is not None:
                self._heard(worker, line, on_message)
            else:
                self._lost(worker, deaths, on_message)

    def add(self, *jobs: Job) -> None:
        """Hand in more jobs; they are done after those that wait already."""
        self._waiting.extend(jobs)
        self._open_jobs += len(jobs)

    def stop(self, fingerprint: str) -> None:
        """Ask for a job not to be gone on with; :class:`Stopped` follows, or :class:`Finished` where it was quicker."""
        for job in [job for job in self._waiting if job.fingerprint == fingerprint]:
            self._waiting.remove(job)
            self._open_jobs -= 1
        for worker in self._workers:
            if worker.job is not None and worker.job.fingerprint == fingerprint:
                self._write(worker, Stop(fingerprint))

    @property
    def idle(self) -> int:
        """Workers that a new job would not have to wait for."""
        return max(0, sum(worker.job is None for worker in self._workers) - len(self._waiting))

    def _heard(self, worker: _Worker, line: str, on_message: Callable[[Message], None]) -> None:
        try:
            message = decode(line)
        except ValueError:
            return  # not ours: a library found a way around the redirection
        assert not isinstance(message, Job | Stop)
        worker.served = True
        if isinstance(message, Refused):
            raise MMStudyError(message.error["rule"] or "", **_but(message.error, "rule"))
        if isinstance(message, Finished | Stopped):
            self._open_jobs -= 1
            worker.job = None
        on_message(message)

    def _lost(self, worker: _Worker, deaths: dict[str, int], on_message: Callable[[Message], None]) -> None:
        """A worker is dead: its job goes back to the queue, another worker takes its place."""
        lost, code = worker.job, worker.process.wait()
        if not worker.served:
            self._startup_deaths += 1
            if self._startup_deaths >= _STARTUP_DEATHS:
                raise LaunchError(
                    "workers die before they can begin",
                    found=f"exit code {code}; last output: {_tail(worker.log)}",
                    where=str(worker.log),
                    next_step="Read the log, then try the same command with --workers 1",
                )
        if worker.process.stdin is not None:
            with contextlib.suppress(OSError):
                worker.process.stdin.close()
        if worker in self._workers:
            self._workers[self._workers.index(worker)] = self._start(worker.number)
        if lost is None:
            return
        deaths[lost.fingerprint] = count = deaths.get(lost.fingerprint, 0) + 1
        if count < MAX_DEATHS:
            self._waiting.appendleft(lost)
            on_message(Lost(lost.fingerprint, count, code))
        else:
            self._open_jobs -= 1
            on_message(GivenUp(lost.fingerprint, count, str(worker.log)))

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
            if worker.process.stdin is not None:
                with contextlib.suppress(OSError):
                    worker.process.stdin.close()
        self._workers = []

    def _next(self, wait_for_one: bool) -> tuple[_Worker, str | None] | tuple[None, None]:
        while True:
            try:
                # A bounded wait, so that Ctrl-C is seen on every platform.
                return self._inbox.get(timeout=0.5)
            except queue.Empty:
                if not wait_for_one:
                    return None, None

    def _deal_out(self) -> None:
        for worker in self._workers:
            if worker.job is None and self._waiting:
                worker.job = next((job for job in self._waiting if not self._busy(job.fingerprint)), self._waiting[0])
                self._waiting.remove(worker.job)
                self._write(worker, worker.job)

    def _write(self, worker: _Worker, message: Job | Stop) -> None:
        assert worker.process.stdin is not None
        try:
            worker.process.stdin.write(encode(message))
            worker.process.stdin.flush()
        except OSError:
            pass  # it is dead; its reader thread says so, and the job goes back

    def _start(self, number: int) -> _Worker:
        environment = os.environ | {
            **dict.fromkeys(THREAD_VARIABLES, str(self._threads)),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join([str(_code_root()), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        if self._gpus:
            environment["CUDA_VISIBLE_DEVICES"] = str(number % self._gpus)
        log = self._logs / f"worker-{number}.log"
        # Ctrl-C goes to the driver alone, which then stops its workers in order.
        windows = sys.platform == "win32"
        flags: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        with open(log, "a", encoding="utf-8") as errors:
            process = subprocess.Popen(
                # -P: a file of the user's folder must not stand in for one of our packages.
                [sys.executable, "-P", "-m", "experiments.launchers.worker", *(["foreign"] if self._foreign else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                encoding="utf-8",
                creationflags=flags if windows else 0,
                start_new_session=not windows,
            )
        worker = _Worker(number, process, log=log)
        threading.Thread(target=self._read, args=(worker,), daemon=True).start()
        return worker

    def _read(self, worker: _Worker) -> None:
        assert worker.process.stdout is not None
        with worker.process.stdout as lines:
            for line in lines:
                self._inbox.put((worker, line))
        self._inbox.put((worker, None))


def _but(parts: dict[str, str | None], name: str) -> dict[str, str | None]:
    return {key: value for key, value in parts.items() if key != name}


def _code_root() -> Path:
    import experiments

    return Path(experiments.__file__).resolve().parent.parent


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "none"
    return " / ".join(lines[-2:]) if lines else "none"


def share_of_cores(runs: int, workers: int | None, device: str, threads: int | None = None) -> tuple[int, int, int]:
    """How many workers, threads for each, and CUDA devices to deal out.

    Args:
        runs: runs to do; more workers than runs would idle.
        workers: as asked for; None: on the CPU as many as the cores can serve, one per CUDA device otherwise.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.
        threads: of each run, as asked for; None: one. It never follows from the number of runs, workers or cores: sums
            over another number of threads round differently, so the last run of a study would differ from the others.

    Two workers with one thread each train 1.26 times as much as one with two on a two-core machine.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gpus = _cuda_devices() if device in ("cuda", "auto") else 0
    each = threads or 1
    wanted = workers or (gpus if gpus else 1 if device == "mps" else max(1, cores // each))
    count = max(1, min(wanted, runs))
    return count, each, gpus if gpus > 1 else 0


def thread_note(threads: int) -> str | None:
    """A note if the environment sets a number of threads and runs use another one; else None."""
    unused = [
        f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if os.environ.get(name, str(threads)) != str(threads)
    ]
    if not unused:
        return None
    runs = "one thread each" if threads == 1 else f"{threads} threads each"
    return f"{', '.join(unused)} is not used: runs have {runs}; --threads N sets another number"


def _cuda_devices() -> int:
    """CUDA devices without importing torch into the driver: asked of the driver's own tool."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([d for d in visible.split(",") if d.strip() and d.strip() != "-1"])
    try:
        answer = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in answer.stdout.splitlines())
