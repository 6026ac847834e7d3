"""The finished trials of any Optuna study, also of one that mmstudy did not run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import TrialState

from mmcore.errors import ScoresError, nearest

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

VALUE = "value"
"""What an objective without a name is called."""


@dataclass(frozen=True)
class Trial:
    """A complete trial: its number, parameters, user attributes, and value of one objective."""

    number: int
    params: Mapping[str, Any]
    attributes: Mapping[str, Any]
    value: float


@dataclass(frozen=True)
class Finished:
    """What a study found.

    Args:
        study: its name. objective: the name of the one whose values are given. minimised: its direction.
        trials: complete ones. others: number of trials by state, without those.
    """

    study: str
    objective: str
    minimised: bool
    trials: tuple[Trial, ...]
    others: Mapping[str, int]


def finished_trials(address: str, wanted: str | None, objective: str | None) -> Finished:
    """Read a study.

    Args:
        address: of the storage, ``sqlite:///study.db`` or the path of a journal file. wanted: the study; None: the only
            one. objective: of several, the name of one; None: the only one.

    Raises:
        ScoresError: no such storage, study or objective, no complete trial, or a choice that is left open.
    """
    storage = _open(address)
    names = optuna.get_all_study_names(storage)
    if wanted is not None and wanted not in names:
        raise ScoresError("no such study", found=f"'{wanted}'", where=address, next_step=nearest(wanted, names))
    if wanted is None and len(names) != 1:
        raise ScoresError(
            "it must be clear which study is meant", expected=f"optuna:{address}#STUDY", where=address,
            found=", ".join(names) or "no study",
        )  # fmt: skip
    study = optuna.load_study(study_name=wanted or names[0], storage=storage)
    place, name = _objective(study, objective, address)
    states = Counter(trial.state.name.lower() for trial in study.trials)
    done = tuple(
        Trial(trial.number, trial.params, trial.user_attrs, trial.values[place])
        for trial in study.trials
        if trial.state == TrialState.COMPLETE
    )
    if not done:
        raise ScoresError(
            "a study must have complete trials", where=address,
            found=", ".join(f"{n} {state}" for state, n in states.items()) or "no trial",
        )  # fmt: skip
    del states["complete"]
    return Finished(study.study_name, name, study.directions[place] == StudyDirection.MINIMIZE, done, states)


def _open(address: str) -> BaseStorage:
    path = Path(address.removeprefix("sqlite:///"))
    if (address.startswith("sqlite:///") or "://" not in address) and not path.is_file():
        raise ScoresError("the storage must be there", found=f"no file {path}", where=f"optuna:{address}")
    try:
        if "://" in address:
            return RDBStorage(address, skip_table_creation=True)
        return JournalStorage(JournalFileBackend(address))
    except Exception as problem:
        text = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise ScoresError("the storage does not open", found=text[:300], where=f"optuna:{address}") from problem


def _objective(study: optuna.Study, wanted: str | None, address: str) -> tuple[int, str]:
    """Which of the study's objectives is meant, and what it is called."""
    count = len(study.directions)
    names = list(study.metric_names or ([VALUE] if count == 1 else [f"{VALUE}_{i}" for i in range(count)]))
    if wanted is None and count > 1:
        raise ScoresError(
            "it must be clear which objective is the score", expected="--score OBJECTIVE", found=", ".join(names),
            where=address,
        )  # fmt: skip
    if wanted is not None and wanted not in names:
        raise ScoresError("no such objective", found=f"'{wanted}'", where=address, next_step=nearest(wanted, names))
    place = 0 if wanted is None else names.index(wanted)
    return place, names[place]
