"""What searches have found, as plain data for reports, and as the arms that are confirmed.

One search is one mapping::

    {
      "arm": "tuned",                 # who was tuned: an arm of the study, or "tuned" for its scientific knobs
      "role": "scientific",           # or "nuisance"
      "sampler": "tpe", "pruner": "halving",
      "budget": {"trials": 40, "epochs": None},     # to reach; one of them is None
      "repeats": 2,                   # repeats 0 … S−1 of every trial
      "steps": "epochs",              # what "intermediate" counts: "epochs" (of the first repeat one by one, then at
                                      # the end of each other), or "repeats" (pruner wilcoxon)
      "space": {path: knob},  # as in studies/search/space.py, plain: {"kind": "uniform", "low": …, "high": …, …}
      "objective": [{"name": "validation/skill", "maximise": True}],
      "trials": [trial, …],           # by number; one for each proposal, however often it was interrupted
      "best": [3, 17, 5],             # numbers of complete trials, best first; several objectives: the Pareto front
      "confirmed": [{"arm": "tuned", "trial": 3, "values": [0.41], "settings": {…}}],   # [] until it is complete
      "confirm": 1,                   # settings to confirm; fewer are confirmed where no more were found
      "complete": True,               # whether the budget is reached and nothing runs
      "epochs_spent": 310,            # taken by its trials, pruned and failed ones included; a run that several have
                                      # counts once, and also where the home had it already
      "epochs_full": 960,             # what its trials would have cost at their full epochs, each trained anew
      "hash": "…",                    # of all that trials must have in common
      "storage": "…", "study": "…",   # where Optuna's own tools find it
    }

A trial is::

    {
      "number": 3,                    # of the proposal: its rank
      "state": "complete",            # or pruned, failed, running, waiting
      "params": {path: value},        # overrides of the config: what the trial means
      "axes": {name: number},         # what the sampler drew: differs from params for a simplex
      "values": [0.41],               # one an objective; [] where it is not complete
      "repeats": [[0.40], [0.42]],    # the same for each repeat that was finished
      "components": {"active": {"loss": 0.3, "skill": 0.5}},      # validation, mean over its finished repeats
      "intermediate": [[1, 0.1], [2, 0.2]],
      "epochs": 24, "epochs_full": 48,          # "epochs": beyond those that trials before it took of the same runs
      "seconds": 12.3,                # from begin to end; None while it runs
      "fingerprints": ["…", "…"],     # its runs, by repeat
      "reused": 0,                    # how many of them trials before it had
      "failure": None,                # why, where it failed
      "started": "2026-…", "finished": "2026-…",
      "process": {"host": "…", "pid": 123},
    }
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from experiments.home import Home
from experiments.tuning.ownership import (
    AGAIN,
    CLOSED,
    FULL,
    PROCESS,
    RUNS,
    SCORES,
    SETTINGS,
    Cost,
    costs,
    proposals,
    rank_of,
    trials_of,
)
from experiments.tuning.storage import (
    check_identity,
    find_study,
    journal,
    open_storage,
    place_of,
    storage_url,
    study_name,
)
from experiments.tuning.view import is_complete
from mmcore.config import RunConfig
from mmcore.errors import StudyError
from mmcore.schema import CorpusSchema
from studies.resolved import ResolvedArm, ResolvedStudy
from studies.search.resolved import TUNED, ArmSearch, ResolvedSearch, confirmed_config, digest, same, tuned_names

if TYPE_CHECKING:
    from experiments.planning.request import Asked


def looked_up(asked: Asked, home: Home) -> Asked:
    """A study with what its searches have found; once all are complete, with the arms that they found.

    Raises:
        StudyError: the storage holds another search of that name, or nothing that could be confirmed.
        StoreError: the storage does not answer.
    """
    url = storage_url(asked.options.storage)
    search = asked.study.search
    if search is None or asked.content is None or not (url or journal(home, asked.search_key).exists()):
        return asked
    place = place_of(home, asked.search_key, url)
    found: list[dict[str, Any]] = []
    with open_storage(home, asked.search_key, url) as storage:
        for arm in search.searches:
            study = find_study(storage, study_name(asked.search_key, arm.arm))
            if study is not None:
                check_identity(study, search.identity(arm, asked.content))
            found.append(export(study, search, arm, asked.schema, asked.content, place))
    asked = replace(asked, searches=tuple(found))
    return asked if asked.tunes else replace(asked, study=confirm(asked.study, found, asked.schema))


def with_importances(asked: Asked, home: Home) -> tuple[dict[str, Any], ...]:
    """The searches of a study with how much each axis matters: minutes for many trials, so for reports alone."""
    search, told = asked.study.search, asked.searches
    if search is None or not told:
        return told
    from experiments.tuning.importance import importances

    with open_storage(home, asked.search_key, storage_url(asked.options.storage)) as storage:
        studies = [find_study(storage, one["study"]) if one["study"] else None for one in told]
        return tuple(
            {**one, "importances": {} if study is None else importances(study, search)}
            for one, study in zip(told, studies, strict=True)
        )


def export(
    study: optuna.Study | None, search: ResolvedSearch, arm: ArmSearch, schema: CorpusSchema, content: str, place: str
) -> dict[str, Any]:
    """One search as plain data; see the head of this page.

    Args:
        study: None where it has not begun.
        place: the storage, for people and for Optuna's own tools.
    """
    trials = [] if study is None else trials_of(study)
    cost = costs(trials)
    told = [_trial(rank, trial, cost.get(rank, Cost(0, 0))) for rank, trial in proposals(trials).items()]
    best = ranking(search, trials)
    complete = is_complete(search, arm, trials)
    return {
        "arm": arm.arm,
        "role": "scientific" if arm.arm == TUNED else "nuisance",
        "sampler": search.sampler,
        "pruner": search.pruner,
        "budget": search.budget.model_dump(),
        "repeats": search.repeats,
        "steps": "repeats" if search.pruner == "wilcoxon" else "epochs",
        "space": {path: knob.model_dump(mode="json") for path, knob in arm.space.items()},
        "objective": [{"name": one.name, "maximise": one.maximise} for one in search.objective],
        "trials": told,
        "best": [rank_of(trial) for trial in best],
        "confirmed": [
            {
                "arm": name,
                "trial": rank_of(trial),
                "values": list(trial.values),
                "settings": trial.user_attrs[SETTINGS],
            }
            for name, trial in winners(search, arm, trials, schema)
        ]
        if complete
        else [],
        "confirm": len(_names(search, arm)),
        "complete": complete,
        "epochs_spent": sum(trial["epochs"] for trial in told),
        "epochs_full": sum(trial["epochs_full"] for trial in told if trial["state"] != "waiting"),
        "hash": digest(search.identity(arm, content)),
        "storage": place,
        "study": "" if study is None else study.study_name,
    }


def ranking(search: ResolvedSearch, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Complete trials, best first; with several objectives those on the Pareto front, by the first of them."""
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    signs = [1.0 if one.maximise else -1.0 for one in search.objective]
    points = {t.number: [sign * value for sign, value in zip(signs, t.values, strict=True)] for t in done}

    def beaten(trial: FrozenTrial) -> bool:
        mine = points[trial.number]
        return any(other != mine and all(a >= b for a, b in zip(other, mine, strict=True)) for other in points.values())

    front = done if len(signs) == 1 else [trial for trial in done if not beaten(trial)]
    return sorted(front, key=lambda trial: (-points[trial.number][0], rank_of(trial)))


