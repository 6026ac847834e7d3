"""From the records of a study to tidy tables: the only place that knows what a record looks like.

``runs`` has one row a run, ``scores`` one row a number of a finished run, ``baselines`` one row a number of a naive
predictor and repeat, ``history`` one row an epoch, ``items`` one row a scored test item and component, ``outcomes`` one
row a scored test item and parameter. Everything after this file reads these tables.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from itertools import pairwise
from operator import itemgetter
from statistics import fmean
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd

from mmcore.answers.answer import Answered, Failure, Result
from mmcore.errors import RecordError
from mmcore.result import Drawn, drawn_of
from reports.records.mixable import check_mixable, run_name
from studies.resolved import ResolvedStudy
from studies.search.results import SearchResult

FORMAT = 1
"""Version of the records that are understood."""

RUN_COLUMNS = (
    "arm", "repeat", "fingerprint", "status", "failure", "reused_from", "seconds", "epochs", "best_epoch",
    "stopped_early", "steps", "parameters", "flops", "train_groups", "validation_groups", "test_groups", "drawn",
    "commit", "dirty",
    "python", "torch", "platform", "device", "threads", "packages", "started", "finished", "probed_windows",
    "forbidden_gradient", "copy_skill", "numerics", "divided_groups", "test_windows_read", "gates", "precision",
    "twins", "all_groups", "sides",
)  # fmt: skip
SCORE_COLUMNS = ("arm", "repeat", "split", "items", "metric", "component", "parameter", "value")
BASELINE_COLUMNS = ("repeat", "baseline", "split", "items", "metric", "component", "parameter", "value")
CALIBRATION_COLUMNS = ("arm", "repeat", "component", "bin", "count", "confidence", "accuracy")
ITEM_COLUMNS = ("arm", "repeat", "item", "group", "complete", "component", "loss", "count", "naive_loss")
OUTCOME_COLUMNS = (
    "arm", "repeat", "item", "parameter", "component", "count", "loss", "naive_loss", "error", "cells",
)  # fmt: skip

NAIVE_CLASS_COLUMNS = ("repeat", "parameter", "component", "classes")

Table = TypeVar("Table")
R = TypeVar("R", bound=Result | Failure)

_NONE = {"validation_groups": 0, "test_groups": 0, "train_groups": 1}
"""Stands for the runs where none is finished."""


@dataclass(frozen=True)
class StudyResults:
    """A study and everything that its runs left behind, as tidy tables.

    Args:
        study: what was asked.
        runs: one row a run, failed ones too; columns :data:`RUN_COLUMNS`.
        scores: numbers of the models of finished runs; columns :data:`SCORE_COLUMNS`. NaN: nothing to measure.
        baselines: numbers of the naive predictors, once per repeat; columns :data:`BASELINE_COLUMNS`.
        history: one row an epoch: ``arm, repeat, status`` and the columns of a record's history.
        items: losses of finished runs by test item; columns :data:`ITEM_COLUMNS`. NaN: no target of it counts.
        outcomes: what finished runs did on each test item and parameter; columns :data:`OUTCOME_COLUMNS`. ``error`` is
            NaN for classes, ``cells`` None for continuous parameters; see :class:`mmcore.result.RunResult`. Without the
            runs whose records are of before it was kept.
        calibration: confidence against accuracy of class predictions on test items; columns
            :data:`CALIBRATION_COLUMNS`. Without the runs whose records are of before it was measured.
        naive_classes: the class that naive predictors name, once per repeat and parameter; columns
            :data:`NAIVE_CLASS_COLUMNS`, ``classes`` a tuple with one a track. Without the repeats whose records are of
            before it was kept.
        quality: rows of the corpus's quality report.
        provenance: how the report came about, as the caller tells it.
        corpus: the corpus's facts as in a record; {} when there is no record.
        analyses: answers of analyses, one a run and kind.
        search: what was tuned before the arms were compared.
    """

    study: ResolvedStudy
    runs: pd.DataFrame
    scores: pd.DataFrame
    baselines: pd.DataFrame
    history: pd.DataFrame
    items: pd.DataFrame
    outcomes: pd.DataFrame
    calibration: pd.DataFrame
    naive_classes: pd.DataFrame
    quality: list[dict[str, Any]]
    provenance: dict[str, Any]
    corpus: dict[str, Any] = field(default_factory=dict)
    analyses: tuple[Answered[Result | Failure], ...] = ()
    search: tuple[SearchResult, ...] = ()

    def answers(self, kind: type[R]) -> list[Answered[R]]:
        """What an analysis found, one a run, in the order of the plan; without those that failed.

        Args:
            kind: the type of its results; :class:`Failure` for all that failed.
        """
        return [cast(Answered[R], answer) for answer in self.analyses if isinstance(answer.result, kind)]

    @cached_property
    def run_rows(self) -> list[dict[str, Any]]:
        """The runs as plain rows, None for what is not known."""
        rows = cast(list[dict[str, Any]], self.runs.astype(object).to_dict("records"))
        return [{str(k): None if pd.isna(v) else v for k, v in row.items()} for row in rows]

    def once(self, table: Callable[[StudyResults], Table]) -> Table:
        """A table that several readers need, computed for the first of them."""
        known = self.__dict__.setdefault("_known", {})
        if table not in known:
            known[table] = table(self)
        return known[table]

    @property
    def drawn(self) -> Drawn:
        """How the test side came about; ``each_repeat`` where nothing is finished."""
        done = {run["drawn"] for run in self.run_rows if run["status"] == "done"}
        return cast(Drawn, done.pop()) if len(done) == 1 else "each_repeat"

    @property
    def components(self) -> tuple[str, ...]:
        """Loss components in the corpus's order."""
        return tuple(self.corpus.get("components", ()))

    @cached_property
    def overlap(self) -> float:
        """Test size ÷ training size in groups, mean over finished runs: the Nadeau–Bengio term.

        0 where all repeats share their test side: they do so on purpose, claims are about these items, and the term
        does not apply.
        """
        done = [run for run in self.run_rows if run["status"] == "done"]
        if self.drawn != "each_repeat" or not done:
            return 0.0
        return fmean(run["test_groups"] / run["train_groups"] for run in done)

    @cached_property
    def left_out(self) -> float:
        """Groups that a training side leaves out ÷ groups that it holds, mean over finished runs; 0 without any."""
        done = [run for run in self.run_rows if run["status"] == "done"]
        return fmean((run["validation_groups"] + run["test_groups"]) / run["train_groups"] for run in done or [_NONE])

    @property
    def shared(self) -> bool:
        """Whether all repeats test the same items: then repeats alone say nothing about other items of the corpus."""
        return self.drawn != "each_repeat"

    def table(
        self, metric: str, component: str | None, items: str = "all", parameter: str | None = None
    ) -> pd.DataFrame:
        """One number per repeat (rows) and arm (columns), on the test split; NaN where it is not known.

        A measure that has values for parameters only (``mae``) gives a component the mean over its parameters.
        """
        return _table(self._score_tables, (metric, component, items), parameter, self._empty)

    def baseline_table(self, metric: str, component: str | None, parameter: str | None = None) -> pd.DataFrame:
        """One number per repeat (rows) and naive predictor (columns), on all test items."""
        return _table(self._baseline_tables, (metric, component, "all"), parameter, pd.DataFrame)

    def has(self, metric: str, component: str | None) -> bool:
        """Whether any finished run measured it at all (a NaN counts: it was tried)."""
        return (metric, component, "all") in self._score_tables

    @cached_property
    def measured(self) -> tuple[tuple[str, str | None, str | None], ...]:
        """Every (metric, component, parameter) that finished runs scored on all test items, in order of mention."""
        return tuple(
            (metric, component, parameter)
            for (metric, component, items), tables in self._score_tables.items()
            if items == "all"
            for parameter in tables
        )

    @cached_property
    def _score_tables(self) -> dict[Any, dict[str | None, pd.DataFrame]]:
        return _tables(self.scores, "arm")

    @cached_property
    def _baseline_tables(self) -> dict[Any, dict[str | None, pd.DataFrame]]:
        return _tables(self.baselines, "baseline")

    def _empty(self) -> pd.DataFrame:
        return pd.DataFrame(columns=[a.name for a in self.study.arms], dtype=float)


