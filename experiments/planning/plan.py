"""From a study to the runs to do, to reuse and to resume, and what they will cost. Writes nothing, imports no torch."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeAlias, overload

from typing_extensions import TypeIs

from experiments.home import Home
from experiments.launchers.choose import share
from experiments.planning.earlier import corpus_changed, earlier_texts, trained_by
from experiments.planning.estimate import Estimate, Estimator
from experiments.planning.foreign import ForeignEstimator
from experiments.planning.memory import needed_by
from experiments.planning.packs import Packed, comes_last, packing_for, packs_of
from experiments.planning.request import (
    OPEN,
    AnyConfig,
    AnyRequest,
    PlannedRun,
    Request,
    State,
    has_runner,
    trains_itself,
)
from experiments.planning.search import PlannedSearch, planned_searches, trials_at_most
from experiments.planning.stages import REPORT, TRAIN, Outlook, Part, Stage, outlook, search_stage
from experiments.planning.study_stages import report_guess, stages_of
from experiments.planning.timings import Stopwatch
from experiments.records import answer_path, epochs_trained, is_locked, read_head
from experiments.shown_path import near
from mmcore.config import ForeignConfig, RunConfig
from mmcore.files import BrokenFile
from mmcore.fingerprint import fingerprint, foreign_fingerprint, training_fingerprint
from mmcore.language import say
from mmcore.record import Head
from reports.cards.card import Card, Grid, Line
from reports.cards.shown import Shown
from reports.numbers import about, counted
from studies.resolved import Config, ResolvedStudy

if TYPE_CHECKING:
    from reports.verdicts.monitoring import Monitoring


STATES: tuple[State, ...] = ("to do", "resume", "running", "done", "failed")
"""In the order of a plan's columns."""


@dataclass(frozen=True, repr=False)
class Plan(Shown, Generic[Config]):
    """What a study would do now.

    Args:
        request: the study.
        runs: all its runs, by repeat, then arm, so that comparisons become possible early. For a sequential study, the
            runs that its rule has requested so far.
        workers, threads: how many worker processes, and CPU threads of each.
        outlook: estimated time of the whole command: searches, these runs, analyses and the report.
        stages: the stages of the command, in order.
        basis: what the estimate is based on.
        monitoring: how far a sequential study is; None if the number of repeats is fixed.
        later: runs that a sequential study adds if it continues to its last repeat.
        outlook_at_most: estimated time with these later runs.
        searches: the searches before these runs; () if the study tunes nothing.
        timed: whether there is any ground for an estimate; else all seconds of training are 0.
        packs: the open runs as jobs, where ``--pack`` was given; else ().
        earlier: the latest version of the numerics that has trained runs which are to do now; None if none has.
        changed: whether the corpus held other data when the study's report was written, and no run is done with these.
    """

    request: Request[Config]
    runs: tuple[PlannedRun[Config], ...]
    workers: int
    threads: int
    outlook: Outlook
    stages: tuple[Stage, ...]
    basis: str
    monitoring: Monitoring | None = None
    later: tuple[PlannedRun[Config], ...] = ()
    outlook_at_most: Outlook | None = None
    searches: tuple[PlannedSearch, ...] = ()
    timed: bool = True
    packs: tuple[Packed, ...] = ()
    earlier: int | None = None
    changed: bool = False

    @property
    def seconds(self) -> float:
        """Estimated time of the whole command."""
        return self.outlook.seconds

    @property
    def seconds_at_most(self) -> float:
        """Estimated time with the runs that a sequential study may add later."""
        return (self.outlook_at_most or self.outlook).seconds

    def count(self, *states: State) -> int:
        """Number of runs in any of the states."""
        return sum(run.state in states for run in self.runs)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Says that runs which seemed finished are trained again, and why; () if there are none."""
        return earlier_texts(self.earlier, self.changed)

    def card(self) -> Card:
        """What is to be done, for how long, and each arm's runs."""
        study = self.request.study
        grid = Grid(
            (say("arm"), say("to do"), say("to resume"), say("running"), say("done"), say("failed")),
            tuple(
                (
                    say("{arm} (reference)", arm=arm.name) if arm.name == study.reference else arm.name,
                    *(str(sum((r.arm, r.state) == (arm.name, state) for r in self.runs)) for state in STATES),
                )
                for arm in study.arms
            ),
        )
        todo, kept = self.count(*OPEN), self.count("done")
        lines = [Line(say("{runs} to train, {n} done already", runs=counted(todo, "run"), n=kept))]
        if self.request.tunes:
            lines.append(Line(say("A search comes first; it finds the arms that it names")))
        if todo or self.request.tunes:
            took = self.outlook
            within = say(
                "{low} to {high}, estimated from {basis}", low=about(took.low), high=about(took.high), basis=self.basis
            )
            time = say("about {time} on {workers}", time=about(self.seconds), workers=counted(self.workers, "worker"))
            lines.append(Line(time, detail=within) if self.timed else Line(self.basis))
        if self.later:
            text = say(
                "{runs} while a comparison is undecided: at most {time} in all",
                runs=counted(len(self.later), "more run"),
                time=about(self.seconds_at_most),
            )
            lines.append(Line(text))
        note = (
            say("metric {metric}; corpus {corpus}", metric=study.metric.name, corpus=near(self.request.place.folder))
            if trains_itself(self.request)
            else say("metric {metric}", metric=study.metric.name)
        )
        title = say("Plan of study '{study}'", study=study.name)
        return Card(title, say(study.question), tuple(lines), (grid,), notes=(note,))


