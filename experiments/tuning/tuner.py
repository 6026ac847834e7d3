"""The work on one search: Optuna proposes trials, the pool trains them as ordinary runs, and the results are reported.

A trial is one setting trained on repeats 0 … S−1, one after another; several trials run at the same time, one per
worker. Its runs are like those of any study, except that their test items are not read. So existing runs are reused,
and interrupted ones are resumed. Trials are judged on validation items at the epoch that the run itself chose.

Several processes may work on one search: :mod:`experiments.tuning.ownership` explains how they share it, and
:mod:`experiments.tuning.view` why the result does not depend on their number.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import optuna
from filelock import FileLock
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from experiments.home import Home
from experiments.jobs import foreign_job_of, job_of
from experiments.launchers.choose import AnyPool
from experiments.launchers.messages import Finished, GivenUp, Job, Lost, Message, Started, Stopped, Told
from experiments.owner import Owner
from experiments.planning.estimate import Estimator
from experiments.planning.request import AnyRequest, PlannedRun, has_runner, schema_of, trains_itself
from experiments.planning.stages import search_stage
from experiments.planning.timings import Stopwatch
from experiments.progress import Display
from experiments.records import read_history, read_record, record_if_whole
from experiments.tuning.mirror import SearchMirror
from experiments.tuning.notes import StoredStudy, TrialNotes, TrialScores, note, notes_of
from experiments.tuning.ownership import (
    BEAT_SECONDS,
    TWIN,
    UNUSED,
    Watch,
    close,
    hand_back,
    is_open,
    is_twin,
    proposals,
    rank_of,
    reap,
    revive,
    trials_of,
)
from experiments.tuning.samplers import suggest
from experiments.tuning.storage import storage_url
from experiments.tuning.telling import how_it_ended, standing
from experiments.tuning.trial import OpenTrial, Row, in_trial
from experiments.tuning.view import again, is_complete, kept_of, next_rank, propose
from mmcore.config import ForeignConfig, RunConfig
from mmcore.errors import StudyError
from mmcore.events import EpochDone
from mmcore.fingerprint import name_of
from mmcore.language import say, say_of, shown
from mmcore.record import Record
from studies.search.resolved import ArmSearch, ResolvedSearch

_LOOK_SECONDS = 1.0
"""Seconds between checks of the other processes when no message arrives."""


@dataclass
class Tuner:
    """One search, as far as this process is concerned."""

    request: AnyRequest
    home: Home
    search: ResolvedSearch
    arm: ArmSearch
    study: StoredStudy
    pool: AnyPool
    prepared: Path
    threads: int
    workers: int
    display: Display
    mirror: SearchMirror
    timing: tuple[Estimator, Stopwatch] | None
    open: list[OpenTrial] = field(default_factory=list)
    by_run: dict[str, list[OpenTrial]] = field(default_factory=dict)
    looked: float = -math.inf
    blocked: bool = False
    waiting_said: bool = False
    beat: int = 0
    watch: Watch = field(default_factory=Watch)

    def work(self) -> None:
        """Until the budget is reached and every trial has ended, this process's and those of others."""
        for trial in trials_of(self.study):
            # In a notebook this very process may have been interrupted before, at the worst moment.
            if trial.state == TrialState.RUNNING and (owner := notes_of(trial).process) and owner.is_me:
                hand_back(self.study, trial.number, "interrupted")
        trials = trials_of(self.study)
        self.mirror.begin(self.arm.arm, self.search, trials, self.study)
        done = sum(not is_open(trial) for trial in proposals(trials).values())
        if done:
            self.display.say(
                say_of(
                    done,
                    "search for {arm}: 1 trial is there already",
                    "search for {arm}: {n} trials are there already",
                    arm=self.arm.arm,
                )
            )
        self.display.begin(search_stage(self.arm.arm))
        try:
            self.pool.run((), self._hear, self._more)
        finally:
            # Only where it was interrupted is anything left.
            for one in list(self.open):
                hand_back(self.study, one.trial.number, "interrupted")
                self.mirror.ended(self.arm.arm, one.trial.number, "interrupted", [])
        self.mirror.settle(self.arm.arm, trials_of(self.study))

    # What others do, and what is to be done --------------------------------------------------------------------
    def _more(self) -> bool:
        """Begin trials where workers are free; whether there is, or may be, anything left to do."""
        quiet = time.monotonic() - self.looked >= _LOOK_SECONDS
        if not quiet and (len(self.open) >= self.workers or not self.pool.idle):
            return True
        if quiet:
            self.looked = time.monotonic()
            self._give_signs_of_life()
            for trial in [*reap(self.study, self._lock, self._alone), *self._reap_elsewhere()]:
                what = f"trial {rank_of(trial)} of {self.arm.arm}"
                self.display.say(say("{what} ended because its process ended; its settings are tried again", what=what))
                self.mirror.ended(self.arm.arm, trial.number, "retried", [])
        self.blocked = self.blocked and not quiet
        while not self.blocked and len(self.open) < self.workers and self.pool.idle:
            one = self._claim()
            if one is not None:
                self.waiting_said = False
                self._advance(one)
        if self.open:
            return True
        trials = trials_of(self.study)
        complete = is_complete(self.search, self.arm, trials)
        others = any(trial.state == TrialState.RUNNING for trial in trials)
        if others and not complete and not self.waiting_said and quiet:
            self.waiting_said = True
            self.display.say(
                say("trials of {arm} are being trained by other processes; waiting for them", arm=self.arm.arm)
            )
        return not complete

    def _give_signs_of_life(self) -> None:
        beat = int(time.monotonic() / BEAT_SECONDS)
        if beat != self.beat:
            self.beat = beat
            for one in list(self.open):
                with self._owning(one):
                    note(one.trial, TrialNotes(beat=beat))

    def _reap_elsewhere(self) -> list[FrozenTrial]:
        lost = self.watch.silent(trials_of(self.study), time.monotonic())
        return revive(self.study, self._lock, lost) if lost else []

    def _claim(self) -> OpenTrial | None:
        """The next trial, if the budget allows one; trials that another process handed back come first."""
        try:
            return self._take()
        except UpdateFinishedTrialError:
            return None  # this process stood still as it took the trial, and another one handed it back

    def _take(self) -> OpenTrial | None:
        with FileLock(self._lock):
            trials = trials_of(self.study)
            if not any(trial.state == TrialState.WAITING for trial in trials):
                rank = next_rank(self.search, self.arm, trials)
                if rank is None:
                    self.blocked = True  # until a trial ends here, or it is time to look at what others do
                    return None
                propose(self.study, self.search, self.arm, rank)
            trial = self.study.ask()
            note(trial, TrialNotes(process=Owner.me()))
        trials = trials_of(self.study)
        mine = next(t for t in trials if t.number == trial.number)
        # A process on another machine, with another lock, was equally quick.
        if notes_of(mine).rank is None or is_twin(mine, trials):
            close(self.study, trial.number, TWIN)
            return None
        if self.search.budget.trials is not None and rank_of(mine) >= self.search.budget.trials:
            close(self.study, trial.number, UNUSED)
            return None
        return self._open(trial, again(self.search, self.arm, mine, trials))

    @contextlib.contextmanager
    def _owning(self, one: OpenTrial) -> Iterator[None]:
        """Let a trial go that others handed back while this process stood still, as a laptop does; its run goes on."""
        try:
            yield
        except UpdateFinishedTrialError:
            if one in self.open:
                self.open.remove(one)
            for sharing in self.by_run.values():
                if one in sharing:
                    sharing.remove(one)
            self.blocked = False
            self.mirror.ended(self.arm.arm, one.trial.number, "retried", [])
            trial = self._label(one.rank)
            self.display.say(say("{trial} was given up by another process; its settings are tried again", trial=trial))

    def _open(self, trial: optuna.Trial, view: optuna.Trial) -> OpenTrial | None:
        try:
            settings = self.arm.settings(lambda axis: suggest(trial, axis))
            config = self.arm.candidate(settings, schema_of(self.request))
        except StudyError as error:
            close(self.study, trial.number, error.message)
            self.display.finished(
                self._label(rank_of(trial)), say("failed: {why}", why=error.message), True, self.arm.arm
            )
            return None
        if isinstance(config, RunConfig):
            config = config.model_copy(update={"device": self.request.options.device, "threads": self.threads})
        content = self.request.content or ""
        found = TrialNotes(
            settings=settings,
            fingerprints=tuple(name_of(config, r, content) for r in range(self.search.repeats)),
            epochs_full=self.search.repeats * self.arm.epochs(config),
        )
        note(trial, found)
        one = OpenTrial(
            self.search,
            trial,
            view,
            notes_of(trial),
            config,
            lambda step, value: self.mirror.reported(self.arm.arm, trial.number, step, value),
        )
        self.open.append(one)
        self.mirror.started(self.arm.arm, trial.number, one.notes)
        return one

    @property
    def _lock(self) -> Path:
        """Under which the processes of this home take trials."""
        return self.home.root / "search.lock"

    @property
    def _alone(self) -> bool:
        """Whether only this home uses the search; a database may serve other homes."""
        return storage_url(self.request.options.storage) is None

    # One trial -------------------------------------------------------------------------------------------------
    def _advance(self, one: OpenTrial) -> None:
        """Go through repeats that are there already; train the next, or end."""
        with self._owning(one):
            self._go_through(one)

    def _go_through(self, one: OpenTrial) -> None:
        while len(one.repeats) < self.search.repeats:
            repeat = len(one.repeats)
            name = one.notes.fingerprints[repeat]
            record = record_if_whole(self.home.run(name))
            over = record is not None and record.is_final
            # What was trained already, in an interrupted run or for another study, may be enough to end the trial.
            known = record.history if record is not None and over else read_history(self.home.run(name))
            if repeat == 0 and any(one.epoch(row) for row in known):
                self._end(one, TrialState.PRUNED)
                return
            if record is None or not over:
                self._train(one, name, repeat)
                return
            if not record.done:
                self._end(one, TrialState.FAIL, why=record.why, record=record)
                return
            verdict = one.take(record)
            if verdict == "pruned":
                self._end(one, TrialState.PRUNED)
                return
            if verdict == "no value":
                why = "the objective has no value: no validation target counts"
                self._end(one, TrialState.FAIL, why=why, record=record)
                return
        self._end(one, TrialState.COMPLETE)

    def _train(self, one: OpenTrial, name: str, repeat: int) -> None:
        if name in self.by_run:
            self.by_run[name].append(one)
            return  # another trial with these settings is, or was, at it
        self.by_run[name] = [one]
        self.pool.add(self._job(one.config, name, repeat))

    def _job(self, config: RunConfig | ForeignConfig, name: str, repeat: int) -> Job:
        which = (self.arm.arm, repeat)
        if isinstance(config, ForeignConfig):
            assert has_runner(self.request)
            foreign = PlannedRun(*which, config, name, "to do", 0, 0.0)
            return foreign_job_of(foreign, self.request, self.home, self.threads)
        assert trains_itself(self.request)
        run = PlannedRun(*which, config.model_copy(update={"repeat": repeat}), name, "to do", 0, 0.0)
        return job_of(run, self.request, self.home, self.threads, self.prepared)

    def _end(self, one: OpenTrial, state: TrialState, why: str | None = None, record: Record | None = None) -> None:
        """Tell Optuna, the tracking store and the user; ``record``: of the run that made it fail."""
        with self._owning(one):
            self._conclude(one, state, why, record)

    def _conclude(self, one: OpenTrial, state: TrialState, why: str | None, record: Record | None) -> None:
        number = one.trial.number
        taken = one.epochs(record)
        epochs = sum(taken)
        scores = TrialScores(repeats=tuple(map(tuple, one.repeats)), components=one.components())
        note(one.trial, TrialNotes(run_epochs=tuple(taken), ended=kept_of(one.view), scores=scores))
        values = [fmean(column) for column in zip(*one.repeats, strict=True)] if state == TrialState.COMPLETE else []
        if why is not None:
            note(one.trial, TrialNotes(closed=why))
        self.study.tell(one.trial, values or None, state)
        self.open.remove(one)
        self.blocked = False
        word = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}[state]
        self.mirror.ended(self.arm.arm, number, word, values, why)
        trials = trials_of(self.study)
        outcome = how_it_ended(self.search, trials, one, state, values, epochs, why)
        self.display.finished(self._label(one.rank), outcome, state == TrialState.FAIL, self.arm.arm)
        self.display.headline(standing(self.search, trials))

    # What workers say ------------------------------------------------------------------------------------------
    def _hear(self, message: Message) -> None:
        about = self.by_run.get(message.fingerprint, [])
        if not about:
            if isinstance(message, Finished | Stopped | GivenUp):
                self.by_run.pop(message.fingerprint, None)
            return
        one = about[0]
        repeat = len(one.repeats)
        label = self._label(one.rank)
        if self.timing is not None and isinstance(one.config, RunConfig):
            estimator, stopwatch = self.timing
            config = one.config.model_copy(update={"repeat": repeat})
            stopwatch.hear(message, lambda: estimator.described(config))
        match message:
            case Started(name):
                if not one.shown:
                    one.shown = True
                    self.display.started(label, self.arm.arm)
                if repeat == 0:
                    self._look(name)
            case Told(name, event):
                self.display.event(label, in_trial(event, repeat, self.search.repeats))
                if isinstance(event, EpochDone) and repeat == 0:
                    self._look(name, event.row)
            case Finished(name) | Stopped(name):
                for each in self.by_run.pop(name):
                    if each.pruned:
                        self._end(each, TrialState.PRUNED)
                    elif isinstance(message, Finished) and message.status == "failed":
                        record = read_record(self.home.run(name))
                        assert record is not None
                        self._end(each, TrialState.FAIL, why=record.why, record=record)
                    else:
                        self._advance(each)
            case Lost():
                self.display.say(say("{run}: {text}; resuming", run=label, text=shown(message.text)))
            case GivenUp(name):
                for each in self.by_run.pop(name):
                    self._end(each, TrialState.FAIL, why=str(message.text))

    def _look(self, name: str, row: Row | None = None) -> None:
        """An epoch of a first repeat, for each trial that has this run; pruned trials end here.

        Args:
            row: None: a run begins, perhaps with epochs that were trained before.
        """
        about = self.by_run[name]
        for each in list(about):
            with self._owning(each):
                if row is None or int(row["epoch"] or 0) > each.seen + 1:
                    for earlier in read_history(self.home.run(name)):
                        each.epoch(earlier)
                if row is not None:
                    each.epoch(row)
        if about and all(each.pruned for each in about):
            self.pool.stop(name)
            return
        for each in [each for each in about if each.pruned]:
            about.remove(each)  # the run goes on for another trial
            self._end(each, TrialState.PRUNED)

    def _label(self, rank: int) -> str:
        return f"{self.arm.arm} trial {rank}"
