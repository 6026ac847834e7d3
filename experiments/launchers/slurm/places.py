"""What is heard of the tasks of a pool: from their files, and from Slurm."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from experiments.launchers.messages import Job, Stop, encode
from experiments.launchers.pool import Death, tail
from experiments.launchers.slurm.spool import IN, LOG, NODE, OUT, Beat, Reader, Sender, starts_in
from experiments.launchers.slurm.status import FORGOTTEN, PUT_BACK, Task, tasks_of
from experiments.launchers.slurm.submission import log_of
from mmcore.errors import LaunchError
from mmcore.language import say, sentence, sentence_of

_VERDICT_SECONDS = 3.0
"""How long Slurm may take to say why a worker ended; then it is taken as it looks from here."""

_KILLED = -9

_IN_WORDS = {
    "PartitionTimeLimit": ": the partition's time limit is below the setting minutes",
    "PartitionNodeLimit": ": the partition does not give that many nodes",
    "BadConstraints": ": no node has what is asked for",
}


@dataclass(eq=False)
class Worker:
    """One start of a worker: Slurm may end it, and start its task again."""

    number: int
    log: Path
    out: Reader
    into: Sender
    job: Job | None = None
    served: bool = False
    code: int | None = None
    reason: str | None = None  # why its node ended it; empty: it ended by itself; None: its node has not said
    silent_since: float | None = None  # since when its node, or Slurm, says that it does not run
    epochs: bool = False  # an epoch ended here, so that another start gets further
    idle_since: float = field(default_factory=time.monotonic)
    fate: Death | None = None  # once it is dead

    def send(self, message: Job | Stop) -> None:
        """Append a line to what its node reads.

        Raises:
            OSError: the line cannot be written, e.g. because the disk is full.
        """
        if self.fate is None:
            self.into.send(encode(message))

    def release(self) -> None:
        """Let it end: it is not needed any more."""
        self.into.send(json.dumps({"node": "not needed any more"}) + "\n")

    def death(self) -> Death:
        """How it ended."""
        assert self.fate is not None
        return self.fate


@dataclass(eq=False)
class Place:
    """A task of an array: its worker, and the one that follows when Slurm starts it again."""

    number: int
    task: str
    folder: Path
    state: Task = field(default_factory=lambda: Task("PENDING"))
    worker: Worker | None = None
    starts: set[Path] = field(default_factory=set)
    since: float = field(default_factory=time.monotonic)  # what Slurm said before is out of date
    over: bool = False
    released: bool = False  # it ends because it is not needed any more

    @property
    def cancelled(self) -> bool:
        """A person, or a script, took it away."""
        return self.over and not self.released and self.state.state == "CANCELLED"


class Places:
    """Two threads: one reads what workers write and gives signs of life, the other asks Slurm.

    Args:
        folder: of the call.
        inbox: receives lines of workers, and None once one is dead.
        minutes: time limit of a task, for words.
        beat_seconds: time between two signs of life.
    """

    def __init__(
        self, folder: Path, inbox: queue.SimpleQueue[tuple[Worker, str | None]], minutes: int, beat_seconds: float
    ) -> None:
        self._folder, self._inbox, self._minutes, self._beat_seconds = folder, inbox, minutes, beat_seconds
        self.joined: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        self.error: Exception | None = None
        self.remark: str | None = None
        self._all: list[Place] = []
        self._beat = Beat(folder)
        self._beat.beat()
        self._asked = 0.0  # when the last answer of Slurm was asked for
        self._pause = 0.5
        self._soon = threading.Event()
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), daemon=True) for work in (self._listen, self._inquire)
        ]

    def start(self) -> None:
        """Ask Slurm, then begin to listen.

        Raises:
            LaunchError: Slurm says that it can never start these tasks.
        """
        for _ in range(5):
            self._ask()
            # A task gets its reason when Slurm first tries to place it.
            if not any(place.state.waits and place.state.reason == "None" for place in self.open):
                break
            time.sleep(0.25)
        for thread in self._threads:
            thread.start()

    def add(self, tasks: list[str], numbers: list[int]) -> None:
        """Listen to more tasks."""
        made = [
            Place(number, task, self._folder / f"worker-{number}") for number, task in zip(numbers, tasks, strict=True)
        ]
        for place in made:
            place.folder.mkdir()
        self._all = [*self._all, *made]
        self._ask_soon()

    @property
    def all(self) -> list[Place]:
        """Every task that was submitted."""
        return self._all

    @property
    def open(self) -> list[Place]:
        """Tasks that have a worker or may get one."""
        return [place for place in self._all if not place.over]

    def close(self, seconds: float) -> None:
        """Tell all workers to end, and wait for them, at most so long."""
        self._beat_seconds = float("inf")
        self._beat.close()
        end = time.monotonic() + seconds
        while any(place.worker is not None and place.worker.reason is None for place in self.open):
            if time.monotonic() > end or not self._threads[0].is_alive():
                break
            time.sleep(0.05)
        self._closed.set()
        self._soon.set()
        if self._threads[0].is_alive():
            self._threads[0].join(timeout=2)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # it is raised again where the pool looks
            self.error = error

    # Files -----------------------------------------------------------------------------------------------------------
    def _listen(self) -> None:
        last = 0.0
        while not self._closed.wait(max(0.1, len(self.open) / 100)):
            if time.monotonic() - last > self._beat_seconds:
                last = time.monotonic()
                self._beat.beat()
            for place in self.open:
                self._hear(place)

    def _hear(self, place: Place) -> None:
        for folder in starts_in(place.folder):
            if folder not in place.starts:
                self._joins(place, folder)
        if place.worker is not None:
            self._read(place.worker, place.worker.out.lines())
            self._judge(place, place.worker)
        elif place.state.over:
            if not place.starts and not place.released:
                # It died before its node could write a line.
                log = log_of(self._folder, place.task)
                self._dies(place, Worker(place.number, log, Reader(Path()), Sender(Path())))
            place.over = True

    def _joins(self, place: Place, folder: Path) -> None:
        worker = Worker(place.number, folder / LOG, Reader(folder / OUT), Sender(folder / IN))
        lines = worker.out.lines()
        if not lines:
            return  # its first line is on the way
        if place.worker is not None:
            self._read(place.worker, place.worker.out.lines())
            self._dies(place, place.worker, restarted=True)
        place.starts.add(folder)
        place.worker, place.state, place.since = worker, Task("RUNNING"), time.monotonic()
        self.joined.put(worker)
        self._read(worker, lines)

    def _read(self, worker: Worker, lines: list[str]) -> None:
        for line in lines:
            if not line.startswith(NODE):
                worker.epochs = worker.epochs or '"row"' in line
                self._inbox.put((worker, line))
                continue
            words = json.loads(line)["node"]
            if "code" in words:
                worker.code, worker.reason = words["code"], words["reason"]

    def _judge(self, place: Place, worker: Worker) -> None:
        """Whether a worker is dead. Slurm gets a moment to say why, and its last lines to arrive."""
        if worker.reason is None and place.state.runs:
            worker.silent_since = None
            return
        by_itself = worker.reason == "" and worker.code != _KILLED
        if worker.silent_since is None:
            worker.silent_since = time.monotonic()
            if not by_itself:
                self._ask_soon()
        waited = time.monotonic() - worker.silent_since
        known = worker.reason is not None and self._asked > worker.silent_since and not place.state.runs
        if by_itself or known or waited > _VERDICT_SECONDS:
            self._dies(place, worker)
        elif worker.reason is not None:
            self._ask_soon()

    def _dies(self, place: Place, worker: Worker, restarted: bool = False) -> None:
        state = place.state
        why = PUT_BACK if restarted else state.why
        if restarted:
            blamed = False
        elif worker.reason == "":
            blamed, why = True, why if state.state == "OUT_OF_MEMORY" else ""
        elif worker.reason is not None:
            blamed, why = (
                state.state == "OUT_OF_MEMORY",
                why or sentence("its worker ended: {reason}", reason=worker.reason),
            )
        else:
            blamed, why = state.blames_job, why or sentence("its worker's node says nothing more")
        if state.state == "TIMEOUT" and worker.job is not None and not worker.epochs:
            blamed, why = (
                True,
                sentence_of(
                    self._minutes,
                    "no epoch ended within the time limit of 1 minute",
                    "no epoch ended within the time limit of {n} minutes",
                ),
            )
        if not worker.log.exists():
            worker.log = log_of(self._folder, place.task)
        worker.fate = Death(worker.code, str(worker.log), tail(worker.log), blamed, why)
        if place.worker is worker:
            place.worker = None
            # Slurm starts a task again only if it was Slurm that ended it.
            place.over = not restarted and (worker.reason == "" or state.over)
        self._inbox.put((worker, None))

    # Slurm -----------------------------------------------------------------------------------------------------------
    def _inquire(self) -> None:
        """Ask soon after something happened, then less and less often: Slurm has many users."""
        while not self._closed.is_set():
            self._soon.wait(self._pause)
            if self._soon.is_set():
                self._soon.clear()
                self._pause = 0.5
                self._closed.wait(0.3)  # what happened may not have come to Slurm yet
            else:
                self._pause = min(10.0, 1.5 * self._pause)
            if self.open and not self._closed.is_set():
                self._ask()

    def _ask_soon(self) -> None:
        self._soon.set()

    def _ask(self) -> None:
        places = self.open
        asked = time.monotonic()
        try:
            tasks = tasks_of(sorted({place.task.partition("_")[0] for place in places}))
        except LaunchError as error:
            self.remark = say("Slurm does not answer ({why}); workers that run go on", why=error.found)
            return
        for place in places:
            if asked > place.since:
                place.state = tasks.get(place.task, FORGOTTEN)
        self._asked = asked
        waiting = [place for place in places if place.state.waits]
        if waiting and all(place.state.never for place in waiting) and not any(place.state.runs for place in places):
            raise LaunchError(
                "Slurm can never start the workers",
                found=f"Slurm's reason is {waiting[0].state.reason}{_IN_WORDS.get(waiting[0].state.reason, '')}",
                next_step="Change partition, account, minutes, resources or options in the launcher file",
            )
