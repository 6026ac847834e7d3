"""CSV files that Weights & Biases exports: the table of runs, and the chart of a metric over steps."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd

from experiments.scores.numbers import number_of
from experiments.scores.steps import at_step
from experiments.scores.table import Given, ScoreTable
from mmcore.errors import ScoresError, nearest
from mmcore.language import say
from reports.numbers import counted

OF_RUNS = frozenset({"Name", "State"})
"""Columns that the table of runs always has."""
_NAME = re.compile(r"^(?P<arm>.+?)[-_ .]*(?:seed|fold|run|repeat|rep|s|r)?[-_ =]*(?P<repeat>\d+)$", re.IGNORECASE)
_BOUNDS = re.compile(r"__(MIN|MAX)$")


def is_wandb(table: ScoreTable) -> bool:
    """Whether a table is an export of Weights & Biases."""
    return set(table.names) >= OF_RUNS or bool(_chart(table))


def of_wandb(table: ScoreTable, score: str | None, step: str) -> ScoreTable:
    """The scores of an export.

    The table of runs has a row a run with its config and its summary, so its columns stay; runs that did not finish are
    left out and counted. A chart has a column ``RUN - METRIC`` a run and a row a step: the score is the value at the
    last step, or the largest or smallest one.

    Raises:
        ScoresError: no finished run, or several metrics in a chart and none named.
    """
    return _of_runs(table) if set(table.names) >= OF_RUNS else _of_chart(table, score, step)


def _of_runs(table: ScoreTable) -> ScoreTable:
    state = [str(cell).lower() for cell in table.cells("State")]
    places = [place for place, one in enumerate(state) if one == "finished"]
    if not places:
        raise ScoresError(
            "an export of runs must hold finished ones", found=", ".join(sorted(set(state))), where=table.source
        )
    left = len(state) - len(places)
    notes = [say("An export of runs from Weights & Biases.")]
    if left:
        states = ", ".join(sorted(set(state) - {"finished"}))
        notes.append(say("{runs} that did not finish left out ({states}).", runs=counted(left, "run"), states=states))
    # The name of a run is of one run: it tells no arms apart.
    own = ["State", "Name"] if table.distinct("Name") == len(state) else ["State"]
    rows = table.rows.iloc[places].drop(columns=own).reset_index(drop=True)
    line = None if table.line is None else tuple(table.line[place] for place in places)
    return replace(table, rows=rows, line=line, notes=tuple(notes))


def _chart(table: ScoreTable) -> dict[str, tuple[str, str]]:
    """Column to the run and metric of a chart's export; {} where it is none."""
    names = table.names
    if not names or names[0] not in ("Step", "Relative Time (Process)", "Relative Time (Wall)", "Wall Time"):
        return {}
    found = {}
    for name in names[1:]:
        run, dash, metric = name.rpartition(" - ")
        if dash and not _BOUNDS.search(metric) and not metric.startswith("_"):
            found[name] = (run, metric)
    return found


def _of_chart(table: ScoreTable, score: str | None, step: str) -> ScoreTable:
    columns = _chart(table)
    metrics = sorted({metric for _, metric in columns.values()})
    if score is not None and score not in metrics:
        raise ScoresError(
            "the chart has no such metric", found=f"'{score}'", where=table.source, next_step=nearest(score, metrics)
        )
    if score is None and len(metrics) > 1:
        raise ScoresError(
            "it must be clear which metric is the score", expected="--score METRIC", found=", ".join(metrics),
            where=table.source,
        )  # fmt: skip
    score = score or metrics[0]
    rows = []
    for column, (run, metric) in columns.items():
        if metric == score:
            values = [v for cell in table.cells(column) if (v := number_of(cell)) is not None and v == v]
            rows.append({**parts_of_name(run), score: at_step(values, step)})
    note = say("A chart of '{score}' from Weights & Biases: a run's score is its {step} value.", score=score, step=step)
    given = Given(score=score)
    return ScoreTable(pd.DataFrame(rows, dtype=object), table.name, table.source, notes=(note,), given=given)


def parts_of_name(run: str) -> dict[str, str]:
    """A run's name as arm and repeat: ``mlp-seed3`` and ``mlp_3`` are repeat 3 of 'mlp'.

    Example:
        >>> parts_of_name("mlp-seed3"), parts_of_name("mlp")
        ({'arm': 'mlp', 'repeat': '3'}, {'arm': 'mlp'})
    """
    found = _NAME.match(run)
    return {"arm": run} if found is None else {"arm": found["arm"].rstrip("-_ ."), "repeat": found["repeat"]}
