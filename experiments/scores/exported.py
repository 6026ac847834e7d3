"""The scores of a study that mmstudy reported: ``tables/scores.csv`` of its report, with what ``report.json`` says."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from experiments.scores.numbers import number_of
from experiments.scores.table import Given, ScoreTable
from mmcore.errors import ScoresError, nearest

COLUMNS = ("arm", "repeat", "split", "items", "metric", "component", "parameter", "value")
"""Columns of ``tables/scores.csv``."""


def is_exported(table: ScoreTable) -> bool:
    """Whether a table is the scores of a study's report."""
    return set(COLUMNS) <= set(map(str, table.rows.columns))


def report_beside(path: Path) -> Path | None:
    """``report.json`` of the report that a table belongs to; None where it is not there."""
    return next((p for p in (path.parent.parent / "report.json", path.parent / "report.json") if p.is_file()), None)


def exported(table: ScoreTable, report: Path | None, metric: str | None) -> ScoreTable:
    """Test scores on one metric, one a run, with what the report says of splits and comparisons.

    Args:
        report: ``report.json`` of the same report; None: nothing is known of splits. metric: as ``--score`` names it,
            ``skill`` or ``COMPONENT/MEASURE``; None: the report's.

    Raises:
        ScoresError: no report and no metric, a broken report, or a metric that no run has.
    """
    told: dict[str, Any] = {} if report is None else _read(report)
    metric = metric or told.get("metric")
    if metric is None:
        raise ScoresError(
            "a study's scores hold several measures", expected="--score MEASURE", where=table.source,
            next_step=f"Measures: {', '.join(sorted(set(table.rows['metric'])))}; or leave report.json beside it",
        )  # fmt: skip
    component, _, measure = metric.rpartition("/")
    rows = table.rows.reset_index(drop=True)
    of_tests = (rows["split"] == "test") & (rows["items"] == "all")
    of_metric = (rows["metric"] == measure) & (_texts(rows["component"]) == component)
    rows = rows[of_tests & of_metric]
    whole = rows[_texts(rows["parameter"]) == ""]
    if not len(whole) and len(rows):
        # A measure that has values for parameters only: a run's score is their mean.
        rows = rows.assign(value=[number_of(value) for value in rows["value"]])
        whole = rows.groupby(["arm", "repeat"], sort=False, as_index=False)["value"].mean()
    if not len(whole):
        known = sorted({f"{c}/{m}" if c else m for m, c in zip(table.rows["metric"], _texts(table.rows["component"]),
                        strict=True)})  # fmt: skip
        raise ScoresError("no run of the study has this metric", found=f"'{metric}'", next_step=nearest(metric, known))
    line = table.line
    if line is not None and whole.index.max() < len(line) and "split" in whole:
        line = tuple(line[place] for place in whole.index)
    else:
        line = None
    kept = whole[["arm", "repeat", "value"]].rename(columns={"value": metric}).reset_index(drop=True)
    given = _given(told, Given(arm="arm", repeat="repeat", score=metric))
    note = f"The scores of a study: {len(kept)} test scores by {metric}."
    return replace(table, rows=kept, line=line, name=told.get("study", table.name), notes=(note,), given=given)


def _texts(cells: Any) -> Any:
    return cells.fillna("").astype(str)


def _read(report: Path) -> dict[str, Any]:
    try:
        told = json.loads(report.read_text(encoding="utf-8"))
        assert isinstance(told["provenance"], dict)
        return told
    except (OSError, ValueError, KeyError, AssertionError) as problem:
        raise ScoresError(
            "the report beside the scores must be readable", found=f"{type(problem).__name__}: {problem}",
            where=str(report), next_step="Write it again with mmstudy report, or move the scores elsewhere",
        ) from None  # fmt: skip


def _given(told: dict[str, Any], given: Given) -> Given:
    """What the report says of its splits and comparisons; as it is where there is none."""
    if not told:
        return given
    splits = told["provenance"].get("splits") or {}
    drawn = splits.get("drawn", "each_repeat")
    runs = Counter(run["repeat"] for run in told["provenance"]["runs"] if run["status"] == "done")
    # A run counts once, as in the study: a repeat in which an arm failed weighs less.
    ratios = [
        split["test_groups"] / split["train_groups"]
        for split in splits.get("repeats", ())
        for _ in range(runs[split["repeat"]])
    ]
    shared = drawn != "each_repeat"
    why = "The study's report says so: all arms of a repeat share split and initialisation."
    if shared:
        why += (
            " All repeats tested the same items, and the exported scores are not by item: verdicts are for these items."
        )
    pairs = tuple((c["arm"], c["reference"]) for c in told["comparisons"] if c["component"] is None)
    return replace(
        given,
        reference=next((arm["name"] for arm in told["arms"] if arm["reference"]), None),
        paired=True,
        overlap=0.0 if shared or not ratios else fmean(ratios),
        shared=shared,
        why=why,
        pairs=pairs or None,
        alpha=told.get("alpha"),
        margin=told.get("margin"),
        question=told.get("question"),
    )
