"""Times of finished work by machine: ``timings.jsonl`` in the home, one line for each piece of work.

Estimates use it (:mod:`experiments.planning.estimate`). It does not affect any number of a study, so you may delete it
at any time. Lines of other machines are kept, but not used on this one.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from experiments.home import Home
from experiments.launchers.messages import Finished, GivenUp, Lost, Message, Started, Stopped, Told
from experiments.planning.machine import identity
from experiments.planning.work import FORMULA, START
from mmcore.events import EpochDone
from mmcore.files import open_file
from mmcore.record import Record

Kind = Literal["train", "analyse", "start", "prepare", "report"]

MOST = 3000
"""Only this many of the latest lines are read: older ones say little about the current load of the machine."""


@dataclass(frozen=True)
class Timing:
    """One piece of work that was done.

    Args:
        machine: which machine, see :func:`experiments.planning.machine.identity`.
        device, threads: of the worker.
        kind: what was done.
        name: its key: for a training the digest of its config without the repeat, for a report its study.
        run: fingerprint of the run; empty where there is none.
        seconds: from start to end, as a worker was kept busy.
        guess: seconds that :mod:`experiments.planning.work` gave for just this work, before any correction; 0 where it
        has none. formula: version of what guessed, see :data:`experiments.planning.work.FORMULA`.
        epochs, planned: epochs trained, and epochs that the config asks for.
        whole: a training from its first epoch to its own end: neither resumed nor stopped by a search.
        packed: runs that were trained with it as one batch, itself included; 0: it was trained alone. ``seconds`` is
            then its share of the time of all.
    """

    machine: str
    device: str
    threads: int
    kind: Kind
    name: str
    run: str
    seconds: float
    guess: float = 0.0
    formula: int = FORMULA
    epochs: int = 0
    planned: int = 0
    whole: bool = True
    packed: int = 0


def add(home: Home, timing: Timing) -> None:
    """Append a line; several processes may do so at the same time. On a full disk the line is lost; the study goes
    on."""
    line = json.dumps(asdict(timing)) + "\n"
    try:
        with open(home.timings, "ab") as file:
            file.write(line.encode())
    except OSError:
        return


def read(home: Home) -> list[Timing]:
    """The latest lines, oldest first; [] where there are none. Lines that cannot be read are passed over."""
    try:
        with open_file(home.timings) as file:
            lines = deque(file, MOST)
    except OSError:
        return []
    return [timing for line in lines if (timing := _timing(line)) is not None]


def _timing(line: bytes) -> Timing | None:
    try:
        timing = _TIMING.validate_json(line)
    except ValidationError:
        return None  # torn by a full disk, or of another version
    usable = 0 < timing.seconds < math.inf and 0 <= timing.guess < math.inf
    return timing if usable else None


_TIMING = TypeAdapter(Timing)


@dataclass(frozen=True)
class Described:
    """What a job is, for its line.

    Args:
        kind, name, planned: see :class:`Timing`.
        guess: seconds by the epochs that were trained.
    """

    kind: Kind
    name: str
    guess: Callable[[int], float]
    planned: int = 0


class Stopwatch:
    """Takes the time of jobs from what a pool reports of them.

    Args:
        home: where the lines go.
        device, threads: of the workers.
        clock: seconds; another one for tests.
    """

    def __init__(self, home: Home, device: str, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._home, self._device, self._threads, self._clock = home, device, threads, clock
        self._began: dict[str, float] = {}
        self._epochs: dict[str, list[int]] = {}
        self._opened: float | None = clock()

    def hear(self, message: Message, described: Callable[[], Described | None]) -> None:
        """Called with every message of a pool.

        Args:
            message: as the pool reports it.
            described: what the job is; None: not worth a line.
        """
        name = message.fingerprint
        match message:
            case Started():
                if self._opened is not None:
                    # The first job that begins: until then workers were importing their libraries.
                    self.note("start", "", self._clock() - self._opened, START)
                    self._opened = None
                self._began[name], self._epochs[name] = self._clock(), []
            case Told(_, EpochDone() as event):
                self._epochs.setdefault(name, []).append(event.epoch)
            case Told():
                pass
            case Finished(_, status):
                self._end(name, described, status == "done", stopped=False)
            case Stopped():
                self._end(name, described, True, stopped=True)
            case Lost() | GivenUp():
                self._began.pop(name, None)

    @contextlib.contextmanager
    def taking(self, kind: Kind, name: str, guess: float) -> Iterator[None]:
        """Time a piece of work of the driver itself; one that fails leaves no line."""
        began = self._clock()
        yield
        self.note(kind, name, self._clock() - began, guess)

    def note(self, kind: Kind, name: str, seconds: float, guess: float) -> None:
        """A piece of work of the driver itself, timed by others."""
        add(self._home, Timing(identity(), self._device, self._threads, kind, name, "", round(seconds, 3), guess))

    def packed(self, found: Described, record: Record) -> None:
        """A training that was one of a pack: its record knows its share of the time."""
        about = (found.kind, found.name, record.fingerprint, round(record.seconds, 3), found.guess(record.epochs))
        members = record.hardware.packed or 0
        where = (identity(), self._device, self._threads)
        add(self._home, Timing(*where, *about, epochs=record.epochs, planned=found.planned, packed=members))

    def _end(self, run: str, described: Callable[[], Described | None], fine: bool, stopped: bool) -> None:
        began, epochs = self._began.pop(run, None), self._epochs.pop(run, [])
        found = described() if fine and began is not None else None
        # A training without an epoch was taken from another run, or waited for one.
        if found is None or began is None or (found.kind == "train" and not epochs):
            return
        timing = Timing(
            identity(),
            self._device,
            self._threads,
            found.kind,
            found.name,
            run,
            round(self._clock() - began, 3),
            found.guess(len(epochs)),
            epochs=len(epochs),
            planned=found.planned,
            whole=not stopped and (not epochs or epochs[0] == 1),
        )
        add(self._home, timing)
