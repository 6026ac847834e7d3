"""The stages of a study's command: searches, training, analyses, report."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.planning.estimate import Estimate, Estimator
from experiments.planning.packs import Packed
from experiments.planning.request import PlannedRun, Request
from experiments.planning.search import PlannedSearch
from experiments.planning.stages import ANALYSE, PREPARE, REPORT, TRAIN, Part, Stage, search_stage
from experiments.planning.work import START, Guess
from mmcore.analyses import AnyAnalysis, applies
from studies.resolved import ResolvedStudy


def stages_of(
    request: Request,
    estimator: Estimator,
    searches: Sequence[PlannedSearch],
    runs: Sequence[PlannedRun],
    analysed: Sequence[PlannedRun],
    workers: int,
    packs: Sequence[Packed] = (),
) -> tuple[Stage, ...]:
    """The stages of a command that does these runs.

    Args:
        searches: what comes first.
        runs: those that are to be trained or tested; ``seconds`` and ``factor`` of each are set.
        analysed: every run of the study that will be there, and lacks answers.
        workers: worker processes.
        packs: the same runs as jobs, where several may be one; (): each by itself.
    """
    study = request.study
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
    dealt = None
    if packs and not found:
        dealt = tuple(sum(run.seconds for run in pack.runs) for pack in packs)
    count = sum(part.jobs for part in trained) if dealt is None else len(dealt)
    stages.append(Stage(TRAIN, tuple(trained), max(1, min(workers, count)), lead, dealt))
    asks: list[tuple[PlannedRun, list[AnyAnalysis]]] = []
    for run in analysed:
        modalities = tuple(request.schema.chosen(run.config.model.modalities))
        wanted = [one for one in study.analyses if applies(one, run.config, modalities)]
        if wanted:
            asks.append((run, wanted))
    stages += _after(asks, estimator, workers, study)
    return tuple(stages)


def analysis_stages(
    asks: Sequence[tuple[PlannedRun, Sequence[AnyAnalysis]]], estimator: Estimator, workers: int, request: Request
) -> tuple[Stage, ...]:
    """What is left once everything is trained.

    Args:
        asks: the analyses that each run still lacks.
    """
    return tuple(_after(asks, estimator, workers, request.study))


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