AnyPlan: TypeAlias = Plan[AnyConfig]
"""Of a study that mmstudy trains, or of one with training code of its own."""


def plans_models(todo: AnyPlan) -> TypeIs[Plan[RunConfig]]:
    """Whether the plan is of models that mmstudy trains."""
    return trains_itself(todo.request)


def plans_training_code(todo: AnyPlan) -> TypeIs[Plan[ForeignConfig]]:
    """Whether the plan is of training code of the user's own."""
    return has_runner(todo.request)


@overload
def plan(request: Request[RunConfig], home: Home, estimator: Estimator | None = None) -> Plan[RunConfig]: ...
@overload
def plan(request: Request[ForeignConfig], home: Home, estimator: None = None) -> Plan[ForeignConfig]: ...
@overload
def plan(request: AnyRequest, home: Home, estimator: Estimator | None = None) -> AnyPlan: ...
def plan(request: AnyRequest, home: Home, estimator: Estimator | None = None) -> AnyPlan:
    """Compare a study with the records in the home, and plan the missing runs.

    Args:
        estimator: of times, for a study whose models mmstudy trains; None: of this machine.

    Raises:
        RecordError: this user may not read a record, or it has another format; in a sequential study also where a
            record is broken or records cannot be mixed.
    """
    if trains_itself(request):
        return _of_models(request, home, estimator)
    assert has_runner(request)
    return _of_training_code(request, home)


