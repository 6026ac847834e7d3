"""A pool of workers, wherever they are: hands out jobs, hears of them, replaces workers that die."""

from __future__ import annotations

import queue
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from experiments.launchers.messages import (
    Finished,
    GivenUp,
    Job,
    Lost,
    Message,
    Refused,
    Stop,
    Stopped,
    as_pack,
    decode,
    runs_of,
)
from mmcore.errors import LaunchError, MMStudyError

MAX_DEATHS = 3
"""A job is not tried again after this many workers have died on it: the cause is then the job, not chance."""

MAX_DEATHS_OF_A_PACK = 2
"""After this many, the runs of a pack are tried one by one: together they may need more memory than there is."""

_STARTUP_DEATHS = 3


@dataclass(frozen=True)
class Death:
    """How a worker ended.

    Args:
        exit_code: of its process; None where nobody knows, e.g. because its machine is gone.
        log: file or address of what it wrote last.
        last_lines: of that log, for an error.
        blames_job: whether the job may be the cause. A machine that went away says nothing about the job.
        why: what ended it, as a clause, where that is known: ``its worker was preempted by Slurm``.
    """

    exit_code: int | None
    log: str
    last_lines: str
    blames_job: bool = True
    why: str = ""


class Worker(Protocol):
    """One worker of a pool. What it says arrives in the pool's inbox: lines, and None once it is dead.

    Attributes:
        number: of its place in the pool, from 0; a worker that takes the place of a dead one has its number.
        job: what it is at; kept by the pool.
        served: whether it has begun something, so that its imports work; kept by the pool.
    """

    number: int
    job: Job | None
    served: bool

    def send(self, message: Job | Stop) -> None:
        """Hand it a message. One that is dead takes no notice: its None is on the way."""
        ...

    def death(self) -> Death:
        """How it ended; called once, after its None."""
        ...


W = TypeVar("W", bound=Worker)


