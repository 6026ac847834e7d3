"""Searches that travel with their study: out of their storage into a journal of their own, and into another home."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from experiments.home import Home
from experiments.planning.request import AnyRequest
from experiments.tuning.notes import StoredStudy, notes_of
from experiments.tuning.ownership import trials_of
from experiments.tuning.storage import (
    check_identity,
    find_study,
    open_storage,
    place_of,
    read_storage,
    storage_url,
    study_name,
)
from mmcore.errors import RecordError
from mmcore.language import number_of


def send(request: AnyRequest, home: Home, path: Path) -> None:
    """Copy the searches of a study that have begun into a new journal, each under the name of its arm."""
    with read_storage(home, request.search_key, storage_url(request.options.storage)) as storage:
        for one in request.searches:
            study = find_study(storage, study_name(request.search_key, one.arm))
            if study is not None:
                _copy(study, _journal(path), one.arm)


def runs_of(request: AnyRequest) -> list[str]:
    """Fingerprints of the runs that the trials of a study's searches have trained."""
    return [name for one in request.searches for trial in one.trials for name in trial.fingerprints]


def receive(request: AnyRequest, home: Home, path: Path) -> int:
    """Copy the searches of a journal that :func:`send` wrote to the place where a study of this home looks for them.

    A search that is there already is left as it is if it has the same trials.

    Returns:
        How many were copied.

    Raises:
        RecordError: the journal is broken, or the home has other trials of a search. Nothing is copied then.
        StudyError: a search of the archive has other settings than the study.
    """
    search, content = request.study.search, request.content
    if search is None or content is None:
        return 0
    sent = _read(path)
    with open_storage(home, request.search_key, storage_url(request.options.storage)) as storage:
        new: list[tuple[StoredStudy, str]] = []
        for arm in search.searches:
            theirs, name = find_study(sent, arm.arm), study_name(request.search_key, arm.arm)
            if theirs is None:
                continue
            check_identity(theirs, search.identity(arm, content))
            ours = find_study(storage, name)
            if ours is None:
                new.append((theirs, name))
            elif not _same(trials_of(ours), trials_of(theirs)):
                raise RecordError(
                    f"the home has other trials of the search for '{arm.arm}' than the archive",
                    expected=f"{number_of(len(trials_of(theirs)), 'trial')} as in the archive",
                    found=f"{number_of(len(trials_of(ours)), 'trial')} of its own",
                    where=place_of(home, request.search_key, storage_url()),
                    next_step="Import the archive into another home: --home DIR",
                )
        for theirs, name in new:
            _copy(theirs, storage, name)
    return len(new)


def _copy(study: StoredStudy, storage: BaseStorage, name: str) -> None:
    optuna.copy_study(
        from_study_name=study.study_name, from_storage=study.storage, to_storage=storage, to_study_name=name
    )


def _journal(path: Path) -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(path)))


def _read(path: Path) -> JournalStorage:
    try:
        return _journal(path)
    except Exception as problem:
        # A journal that was tampered with fails in whatever part of Optuna meets it first.
        raise _unreadable(path, problem) from None


def _same(ours: Sequence[FrozenTrial], theirs: Sequence[FrozenTrial]) -> bool:
    def compared(trial: FrozenTrial) -> tuple[object, ...]:
        # A trial that was under way as the search was copied may have gone on here.
        return (trial.number, trial.state, trial.params, trial.values, trial.user_attrs.get("rank"))

    return [compared(trial) for trial in ours] == [compared(trial) for trial in theirs]


def lost_trials(path: Path) -> list[tuple[str, int]]:
    """Search and number of trials in a journal whose process, of this machine, has died.

    Raises:
        RecordError: Optuna cannot read the journal.
    """
    try:
        storage = _journal(path)
        studies = [StoredStudy(name, storage) for name in optuna.get_all_study_names(storage)]
        trials = [(study.study_name, trial) for study in studies for trial in trials_of(study)]
    except Exception as problem:
        raise _unreadable(path, problem) from None
    running = [(name, trial) for name, trial in trials if trial.state == TrialState.RUNNING]
    owners = [(name, trial.number, notes_of(trial).process) for name, trial in running]
    return [(name, number) for name, number, owner in owners if owner is None or (owner.here and not owner.alive)]


def _unreadable(path: Path, problem: Exception) -> RecordError:
    return RecordError(
        "the searches of the archive cannot be read",
        found=f"{type(problem).__name__}: {problem}"[:200],
        where=path.name,
        next_step="Export the study again",
    )
