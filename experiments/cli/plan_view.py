"""A plan as ``--format json`` prints it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from experiments.earlier_looks import looks_warning
from experiments.foreign.source import OwnTraining
from experiments.home import Home
from experiments.planning.costs import Costs
from experiments.planning.feasible import missing_elsewhere
from experiments.planning.foresight import prospects
from experiments.planning.packs import Packed
from experiments.planning.plan import AnyPlan
from experiments.planning.precision import request_warnings
from experiments.planning.request import AnyConfig, AnyRequest, State, has_runner, trains_itself
from mmcore.config import Overrides, RunConfig
from mmcore.data.windows import Lengths
from reports.verdicts.prospects import Claims
from studies.matching import Match
from studies.resolved import ResolvedArm
from studies.runner import Runner
from studies.search.block import Budget, Pruner, Sampler
from studies.search.space import Hyperparameter


@dataclass(frozen=True)
class LengthsView(Lengths):
    """Steps of the items, and how many items the window cuts."""

    cut: int


@dataclass(frozen=True)
class CorpusView:
    """Folder and content key; no key while a simulated corpus is not made."""

    path: str
    content: str | None


@dataclass(frozen=True)
class RunnerView:
    """Training code of the user's own: its settings as written, and its source files with their digest."""

    runner: Runner
    folder: str
    source: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class ArmView:
    """An arm as written."""

    name: str
    overrides: Overrides


@dataclass(frozen=True)
class SizedArmView(ArmView):
    """An arm of a study that matches its arms in size; ``ratio`` to the reference."""

    parameters: int
    flops: int
    ratio: float
    within: bool | None


@dataclass(frozen=True)
class StageView:
    """A stage of the command, its jobs, and its expected seconds."""

    stage: str
    jobs: int
    seconds: float


@dataclass(frozen=True)
class RunView:
    """A run and how far it is."""

    arm: str
    repeat: int
    fingerprint: str | None
    state: State
    failure: str | None = None


@dataclass(frozen=True)
class MemberView:
    """A run of a pack."""

    arm: str
    repeat: int


@dataclass(frozen=True)
class PackView:
    """Runs that are trained as one batch; one run alone, with why, where it cannot be one of several."""

    runs: tuple[MemberView, ...]
    why_alone: str | None


@dataclass(frozen=True)
class VerdictsView:
    """What the study can decide at best; see :class:`reports.verdicts.prospects.Prospects`."""

    can_decide: bool
    needed_repeats: int | None
    test_groups: int | None
    claims: Claims
    text: tuple[str, ...]


@dataclass(frozen=True)
class SequentialView:
    """The rule that adds repeats, and how far the study is by it."""

    min: int
    max: int
    step: int
    looks: tuple[int, ...]
    waiting: int | None
    open: tuple[tuple[str, str], ...]
    runs_at_most: int
    seconds_at_most: float


@dataclass(frozen=True)
class ArmSearchView:
    """The search of one arm: trials done and left, epochs at most and as expected after pruning."""

    arm: str
    space: dict[str, Hyperparameter]
    done: int
    left: int
    epochs: int
    epochs_expected: int
    seconds: float


@dataclass(frozen=True)
class SearchView:
    """The searches of the study."""

    objective: tuple[str, ...]
    sampler: Sampler
    pruner: Pruner
    budget: Budget
    repeats: int
    best: int
    as_is: tuple[str, ...]
    complete: bool
    searches: tuple[ArmSearchView, ...]


@dataclass(frozen=True)
class PlanView:
    """A plan; ``seconds`` is about the whole command, ``seconds_likely`` between which it may lie.

    ``corpus`` and ``window`` are null for training code of the user's own, ``runner`` for all others. ``seconds`` is
    null while there is nothing to estimate it from. ``packs`` has the open runs as they are dealt out; null without
    ``--pack``.
    """

    study: str
    question: str
    preset: str | None
    preset_chosen_for_items: int | None
    window: int | None
    lengths: LengthsView | None
    corpus: CorpusView | None
    metric: str
    reference: str
    comparisons: tuple[tuple[str, str], ...]
    repeats: int
    first_repeat: int
    match: Match | None
    arms: tuple[SizedArmView | ArmView, ...]
    runs: dict[State, int]
    workers: int
    threads: int
    seconds: float | None
    seconds_likely: tuple[float, float] | None
    stages: tuple[StageView, ...]
    basis: str
    fingerprints: tuple[RunView, ...]
    verdicts: VerdictsView
    warnings: tuple[str, ...]
    sequential: SequentialView | None
    search: SearchView | None
    runner: RunnerView | None = None
    packs: tuple[PackView, ...] | None = None


