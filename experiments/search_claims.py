"""Who works on which trial: how processes share a search, and what becomes of the trials of one that died.

Processes share a budget without talking to each other: the storage numbers trials one after another, and a trial's
*rank* is the number of proposals before it. Whoever gets a trial whose rank is not below the budget closes it unused,
so no two processes can overshoot together.

A trial that ended with its process is closed as failed, and its parameters wait for whoever asks next (``retry_of``).
Such a chain of trials is one proposal, so it costs the budget once. The processes of one machine do this under a lock,
and each can tell which of the others are alive; of a process on another machine they wait for a sign of life.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import optuna
import psutil
from filelock import FileLock
from optuna.trial import FrozenTrial, TrialState

MAX_DEATHS = 3
"""A trial that ended with this many processes is not tried again: it counts as failed."""

_NAMELESS_SECONDS = 120
"""A trial without an owner after so long is one whose process died as it began."""

PROCESS, RETRY_OF, ROOT, DEATHS = "process", "retry_of", "root", "deaths"
"""Attributes of a trial: its owner; whose parameters it has, and which trial had them first; how often they ended with
a process."""

CLOSED, TRAINED, EPOCHS, FULL = "closed", "trained", "epochs", "epochs_full"
"""… why it was closed without a result (``died``, ``interrupted``, ``unused``, or what went wrong); the runs that were
trained for it; epochs trained; epochs that it would have taken without pruning."""

SETTINGS, RUNS, SCORES = "settings", "fingerprints", "scores"
"""… the overrides that its parameters mean; the fingerprints of its runs; what finished runs of it scored."""

BEAT = "beat"
"""… a number that its owner raises every :data:`BEAT_SECONDS`."""

BEAT_SECONDS = 60.0
SILENT_SECONDS = 600.0
"""A trial of another machine without a sign of life for so long is one whose machine is gone."""

AGAIN = ("died", "interrupted")
"""Closed in these ways, a trial is done again."""


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


def root_of(trial: FrozenTrial) -> int:
    """The number of the trial that had these parameters first."""
    return trial.user_attrs.get(ROOT, trial.number)


def proposals(trials: Sequence[FrozenTrial]) -> dict[int, FrozenTrial]:
    """The last trial of each chain of retries, by the number of its first; what was closed unused is none."""
    used = [trial for trial in trials if trial.user_attrs.get(CLOSED) != "unused"]
    return {root_of(trial): trial for trial in sorted(used, key=lambda trial: trial.number)}


def is_open(trial: FrozenTrial) -> bool:
    """Whether the last trial of a chain is still to end, or to be done again."""
    return not trial.state.is_finished() or trial.user_attrs.get(CLOSED) in AGAIN


def rank(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> int:
    """Proposals before the one that this trial belongs to: its place in the budget, and in a grid."""
    return sum(root < root_of(trial) for root in proposals(trials))


def reserved(trials: Sequence[FrozenTrial], full: int) -> int:
    """Epochs that the proposals have cost, or may still cost.

    Args:
        full: what one costs that does not say so itself.
    """
    return sum(
        trial.user_attrs.get(FULL, full) if is_open(trial) else trial.user_attrs.get(EPOCHS, 0)
        for trial in proposals(trials).values()
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
    deaths = frozen.user_attrs.get(DEATHS, 0) + (why == "died")
    if deaths >= MAX_DEATHS:
        close(study, frozen, f"took {deaths} processes down with it")
        return False
    if close(study, frozen, why):
        _requeue(study, frozen, deaths)
    return True


def _requeue(study: optuna.Study, trial: FrozenTrial, deaths: int) -> None:
    fixed = trial.system_attrs.get("fixed_params", {}) | trial.params
    told = {RETRY_OF: trial.number, ROOT: root_of(trial), DEATHS: deaths, TRAINED: trial.user_attrs.get(TRAINED, [])}
    study.enqueue_trial(fixed, user_attrs=told)


def reap(study: optuna.Study, lock: Path) -> list[int]:
    """Hand back the trials of this machine's dead processes; returns their numbers.

    A process that died while it was doing just this is made up for, too.
    """
    me = Owner.me()
    reaped: list[int] = []
    if not any(_is_dead(trial, me) or _is_half_done(trial) for trial in proposals(trials_of(study)).values()):
        return reaped
    with FileLock(lock):
        for trial in proposals(trials_of(study)).values():
            if _is_dead(trial, me):
                hand_back(study, trial, "died")
                reaped.append(trial.number)
            elif _is_half_done(trial):
                _requeue(study, trial, trial.user_attrs.get(DEATHS, 0) + (trial.user_attrs[CLOSED] == "died"))
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


def _is_dead(trial: FrozenTrial, me: Owner) -> bool:
    if trial.state != TrialState.RUNNING:
        return False
    owner = owner_of(trial)
    if owner is not None:
        return owner.here and owner != me and not owner.alive
    begun = trial.datetime_start
    return begun is not None and (datetime.now(begun.tzinfo) - begun).total_seconds() > _NAMELESS_SECONDS


def _is_half_done(trial: FrozenTrial) -> bool:
    """Whether the last trial of a chain was closed to be done again: the next one is missing."""
    owner = owner_of(trial)
    again = trial.user_attrs.get(CLOSED) in AGAIN
    return trial.state == TrialState.FAIL and again and owner is not None and owner.here
