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

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import psutil
from filelock import FileLock
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

MAX_DEATHS = 3
"""A trial that ended with this many processes in a row, and came no further in between, is not tried again: it counts
as failed. One that gets further each time is not to blame for whoever kills its processes."""

_NAMELESS_SECONDS = 120
"""A trial without an owner after so long is one whose process died as it began."""

PROCESS, RANK, RETRY_OF, DEATHS, REACHED = "process", "rank", "retry_of", "deaths", "reached"
"""Attributes of a trial: its owner; the proposal that it is a trial of; the number of the trial that had it before; how
often the proposal ended with a process at the same point; and that point, as steps that were reported."""

CLOSED, EPOCHS, FULL = "closed", "run_epochs", "epochs_full"
"""… why it was closed without a result (``died``, ``interrupted``, ``unused``, or what went wrong); epochs of each of
its runs that it took, in order; epochs that it would have taken without pruning."""

PROPOSED, ENDED = "proposed", "ended"
"""… what sampler and pruner keep of it, as it was proposed and as it ended."""

SETTINGS, RUNS, SCORES = "settings", "fingerprints", "scores"
"""… the overrides that its parameters mean; the fingerprints of its runs; what finished runs of it scored."""

BEAT = "beat"
"""… a number that its owner raises every :data:`BEAT_SECONDS`."""

BEAT_SECONDS = 60.0
SILENT_SECONDS = 600.0
"""A trial of another machine without a sign of life for so long is one whose machine is gone."""

AGAIN = ("died", "interrupted")
"""Closed in these ways, a trial is done again."""

UNUSED, TWIN = "unused", "twin"
"""… and in these it counts for nothing: the budget has no room for it; another trial of its rank goes on."""


@dataclass(frozen=True)
class Owner:
    """A process, told apart from a later one with the same number by when it was created."""

    host: str
    pid: int
    created: float

    @classmethod
    def me(cls) -> Owner:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), psutil.Process().create_time())

    @property
    def here(self) -> bool:
        """Whether it is, or was, a process of this machine."""
        return self.host == socket.gethostname()

    @property
    def alive(self) -> bool:
        """Whether it still runs; only known of processes of this machine."""
        try:
            process = psutil.Process(self.pid)
            # Clocks are read at different resolutions; a number is not used again within a second.
            return abs(process.create_time() - self.created) < 1.0 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


def trials_of(study: optuna.Study) -> list[FrozenTrial]:
    """All trials by number, not to be changed."""
    return sorted(study.get_trials(deepcopy=False), key=lambda trial: trial.number)


def rank_of(trial: FrozenTrial) -> int:
    """The rank of a trial's proposal; its number where it was not made by a proposal."""
    return trial.user_attrs.get(RANK, trial.number)


def proposals(trials: Sequence[FrozenTrial]) -> dict[int, FrozenTrial]:
    """The last trial of each proposal, by rank; what was closed unused is none."""
    last: dict[int, FrozenTrial] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        if RANK in trial.user_attrs and trial.user_attrs.get(CLOSED) != TWIN:
            last[rank_of(trial)] = trial
    return {rank: last[rank] for rank in sorted(last) if last[rank].user_attrs.get(CLOSED) != UNUSED}


def is_open(trial: FrozenTrial) -> bool:
    """Whether a proposal, by its last trial, is still to end or to be done again."""
    return not trial.state.is_finished() or trial.user_attrs.get(CLOSED) in AGAIN