def _of_models(request: Request, home: Home, estimator: Estimator | None) -> Plan:
    study = request.study
    runs: list[PlannedRun] = []
    records: list[tuple[RunConfig, Head | None]] = []
    for repeat in study.numbers:
        for arm in study.arms:
            config = arm.config.model_copy(update={"repeat": repeat, "device": request.options.device})
            name = None if request.content is None else fingerprint(config, request.content)
            state, epochs, record, broken = ("to do", 0, None, None) if name is None else _look(home.run(name))
            if config.trains and state in ("done", "failed"):
                records.append((config, record))
            why = record and record.why
            runs.append(PlannedRun(arm.name, repeat, config, name, state, epochs, 0.0, 1.0, broken, why))
    monitoring, now, later = _divide(request, runs, home)
    options, needed = request.options, needed_by(request)
    packing = packing_for(request)

    def packs_in(asked_for: Sequence[PlannedRun]) -> tuple[Packed, ...]:
        open_runs = [run for run in asked_for if run.state in OPEN]
        return () if options.pack is None else tuple(packs_of(sorted(open_runs, key=comes_last), packing, asked=True))

    packs = (*packs_in(now), *packs_in(later))
    largest = max((len(pack.runs) for pack in packs), default=1)
    jobs = (len(packs) or sum(run.state in OPEN for run in (*now, *later))) + trials_at_most(request)
    of_each = share(
        options.engine, max(1, jobs), options.workers, options.device, options.threads, lambda: largest * needed()
    )
    workers, threads = of_each.workers, of_each.threads
    estimator = estimator or estimator_of(request, home, threads, workers)
    for config, record in records:
        estimator.learn(config, record)
    together = {(run.arm, run.repeat) for pack in packs if len(pack.runs) > 1 for run in pack.runs}
    estimated = _estimated(runs, request, home, estimator, together)
    now, later = (tuple(estimated[run.arm, run.repeat] for run in part) for part in (now, later))

    def estimate(config: AnyConfig) -> Estimate:
        assert isinstance(config, RunConfig)
        return estimator.training(config)

    searches = planned_searches(request, estimate)

    def stages(asked_for: tuple[PlannedRun, ...]) -> tuple[Stage, ...]:
        open_runs = [run for run in asked_for if run.state in OPEN]
        analysed = [run for run in asked_for if run.state in OPEN or _lacks_answers(run, study, home)]
        return stages_of(request, estimator, searches, open_runs, analysed, workers, packs_in(asked_for))

    ahead = stages(now)
    most = outlook(stages((*now, *later)))
    return Plan(
        request,
        now,
        workers,
        threads,
        outlook(ahead),
        ahead,
        estimator.basis,
        monitoring,
        later,
        most,
        searches,
        packs=packs_in(now),
        earlier=trained_by(runs, request, home),
        changed=not any(run.state == "done" for run in runs) and corpus_changed(request, home),
    )


def _of_training_code(request: Request[ForeignConfig], home: Home) -> Plan[ForeignConfig]:
    study, content = request.study, request.content or ""
    estimator = ForeignEstimator()
    runs: list[PlannedRun[ForeignConfig]] = []
    for repeat in study.numbers:
        for arm in study.arms:
            name = foreign_fingerprint(arm.config, repeat, content)
            state, epochs, record, broken = _look(home.run(name))
            estimator.learn(arm.config, record)
            why = record and record.why
            # What was interrupted begins anew, whatever it had reported.
            state = "to do" if state == "resume" and not request.training.runner.resumes else state
            runs.append(PlannedRun(arm.name, repeat, arm.config, name, state, epochs, 0.0, 1.0, broken, why))
    monitoring, now, later = _divide(request, runs, home)
    jobs = sum(run.state in OPEN for run in (*now, *later)) + trials_at_most(request)
    options = request.options
    of_each = share(options.engine, max(1, jobs), options.workers, options.device, options.threads, needed_by(request))
    workers, threads = of_each.workers, of_each.threads

    def estimated(run: PlannedRun[ForeignConfig]) -> PlannedRun[ForeignConfig]:
        if run.state not in OPEN:
            return run
        one = estimator.training(run.config)
        return replace(run, seconds=one.seconds, factor=one.factor)

    def estimate(config: AnyConfig) -> Estimate:
        assert isinstance(config, ForeignConfig)
        return estimator.training(config)

    now, later = (tuple(estimated(run) for run in part) for part in (now, later))
    searches, nothing = planned_searches(request, estimate), Estimate(0.0, 1.0)
    report = Estimate(report_guess(len(study.arms), study.repeats))

    def stages(asked_for: tuple[PlannedRun[ForeignConfig], ...]) -> tuple[Stage, ...]:
        parts = [Part(run.arm, 1, Estimate(run.seconds, run.factor)) for run in asked_for if run.state in OPEN]
        parts += [part for search in searches for part in search.confirmed]
        return (
            *(
                Stage(
                    search_stage(search.arm),
                    (Part(search.arm, search.trials, search.trial),),
                    max(1, min(workers, search.trials)),
                    nothing,
                )
                for search in searches
            ),
            Stage(TRAIN, tuple(parts), max(1, min(workers, len(parts))), nothing),
            Stage(REPORT, (Part("", 1, report),), 1, nothing),
        )

    ahead, most = stages(now), outlook(stages((*now, *later)))
    basis, timed = estimator.basis, estimator.knows
    return Plan(request, now, workers, threads, outlook(ahead), ahead, basis, monitoring, later, most, searches, timed)


