"""Ownership of trials: how processes share a search, and what happens to the trials of a process that died.

The *rank* of a proposal is the number of proposals before it. The rank determines its settings, its seed and what it
may know of other trials, so these do not depend on the number of processes, on which trial ends first, or on which
process dies. A proposal is stored as a waiting trial; the next free process takes it. If the process of a trial dies,
the trial is closed as failed, and a new trial with the same rank and settings waits for the next free process
(``retry_of``). All trials of a rank are one proposal, so it uses the budget once.

The processes of one home do this under a lock, and each can see which of the others are alive. For a process on another
machine they wait for a sign of life, by a clock of their own that nobody sets. Two machines may make the same proposal
at once: one of the two is closed unused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import optuna
from filelock import FileLock
from optuna.trial import FrozenTrial, TrialState

from experiments.tuning.notes import StoredStudy, TrialNotes, notes_of, waiting
from mmcore.language import number_of

MAX_DEATHS = 3
"""If this many processes in a row die during a trial, and the trial makes no progress in between, it is not tried again
and counts as failed. A trial that makes progress each time is not the cause of these deaths."""

HALF_DONE_SECONDS = 10.0
"""Who takes a trial signs it at once, and who hands one back queues it again at once. Where this does not happen for so
long, the process died in between."""

BEAT_SECONDS = 60.0
"""The owner of a trial raises its ``beat`` this often."""
SILENT_SECONDS = 600.0
"""A trial of another machine that shows no sign of life for this long is treated as lost."""

AGAIN = ("died", "interrupted")
"""A trial that was closed for one of these reasons is done again."""

UNUSED, TWIN = "unused", "twin"
"""A trial that was closed for one of these reasons does not count: the budget has no room for it; another trial of its
rank continues."""


def trials_of(study: optuna.Study) -> list[FrozenTrial]:
    """All trials by number; callers must not change them."""
    return sorted(study.get_trials(deepcopy=False), key=lambda trial: trial.number)


def rank_of(trial: optuna.Trial | FrozenTrial) -> int:
    """The rank of a trial's proposal; its number where it was not made by a proposal."""
    rank = notes_of(trial).rank
    return trial.number if rank is None else rank


def proposals(trials: Sequence[FrozenTrial]) -> dict[int, FrozenTrial]:
    """The last trial of each proposal, by rank; trials that were closed unused are left out."""
    last: dict[int, tuple[FrozenTrial, str | None]] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        notes = notes_of(trial)
        if notes.rank is not None and notes.closed != TWIN:
            last[notes.rank] = (trial, notes.closed)
    return {
        rank: trial for rank, (trial, closed) in sorted(last.items(), key=lambda entry: entry[0]) if closed != UNUSED
    }


def is_open(trial: FrozenTrial) -> bool:
    """Whether a proposal's last trial still runs, or must be done again."""
    return not trial.state.is_finished() or notes_of(trial).closed in AGAIN