def is_twin(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Whether another trial of the same rank was there first and counts; only two machines can make such a pair."""
    return any(
        other.number < trial.number
        and RANK in other.user_attrs
        and rank_of(other) == rank_of(trial)
        and other.user_attrs.get(CLOSED) not in (*AGAIN, UNUSED, TWIN)
        for other in trials
    )


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
        taken = list(zip(trial.user_attrs.get(RUNS, []), trial.user_attrs.get(EPOCHS, []), strict=False))
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
        ended[rank].epochs if rank in ended else trial.user_attrs.get(FULL, full)
        for rank, trial in proposals(trials).items()
    )


def owner_of(trial: FrozenTrial) -> Owner | None:
    """Whose trial it is."""
    told = trial.user_attrs.get(PROCESS)
    return None if told is None else Owner(told["host"], told["pid"], told["created"])


def close(study: optuna.Study, trial: optuna.Trial | FrozenTrial, why: str) -> bool:
    """Close a running trial without a result; False where another process was quicker."""
    try:
        study._storage.set_trial_user_attr(trial._trial_id, CLOSED, why)
        study.tell(trial.number, state=TrialState.FAIL)
    except (ValueError, optuna.exceptions.UpdateFinishedTrialError):
        return False
    return True


def hand_back(study: optuna.Study, trial: optuna.Trial | FrozenTrial, why: str) -> bool:
    """Close a running trial that did not end by itself, and let its parameters wait for the next who asks.

    Args:
        why: ``died`` with its process, or ``interrupted`` by its user.

    Returns:
        Whether it was handed back; False where it has ended too often with its process, and now counts as failed.
    """
    frozen = trial if isinstance(trial, FrozenTrial) else study._storage.get_trial(trial._trial_id)
    deaths = _deaths(frozen) + (why == "died")
    if deaths >= MAX_DEATHS:
        close(study, frozen, f"took {deaths} processes down with it")
        return False
    if close(study, frozen, why):
        _requeue(study, frozen, deaths)
    return True


def _deaths(trial: FrozenTrial) -> int:
    """How often the proposal ended with a process without coming further than before."""
    further = len(trial.intermediate_values) > trial.user_attrs.get(REACHED, -1)
    return 0 if further else trial.user_attrs.get(DEATHS, 0)


def _requeue(study: optuna.Study, trial: FrozenTrial, deaths: int) -> None:
    told = {
        RANK: rank_of(trial),
        RETRY_OF: trial.number,
        DEATHS: deaths,
        REACHED: max(len(trial.intermediate_values), trial.user_attrs.get(REACHED, 0)),
        PROPOSED: trial.user_attrs.get(PROPOSED, {}),
    }
    study.add_trial(waiting(trial.params, trial.distributions, told))


def waiting(
    params: Mapping[str, Any], distributions: Mapping[str, BaseDistribution], told: Mapping[str, Any]
) -> FrozenTrial:
    """A trial whose settings are decided, for whoever is free."""
    return create_trial(
        state=TrialState.WAITING, params=dict(params), distributions=dict(distributions), user_attrs=dict(told)
    )


def reap(study: optuna.Study, lock: Path, alone: bool) -> list[FrozenTrial]:
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
                hand_back(study, trial, "died")
                reaped.append(trial)
            elif _is_half_done(trial):
                _requeue(study, trial, _deaths(trial) + (trial.user_attrs[CLOSED] == "died"))
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
            owner = owner_of(trial)
            if trial.state != TrialState.RUNNING or owner is None or owner.here:
                continue
            beat = trial.user_attrs.get(BEAT, 0)
            known, since = self._seen.get(trial.number, (None, now))
            if beat != known:
                self._seen[trial.number] = (beat, now)
            elif now - since > SILENT_SECONDS:
                found.append(trial)
        return found


def _is_dead(trial: FrozenTrial, me: Owner, alone: bool) -> bool:
    if trial.state != TrialState.RUNNING:
        return False
    owner = owner_of(trial)
    if owner is not None:
        return owner.here and owner != me and not owner.alive
    begun = trial.datetime_start
    if alone:
        return True
    return begun is not None and (datetime.now(begun.tzinfo) - begun).total_seconds() > _NAMELESS_SECONDS


def _is_half_done(trial: FrozenTrial) -> bool:
    """Whether the last trial of a proposal was closed to be done again: the next one is missing."""
    owner = owner_of(trial)
    again = trial.user_attrs.get(CLOSED) in AGAIN
    return trial.state == TrialState.FAIL and again and (owner is None or owner.here)