def winners(
    search: ResolvedSearch, arm: ArmSearch, trials: Sequence[FrozenTrial], schema: CorpusSchema
) -> list[tuple[str, FrozenTrial]]:
    """Names of arms to be confirmed and the trials that they come from: the best, each setting once;
    of a front from one end to the other."""
    names = _names(search, arm)
    several = len(search.objective) > 1
    distinct: list[tuple[FrozenTrial, RunConfig]] = []
    for trial in ranking(search, trials):
        if len(distinct) == len(names) and not several:
            break
        config = confirmed_config(arm, trial.user_attrs[SETTINGS], schema)
        if not any(same(config, other) for _, other in distinct):
            distinct.append((trial, config))
    return list(zip(names, _spread([trial for trial, _ in distinct], len(names)), strict=False))


def _names(search: ResolvedSearch, arm: ArmSearch) -> list[str]:
    """The arms that are to be confirmed; fewer are where a search finds fewer settings."""
    return tuned_names(search.best) if arm.arm == TUNED else [arm.arm]


def _spread(ranked: list[FrozenTrial], count: int) -> list[FrozenTrial]:
    """Of more than ``count`` so many, from one end to the other."""
    if len(ranked) <= count:
        return ranked
    return [ranked[round(index * (len(ranked) - 1) / max(1, count - 1))] for index in range(count)]