def is_twin(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> bool:
    """Whether an earlier trial of the same rank counts instead; only two machines can make such a pair."""
    rank = rank_of(trial)
    before = [notes_of(other) for other in trials if other.number < trial.number]
    return any(other.rank == rank and other.closed not in (*AGAIN, UNUSED, TWIN) for other in before)


@dataclass(frozen=True)
class Cost:
    """The cost of a proposal.

    Args:
        epochs: epochs that it trained, without those that a proposal of lower rank trained of the same runs.
        reused: runs of which it trained no epoch.
    """

    epochs: int
    reused: int


def costs(trials: Sequence[FrozenTrial]) -> dict[int, Cost]:
    """The cost of each finished proposal, by rank.

    Costs are counted by rank, and also for runs that were in the home already. So a search costs the same in any home,
    however often it is interrupted, and a budget in epochs ends it at the same trial.
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
        full: cost of a proposal without a note of its own cost.
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
    """Close a running trial that was cut short, and queue its parameters for the next free process.

    Args:
        number: of the trial.
        why: its process died, or its user interrupted it.

    Returns:
        Whether it was handed back; False if its processes have died too often, so that it now counts as failed.
    """
    trial = next(one for one in trials_of(study) if one.number == number)
    deaths = _deaths(trial) + (why == "died")
    if deaths >= MAX_DEATHS:
        close(study, number, f"took {number_of(deaths, 'process', 'processes')} down with it")
        return False
    if close(study, number, why):
        _requeue(study, trial, deaths)
    return True


def _deaths(trial: FrozenTrial) -> int:
    """How often a process died during the proposal without further progress."""
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

    This also completes the work of a process that died while it handed trials back.

    Args:
        lock: the lock under which trials are taken and handed back.
        alone: whether all processes take trials of this search under that lock. Then a trial without an owner belongs
            to a process that died as it took it.
    """
    reaped: list[FrozenTrial] = []
    if not any(_is_dead(trial, alone) or _is_half_done(trial) for trial in proposals(trials_of(study)).values()):
        return reaped
    with FileLock(lock):
        for trial in proposals(trials_of(study)).values():
            if _is_dead(trial, alone):
                hand_back(study, trial.number, "died")
                reaped.append(trial)
            elif _is_half_done(trial):
                _queue_again(study, trial)
    return reaped


def revive(study: StoredStudy, lock: Path, lost: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Hand back the trials that a :class:`Watch` found, unless others have done so meanwhile; returns those that ran.

    Args:
        lock: as for :func:`reap`.
    """
    revived: list[FrozenTrial] = []
    with FileLock(lock):
        last = {trial.number: trial for trial in proposals(trials_of(study)).values()}
        for trial in (last[one.number] for one in lost if one.number in last):
            if trial.state == TrialState.RUNNING:
                if hand_back(study, trial.number, "died"):
                    revived.append(trial)
            elif _was_cut_short(trial):
                _queue_again(study, trial)
    return revived


class Watch:
    """Finds trials on which nobody works any more, where only time can tell.

    They are trials of other machines that show no sign of life, or that were never queued again; and trials that nobody
    signed. It uses only this machine's steady clock: the time of day of any machine may be wrong.
    """

    def __init__(self) -> None:
        self._seen: dict[int, tuple[object, float]] = {}

    def silent(self, trials: Sequence[FrozenTrial], now: float) -> list[FrozenTrial]:
        """Trials on which nothing has changed for too long; ``now`` in seconds of any steady clock."""
        found = []
        for trial in proposals(trials).values():
            patience = _patience(trial)
            if patience is None:
                continue
            notes = notes_of(trial)
            state = (trial.state, notes.process, notes.beat)
            known, since = self._seen.get(trial.number, (None, now))
            if state != known:
                self._seen[trial.number] = (state, now)
            elif now - since > patience:
                found.append(trial)
        return found


def _patience(trial: FrozenTrial) -> float | None:
    """Seconds after which a trial without a change is lost; None: others end it, or one sees whether they live."""
    if trial.state == TrialState.RUNNING:
        owner = notes_of(trial).process
        if owner is None:
            return HALF_DONE_SECONDS
        return None if owner.here else SILENT_SECONDS
    return HALF_DONE_SECONDS if _was_cut_short(trial) else None


def _is_dead(trial: FrozenTrial, alone: bool) -> bool:
    if trial.state != TrialState.RUNNING:
        return False
    owner = notes_of(trial).process
    return alone if owner is None else owner.here and not owner.is_me and not owner.alive


def _was_cut_short(trial: FrozenTrial) -> bool:
    """Whether it must be done again; as the last trial of its proposal it lacks a new trial."""
    return trial.state == TrialState.FAIL and notes_of(trial).closed in AGAIN


def _is_half_done(trial: FrozenTrial) -> bool:
    """Whether the last trial of a proposal must be done again and the new trial is still missing."""
    if not _was_cut_short(trial):
        return False
    owner = notes_of(trial).process
    return owner is None or owner.here


def _queue_again(study: StoredStudy, trial: FrozenTrial) -> None:
    """The second half of :func:`hand_back`."""
    _requeue(study, trial, _deaths(trial) + (notes_of(trial).closed == "died"))
