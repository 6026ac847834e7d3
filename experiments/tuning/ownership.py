"""Who works on which trial: how processes share a search, and what becomes of the trials of one that died.

A proposal is known by its *rank*: how many were made before it. Its settings, its seed and what it may know of other
trials follow from the rank, so they do not depend on how many processes there are, which trial ends first, or who dies.
A proposal is written down as a trial that waits; whoever is free takes it. A trial that ended with its process is
closed as failed, and another with the same rank and settings waits for whoever asks next (``retry_of``). All trials of
a rank are one proposal, so it costs the budget once.

The processes of one home do this under a lock, and each can tell which of the others are alive; of a process on another
machine they wait for a sign of life. Two machines may make the same proposal at once: one of the two is closed unused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import optuna
from filelock import FileLock
from optuna.trial import FrozenTrial, TrialState

from experiments.tuning.notes import Owner, StoredStudy, TrialNotes, notes_of, waiting

MAX_DEATHS = 3
"""A trial that ended with this many processes in a row, and came no further in between, is not tried again: it counts
as failed. One that gets further each time is not to blame for whoever kills its processes."""

_NAMELESS_SECONDS = 120
"""A trial without an owner after so long is one whose process died as it began."""

BEAT_SECONDS = 60.0
"""The owner of a trial raises its ``beat`` this often."""
SILENT_SECONDS = 600.0
"""A trial of another machine without a sign of life for so long is one whose machine is gone."""

AGAIN = ("died", "interrupted")
"""Closed in these ways, a trial is done again."""

UNUSED, TWIN = "unused", "twin"
"""… and in these it counts for nothing: the budget has no room for it; another trial of its rank goes on."""


def trials_of(study: optuna.Study) -> list[FrozenTrial]:
    """All trials by number, not to be changed."""
    return sorted(study.get_trials(deepcopy=False), key=lambda trial: trial.number)


def rank_of(trial: optuna.Trial | FrozenTrial) -> int:
    """The rank of a trial's proposal; its number where it was not made by a proposal."""
    rank = notes_of(trial).rank
    return trial.number if rank is None else rank


def proposals(trials: Sequence[FrozenTrial]) -> dict[int, FrozenTrial]:
    """The last trial of each proposal, by rank; what was closed unused is none."""
    last: dict[int, FrozenTrial] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        notes = notes_of(trial)
        if notes.rank is not None and notes.closed != TWIN:
            last[notes.rank] = trial
    return {rank: last[rank] for rank in sorted(last) if notes_of(last[rank]).closed != UNUSED}


def is_open(trial: FrozenTrial) -> bool:
    """Whether a proposal, by its last trial, is still to end or to be done again."""
    return not trial.state.is_finished() or notes_of(trial).closed in AGAIN


