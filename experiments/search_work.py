"""The work on one search: trials are asked of Optuna, trained on the pool as ordinary runs, and told.

A trial is one setting trained on repeats 0 … S−1, one after another; several trials go on at a time, one a worker. Its
runs are those of any study but for one thing: their test items are not read. So runs that are there already are reused,
and what was interrupted is resumed. Trials are judged on validation items at the epoch that the run itself chose.

Several processes may work on one search; see search_claims.py for how they share it.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import optuna
from optuna.trial import TrialState

from experiments.estimate import Estimator
from experiments.home import Home
from experiments.launchers.local import LocalPool
from experiments.launchers.messages import Finished, GivenUp, Job, Lost, Message, Started, Stopped, Told
from experiments.plan import Asked
from experiments.progress import Display
from experiments.records import is_final, read_record
from experiments.search_claims import (
    BEAT,
    BEAT_SECONDS,
    CLOSED,
    EPOCHS,
    FULL,
    PROCESS,
    ROOT,
    RUNS,
    SCORES,
    SETTINGS,
    TRAINED,
    Owner,
    Watch,
    close,
    hand_back,
    is_open,
    owner_of,
    proposals,
    rank,
    reap,
    reserved,
    trials_of,
)
from experiments.search_mirror import SearchMirror
from experiments.search_results import as_text, is_complete, is_full, ranking
from experiments.search_samplers import suggest
from experiments.search_trial import OpenTrial, history, in_trial
from experiments.stages import search_stage
from experiments.timings import Stopwatch
from mmcore.errors import StudyError
from mmcore.events import EpochDone
from mmcore.fingerprint import fingerprint
from studies.tuning import ArmSearch, ResolvedSearch

_LOOK_SECONDS = 1.0
"""How often a process without a message looks at what the others do."""


@dataclass
class Tuner:
    """One search, as far as this process is concerned."""

    asked: Asked
    home: Home
    search: ResolvedSearch
    arm: ArmSearch
    study: optuna.Study
    pool: LocalPool
    prepared: Path
    threads: int
    workers: int
    display: Display
    mirror: SearchMirror
    estimator: Estimator
    stopwatch: Stopwatch
    open: list[OpenTrial] = field(default_factory=list)
    by_run: dict[str, list[OpenTrial]] = field(default_factory=dict)
    looked: float = -math.inf
    waiting_told: bool = False
    beat: int = 0
    watch: Watch = field(default_factory=Watch)

    def work(self) -> None:
        """Until the budget is reached and every trial has ended, this process's and those of others."""
        for trial in trials_of(self.study):
            # In a notebook this very process may have been interrupted before, at the worst moment.
            if trial.state == TrialState.RUNNING and owner_of(trial) == Owner.me():
                hand_back(self.study, trial, "interrupted")
        trials = trials_of(self.study)
        self.mirror.begin(self.arm.arm, self.search, trials)
        done = sum(not is_open(trial) for trial in proposals(trials).values())
        if done:
            self.display.say(f"search for {self.arm.arm}: {done} trials are there already")
        self.display.begin(search_stage(self.arm.arm))
        try:
            self.pool.run((), self._hear, self._more)
        finally:
            # Only where it was interrupted is anything left.
            for one in list(self.open):
                hand_back(self.study, one.trial, "interrupted")
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
            for number in [*reap(self.study, self.home.root / "search.lock"), *self._reap_elsewhere()]:
                self.display.say(
                    f"trial {number} of {self.arm.arm} ended with its process; its settings are tried again"
                )
                self.mirror.ended(self.arm.arm, number, "retried", [])
        while len(self.open) < self.workers and self.pool.idle:
            one = self._claim()
            if one is None:
                break
            self.waiting_told = False
            self._advance(one)
        if self.open:
            return True
        complete = is_complete(self.search, self.arm, trials_of(self.study))
        if not complete and not self.waiting_told and quiet:
            self.waiting_told = True
            self.display.say(f"the last trials of {self.arm.arm} are with other processes; waiting for them")
        return not complete

    def _give_signs_of_life(self) -> None:
        beat = int(time.monotonic() / BEAT_SECONDS)
        if beat != self.beat:
            self.beat = beat
            for one in self.open:
                one.trial.set_user_attr(BEAT, beat)

    def _reap_elsewhere(self) -> list[int]:
        silent = self.watch.silent(trials_of(self.study), time.monotonic())
        return [trial.number for trial in silent if hand_back(self.study, trial, "died")]

    def _claim(self) -> OpenTrial | None:
        """The next trial, where the budget has one; somebody else's that was handed back comes first."""
        trials = trials_of(self.study)
        waits = any(trial.state == TrialState.WAITING for trial in trials)
        if not waits and is_full(self.search, self.arm, trials):
            return None
        trial = self.study.ask()
        me = Owner.me()
        trial.set_user_attr(PROCESS, {"host": me.host, "pid": me.pid, "created": me.created})
        if self._is_beyond(trial):
            close(self.study, trial, "unused")
            return None
        try:
            settings = self.arm.settings(lambda axis: suggest(trial, axis))
            config = self.arm.candidate(settings, self.asked.schema)
        except StudyError as error:
            close(self.study, trial, error.message)
            self.display.finished(self._label(trial.number), f"failed: {error.message}", True, self.arm.arm)
            return None
        update = {"device": self.asked.options.device, "threads": self.threads}
        config = config.model_copy(update=update)
        content = self.asked.content or ""
        names = [fingerprint(config.model_copy(update={"repeat": r}), content) for r in range(self.search.repeats)]
        for key, value in (
            (SETTINGS, settings),
            (FULL, self.search.repeats * config.training.epochs),
            (RUNS, names),
        ):
            trial.set_user_attr(key, value)
        one = OpenTrial(
            self.search,
            trial,
            settings,
            config,
            names,
            list(trial.user_attrs.get(TRAINED, [])),
            lambda step, value: self.mirror.reported(self.arm.arm, trial.number, step, value),
        )
        self.open.append(one)
        self.mirror.started(self.arm.arm, trial.number, settings, names, trial.user_attrs)
        return one

    def _is_beyond(self, trial: optuna.Trial) -> bool:
        """Whether others have used up the budget in the meantime; see search_claims.py."""
        trials = trials_of(self.study)
        mine = next(t for t in trials if t.number == trial.number)
        if self.search.sampler == "grid" and rank(mine, trials) >= len(self.arm.cells()):
            return True
        if self.search.budget.trials is not None:
            return rank(mine, trials) >= self.search.budget.trials
        assert self.search.budget.epochs is not None
        full = self.search.epochs_full(self.arm)
        before = [t for t in trials if t.number < trial.number]
        return ROOT not in mine.user_attrs and reserved(before, full) + full > self.search.budget.epochs

    # One trial -------------------------------------------------------------------------------------------------
    def _advance(self, one: OpenTrial) -> None:
        """Go through repeats that are there already; train the next, or end."""
        while len(one.repeats) < self.search.repeats:
            repeat = len(one.repeats)
            name = one.names[repeat]
            record = read_record(self.home.run(name))
            if record is None or not is_final(record):
                self._train(one, name, repeat)
                return
            if record["status"] == "failed":
                self._end(one, TrialState.FAIL, why=record["failure"]["message"])
                return
            verdict = one.take(record)
            if verdict == "pruned":
                self._end(one, TrialState.PRUNED)
                return
            if verdict == "no value":
                self._end(one, TrialState.FAIL, why="the objective has no value: no validation target counts")
                return
        self._end(one, TrialState.COMPLETE)

    def _train(self, one: OpenTrial, name: str, repeat: int) -> None:
        sharing = self.by_run.setdefault(name, [])
        sharing.append(one)
        if len(sharing) > 1:
            return  # another trial with these settings is at it
        if name not in one.trained:
            one.trained.append(name)
            one.trial.set_user_attr(TRAINED, one.trained)
        self.pool.add(
            Job(
                fingerprint=name,
                study=self.asked.study.name,
                arm=self.arm.arm,
                repeat=repeat,
                config=one.config.model_copy(update={"repeat": repeat}).model_dump(mode="json"),
                workdir=str(self.home.run(name)),
                prepared=str(self.prepared),
            )
        )

    def _end(self, one: OpenTrial, state: TrialState, why: str | None = None) -> None:
        """Tell Optuna, the tracking store and the user."""
        self.open.remove(one)
        number = one.trial.number
        epochs = sum(self._epochs_of(name) for name in one.trained)
        one.trial.set_user_attr(EPOCHS, epochs)
        one.trial.set_user_attr(SCORES, {"repeats": one.repeats, "components": one.components()})
        values = [fmean(column) for column in zip(*one.repeats, strict=True)] if state == TrialState.COMPLETE else []
        if why is not None:
            one.trial.set_user_attr(CLOSED, why)
        self.study.tell(one.trial, values or None, state)
        told = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}[state]
        self.mirror.ended(self.arm.arm, number, told, values, why)
        outcome = self._outcome(one, state, values, epochs, why)
        self.display.finished(self._label(number), outcome, state == TrialState.FAIL, self.arm.arm)
        self.display.headline(self._standing())

    def _outcome(self, one: OpenTrial, state: TrialState, values: list[float], epochs: int, why: str | None) -> str:
        """A trial's end in a line, with the best so far."""
        settings = ", ".join(f"{path.rpartition('.')[2]} {as_text(value)}" for path, value in one.settings.items())
        ranked = ranking(self.search, trials_of(self.study))
        best = f"; best so far {ranked[0].values[0]:.3f} (trial {ranked[0].number})" if ranked else ""
        match state:
            case TrialState.COMPLETE:
                return f"{', '.join(f'{value:.3f}' for value in values)} in {epochs} epochs, {settings}{best}"
            case TrialState.PRUNED:
                return f"pruned after {epochs} epochs, {settings}{best}"
            case _:
                return f"failed: {why}"

    def _standing(self) -> str:
        """Trials by state, and the best so far."""
        trials = trials_of(self.study)
        pruned = sum(trial.state == TrialState.PRUNED for trial in trials)
        ranked = ranking(self.search, trials)
        text = f"{len(proposals(trials))} trials" + (f", {pruned} pruned" if pruned else "")
        return text + (f", best {ranked[0].values[0]:.3f}" if ranked else "")

    def _epochs_of(self, name: str) -> int:
        record = read_record(self.home.run(name))
        return len(history(self.home.run(name))) if record is None else record["epochs"]

    # What workers say ------------------------------------------------------------------------------------------
    def _hear(self, message: Message) -> None:
        about = self.by_run.get(message.fingerprint, [])
        if not about:
            return
        one = about[0]
        repeat = len(one.repeats)
        label = self._label(one.trial.number)
        self.stopwatch.hear(message, lambda: self.estimator.described(one.config.model_copy(update={"repeat": repeat})))
        match message:
            case Started(name):
                if not one.shown:
                    one.shown = True
                    self.display.started(label, self.arm.arm)
                for row in history(self.home.run(name)) if repeat == 0 else ():
                    one.epoch(row)
            case Told(name, event):
                self.display.event(label, in_trial(event, repeat, self.search.repeats))
                if isinstance(event, EpochDone) and repeat == 0:
                    one.epoch(event.row)
                    if event.epoch < event.epochs and not one.pruned and one.should_prune():
                        one.pruned = True
                        self.pool.stop(name)
            case Finished(name) | Stopped(name):
                for each in self.by_run.pop(name):
                    if each.pruned:
                        self._end(each, TrialState.PRUNED)
                    elif isinstance(message, Finished) and message.status == "failed":
                        record = read_record(self.home.run(name))
                        assert record is not None
                        self._end(each, TrialState.FAIL, why=record["failure"]["message"])
                    else:
                        self._advance(each)
            case Lost(_, deaths, code):
                self.display.say(f"{label}: its worker died (exit code {code}, time {deaths}); resuming")
            case GivenUp(name, deaths, log):
                for each in self.by_run.pop(name):
                    self._end(each, TrialState.FAIL, why=f"took {deaths} workers down with it; see {log}")

    def _label(self, number: int) -> str:
        return f"{self.arm.arm} trial {number}"
