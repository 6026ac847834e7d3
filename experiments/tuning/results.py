"""Results of searches, read from Optuna's storage: for reports, for plans, and as the arms to confirm."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from experiments.home import Home
from experiments.planning.request import AnyRequest, schema_of
from experiments.tuning.notes import StoredStudy, notes_of
from experiments.tuning.ownership import AGAIN, Cost, costs, proposals, rank_of, trials_of
from experiments.tuning.storage import check_identity, find_study, read_storage, storage_url, study_name
from experiments.tuning.view import is_complete
from mmcore.config import ForeignConfig, RunConfig
from mmcore.errors import StudyError
from mmcore.language import number_of
from mmcore.schema import CorpusSchema
from studies.resolved import AnyStudy, ResolvedArm
from studies.search.resolved import ArmSearch, ResolvedSearch, confirmed_config, same
from studies.search.results import SearchResult, TrialResult, TrialState


def looked_up(request: AnyRequest, home: Home) -> AnyRequest:
    """A study with the results of its searches; once all are complete, with the arms that they found.

    Raises:
        StudyError: the storage holds another search of that name, or nothing that could be confirmed.
        StoreError: the storage does not answer.
    """
    url = storage_url(request.options.storage)
    search = request.study.search
    if search is None or request.content is None or not (url or home.journal(request.search_key).exists()):
        return request
    found: list[SearchResult] = []
    with read_storage(home, request.search_key, url) as storage:
        for arm in search.searches:
            study = find_study(storage, study_name(request.search_key, arm.arm))
            if study is not None:
                check_identity(study, search.identity(arm, request.content))
            found.append(search_result(study, search, arm, schema_of(request)))
    request = replace(request, searches=tuple(found))
    return request if request.tunes else replace(request, study=confirm(request.study, found, schema_of(request)))


def with_importances(request: AnyRequest, home: Home) -> tuple[SearchResult, ...]:
    """The searches of a study with how much each axis matters: minutes for many trials, so for reports alone."""
    if not request.searches:
        return ()
    from experiments.tuning.importance import importances

    found: list[SearchResult] = []
    with read_storage(home, request.search_key, storage_url(request.options.storage)) as storage:
        for one in request.searches:
            study = find_study(storage, study_name(request.search_key, one.arm))
            known = None if study is None else importances(study, one.search)
            found.append(replace(one, importances=known))
    return tuple(found)


def search_result(
    study: StoredStudy | None, search: ResolvedSearch, arm: ArmSearch, schema: CorpusSchema | None
) -> SearchResult:
    """The result of one search so far; ``study`` is None if it has not started."""
    trials = [] if study is None else trials_of(study)
    cost = costs(trials)
    by_rank = {rank: _trial(rank, trial, cost.get(rank, Cost(0, 0))) for rank, trial in proposals(trials).items()}
    complete = is_complete(search, arm, trials)
    found = winners(search, arm, trials, schema) if complete else []
    return SearchResult(
        search,
        arm,
        trials=tuple(by_rank.values()),
        best=tuple(rank_of(trial) for trial in ranking(search, trials)),
        confirmed={name: by_rank[rank_of(trial)] for name, trial in found},
        complete=complete,
    )


def ranking(search: ResolvedSearch, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Complete trials, best first; with several objectives those on the Pareto front, by the first of them."""
    done = [trial for trial in trials if trial.state == OptunaState.COMPLETE]
    signs = [1.0 if one.maximise else -1.0 for one in search.objective]
    points = {t.number: [sign * value for sign, value in zip(signs, t.values, strict=True)] for t in done}

    def beaten(trial: FrozenTrial) -> bool:
        mine = points[trial.number]
        return any(other != mine and all(a >= b for a, b in zip(other, mine, strict=True)) for other in points.values())

    front = done if len(signs) == 1 else [trial for trial in done if not beaten(trial)]
    return sorted(front, key=lambda trial: (-points[trial.number][0], rank_of(trial)))


