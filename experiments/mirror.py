"""Keeps the tracking store up to date from a thread of its own, so that training never waits for it.

The records are the truth; the store may be away. The first failure turns the mirror off for this session, with one
warning, and ``mmstudy sync`` catches up later.
"""

from __future__ import annotations

import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.home import Home
from experiments.records import Begun, is_locked
from experiments.tracking.metrics import Chosen, every_metric_wanted, final_numbers, metric_name
from mmcore.config import ForeignConfig, flat
from mmcore.errors import StoreError
from mmcore.record import Record
from studies.resolved import AnyStudy

if TYPE_CHECKING:
    from experiments.tracking.arm_models import ArmModel
    from experiments.tracking.store import Store

_FLUSH_SECONDS = 2.0
"""Epochs of one run are logged together at most this often: a log costs 10–70 ms, an epoch may cost less."""

PATIENCE = 1.5
"""Seconds that an interrupted command waits for the tracking store: it has three to end, with its workers."""


class Background(ABC):
    """Talks to the tracking store from a thread of its own; the first error ends it.

    Args:
        home: where the default store lies.
        warn: receives the one warning when the store does not answer.
    """

    def __init__(self, home: Home, warn: Callable[[str], None]) -> None:
        self._home, self._warn = home, warn
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._store: Store | None = None
        self._error: StoreError | None = None
        self._hurried = threading.Event()
        self._thread = self._started(self._work)

    @property
    def error(self) -> StoreError | None:
        """Why the mirror is off, or None."""
        return self._error

    @contextmanager
    def paused(self) -> Iterator[None]:
        """No thread of its own runs meanwhile, so that the process can be copied; another one goes on afterwards.

        What waits is done first. Where that takes longer than :data:`PATIENCE`, the thread is left running.
        """
        before = self._thread
        try:
            self.close(PATIENCE)
            yield
        finally:
            self._thread = self._started(lambda: (before.join(), self._work()))

    def close(self, timeout: float | None = None) -> None:
        """Wait until all is mirrored, ``timeout`` seconds at most."""
        self._tasks.put(None)
        self._thread.join(timeout)

    def abandon(self) -> None:
        """Leave out what waits, tell the store that the work was interrupted, and close within :data:`PATIENCE`.

        What is left out is in the records, and the next call of the command mirrors it.
        """
        self._hurried.set()
        self._tasks.put(self._last_words)
        self.close(PATIENCE)

    def _last_words(self) -> None:
        if self._store is not None:
            self._interrupt()

    def _started(self, work: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=work, name="mirror", daemon=True)
        thread.start()
        return thread

    @abstractmethod
    def _interrupt(self) -> None:
        """Mark what this process had under way as killed; the store is open."""

    def _ready(self) -> Store:
        if self._store is None:
            from experiments.tracking.store import Store

            self._store = Store(self._home)
        return self._store

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            if self._error is not None or (self._hurried.is_set() and task != self._last_words):
                continue
            try:
                task()
            except Exception as problem:
                # Not only the store's own errors: whatever is wrong with the mirror, training goes on.
                self._error = (
                    problem
                    if isinstance(problem, StoreError)
                    else StoreError("the mirror failed", found=repr(problem), next_step="mmstudy sync STUDY catches up")
                )
                self._warn(str(self._error))