_STATES: tuple[State, ...] = ("to do", "resume", "running", "done", "failed")


def plan_json(plan: AnyPlan, home: Home | None = None) -> Any:
    """A plan as JSON's plain values, in the order of :class:`PlanView`.

    Args:
        home: whose earlier reports are read for a warning; None: no report is.
    """
    return TypeAdapter(PlanView).dump_python(view_of(plan, home), mode="json")


def view_of(plan: AnyPlan, home: Home | None = None) -> PlanView:
    """What is shown of a plan; times are rounded to a tenth of a second."""
    request, study = plan.request, plan.request.study
    states, ahead = Counter(run.state for run in plan.runs), prospects(request)
    own = request if trains_itself(request) else None
    fit = None if own is None else own.fit
    return PlanView(
        study=study.name,
        question=study.question,
        preset=study.preset,
        preset_chosen_for_items=None if own is None else own.sized_by,
        window=None if own is None else own.study.arm(study.reference).config.data.steps,
        lengths=None if fit is None else LengthsView(**vars(fit.lengths), cut=fit.cut),
        corpus=None if own is None else CorpusView(str(own.place.folder), request.content),
        metric=study.metric.name,
        reference=study.reference,
        comparisons=study.pairs,
        repeats=study.repeats,
        first_repeat=study.first_repeat,
        match=study.match,
        arms=tuple(_arm(arm, request) for arm in study.arms),
        runs={state: states[state] for state in _STATES},
        workers=plan.workers,
        threads=plan.threads,
        seconds=round(plan.seconds, 1) if plan.timed else None,
        seconds_likely=(round(plan.outlook.low, 1), round(plan.outlook.high, 1)) if plan.timed else None,
        stages=tuple(StageView(stage.name, stage.jobs, round(stage.seconds, 1)) for stage in plan.stages),
        basis=plan.basis,
        fingerprints=tuple(
            RunView(run.arm, run.repeat, run.fingerprint, run.state, run.failure or None) for run in plan.runs
        ),
        verdicts=VerdictsView(ahead.can_decide, ahead.needed, ahead.test_groups, ahead.claims, ahead.warnings),
        warnings=(
            *plan.warnings,
            *(() if own is None else request_warnings(own)),
            *missing_elsewhere(plan),
            *(() if home is None else looks_warning(plan, home)),
        ),
        sequential=_sequential(plan),
        search=_search(plan),
        runner=_runner(request.training) if has_runner(request) else None,
        packs=None if request.options.pack is None else tuple(map(_pack, plan.packs)),
    )


def _runner(training: OwnTraining) -> RunnerView:
    source = training.source
    return RunnerView(training.runner, str(source.folder), source.files, source.digest)


def _pack(pack: Packed) -> PackView:
    why = None if pack.why_alone is None else str(pack.why_alone)
    return PackView(tuple(MemberView(run.arm, run.repeat) for run in pack.runs), why)


def _sequential(plan: AnyPlan) -> SequentialView | None:
    monitoring, rule = plan.monitoring, plan.request.study.sequential
    if monitoring is None or rule is None:
        return None
    return SequentialView(
        rule.min,
        rule.max,
        rule.step,
        looks=tuple(monitoring.taken),
        waiting=monitoring.waiting,
        open=tuple(monitoring.open),
        runs_at_most=len(plan.runs) + len(plan.later),
        seconds_at_most=round(plan.seconds_at_most, 1),
    )


def _arm(arm: ResolvedArm[AnyConfig], request: AnyRequest) -> ArmView:
    if arm.size is None or not trains_itself(request) or not isinstance(arm.config, RunConfig):
        return ArmView(arm.name, arm.overrides)
    costs = Costs(request.schema)
    counts = {"parameters": costs(arm.config, "parameters"), "flops": costs(arm.config, "flops")}
    return SizedArmView(arm.name, arm.overrides, **counts, ratio=arm.size.ratio, within=arm.size.within)


def _search(plan: AnyPlan) -> SearchView | None:
    search = plan.request.study.search
    if search is None:
        return None
    return SearchView(
        objective=tuple(one.name for one in search.objective),
        sampler=search.sampler,
        pruner=search.pruner,
        budget=search.budget,
        repeats=search.repeats,
        best=search.best,
        as_is=search.as_is,
        complete=not plan.request.tunes,
        searches=tuple(
            ArmSearchView(one.arm, dict(arm.space), one.done, one.left, one.epochs, one.spent, round(one.seconds, 1))
            for one, arm in zip(plan.searches, search.searches, strict=True)
        ),
    )