def winners(
    search: ResolvedSearch, arm: ArmSearch, trials: Sequence[FrozenTrial], schema: CorpusSchema | None
) -> list[tuple[str, FrozenTrial]]:
    """Names of arms to be confirmed and the trials that they come from: the best, each setting once;
    of a front from one end to the other."""
    names = search.names(arm)
    several = len(search.objective) > 1
    distinct: list[tuple[FrozenTrial, RunConfig | ForeignConfig]] = []
    for trial in ranking(search, trials):
        if len(distinct) == len(names) and not several:
            break
        config = confirmed_config(arm, notes_of(trial).settings, schema)
        if not any(same(config, other) for _, other in distinct):
            distinct.append((trial, config))
    return list(zip(names, _spread([trial for trial, _ in distinct], len(names)), strict=False))


def _spread(ranked: list[FrozenTrial], count: int) -> list[FrozenTrial]:
    """At most ``count`` of them, evenly spread from one end to the other."""
    if len(ranked) <= count:
        return ranked
    return [ranked[round(index * (len(ranked) - 1) / max(1, count - 1))] for index in range(count)]


def confirm(study: AnyStudy, found: Sequence[SearchResult], schema: CorpusSchema | None) -> AnyStudy:
    """The study with the arms that its searches have found; what had nothing to tune stands as written.

    Args:
        study: with a search.
        found: what all its searches came to, complete.

    Raises:
        StudyError: a search has no complete trial, or found what the study has already.
    """
    arms: dict[str, ResolvedArm[RunConfig | ForeignConfig]] = {}
    for one in found:
        if not one.confirmed:
            trials = number_of(len(one.trials), "trial")
            failures = [trial.failure for trial in one.trials if trial.failure]
            raise StudyError(
                f"no trial of the search for '{one.arm}' was completed, so there is nothing to confirm",
                found=f"{trials}; the last failure: {failures[-1] if failures else 'none'}",
                next_step="Narrow the space to settings that can be trained, or give the study another name",
            )
        for name, trial in one.confirmed.items():
            config = confirmed_config(one.setup, trial.settings, schema)
            arms[name] = ResolvedArm(name, {**one.setup.overrides, **trial.settings}, config)
    written = {arm.name: arms.pop(arm.name, arm) for arm in study.arms}
    everyone = [*written.values(), *arms.values()]
    # What was found need not differ from what was written: one experiment is no comparison.
    kept = [a for at, a in enumerate(everyone) if not any(same(a.config, b.config) for b in everyone[:at])]
    names = [arm.name for arm in kept]
    pairs = tuple(pair for pair in study.pairs if pair[0] in names and pair[1] in names)
    if not pairs:
        raise StudyError(
            "the search found nothing to compare: the best settings are those that the study has already",
            found=", ".join(names),
            next_step="Raise the budget, or widen the space",
        )
    return replace(study, arms=tuple(kept), pairs=pairs)


# Trials ------------------------------------------------------------------------------------------------------------
def _trial(rank: int, trial: FrozenTrial, cost: Cost) -> TrialResult:
    notes, state = notes_of(trial), state_of(trial)
    begun, finished = trial.datetime_start, trial.datetime_complete
    return TrialResult(
        number=rank,
        state="waiting" if state == "retried" else state,
        settings=notes.settings,
        axes=dict(trial.params),
        values=tuple(trial.values) if state == "complete" and trial.values else (),
        repeats=notes.scores.repeats,
        reported=tuple(sorted(trial.intermediate_values.items())),
        epochs=cost.epochs,
        epochs_full=notes.epochs_full or 0,
        seconds=(finished - begun).total_seconds() if finished and begun else None,
        fingerprints=notes.fingerprints,
        reused=cost.reused,
        failure=notes.closed if state == "failed" else None,
    )


def state_of(trial: FrozenTrial) -> TrialState | Literal["retried"]:
    """A trial's state in our words. If its process died, this is not a failure: the proposal is tried again."""
    match trial.state:
        case OptunaState.COMPLETE:
            return "complete"
        case OptunaState.PRUNED:
            return "pruned"
        case OptunaState.RUNNING:
            return "running"
        case OptunaState.WAITING:
            return "waiting"
        case OptunaState.FAIL:
            return "retried" if notes_of(trial).closed in AGAIN else "failed"


def as_text(value: Any) -> str:
    """A setting as one word."""
    return f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
