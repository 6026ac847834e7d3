"""The finished trials of any Optuna study as a table of scores: settings are arms."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import optuna
import pandas as pd
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from experiments.scores.columns import REPEAT
from experiments.scores.table import Given, ScoreTable
from mmcore.errors import ScoresError, nearest
from reports.numbers import counted, listing

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

VALUE, SETTINGS = "value", "settings"
"""Columns of the objective's value and of a trial's settings."""


def read_optuna(name: str, score: str | None) -> ScoreTable:
    """A row for each complete trial: its parameters, user attributes, settings in one text, and value.

    A parameter or attribute that is called like a repeat (``seed``, ``fold``) is one, and no part of the settings.

    Args:
        name: of the storage, ``sqlite:///study.db`` or the path of a journal file, with ``#STUDY`` behind it where it
            holds several studies.
        score: of several objectives, the name or number of one.

    Raises:
        ScoresError: no such storage or study, no complete trial, or several objectives and none named.
    """
    address, _, wanted = name.partition("#")
    storage = _open(address)
    names = optuna.get_all_study_names(storage)
    if wanted and wanted not in names:
        raise ScoresError("no such study", found=f"'{wanted}'", where=address, next_step=nearest(wanted, names))
    if not wanted and len(names) != 1:
        raise ScoresError(
            "it must be clear which study is meant", expected=f"optuna:{address}#STUDY", where=address,
            found=", ".join(names) or "no study",
        )  # fmt: skip
    study = optuna.load_study(study_name=wanted or names[0], storage=storage)
    place, objective = _objective(study, score, address)
    done = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    states = Counter(trial.state.name.lower() for trial in study.trials)
    if not done:
        raise ScoresError(
            "a study must have complete trials", where=address,
            found=", ".join(f"{n} {state}" for state, n in states.items()) or "no trial",
        )  # fmt: skip
    rows = [_row(trial, place, objective) for trial in done]
    left = [f"{n} {state}" for state, n in states.items() if state != "complete"]
    settings = len({row[SETTINGS] for row in rows})
    notes = [
        f"An Optuna study: {counted(len(done), 'complete trial')} of {counted(settings, 'setting')}.",
        "A search spends its trials where it finds good values, so the best of many looks better than it is.",
    ]
    if left:
        notes.append(f"Trials that are left out: {listing(left)}.")
    table = pd.DataFrame(rows, dtype=object)
    lower = study.directions[place] == StudyDirection.MINIMIZE
    given = Given(arm=SETTINGS, score=objective, lower_is_better=lower)
    numbers = tuple(trial.number for trial in done)
    return ScoreTable(table, study.study_name, f"optuna:{address}", numbers, "trial", tuple(notes), given)


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


def _objective(study: optuna.Study, score: str | None, address: str) -> tuple[int, str]:
    """Which of the study's objectives is the score, and what it is called."""
    count = len(study.directions)
    names = list(study.metric_names or ([VALUE] if count == 1 else [f"{VALUE}_{i}" for i in range(count)]))
    if score is None and count > 1:
        raise ScoresError(
            "it must be clear which objective is the score", expected="--score OBJECTIVE", found=", ".join(names),
            where=address,
        )  # fmt: skip
    if score is not None and score not in names:
        raise ScoresError("no such objective", found=f"'{score}'", where=address, next_step=nearest(score, names))
    place = 0 if score is None else names.index(score)
    return place, names[place]


def _row(trial: FrozenTrial, place: int, objective: str) -> dict[str, object]:
    own = {key: value for key, value in trial.params.items() if key.lower() not in REPEAT}
    settings = ", ".join(f"{key}={_short(value)}" for key, value in sorted(own.items()))
    row: dict[str, object] = {key: value for key, value in trial.user_attrs.items() if key.lower() in REPEAT}
    row |= dict(trial.params)
    row = {key: value for key, value in row.items() if key not in (objective, SETTINGS)}
    return row | {SETTINGS: settings or "no parameter", objective: (trial.values or [None])[place]}


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