def confirm(study: ResolvedStudy, found: Sequence[dict[str, Any]], schema: CorpusSchema) -> ResolvedStudy:
    """The study with the arms that its searches have found; what had nothing to tune stands as written.

    Args:
        study: with a search.
        found: exports of all its searches, complete.

    Raises:
        StudyError: a search has no complete trial, or found what the study has already.
    """
    search = study.search
    assert search is not None
    arms: dict[str, ResolvedArm] = {}
    for arm, told in zip(search.searches, found, strict=True):
        if not told["confirmed"]:
            failures = [trial["failure"] for trial in told["trials"] if trial["failure"]]
            raise StudyError(
                f"no trial of the search for '{arm.arm}' was completed, so there is nothing to confirm",
                found=f"{len(told['trials'])} trials; the last failure: {failures[-1] if failures else 'none'}",
                next_step="Narrow the space to settings that can be trained, or give the study another name",
            )
        for winner in told["confirmed"]:
            config = confirmed_config(arm, winner["settings"], schema)
            arms[winner["arm"]] = ResolvedArm(winner["arm"], arm.overrides | winner["settings"], config)
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
def _trial(rank: int, trial: FrozenTrial, cost: Cost) -> dict[str, Any]:
    told = trial.user_attrs
    process = told.get(PROCESS)
    scores = told.get(SCORES, {})
    ended = "waiting" if state_of(trial) == "retried" else state_of(trial)
    finished = trial.datetime_complete
    return {
        "number": rank,
        "state": ended,
        "params": told.get(SETTINGS, {}),
        "axes": dict(trial.params),
        "values": list(trial.values) if ended == "complete" and trial.values else [],
        "repeats": scores.get("repeats", []),
        "components": scores.get("components", {}),
        "intermediate": [[step, value] for step, value in sorted(trial.intermediate_values.items())],
        "epochs": cost.epochs,
        "epochs_full": told.get(FULL, 0),
        "seconds": (finished - trial.datetime_start).total_seconds() if finished and trial.datetime_start else None,
        "fingerprints": told.get(RUNS, []),
        "reused": cost.reused,
        "failure": told.get(CLOSED) if ended == "failed" else None,
        "started": _utc(trial.datetime_start),
        "finished": _utc(finished),
        "process": None if process is None else {"host": process["host"], "pid": process["pid"]},
    }


def state_of(trial: FrozenTrial) -> str:
    """A trial's state in our words; one that its process left is no failure: its proposal is tried again."""
    match trial.state:
        case TrialState.COMPLETE:
            return "complete"
        case TrialState.PRUNED:
            return "pruned"
        case TrialState.RUNNING:
            return "running"
        case TrialState.WAITING:
            return "waiting"
        case TrialState.FAIL:
            return "retried" if trial.user_attrs.get(CLOSED) in AGAIN else "failed"


def _utc(time: datetime | None) -> str | None:
    # Optuna's times are local and do not say so.
    return None if time is None else time.astimezone(UTC).isoformat(timespec="milliseconds")


def as_text(value: Any) -> str:
    """A setting as one word."""
    return f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