class Mirror(Background):
    """The mirror of one study.

    Args:
        home: where the default store lies.
        study: what is mirrored.
        variant: distinguishes the same study on another corpus or with other settings.
        warn: receives the one warning when the store does not answer.

    Raises:
        StudyError: ``MMSTUDY_MLFLOW_METRICS`` has a value that it cannot have.
    """

    def __init__(self, home: Home, study: AnyStudy, variant: str, warn: Callable[[str], None]) -> None:
        self._study, self._variant = study, variant
        self._chosen = Chosen(study, every_metric_wanted())
        self._described: set[str] = set()
        self._experiment = ""
        self._parents: dict[str, str] = {}
        self._runs: dict[str, str] = {}
        self._complete: set[str] = set()
        self._waiting: dict[str, list[Mapping[str, float]]] = {}
        self._flushed: dict[str, float] = {}
        self._opening = False
        super().__init__(home, warn)

    @property
    def experiment(self) -> str | None:
        """The experiment's id once known."""
        return self._experiment or None

    def started(self, begun: Begun) -> None:
        """A run begins."""
        self._put(lambda: self._start(begun))

    def epoch(self, fingerprint: str, row: Mapping[str, float]) -> None:
        """An epoch is done."""
        self._put(lambda: self._epoch(fingerprint, row))

    def loaded(self, fingerprint: str, epoch: int, load: Mapping[str, float]) -> None:
        """How busy the machine of a running job is."""
        self._put(lambda: self._load(fingerprint, epoch, load))

    def finished(self, begun: Begun, record: Record, workdir: Path, reused_from: str | None) -> None:
        """A run has its record, just trained or reused; what the store lacks of it is added."""
        self._put(lambda: self._finish(begun, record, workdir, reused_from))

    def concluded(self, arm: str, numbers: Mapping[str, float], tags: Mapping[str, str], failed: bool) -> None:
        """An arm's aggregates and verdicts."""
        self._put(lambda: self._conclude(arm, numbers, tags, failed))

    def reported(self, folder: Path) -> None:
        """The study's report is written; the reference arm's run keeps it, and the other arms link to it."""
        self._put(lambda: self._report(folder))

    def modelled(self, models: Iterable[ArmModel]) -> None:
        """The best model of each of these arms, after their verdicts; what the store has is left alone."""
        for model in models:
            self._put(partial(self._model, model))

    def close(self, timeout: float | None = None) -> None:
        """Wait until all is mirrored, ``timeout`` seconds at most; a store that was never needed is opened, too."""
        self._open_first()
        super().close(timeout)

    def _put(self, task: Callable[[], None]) -> None:
        self._open_first()
        self._tasks.put(task)

    def _open_first(self) -> None:
        """Open the store before the first task, and not sooner: its library takes seconds to import, while workers
        wait for the data that this process prepares.
        """
        if not self._opening:
            self._opening = True
            self._tasks.put(self._open)

    # In the thread ---------------------------------------------------------------------------------------------
    def _open(self) -> None:
        store = self._ready()
        self._experiment = store.experiment(self._study.name, self._study.question)
        metric = self._study.metric
        store.show(self._experiment, metric_name(metric), metric.measure.higher_is_better)
        for arm in self._study.arms:
            note = self._note(arm.name)
            self._parents[arm.name] = store.arm(self._experiment, self._study.name, self._variant, arm.name, note)
        store.reconcile(self._experiment, self._parents.values(), lambda name: is_locked(self._home.run(name)))
        self._complete = store.mirrored(self._experiment, self._parents.values(), self._chosen.everything)

    def _note(self, name: str) -> str:
        (arm,) = (arm for arm in self._study.arms if arm.name == name)
        return ", ".join(f"{k} = {v}" for k, v in arm.overrides.items()) or "base"

    def _start(self, begun: Begun) -> None:
        config = begun.config
        params = (
            config.settings if isinstance(config, ForeignConfig) else flat(config.model_dump(mode="json"), empty=True)
        )
        parent = self._parents[begun.arm]
        if parent not in self._described:
            self._ready().describe_arm(parent, begun)
            self._described.add(parent)
        run = self._ready().run(self._experiment, parent, begun, params)
        self._runs[begun.fingerprint] = run
        self._waiting[begun.fingerprint] = []
        self._flushed[begun.fingerprint] = time.monotonic()

    def _epoch(self, fingerprint: str, row: Mapping[str, float]) -> None:
        if fingerprint not in self._runs:
            return
        self._waiting[fingerprint].append(row)
        if time.monotonic() - self._flushed[fingerprint] >= _FLUSH_SECONDS:
            self._flush(fingerprint)

    def _flush(self, fingerprint: str) -> None:
        rows, self._waiting[fingerprint] = self._waiting[fingerprint], []
        self._log_epochs(self._runs[fingerprint], rows)
        self._flushed[fingerprint] = time.monotonic()

    def _log_epochs(self, run: str, rows: Iterable[Mapping[str, float]]) -> None:
        parts = [(int(row["epoch"]), part) for row in rows for part in self._chosen.epoch(row)]
        self._ready().log_rows(run, parts)

    def _load(self, fingerprint: str, epoch: int, load: Mapping[str, float]) -> None:
        if fingerprint in self._runs:
            self._ready().log_rows(self._runs[fingerprint], [(epoch, load)])

    def _finish(self, begun: Begun, record: Record, workdir: Path, reused_from: str | None) -> None:
        fingerprint = begun.fingerprint
        if fingerprint not in self._runs:
            if fingerprint in self._complete:
                return
            self._start(begun)
        run = self._runs.pop(fingerprint)
        self._waiting.pop(fingerprint)
        # From the record, not from what was heard: it also holds the epochs before a resume.
        self._log_epochs(run, record.history)
        metrics, numbers = self._chosen.final(record), final_numbers(record, self._study.metric)
        self._ready().finish(run, record, workdir, reused_from, metrics, numbers)

    def _conclude(self, arm: str, numbers: Mapping[str, float], tags: Mapping[str, str], failed: bool) -> None:
        metrics, status = self._chosen.of_arm(numbers), "FAILED" if failed else "FINISHED"
        self._ready().conclude(self._parents[arm], numbers, metrics, tags, status)

    def _report(self, folder: Path) -> None:
        notes = {run: self._note(arm) for arm, run in self._parents.items()}
        self._ready().log_report(self._experiment, self._parents[self._study.reference], notes, folder)

    def _model(self, model: ArmModel) -> None:
        from experiments.tracking.arm_models import log_arm_model

        log_arm_model(self._ready(), self._experiment, self._study.name, self._parents[model.arm], model)

    def _interrupt(self) -> None:
        """Runs that were started and not finished are marked killed."""
        for fingerprint in list(self._runs):
            self._ready().killed(self._runs.pop(fingerprint))
        for parent in self._parents.values():
            self._ready().killed(parent)