def _tables(scores: pd.DataFrame, columns: str) -> dict[Any, dict[str | None, pd.DataFrame]]:
    """Every table that :meth:`StudyResults.table` may be asked for, cut in one pass over the long frame."""
    tables: dict[Any, dict[str | None, pd.DataFrame]] = {}
    test = scores[scores["split"] == "test"]
    keys = ["metric", "component", "items", "parameter"]
    for key, rows in test.groupby(keys, sort=False, dropna=False):
        metric, component, items, parameter = cast(tuple[object, ...], key)
        wide = rows.pivot(index="repeat", columns=columns, values="value").sort_index()
        tables.setdefault((metric, _text(component), items), {})[_text(parameter)] = wide
    return tables


def _table(
    tables: dict[Any, dict[str | None, pd.DataFrame]],
    key: tuple[str, str | None, str],
    parameter: str | None,
    empty: Callable[[], pd.DataFrame],
) -> pd.DataFrame:
    found = tables.get(key, {})
    if parameter in found:
        return found[parameter]
    if parameter is None and found:
        return reduce(pd.DataFrame.add, found.values()) / len(found)
    return empty()


def _text(value: object) -> str | None:
    """A grouping key back from pandas, which turns None into NaN."""
    return value if isinstance(value, str) else None


def tidy(
    study: ResolvedStudy,
    records: Sequence[dict[str, Any]],
    quality: Sequence[dict[str, Any]] = (),
    provenance: dict[str, Any] | None = None,
) -> StudyResults:
    """Tidy tables of a study's records, in the order of its arms and repeats whatever the order of the records.

    Args:
        study: what was asked.
        records: results of finished and failed runs as plain data; may be empty.
        quality: rows of the corpus's quality report.
        provenance: free keys; ``command``, ``rebuild``, ``home`` and ``mlflow`` have a place on the page.

    Raises:
        RecordError: records of another format, of an arm or repeat that the study does not have, two of one run, or
            records that cannot be mixed because corpus, task, numerics, split or scored targets differ; names both.
    """
    order = {arm.name: i for i, arm in enumerate(study.arms)}
    for record in records:
        _check_known(study, order, record)
    records = sorted(records, key=lambda r: (order[r["arm"]], r["repeat"]))
    for one, two in pairwise(records):
        if run_name(one) == run_name(two):
            raise RecordError(f"two records claim to be {run_name(one)}", next_step="Keep the one that is meant")
    # A run that failed before its corpus was opened says nothing that could disagree.
    check_mixable([r for r in records if r["corpus"]])

    done = [r for r in records if r["status"] == "done"]
    scores = [(r, [s for s in r["scores"] if s["baseline"] is None]) for r in done]
    naive = [(r, [s for s in r["scores"] if s["baseline"] is not None]) for r in done]
    history = _long([(r, r["history"]) for r in records], ("arm", "repeat", "status"))
    return StudyResults(
        study=study,
        runs=pd.DataFrame([_run_row(r) for r in records], columns=list(RUN_COLUMNS)),
        scores=_long(scores, columns=SCORE_COLUMNS).astype({"value": float}),
        baselines=_long(naive, columns=BASELINE_COLUMNS)
        .astype({"value": float})
        .drop_duplicates([c for c in BASELINE_COLUMNS if c != "value"], ignore_index=True),
        history=history if len(history) else pd.DataFrame(columns=["arm", "repeat", "status", "epoch"]),
        items=_long([(r, r["items"]) for r in done], columns=ITEM_COLUMNS).astype(
            {"loss": float, "count": int, "naive_loss": float}
        ),
        outcomes=_long([(r, r.get("outcomes", ())) for r in done], columns=OUTCOME_COLUMNS).astype(
            {"count": int, "loss": float, "naive_loss": float, "error": float}
        ),
        calibration=_long([(r, r.get("calibration", ())) for r in done], columns=CALIBRATION_COLUMNS),
        naive_classes=_naive_classes(done),
        quality=[dict(row) for row in quality],
        provenance=dict(provenance or {}),
        corpus=dict(next((r["corpus"] for r in records if r["corpus"]), {})),
    )