class Pool(ABC, Generic[W]):
    """Workers that each serve many runs; see :func:`experiments.launchers.choose.open_pool`.

    A subclass says how a worker starts (:meth:`_start`) and how all end (:meth:`close`). It calls ``super().__init__``
    last, which starts the workers: they import their libraries while the caller still prepares the data.

    Args:
        workers: number of workers.
        busy: whether another process does the job of a fingerprint now. Such jobs come last: two commands on one home
            share the work instead of waiting for each other.

    Attributes:
        say: hears remarks on the pool as a whole, e.g. that it waits for machines. Called by :meth:`run`.
    """

    say: Callable[[str], None]

    def __init__(self, workers: int, busy: Callable[[str], bool] = lambda name: False) -> None:
        self._busy = busy
        self.say = lambda text: None
        self._inbox: queue.SimpleQueue[tuple[W, str | None]] = queue.SimpleQueue()
        self._startup_deaths = 0
        self._waiting: deque[Job] = deque()
        self._open_jobs = 0
        self._workers: list[W] = [self._start(number) for number in range(workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _start(self, number: int) -> W:
        """Start a worker; its lines, and None at its end, go to ``self._inbox``."""

    @abstractmethod
    def close(self) -> None:
        """Stop all workers now; what they were doing is resumed from its last checkpoint by the next run."""

    def _watch(self) -> None:
        """Called before jobs are dealt out, at least twice a second: for machines that join or leave.

        Raises:
            LaunchError: the jobs that wait can never be served.
        """

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
            LaunchError: workers die before they can begin anything, or none can ever begin.
        """
        deaths: dict[str, int] = {}
        self.add(*jobs)
        while (more is not None and more()) or self._open_jobs:
            self._watch()
            self._deal_out()
            worker, line = self._next()
            if worker is None:
                continue
            if line is not None:
                self._heard(worker, line, on_message)
            else:
                self._lost(worker, deaths, on_message)

    def add(self, *jobs: Job) -> None:
        """Hand in more jobs; they are done after those that wait already."""
        self._waiting.extend(jobs)
        self._open_jobs += sum(1 + len(job.beside) for job in jobs)

    def stop(self, fingerprint: str) -> None:
        """Ask for a job not to be gone on with; :class:`Stopped` follows, or :class:`Finished` where it was quicker."""
        for at, job in [*enumerate(self._waiting)]:
            left = _without(job, fingerprint)
            if left is not job:
                self._open_jobs -= 1
                if left is None:
                    self._waiting.remove(job)
                    break
                self._waiting[at] = left
        for worker in self._workers:
            if worker.job is not None and _without(worker.job, fingerprint) is not worker.job:
                worker.send(Stop(fingerprint))

    @property
    def idle(self) -> int:
        """Workers that a new job would not have to wait for."""
        free = sum(worker.job is None and self._is_ready(worker) for worker in self._workers)
        return max(0, free - len(self._waiting))

    def _heard(self, worker: W, line: str, on_message: Callable[[Message], None]) -> None:
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
            worker.job = None if worker.job is None else _without(worker.job, message.fingerprint)
        on_message(message)

    def _lost(self, worker: W, deaths: dict[str, int], on_message: Callable[[Message], None]) -> None:
        """A worker is dead: its job goes back to the queue, another worker takes its place."""
        lost, death = worker.job, worker.death()
        if not worker.served and death.blames_job:
            self._startup_deaths += 1
            if self._startup_deaths >= _STARTUP_DEATHS:
                raise LaunchError(
                    "workers die before they can begin",
                    found=f"{death.why or f'exit code {death.exit_code}'}; last output: {death.last_lines}",
                    where=death.log,
                    next_step="Read the log, then try the same command with --workers 1",
                )
        if worker in self._workers:
            self._workers[self._workers.index(worker)] = self._start(worker.number)
        if lost is None:
            return
        again: list[Job] = []
        for run in runs_of(lost):
            deaths[run.fingerprint] = count = deaths.get(run.fingerprint, 0) + death.blames_job
            if count < MAX_DEATHS:
                again.append(run)
                on_message(Lost(run.fingerprint, count, death.exit_code, death.why))
            else:
                self._open_jobs -= 1
                on_message(GivenUp(run.fingerprint, count, death.log, death.why))
        together = max(deaths[run.fingerprint] for run in again) < MAX_DEATHS_OF_A_PACK if again else False
        pack = as_pack(again)
        if together and pack is not None:
            self._waiting.appendleft(pack)
        else:
            self._waiting.extendleft(reversed(again))

    def _next(self) -> tuple[W, str | None] | tuple[None, None]:
        try:
            # A bounded wait, so that Ctrl-C is seen on every platform.
            return self._inbox.get(timeout=0.5)
        except queue.Empty:
            return None, None

    def _deal_out(self) -> None:
        for worker in self._workers:
            if worker.job is None and self._waiting and self._is_ready(worker):
                job = self._choose()
                if job is None:
                    return
                self._waiting.remove(job)
                worker.job = job
                worker.send(job)

    def _is_ready(self, worker: W) -> bool:
        """Whether a worker may be given a job. One that only starts may: the job waits in its input."""
        del worker
        return True

    def _choose(self) -> Job | None:
        """The job to do next, of those that wait; None: each must wait for another process."""
        free = (job for job in self._waiting if not any(self._busy(run.fingerprint) for run in runs_of(job)))
        return next(free, self._waiting[0])


def _without(job: Job, fingerprint: str) -> Job | None:
    """What is left of a job without one of its runs; None: nothing. The job itself where it has no such run."""
    if all(run.fingerprint != fingerprint for run in (job, *job.beside)):
        return job
    return as_pack([run for run in runs_of(job) if run.fingerprint != fingerprint])


def tail(log: Path, begin: int = 0) -> str:
    """The last two lines of a log, for an error; ``none`` if it has none or is not there.

    Args:
        begin: bytes of it that others wrote earlier.
    """
    try:
        lines = log.read_bytes()[begin:].decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return "none"
    return " / ".join(lines[-2:]) if lines else "none"


def _but(parts: dict[str, str | None], name: str) -> dict[str, str | None]:
    return {key: value for key, value in parts.items() if key != name}
