"""What a proposal may know: only the trials that are far enough before it, whatever the workers and their speed.

Proposal k knows the trials up to rank k − lag, which have all ended before it is made. It sees the trials in between as
running, whether they have ended or not. So a search ends with the same trials on one worker, on four, and after any
number of kills. The price: a sampler learns of a trial up to ``lag`` places later than possible, and a quick trial may
wait for a slow one before it. With ``parallel: 1`` a proposal knows every trial before it, and only one worker is busy.

Optuna's sampler and pruner get a study in memory with the trials that the proposal may know; there a trial's number is
its rank. The storage keeps their results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from experiments.tuning.notes import Kept, StoredStudy, TrialNotes, notes_of, waiting
from experiments.tuning.ownership import costs, is_open, proposals, rank_of, reserved
from experiments.tuning.samplers import build_pruner, build_sampler, suggest
from studies.search.resolved import ArmSearch, ResolvedSearch

IDLE = 30
"""After this many proposals in a row that trained no new epoch, a budget in epochs counts as used up."""


def next_rank(search: ResolvedSearch, arm: ArmSearch, trials: Sequence[FrozenTrial]) -> int | None:
    """The proposal to make now; None if the budget has no room for it, or if earlier ones must end first."""
    if is_full(search, arm, trials):
        return None
    known = proposals(trials)
    rank = _first_free(known)
    if search.lag is not None and any(is_open(known[lower]) for lower in range(rank - search.lag + 1)):
        return None
    return rank


def is_full(search: ResolvedSearch, arm: ArmSearch, trials: Sequence[FrozenTrial]) -> bool:
    """Whether the budget leaves no room for another proposal.

    With a budget in epochs, a running trial counts in full, so there may be room again once it has ended: the final
    cost of all earlier proposals decides whether a proposal is made. Such a search also ends if nothing new is proposed
    any more, as in a space of a few settings: trials that repeat others cost no epochs.
    """
    rank = _first_free(proposals(trials))
    if search.sampler == "grid" and rank >= len(arm.cells()):
        return True
    if search.budget.trials is not None:
        return rank >= search.budget.trials
    assert search.budget.epochs is not None
    assert search.lag is not None
    ended, last = costs(trials), rank - search.lag
    if all(lower in ended and not ended[lower].epochs for lower in range(last - IDLE + 1, last + 1)):
        return True
    full = search.epochs_full(arm)
    return reserved(trials, full) + full > search.budget.epochs


def is_complete(search: ResolvedSearch, arm: ArmSearch, trials: Sequence[FrozenTrial]) -> bool:
    """Whether the budget is reached and every trial has ended."""
    return is_full(search, arm, trials) and not any(is_open(trial) for trial in proposals(trials).values())


def propose(study: StoredStudy, search: ResolvedSearch, arm: ArmSearch, rank: int) -> None:
    """Write down a proposal as a trial that waits, with its settings."""
    seen = _seen_by(search, arm, rank, study.get_trials(deepcopy=False))
    if search.sampler == "grid":
        seen.enqueue_trial(arm.cells()[rank])
    trial = seen.ask()
    arm.settings(lambda axis: suggest(trial, axis))
    study.add_trial(waiting(trial.params, trial.distributions, TrialNotes(rank=rank, proposed=kept_of(trial))))


def again(search: ResolvedSearch, arm: ArmSearch, trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> optuna.Trial:
    """A proposed trial in an in-memory study of what it may know; it reports there and learns whether to end early.

    Args:
        trial: of the storage. trials: all of the search.
    """
    seen = _seen_by(search, arm, rank_of(trial), trials)
    known = {"params": trial.params, "distributions": trial.distributions, "system_attrs": notes_of(trial).proposed}
    seen.add_trial(create_trial(state=TrialState.WAITING, **known))
    return seen.ask()


def kept_of(trial: optuna.Trial) -> Kept:
    """What sampler and pruner keep of a trial in memory, as plain data."""
    attributes = trial.study.get_trials(deepcopy=False)[-1].system_attrs
    return {key: value for key, value in attributes.items() if key != "fixed_params"}


def _seen_by(search: ResolvedSearch, arm: ArmSearch, rank: int, trials: Sequence[FrozenTrial]) -> optuna.Study:
    study = optuna.create_study(
        study_name=arm.arm,  # Optuna's hyperband draws a trial's bracket from this name.
        directions=["maximize" if one.maximise else "minimize" for one in search.objective],
        sampler=build_sampler(search, arm, rank),
        pruner=build_pruner(search, arm),
    )
    if search.lag is not None:
        known = proposals(trials)
        study.add_trials(_seen(known.get(lower), lower <= rank - search.lag) for lower in range(rank))
    return study


def _seen(trial: FrozenTrial | None, ended: bool) -> FrozenTrial:
    """A trial as a later proposal sees it: finished, or still running."""
    if trial is None:
        return create_trial(state=TrialState.FAIL)
    done = trial.state == TrialState.COMPLETE
    return create_trial(
        state=trial.state if ended else TrialState.RUNNING,
        values=trial.values if ended and done else None,
        params=trial.params,
        distributions=trial.distributions,
        intermediate_values=trial.intermediate_values if ended else None,
        # What a pruner keeps of a trial comes about while it goes on, so it must not be known either.
        system_attrs=notes_of(trial).ended if ended else None,
    )


def _first_free(known: Mapping[int, FrozenTrial]) -> int:
    return next(rank for rank in count() if rank not in known)