def is_twin(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Whether another trial of the same rank was there first and counts; only two machines can make such a pair."""
    rank = rank_of(trial)
    before = [notes_of(other) for other in trials if other.number < trial.number]
    return any(other.rank == rank and other.closed not in (*AGAIN, UNUSED, TWIN) for other in before)


@dataclass(frozen=True)
class Cost:
    """What a proposal cost.

    Args:
        epochs: that it took beyond those that a proposal of lower rank took of the same runs.
        reused: runs of which it took none.
    """

    epochs: int
    reused: int


def costs(trials: Sequence[FrozenTrial]) -> dict[int, Cost]:
    """What each proposal that has ended cost, by rank.

    Counted by rank, and whether or not a run was in the home already: so a search costs the same in any home, however
    often it was interrupted, and a budget in epochs ends it at the same trial.
    """
    longest: dict[str, int] = {}
    found: dict[int, Cost] = {}
    for rank, trial in proposals(trials).items():
        if is_open(trial):
            continue
        notes = notes_of(trial)
        taken = list(zip(notes.fingerprints, notes.run_epochs, strict=False))
        fresh = [max(0, epochs - longest.get(name, 0)) for name, epochs in taken]
        found[rank] = Cost(sum(fresh), fresh.count(0))
        for name, epochs in taken:
            longest[name] = max(epochs, longest.get(name, 0))
    return found


def reserved(trials: Sequence[FrozenTrial], full: int) -> int:
    """Epochs that the proposals have cost, or may still cost.

    Args:
        full: what one costs that does not say so itself.
    """
    ended = costs(trials)
    return sum(
        ended[rank].epochs if rank in ended else notes_of(trial).epochs_full or full
        for rank, trial in proposals(trials).items()
    )


def close(study: StoredStudy, number: int, why: str) -> bool:
    """Close a running trial without a result; False where another process was quicker."""
    try:
        study.note(number, TrialNotes(closed=why))
        study.tell(number, state=TrialState.FAIL)
    except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
        return False
    return True


def hand_back(study: StoredStudy, number: int, why: Literal["died", "interrupted"]) -> bool:
    """Close a running trial that did not end by itself, and let its parameters wait for the next who asks.

    Args:
        number: of the trial.
        why: it ended with its process, or was interrupted by its user.

    Returns:
        Whether it was handed back; False where it has ended too often with its process, and now counts as failed.
    """
    trial = next(one for one in trials_of(study) if one.number == number)
    deaths = _deaths(trial) + (why == "died")
    if deaths >= MAX_DEATHS:
        close(study, number, f"took {deaths} processes down with it")
        return False
    if close(study, number, why):
        _requeue(study, trial, deaths)
    return True


def _deaths(trial: FrozenTrial) -> int:
    """How often the proposal ended with a process without coming further than before."""
    notes = notes_of(trial)
    return 0 if len(trial.intermediate_values) > notes.reached else notes.deaths


def _requeue(study: StoredStudy, trial: FrozenTrial, deaths: int) -> None:
    notes = notes_of(trial)
    retry = TrialNotes(
        rank=rank_of(trial),
        retry_of=trial.number,
        deaths=deaths,
        reached=max(len(trial.intermediate_values), notes.reached, 0),
        proposed=notes.proposed,
    )
    study.add_trial(waiting(trial.params, trial.distributions, retry))


def reap(study: StoredStudy, lock: Path, alone: bool) -> list[FrozenTrial]:
    """Hand back the trials of this machine's dead processes; returns them.

    A process that died while it was doing just this is made up for, too.

    Args:
        lock: under which trials are taken and handed back.
        alone: whether nobody takes trials of this search but under that lock: then one without an owner is that of a
            process which died as it took it.
    """
    me = Owner.me()
    reaped: list[FrozenTrial] = []
    if not any(_is_dead(trial, me, alone) or _is_half_done(trial) for trial in proposals(trials_of(study)).values()):
        return reaped
    with FileLock(lock):
        for trial in proposals(trials_of(study)).values():
            if _is_dead(trial, me, alone):
                hand_back(study, trial.number, "died")
                reaped.append(trial)
            elif _is_half_done(trial):
                _requeue(study, trial, _deaths(trial) + (notes_of(trial).closed == "died"))
    return reaped


class Watch:
    """Tells which trials of other machines are given no sign of life any more.

    By this machine's clock alone: that of another one may be wrong.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, float]] = {}

    def silent(self, trials: Sequence[FrozenTrial], now: float) -> list[FrozenTrial]:
        """Trials whose owner was silent for :data:`SILENT_SECONDS`; ``now`` in seconds of any steady clock."""
        found = []
        for trial in trials:
            notes = notes_of(trial)
            if trial.state != TrialState.RUNNING or notes.process is None or notes.process.here:
                continue
            known, since = self._seen.get(trial.number, (None, now))
            if notes.beat != known:
                self._seen[trial.number] = (notes.beat, now)
            elif now - since > SILENT_SECONDS:
                found.append(trial)
        return found


def _is_dead(trial: FrozenTrial, me: Owner, alone: bool) -> bool:
    if trial.state != TrialState.RUNNING:
        return False
    owner = notes_of(trial).process
    if owner is not None:
        return owner.here and owner != me and not owner.alive
    begun = trial.datetime_start
    if alone:
        return True
    return begun is not None and (datetime.now(begun.tzinfo) - begun).total_seconds() > _NAMELESS_SECONDS


def _is_half_done(trial: FrozenTrial) -> bool:
    """Whether the last trial of a proposal was closed to be done again: the next one is missing."""
    notes = notes_of(trial)
    return trial.state == TrialState.FAIL and notes.closed in AGAIN and (notes.process is None or notes.process.here)