def _naive_classes(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Arms of a repeat share their training items, so the first record that knows speaks for all."""
    known: dict[int, list[dict[str, Any]]] = {}
    for record in records:
        if record.get("naive_classes"):
            known.setdefault(record["repeat"], record["naive_classes"])
    rows = [
        (repeat, row["parameter"], row["component"], tuple(row["classes"]))
        for repeat, of in known.items()
        for row in of
    ]
    return pd.DataFrame(rows, columns=list(NAIVE_CLASS_COLUMNS))


def _long(
    parts: Sequence[tuple[dict[str, Any], Sequence[dict[str, Any]]]],
    fixed: tuple[str, ...] = ("arm", "repeat"),
    columns: tuple[str, ...] | None = None,
) -> pd.DataFrame:
    """One long table of the rows of many records, column by column: dicts of all rows would take a gigabyte.

    Args:
        parts: record and its rows. fixed: keys of the record that every row of it has.
        columns: the table's; None: all that any row has, in order of mention.
    """
    data: dict[str, list[Any]] = {name: [] for name in columns or () if name not in fixed}
    length = 0
    for _, rows in parts:
        if columns is None and rows:
            same = all(row.keys() == rows[0].keys() for row in rows)
            for name in rows[0] if same else (name for row in rows for name in row):
                if name not in data:
                    data[name] = [None] * length
        for name, values in zip(data, _columns(rows, [*data]), strict=True):
            data[name] += values
        length += len(rows)
    which = np.repeat(np.arange(len(parts)), [len(rows) for _, rows in parts])
    known = {name: pd.Series([record[name] for record, _ in parts]).take(which).array for name in fixed}
    # In the order of the columns, else of mention; what every row of a record has comes first.
    return pd.DataFrame({name: known.get(name, data.get(name)) for name in columns or (*fixed, *data)})


def _columns(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> Iterable[Sequence[Any]]:
    """The rows' values by name; None where a row lacks one."""
    if len(names) > 1:
        # All at once: half of the time of a large report would go into looking up one value after another.
        with contextlib.suppress(KeyError):
            return list(zip(*map(itemgetter(*names), rows), strict=True)) or [()] * len(names)
    return [[row.get(name) for row in rows] for name in names]


_SIDES = ("train", "validation", "test")


def _run_row(record: dict[str, Any]) -> dict[str, Any]:
    split, environment, failure = record["split"] or {}, record.get("environment") or {}, record["failure"]
    leakage, hardware = record.get("leakage") or {}, record.get("hardware") or {}
    return {
        **{k: record.get(k) for k in RUN_COLUMNS if k in record and k not in ("parameters", "flops", "failure")},
        "failure": None if failure is None else f"{failure.get('error', 'error')}: {failure.get('message', '')}",
        "reused_from": record.get("reused_from"),
        "parameters": (record["parameters"] or {}).get("total"),
        "flops": (record["flops"] or {}).get("total"),
        "train_groups": split.get("train", {}).get("groups"),
        "validation_groups": split.get("validation", {}).get("groups"),
        "test_groups": split.get("test", {}).get("groups"),
        "all_groups": sum(side["groups"] for side in map(split.get, _SIDES) if side) or None,
        "drawn": drawn_of(split) if split else None,
        **{k: environment.get(k) for k in ("commit", "dirty", "python", "torch", "platform", "threads")},
        # None: nobody looked. With windows and no gradient: there is nothing that a prediction must not know.
        "probed_windows": leakage.get("windows"),
        "forbidden_gradient": leakage.get("forbidden_gradient"),
        "copy_skill": leakage.get("copy_skill"),
        # None: a record from before these were measured, or a run that failed before they were.
        "divided_groups": split.get("divided_groups"),
        "test_windows_read": (record.get("selection") or {}).get("test_windows_read"),
        "gates": json.dumps(record["gates"], sort_keys=True) if "gates" in record else None,
        "device": hardware.get("device", environment.get("device")),
        "precision": hardware.get("precision"),
        "twins": json.dumps(split["twins"]) if split.get("twins") is not None else None,
        "sides": _sides(split),
        "packages": json.dumps(environment.get("packages") or {}, sort_keys=True),
    }


def _sides(split: dict[str, Any]) -> str | None:
    """What each side lacks and holds, as text; None in records of before it was counted."""
    sides = {side: split[side] for side in _SIDES if "missing" in (split.get(side) or {})}
    return (
        json.dumps({side: {k: of.get(k) for k in ("items", "missing", "labels", "cut")} for side, of in sides.items()})
        if sides
        else None
    )


def _check_known(study: ResolvedStudy, arms: dict[str, int], record: dict[str, Any]) -> None:
    if record.get("format") != FORMAT:
        raise RecordError(
            "a record's format must be understood",
            expected=str(FORMAT),
            found=repr(record.get("format")),
            next_step="Report it with the version of mmstudy that wrote it, or train again",
            where=record.get("fingerprint"),
        )
    if record["arm"] not in arms or record["repeat"] not in study.numbers:
        raise RecordError(
            f"a record belongs to no run of study '{study.name}'",
            expected=f"one of the arms {', '.join(arms)} and a repeat from {study.numbers[0]} to {study.numbers[-1]}",
            found=run_name(record),
            where=record["fingerprint"],
        )
