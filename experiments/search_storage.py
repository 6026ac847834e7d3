"""Where searches are kept, and who works on them: a study of Optuna's for each arm, shared by any number of processes.

Storage is Optuna's journal file in the home, for the processes of one machine; or a database by URL (``--storage``,
``MMSTUDY_STORAGE``; PostgreSQL with the extra ``postgres``), for several machines.

How processes share a budget without talking to each other: the storage numbers trials one after another, and a trial's
*rank* is the number of proposals before it. Whoever gets a trial whose rank is not below the budget closes it unused,
so no two processes can overshoot together.

A trial that ended with its process is closed as failed, and its parameters wait for whoever asks next (``retry_of``).
Such a chain of trials is one proposal, so it costs the budget once. The processes of one machine do this under a lock,
and each can tell which of the others are alive.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import optuna
import psutil
from filelock import FileLock
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.trial import FrozenTrial, TrialState

from experiments.home import Home
from mmcore.errors import StoreError, StudyError
from studies.tuning import digest

optuna.logging.set_verbosity(optuna.logging.ERROR)

IDENTITY = "mmstudy"
"""Attribute of a search: what its trials have in common."""

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

AGAIN = ("died", "interrupted")
"""Closed in these ways, a trial is done again."""


class _Lock(BaseJournalFileLock):
    """Guards the journal among the processes of one machine, and mends it.

    It belongs to its process, so one that is killed leaves none behind (Optuna's own lock files stay, and stall others
    for half a minute). A line that a killed process did not finish would make the journal unreadable for ever: it is
    cut off before the next is written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # Not "….lock": that name is that of Optuna's own lock, which a dashboard may take.
        self._lock = FileLock(path.with_suffix(".guard"))
        self._threads = threading.Lock()

    def acquire(self) -> bool:
        self._threads.acquire()
        try:
            self._lock.acquire()
            _cut_torn_line(self._path)
        except BaseException:
            self._lock.release(force=True)
            self._threads.release()
            raise
        return True

    def release(self) -> None:
        self._lock.release()
        self._threads.release()


def _cut_torn_line(path: Path) -> None:
    """Leave whole lines only; the caller holds the lock."""
    try:
        with open(path, "r+b") as file:
            size = end = file.seek(0, os.SEEK_END)
            while end:
                start = max(0, end - 4096)
                file.seek(start)
                newline = file.read(end - start).rfind(b"\n")
                if newline >= 0:
                    end = start + newline + 1
                    break
                end = start
            if end < size:
                file.truncate(end)
    except FileNotFoundError:
        return


def journal(home: Home, key: str) -> Path:
    """The default storage of a study's searches."""
    return home.root / "search" / f"{key}.journal"


def storage_url(given: str | None = None) -> str | None:
    """The database to use, from the command line or ``MMSTUDY_STORAGE``; None: the journal in the home."""
    return given or os.environ.get("MMSTUDY_STORAGE") or None


def open_storage(home: Home, key: str, url: str | None) -> BaseStorage:
    """The storage of a study's searches, made if need be.

    Raises:
        StoreError: it does not answer, is unreadable, or needs a package that is not installed.
    """
    place = url or str(journal(home, key))
    with _talking("be opened", place):
        if url is None:
            path = journal(home, key)
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = _Lock(path)
            lock.acquire()
            lock.release()
            return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
        # Several processes that create a fresh database at once break it; those of one home take turns.
        with FileLock(home.root / "search.lock"):
            return RDBStorage(with_driver(url))


def with_driver(url: str) -> str:
    """A PostgreSQL address with the driver that the extra ``postgres`` installs, where it names none."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


@contextlib.contextmanager
def _talking(what: str, place: str) -> Iterator[None]:
    try:
        yield
    except (StudyError, StoreError):
        raise
    except ImportError as problem:
        raise StoreError(
            f"the storage of the search needs the package '{problem.name}'",
            where=place,
            next_step="For PostgreSQL: pip install 'mmstudy[postgres]'",
        ) from None
    except Exception as problem:
        raise StoreError(
            f"the storage of the search could not {what}",
            found=f"{type(problem).__name__}: {(str(problem).splitlines() or [''])[0]}"[:300],
            where=place,
            next_step="Mend or remove it; finished runs are kept and reused",
        ) from problem


def open_study(
    storage: BaseStorage,
    name: str,
    told: dict[str, Any],
    directions: Sequence[Literal["minimize", "maximize"]],
    sampler: BaseSampler,
    pruner: BasePruner,
) -> optuna.Study:
    """The search of that name; a new one, or the one that is there.

    Args:
        told: what all its trials must have in common; see :meth:`studies.tuning.ResolvedSearch.identity`.

    Raises:
        StudyError: the one that is there is another search; says what differs.
    """
    study = optuna.create_study(
        storage=storage, study_name=name, directions=directions, sampler=sampler, pruner=pruner, load_if_exists=True
    )
    known = study.user_attrs.get(IDENTITY)
    if known is None:
        study.set_user_attr(IDENTITY, told)
    elif digest(known) != digest(told):
        raise StudyError(
            f"the search '{name}' was begun with another question, and its trials cannot be mixed with new ones",
            expected=_differences(known, told)[0],
            found=_differences(known, told)[1],
            next_step="Undo the change, or give the study file another name; to begin anew, remove the storage",
        )
    return study


def find_study(storage: BaseStorage, name: str) -> optuna.Study | None:
    """The search of that name, to be read; None where it has not begun."""
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        return None


def _differences(known: dict[str, Any], told: dict[str, Any], path: str = "") -> tuple[str, str]:
    """Where two identities part, as they were and as they are."""
    was, now = [], []
    for key in sorted({*known, *told}):
        old, new = known.get(key), told.get(key)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            inner = _differences(old, new, f"{path}{key}: ")
            was.append(inner[0])
            now.append(inner[1])
        else:
            was.append(f"{path}{key} {old}")
            now.append(f"{path}{key} {new}")
    return "; ".join(was)[:300], "; ".join(now)[:300]


# Trials ------------------------------------------------------------------------------------------------------------
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
