"""The whole command in stages, and how long each will take: searches, training, analyses, report."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.planning.estimate import Estimate, Estimator
from experiments.planning.work import START, Guess
from mmcore.analyses import AnyAnalysis, applies
from studies.resolved import ResolvedStudy

if TYPE_CHECKING:
    from experiments.analyses import Question
    from experiments.planning.plan import Asked, PlannedRun
    from experiments.planning.search import PlannedSearch

PREPARE = "prepare"
TRAIN = "train"
ANALYSE = "analyse"
REPORT = "report"


def search_stage(arm: str) -> str:
    """The stage of an arm's search."""
    return f"search {arm}"


@dataclass(frozen=True)
class Part:
    """Jobs of one kind within a stage.

    Args:
        group: what they have in common, as a rule an arm: what one took says most about the others.
        jobs: how many.
        each: of one job, on one worker.
    """

    group: str
    jobs: int
    each: Estimate


@dataclass(frozen=True)
class Stage:
    """Jobs that may go on side by side; the next stage begins when all are done.

    Args:
        name: :data:`PREPARE`, :data:`TRAIN`, :data:`ANALYSE`, :data:`REPORT`, or a search's.
        parts: in the order in which jobs are dealt out.
        workers: how many work on it.
        lead: seconds before the first job begins.
    """

    name: str
    parts: tuple[Part, ...]
    workers: int
    lead: Estimate

    @property
    def jobs(self) -> int:
        """Number of jobs."""
        return sum(part.jobs for part in self.parts)

    @property
    def seconds(self) -> float:
        """From start to end; 0 where there is no job."""
        if not self.jobs:
            return 0.0
        return self.lead.seconds + makespan((p.each.seconds for p in self.parts for _ in range(p.jobs)), self.workers)


def makespan(seconds: Iterable[float], workers: int) -> float:
    """Time until jobs are done that are dealt out in their order, each to the worker that is free first.

    Example:
        >>> makespan([3.0, 1.0, 1.0, 1.0], 2), makespan([], 2)
        (3.0, 0.0)
    """
    free = [0.0] * max(1, workers)
    for one in seconds:
        heapq.heapreplace(free, free[0] + one)
    return max(free)


@dataclass(frozen=True)
class Outlook:
    """How long a command will take.

    Args:
        seconds: most likely.
        low, high: likely between these.
    """

    seconds: float
    low: float
    high: float


def outlook(stages: Sequence[Stage]) -> Outlook:
    """All stages together.

    The factors by which estimates may be off are averaged in proportion to the time that each is about: all of them go
    back to one machine, so errors add up rather than cancel out.
    """
    parts = [
        (estimate.seconds * jobs / max(1, stage.workers), estimate.factor)
        for stage in stages
        if stage.jobs
        for estimate, jobs in [*((part.each, part.jobs) for part in stage.parts), (stage.lead, stage.workers)]
    ]
    total = sum(stage.seconds for stage in stages)
    weight = sum(seconds for seconds, _ in parts)
    if not weight:
        return Outlook(total, total, total)
    factor = math.exp(sum(seconds * math.log(off) for seconds, off in parts) / weight)
    return Outlook(total, total / factor, total * factor)


# Stages of a study ---------------------------------------------------------------------------------------------------
def stages_of(
    asked: Asked,
    estimator: Estimator,
    searches: Sequence[PlannedSearch],
    runs: Sequence[PlannedRun],
    analysed: Sequence[PlannedRun],
    workers: int,
) -> tuple[Stage, ...]:
    """The stages of a command that does these runs.

    Args:
        searches: what comes first.
        runs: those that are to be trained or tested; ``seconds`` and ``factor`` of each are set.
        analysed: every run of the study that will be there, and lacks answers.
        workers: worker processes.
    """
    study = asked.study
    lead = estimator.fixed("start", Guess(START, 0.0))
    nothing = Estimate(0.0, 1.0)
    # Where trials learn from one another, so many go on at a time however many workers there are.
    at_a_time = workers if study.search is None or study.search.lag is None else study.search.lag
    stages: list[Stage] = []
    if trains(searches, runs) and not estimator.worksheet.prepared(study.arms[0].config.data):
        guess = Guess(prepare_guess(estimator.worksheet.numbers(study.arms[0].config.data)), 0.0)
        stages.append(Stage(PREPARE, (Part("", 1, estimator.fixed("prepare", guess)),), 1, nothing))
    stages += [
        Stage(
            search_stage(search.arm),
            (Part(search.arm, search.trials, search.trial),),
            max(1, min(workers, search.trials, at_a_time)),
            lead if n == 0 else nothing,
        )
        for n, search in enumerate(searches)
    ]
    found = [part for search in searches for part in search.confirmed]
    trained = [*(Part(run.arm, 1, Estimate(run.seconds, run.factor)) for run in runs), *found]
    count = sum(part.jobs for part in trained)
    stages.append(Stage(TRAIN, tuple(trained), max(1, min(workers, count)), lead))
    asks: list[tuple[PlannedRun, list[AnyAnalysis]]] = []
    for run in analysed:
        modalities = tuple(asked.schema.chosen(run.config.model.modalities))
        wanted = [one for one in study.analyses if applies(one, run.config, modalities)]
        if wanted:
            asks.append((run, wanted))
    stages += _after(asks, estimator, workers, study)
    return tuple(stages)


def analysis_stages(
    questions: Iterable[Sequence[Question]], estimator: Estimator, workers: int, asked: Asked
) -> tuple[Stage, ...]:
    """What is left once everything is trained.

    Args:
        questions: those of each run.
    """
    asks = [(about[0].run, [question.analysis for question in about]) for about in questions]
    return tuple(_after(asks, estimator, workers, asked.study))


def _after(
    asks: Sequence[tuple[PlannedRun, Sequence[AnyAnalysis]]], estimator: Estimator, workers: int, study: ResolvedStudy
) -> list[Stage]:
    lead = estimator.fixed("start", Guess(START, 0.0))
    parts = tuple(Part(run.arm, 1, estimator.analysing(run.config, wanted)) for run, wanted in asks)
    arms = len(study.arms) + len(study.to_be_found)
    report = estimator.fixed("report", Guess(report_guess(arms, study.repeats), 0.0))
    return [
        Stage(ANALYSE, parts, max(1, min(workers, len(parts))), lead),
        Stage(REPORT, (Part("", 1, report),), 1, Estimate(0.0, 1.0)),
    ]


def trains(searches: Sequence[PlannedSearch], runs: Sequence[PlannedRun]) -> bool:
    """Whether anything is left to train."""
    return bool(runs) or any(search.trials for search in searches)


_PREPARE_ANY = 0.2
_PREPARE = 4e-8
"""Seconds in any case, and for each number of the corpus that is read and aligned."""
_REPORT = 6.0
_REPORT_ARM = 0.5
_REPORT_RUN = 0.01
"""Seconds of statistics and figures: always, for each arm, for each run."""


def prepare_guess(numbers: int) -> float:
    """What the formula gives for preparing a corpus, by its numbers: steps times columns."""
    return _PREPARE_ANY + _PREPARE * numbers


def report_guess(arms: int, repeats: int) -> float:
    """What the formula gives for a report, for its line among the timings."""
    return _REPORT + _REPORT_ARM * arms + _REPORT_RUN * arms * repeats


def as_dict(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """Plain data for ``--format json``."""
    return [{"stage": stage.name, "jobs": stage.jobs, "seconds": round(stage.seconds, 1)} for stage in stages]
