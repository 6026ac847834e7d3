"""The runs of a plan, trained on a pool of workers round by round: one round, or one for each look of a sequential
study."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from experiments.home import Home
from experiments.jobs import begun_of, foreign_job_of, give_up, mirror_record
from experiments.launchers.choose import AnyPool, Share, open_pool, share
from experiments.launchers.messages import Finished, GivenUp, Job, Lost, Message, Started, Told
from experiments.mirror import Mirror
from experiments.planning.memory import needed_by
from experiments.planning.plan import Plan, plan
from experiments.planning.request import PlannedRun, Request
from experiments.planning.stages import TRAIN
from experiments.progress import Display, outcome_text
from experiments.records import is_locked, put_aside, read_record
from mmcore.config import ForeignConfig, RunConfig
from mmcore.events import EpochDone, Load
from mmcore.files import BrokenFile
from mmcore.language import counted, say, say_of, shown

Config = TypeVar("Config", RunConfig, ForeignConfig)


class Trains(Protocol[Config]):
    """How the runs of a study are trained."""

    def pool(self, share: Share) -> contextlib.AbstractContextManager[AnyPool]:
        """Workers, which begin to import their libraries."""
        ...

    def prepare(self) -> None:
        """What all runs need; called once the workers are starting."""
        ...

    def mend(self) -> None:
        """What the report needs; called where no run is to be trained."""
        ...

    def packs(self, runs: Sequence[PlannedRun[Config]]) -> Sequence[Sequence[PlannedRun[Config]]]:
        """The runs, those together that one worker trains as one batch."""
        ...

    def job(self, runs: Sequence[PlannedRun[Config]]) -> Job:
        """What a worker is asked to do with one of :meth:`packs`."""
        ...

    def hear(self, message: Message, run: PlannedRun[Config]) -> None:
        """Called with every message of the pool."""
        ...

    def plan(self) -> Plan[Config]:
        """The study as it stands now."""
        ...

    def order(self, run: PlannedRun[Config]) -> bool:
        """Runs of which this is true come last."""
        ...


def train(todo: Plan[Config], home: Home, mirror: Mirror, display: Display, how: Trains[Config]) -> None:
    """Do the runs of a plan; a sequential study goes on until its rule ends it."""
    request = todo.request
    broken = 0
    for run in todo.runs:
        if run.state in ("done", "failed"):
            try:
                mirror_record(mirror, home, request, run)
            except BrokenFile as problem:
                display.say(put_aside(problem))
                broken += 1
    if broken:
        todo = how.plan()
        display.expect(todo.stages)
    open_runs = _open_runs(todo, how)
    reused = len(todo.runs) - len(open_runs)
    if reused:
        display.say(
            say_of(
                reused,
                "1 of {runs} is there already and is reused",
                "{n} of {runs} are there already and are reused",
                runs=counted(len(todo.runs), "run"),
            )
        )
    if not open_runs:
        how.mend()
        return
    packs = how.packs(open_runs)
    most, largest = len(packs) + len(todo.later), max(len(pack) for pack in packs)
    options, needed = request.options, needed_by(request)
    of_each = share(options.engine, most, options.workers, options.device, options.threads, lambda: largest * needed())
    by_name: dict[str | None, PlannedRun[Config]] = {}
    drawing = Drawing(len(open_runs), of_each.workers)
    # The pool starts first: its workers import their libraries while the data is prepared here.
    with how.pool(of_each) as pool:
        pool.say = display.say
        how.prepare()
        display.begin(TRAIN)

        def on_message(message: Message) -> None:
            run = by_name[message.fingerprint]
            label = f"{run.arm} r{run.repeat}"
            how.hear(message, run)
            match message:
                case Started():
                    display.started(label, run.arm)
                    mirror.started(begun_of(run, request))
                case Told(_, event):
                    display.event(label, event)
                    if isinstance(event, EpochDone):
                        mirror.epoch(message.fingerprint, event.row)
                    elif isinstance(event, Load):
                        mirror.loaded(message.fingerprint, event.epoch, event.load)
                case Finished(fingerprint):
                    record = read_record(home.run(fingerprint))
                    assert record is not None
                    # Whoever was first is named in a record: with a shared training that may be another arm.
                    reused = record.reused_from(request.study.name)
                    mirror.finished(begun_of(run, request), record, home.run(fingerprint), reused)
                    drawing.one_done()
                    display.finished(label, outcome_text(record, request.study.metric), not record.done, run.arm)
                case Lost():
                    display.say(say("{run}: {text}; resuming", run=label, text=shown(message.text)))
                case GivenUp(fingerprint):
                    record = give_up(run, request, home, str(message.text))
                    mirror.finished(begun_of(run, request), record, home.run(fingerprint), None)
                    drawing.one_done()
                    display.finished(label, outcome_text(record, request.study.metric), True, run.arm)

        while open_runs:
            by_name |= {run.fingerprint: run for run in open_runs}
            pool.run([how.job(pack) for pack in how.packs(open_runs)], on_message)
            drawing.ready()
            todo, open_runs = _next_round(todo, by_name, home, mirror, display, how)
            display.expect(todo.stages)


class Drawing:
    """Imports what the report draws with, for a second of a processor, as soon as the last runs leave one idle.

    Args:
        runs: to be done. workers: that do them.
    """

    def __init__(self, runs: int, workers: int) -> None:
        self._left, self._workers = runs, max(workers, 2)
        self._thread: threading.Thread | None = None

    def one_done(self) -> None:
        """A run is at its end."""
        self._left -= 1
        if self._left < self._workers and self._thread is None:
            self._thread = threading.Thread(target=self._import, name="drawing", daemon=True)
            self._thread.start()

    def ready(self) -> None:
        """Wait for the end of what has begun, so that no other thread meets a module half imported."""
        if self._thread is not None:
            self._thread.join()

    def _import(self) -> None:
        # What goes wrong here goes wrong again where the report is written, and is told there.
        with contextlib.suppress(Exception):
            importlib.import_module("reports.output.drawable")
            importlib.import_module("reports.figures.svg")


def _open_runs(todo: Plan[Config], how: Trains[Config]) -> list[PlannedRun[Config]]:
    """What is to be done, in order."""
    return sorted((r for r in todo.runs if r.state in ("to do", "resume", "running")), key=how.order)


def _next_round(
    last: Plan[Config],
    tried: Mapping[str | None, PlannedRun[Config]],
    home: Home,
    mirror: Mirror,
    display: Display,
    how: Trains[Config],
) -> tuple[Plan[Config], list[PlannedRun[Config]]]:
    """After a round: what a sequential study's look asks for; nothing where repeats are fixed."""
    if last.monitoring is None:
        return last, []
    from experiments.planning.sequential import monitoring_text

    todo, before = how.plan(), {run.fingerprint for run in last.runs}
    assert todo.monitoring is not None
    display.say(monitoring_text(todo.monitoring))
    for run in todo.runs:
        if run.state in ("done", "failed") and run.fingerprint not in before:
            mirror_record(mirror, home, last.request, run)
    # A run that took its workers down is tried again by the next call, not by this one.
    return todo, [run for run in _open_runs(todo, how) if run.fingerprint not in tried]


