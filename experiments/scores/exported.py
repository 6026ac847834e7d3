"""The scores of a study that mmstudy reported: ``tables/scores.csv`` of its report, with what ``report.json`` says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from experiments.scores.numbers import number_of
from experiments.scores.table import Given, ScoreTable
from mmcore.errors import ScoresError, nearest
from mmcore.files import read_bytes
from mmcore.language import say, say_of
from mmcore.measures import MEASURES
from reports.numbers import prose

COLUMNS = ("arm", "repeat", "split", "items", "metric", "component", "parameter", "value")
"""Columns of ``tables/scores.csv``."""


def is_exported(table: ScoreTable) -> bool:
    """Whether a table is the scores of a study's report."""
    return set(COLUMNS) <= set(table.names)


def report_beside(path: Path) -> Path | None:
    """``report.json`` of the report that a table belongs to; None where it is not there."""
    return next((p for p in (path.parent.parent / "report.json", path.parent / "report.json") if p.is_file()), None)


def exported(table: ScoreTable, report: Path | None, metric: str | None) -> ScoreTable:
    """Test scores on one metric, one a run, with what the report says of splits and comparisons.

    Args:
        report: ``report.json`` of the same report; None: nothing is known of splits. metric: as ``--score`` names it,
            ``skill`` or ``COMPONENT/MEASURE``; None: the report's.

    Raises:
        ScoresError: no report and no metric, a broken report, a metric that no run has, or a study that added repeats
            until comparisons were decided.
    """
    report_json: Mapping[str, Any] = {} if report is None else _read(report)
    _refuse_looks(report_json, str(report))
    metric = metric or report_json.get("metric")
    if metric is None:
        raise ScoresError(
            "a study's scores hold several measures", expected="--score MEASURE", where=table.source,
            next_step=f"Measures: {', '.join(sorted({str(cell) for cell in table.cells('metric')}))}",
        )  # fmt: skip
    component, _, measure = metric.rpartition("/")
    found: dict[tuple[str, str], dict[str, object]] = {}
    places: dict[tuple[str, str], int] = {}
    columns = {name: table.cells(name) for name in COLUMNS}
    for place in range(len(table.rows)):
        row = {name: _text(cells[place]) for name, cells in columns.items()}
        if (row["split"], row["items"], row["metric"], row["component"]) == ("test", "all", measure, component):
            run = row["arm"], row["repeat"]
            places.setdefault(run, place)
            found.setdefault(run, {})[row["parameter"]] = columns["value"][place]
    if not found:
        known = dict.fromkeys(
            f"{c}/{m}" if (c := _text(component)) else _text(m)
            for m, component in zip(columns["metric"], columns["component"], strict=True)
        )
        raise ScoresError(
            "no run of the study has this metric", found=f"'{metric}'", where=table.source,
            next_step=nearest(metric, list(known)),
        )  # fmt: skip
    kept = pd.DataFrame([(*run, _whole(values)) for run, values in found.items()], columns=["arm", "repeat", metric])
    line = None if table.line is None else tuple(table.line[place] for place in places.values())
    given = _given(report_json, Given(arm="arm", repeat="repeat", score=metric), metric)
    study = str(report_json.get("study", table.name))
    note = say_of(
        len(found),
        "The exported scores of '{study}': 1 test score by {metric}.",
        "The exported scores of '{study}': {n} test scores by {metric}.",
        study=study,
        metric=metric,
    )
    return replace(
        table,
        rows=kept,
        line=line,
        name=study.removeprefix("judge-"),
        notes=(note, *_doubts(report_json)),
        given=given,
    )


def _text(cell: object) -> str:
    return "" if cell is None or cell != cell else str(cell)


def _whole(values: dict[str, object]) -> object:
    """A run's score; of a measure that has values for parameters only, their mean."""
    if "" in values:
        return values[""]
    numbers = [number_of(value) for value in values.values()]
    return fmean(number for number in numbers if number is not None)


def _read(report: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(read_bytes(report).decode("utf-8"))
        assert isinstance(content["provenance"], dict)
        return content
    except (OSError, ValueError, KeyError, AssertionError) as problem:
        raise ScoresError(
            "the report beside the scores must be readable", found=f"{type(problem).__name__}: {problem}",
            where=str(report), next_step="Write it again with mmstudy report, or move the scores elsewhere",
        ) from None  # fmt: skip


def _refuse_looks(report: Mapping[str, Any], where: str) -> None:
    looks = report.get("sequential")
    if looks is not None:
        raise ScoresError(
            "scores can be judged whose repeats were fixed beforehand", where=where,
            found=f"looks at {looks['least']} to {looks['most']} repeats, which share alpha",
            next_step="Read the study's own report: its verdicts account for the looks",
        )  # fmt: skip


def _doubts(report: Mapping[str, Any]) -> tuple[str, ...]:
    """What the study's own report doubts that its scores alone cannot show."""
    checks = report.get("checks")
    known = [c for c in checks if isinstance(c, dict)] if isinstance(checks, list) else []
    if ("ABL046", "warning") not in [(c.get("code"), c.get("outcome")) for c in known]:
        return ()
    return (
        say("The study's report doubts its claims, since the number of repeats was changed after a look (ABL046)."),
    )


def _given(report: Mapping[str, Any], given: Given, metric: str) -> Given:
    """What the report says of its splits and comparisons; as it is where there is none.

    Its direction and margin are of its own metric; a measure of ours that was asked for instead has its own direction.
    """
    if not report:
        return replace(given, undecidable="the scores of a study alone do not say how its splits were drawn")
    primary = [c for c in report["comparisons"] if c["component"] is None]
    measure, own = MEASURES.get(metric.rpartition("/")[2]), metric == report["metric"]
    higher = measure is None or measure.higher_is_better
    if own:
        higher = report.get("higher_is_better", higher)
    shared = any(c.get("these_items") is not None for c in primary)
    paired = all(c.get("paired", True) for c in primary)
    why = say("The report beside the scores says so.")
    if shared:
        why = prose(
            why,
            say(
                "All repeats tested the same items, and the exported scores are not by item: verdicts are for these "
                "items."
            ),
        )
    return replace(
        given,
        reference=next((arm["name"] for arm in report["arms"] if arm["reference"]), None),
        lower_is_better=not higher,
        paired=paired,
        overlap=primary[0]["overlap"] if primary and "overlap" in primary[0] else _overlap(report),
        shared=shared,
        why=why,
        pairs=tuple((c["arm"], c["reference"]) for c in primary) or None,
        alpha=report.get("alpha"),
        margin=report.get("margin") if own else None,
        question=report.get("question"),
    )


def _overlap(report: Mapping[str, Any]) -> float:
    """n_test / n_train of a report of before it said so itself."""
    splits = report["provenance"].get("splits") or {}
    if splits.get("drawn", "each_repeat") != "each_repeat":
        return 0.0
    runs = Counter(run["repeat"] for run in report["provenance"]["runs"] if run["status"] == "done")
    # A run counts once, as in the study: a repeat in which an arm failed weighs less.
    ratios = [
        split["test_groups"] / split["train_groups"]
        for split in splits.get("repeats", ())
        for _ in range(runs[split["repeat"]])
    ]
    return fmean(ratios) if ratios else 0.0
