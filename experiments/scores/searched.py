"""The finished trials of an Optuna study as a table of scores: settings are arms."""

from __future__ import annotations

import pandas as pd

from experiments.scores.columns import REPEAT
from experiments.scores.table import Given, ScoreTable
from experiments.tuning.finished import Trial, finished_trials
from mmcore.language import say
from reports.numbers import counted, listing

SETTINGS = "settings"
"""Column of a trial's settings, in one text."""


def read_optuna(name: str, score: str | None) -> ScoreTable:
    """A row for each complete trial: its parameters, user attributes, settings in one text, and value.

    A parameter or attribute that is called like a repeat (``seed``, ``fold``) is one, and no part of the settings.

    Args:
        name: of the storage, ``sqlite:///study.db`` or the path of a journal file, with ``#STUDY`` behind it where it
            holds several studies.
        score: of several objectives, the name of one.

    Raises:
        ScoresError: no such storage or study, no complete trial, or several objectives and none named.
    """
    address, _, wanted = name.partition("#")
    found = finished_trials(address, wanted or None, score)
    rows = [_row(trial, found.objective) for trial in found.trials]
    settings = len({row[SETTINGS] for row in rows})
    notes = [
        say(
            "An Optuna study: {trials} of {settings}.",
            trials=counted(len(rows), "complete trial"),
            settings=counted(settings, "setting"),
        ),
        say("A search spends its trials where it finds good values, so the best of many looks better than it is."),
    ]
    if found.others:
        left = listing([say("{n} {state}", n=n, state=say(state)) for state, n in found.others.items()])
        notes.append(say("Trials that are left out: {left}.", left=left))
    given = Given(arm=SETTINGS, score=found.objective, lower_is_better=found.minimised)
    numbers = tuple(trial.number for trial in found.trials)
    table = pd.DataFrame(rows, dtype=object)
    return ScoreTable(table, found.study, f"optuna:{address}", numbers, "trial", tuple(notes), given)


def _row(trial: Trial, objective: str) -> dict[str, object]:
    own = {key: value for key, value in trial.params.items() if key.lower() not in REPEAT}
    settings = ", ".join(f"{key}={_short(value)}" for key, value in sorted(own.items()))
    row: dict[str, object] = {key: value for key, value in trial.attributes.items() if key.lower() in REPEAT}
    row.update(trial.params)
    row = {key: value for key, value in row.items() if key not in (objective, SETTINGS)}
    return row | {SETTINGS: settings or "no parameter", objective: trial.value}


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