def busy_in(home: Home) -> Callable[[str], bool]:
    """Whether another process does the run of a fingerprint now."""
    return lambda name: is_locked(home.run(name))


class OwnCode:
    """Workers that start the training code, one process a run; see :class:`Trains`."""

    def __init__(self, request: Request[ForeignConfig], home: Home) -> None:
        self._request, self._home = request, home
        self._threads = request.options.threads or 1

    def pool(self, share: Share) -> AnyPool:
        """Workers that need none of our libraries."""
        return open_pool(self._request.options.engine, share, self._home, busy_in(self._home), foreign=True)

    def prepare(self) -> None:
        """The training code reads its own data."""

    def mend(self) -> None:
        """The report reads records alone."""

    def packs(self, runs: Sequence[PlannedRun[ForeignConfig]]) -> Sequence[Sequence[PlannedRun[ForeignConfig]]]:
        """Each by itself."""
        return [[run] for run in runs]

    def job(self, runs: Sequence[PlannedRun[ForeignConfig]]) -> Job:
        """What a worker is asked to do."""
        (run,) = runs
        return foreign_job_of(run, self._request, self._home, self._threads)

    def hear(self, message: Message, run: PlannedRun[ForeignConfig]) -> None:
        """Estimates rest on records alone."""

    def plan(self) -> Plan[ForeignConfig]:
        """The study as it stands now."""
        return plan(self._request, self._home)

    def order(self, run: PlannedRun[ForeignConfig]) -> bool:
        """All alike: as the plan has them."""
        return False