def estimator_of(request: Request, home: Home, threads: int, workers: int = 1) -> Estimator:
    """The estimator of times of a study's work."""
    return Estimator(home, request.place, request.schema, request.content, request.options.device, threads, workers)


def timing_of(request: Request, home: Home, threads: int) -> tuple[Estimator, Stopwatch]:
    """The estimator of a study's work, and the stopwatch that times this work for later estimates."""
    return estimator_of(request, home, threads), Stopwatch(home, request.options.device, threads)


def _lacks_answers(run: PlannedRun, study: ResolvedStudy, home: Home) -> bool:
    """Whether a finished run lacks the answer to an analysis of the study."""
    if run.state != "done" or run.fingerprint is None or not study.analyses:
        return False
    return any(not answer_path(home.run(run.fingerprint), one).exists() for one in study.analyses)


def _divide(
    request: Request[Config], runs: list[PlannedRun[Config]], home: Home
) -> tuple[Monitoring | None, tuple[PlannedRun[Config], ...], tuple[PlannedRun[Config], ...]]:
    """The runs that a sequential study requests now, and those it may request later. Other studies request all now."""
    study = request.study
    if study.sequential is None:
        return None, tuple(runs), ()
    from experiments.planning.sequential import follow, may_follow

    monitoring = follow(request, runs, home)
    later = may_follow(study, monitoring)
    return (
        monitoring,
        tuple(run for run in runs if (run.arm, run.repeat) in monitoring.asked),
        tuple(run for run in runs if (run.arm, run.repeat) in later),
    )


def _estimated(
    runs: list[PlannedRun], request: Request, home: Home, estimator: Estimator, together: Set[tuple[str, int]]
) -> dict[tuple[str, int], PlannedRun]:
    """The runs with the time that each still needs; a training that several runs share is counted once.

    Args:
        together: arm and repeat of those that are trained as one batch with others.
    """
    trained = {training_fingerprint(run.config, request.content or "") for run in runs if run.config.trains}
    found = {}
    for run in runs:
        one = Estimate(0.0, 1.0)
        if run.state in OPEN and run.config.trains:
            left = run.config.training.epochs - run.epochs
            one = estimator.training(run.config, left, packed=(run.arm, run.repeat) in together)
        elif run.state in OPEN:
            one = estimator.testing(run.config)
            name = training_fingerprint(run.config, request.content or "")
            if name not in trained and _look(home.run(name))[0] != "done":
                trained.add(name)
                one = one + estimator.training(run.config)
        found[run.arm, run.repeat] = replace(run, seconds=one.seconds, factor=one.factor)
    return found


def _look(folder: Path) -> tuple[State, int, Head | None, str | None]:
    """State of a run, epochs that are trained already, the head of its record, and what is wrong with the record."""
    try:
        record, broken = read_head(folder), None
    except BrokenFile as problem:
        record, broken = None, problem.message
    if record is not None and record.is_final:
        return record.status, 0, record, None
    epochs = epochs_trained(folder)
    if is_locked(folder):
        return "running", epochs, record, broken
    return ("resume" if epochs else "to do"), epochs, record, broken
