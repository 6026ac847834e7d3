"""The numbers of a search as tidy tables: trials, the best so far, best of n, confirmation, hypervolume.

A search is a mapping as ``experiments/tuning/results.py`` exports it, with ``importances`` beside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, cast

import numpy as np
import pandas as pd

from mmcore.measures import parse_metric
from reports.records.frame import StudyResults
from reports.statistics.intervals import Estimate, estimate
from reports.statistics.search import BestOf, at_edge, best_of, hypervolume, non_dominated, reference_point

Search = Mapping[str, Any]


def chosen(frame: pd.DataFrame, **equals: object) -> pd.DataFrame:
    """The rows with these values in these columns."""
    keep = np.ones(len(frame), dtype=bool)
    for column, value in equals.items():
        keep &= frame[column].to_numpy() == value
    return cast(pd.DataFrame, frame[keep])


def objectives(search: Search) -> list[tuple[str, bool]]:
    """Name and whether more is better."""
    return [(one["name"], one["maximise"]) for one in search["objective"]]


def title(objective: str) -> str:
    """``validation/active/f1`` as words: ``F1 of active on validation items``."""
    metric = parse_metric(objective.partition("/")[2])
    of = f" of {metric.component}" if metric.component else ""
    return f"{metric.measure.title}{of} on validation items"


def ended(search: Search) -> list[Mapping[str, Any]]:
    """Trials that were worked on to an end of any kind, by number."""
    return [t for t in search["trials"] if t["state"] in ("complete", "pruned", "failed")]


def saved(search: Search) -> dict[str, int]:
    """Epochs that the ended trials did not take, by cause: ``pruning, reuse, early stopping, failed``.

    A run that was there already saves what it would have cost in full; what else a trial did not take is due to how it
    ended.
    """
    found: dict[str, int] = {"pruning": 0, "reuse": 0, "early stopping": 0, "failed": 0}
    causes = {"pruned": "pruning", "complete": "early stopping", "failed": "failed"}
    for trial in ended(search):
        left = max(0, trial["epochs_full"] - trial["epochs"])
        runs = max(1, len(trial["fingerprints"]))
        reused = min(left, trial["epochs_full"] * trial["reused"] // runs)
        found["reuse"] += reused
        found[causes[trial["state"]]] += left - reused
    return found


def coordinates(trial: Mapping[str, Any]) -> dict[str, Any]:
    """A trial's settings by axis: those of a simplex are its weights, not the numbers that were drawn for them."""
    found: dict[str, Any] = {}
    for path, value in trial["params"].items():
        found |= {f"{path}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {path: value}
    return found


def values(search: Search, objective: int = 0) -> np.ndarray:
    """One number an ended trial, in order: NaN for those that were pruned or failed."""
    return np.array([t["values"][objective] if t["values"] else math.nan for t in ended(search)])


def trials_frame(searches: Sequence[Search]) -> pd.DataFrame:
    """One row an ended trial: arm, number, state, each objective, ``last`` (what a pruned one had reached), epochs,
    seconds, reused, failure, its runs, and a column for each axis."""
    rows = []
    for search in searches:
        names = [name for name, _ in objectives(search)]
        for trial in ended(search):
            found = dict(zip(names, trial["values"] or [math.nan] * len(names), strict=True))
            last = trial["intermediate"][-1][1] if trial["intermediate"] else math.nan
            kept = {k: trial[k] for k in ("epochs", "seconds", "reused", "failure")}
            rows.append(
                {"arm": search["arm"], "number": trial["number"], "state": trial["state"], **found, "last": last}
                | kept
                | {"runs": " ".join(trial["fingerprints"])}
                | coordinates(trial)
            )
    return pd.DataFrame(rows)


def history_frame(searches: Sequence[Search]) -> pd.DataFrame:
    """One row an ended trial in the order of proposals: ``arm, trial, order, state, value, best``, first objective.

    ``value`` of a pruned trial is the last it reached; ``best`` is that of complete trials so far.
    """
    rows = []
    for search in searches:
        _, maximise = objectives(search)[0]
        best = math.nan
        for order, trial in enumerate(ended(search), 1):
            value = trial["values"][0] if trial["values"] else math.nan
            if not math.isnan(value) and (math.isnan(best) or (value > best) == maximise):
                best = value
            if trial["state"] == "pruned" and trial["intermediate"]:
                value = trial["intermediate"][-1][1]
            rows.append((search["arm"], trial["number"], order, trial["state"], value, best))
    return pd.DataFrame(rows, columns=["arm", "trial", "order", "state", "value", "best"])


def curves(searches: Sequence[Search]) -> dict[str, tuple[BestOf, ...]]:
    """Best of n for each search, first objective. A pruned or failed trial is one that was drawn and found nothing:
    it counts as the worst complete one."""
    found = {}
    for search in searches:
        _, maximise = objectives(search)[0]
        numbers = values(search)
        known = numbers[np.isfinite(numbers)]
        if len(known):
            worst = known.min() if maximise else known.max()
            found[search["arm"]] = best_of(np.where(np.isfinite(numbers), numbers, worst), maximise)
    return found


def best_of_frame(searches: Sequence[Search]) -> pd.DataFrame:
    """``arm, n, mean, low, high``: the expected best of n trials, and where 80 of 100 draws lie."""
    rows = [(arm, b.n, b.mean, b.low, b.high) for arm, curve in curves(searches).items() for b in curve]
    return pd.DataFrame(rows, columns=["arm", "n", "mean", "low", "high"])


def importances_frame(searches: Sequence[Search]) -> pd.DataFrame:
    """``arm, objective, method, axis, mean, low, high, n``: share of the variation, over resampled trials."""
    rows = []
    for search in searches:
        for objective, methods in search.get("importances", {}).items():
            for method, axes in methods.items():
                for axis, found in axes.items():
                    spread = (fmean(found), min(found), max(found), len(found))
                    rows.append((search["arm"], objective, method, axis, *spread))
    return pd.DataFrame(rows, columns=["arm", "objective", "method", "axis", "mean", "low", "high", "n"])


def confirmed_frame(results: StudyResults) -> pd.DataFrame:
    """One row per confirmed arm and objective: what the search said, and what fresh repeats say.

    Columns ``arm, trial, objective, searched, mean, low, high, n, lost``: ``searched`` on the search's own repeats and
    the mean with its interval on fresh ones, both on validation items; ``lost`` is how much was luck, above 0 where the
    search promised too much.
    """
    rows = []
    for search in results.search:
        for winner in search["confirmed"]:
            for (name, maximise), searched in zip(objectives(search), winner["values"], strict=True):
                fresh = validated(results, winner["arm"], name)
                lost = (searched - fresh.mean) * (1 if maximise else -1)
                told = (searched, fresh.mean, fresh.low, fresh.high, fresh.n, lost)
                rows.append((winner["arm"], winner["trial"], name, *told))
    columns = ["arm", "trial", "objective", "searched", "mean", "low", "high", "n", "lost"]
    return pd.DataFrame(rows, columns=columns)


def validated(results: StudyResults, arm: str, objective: str) -> Estimate:
    """An objective over an arm's finished repeats, on validation items; n = 0 where there is none."""
    metric = parse_metric(objective.partition("/")[2])
    whole = results.scores.query("split == 'validation' and items == 'all' and parameter.isna()")
    mine = chosen(whole, arm=arm, metric=metric.measure.name)
    # pandas turns None into NaN, which equals nothing: components are compared in Python.
    wanted = [v for c, v in zip(mine["component"], mine["value"], strict=True) if _same(c, metric.component)]
    return estimate(np.array(wanted, dtype=float), 1 - results.study.alpha, results.overlap)


def _same(found: object, component: str | None) -> bool:
    return (found if isinstance(found, str) else None) == component


def front_frame(search: Search) -> pd.DataFrame:
    """``trial, x, y, front`` of the first two objectives; empty for a search with one."""
    names = objectives(search)
    if len(names) < 2:
        return pd.DataFrame(columns=["trial", "x", "y", "front"])
    done = [t for t in ended(search) if t["values"]]
    points = np.array([t["values"] for t in done], dtype=float).reshape(len(done), len(names))
    front = non_dominated(points, [m for _, m in names])
    rows = [(t["number"], p[0], p[1], bool(f)) for t, p, f in zip(done, points, front, strict=True)]
    return pd.DataFrame(rows, columns=["trial", "x", "y", "front"])


def hypervolume_frame(search: Search) -> pd.DataFrame:
    """``trial, volume`` after each complete trial, all objectives; the reference lies beyond the worst of each."""
    names = objectives(search)
    done = [t for t in ended(search) if t["values"]]
    if len(names) < 2 or not done:
        return pd.DataFrame(columns=["trial", "volume"])
    points, maximise = np.array([t["values"] for t in done], dtype=float), [m for _, m in names]
    reference = reference_point(points, maximise)
    # One more point never takes volume away; what looks like it is rounding.
    volumes = np.maximum.accumulate([hypervolume(points[: i + 1], reference, maximise) for i in range(len(done))])
    return pd.DataFrame({"trial": [t["number"] for t in done], "volume": volumes})


def edges(search: Search) -> list[tuple[str, str, float]]:
    """Axes whose best value lies at an end of its range: (axis, ``low`` or ``high``, value); choices have no ends."""
    if not search["best"]:
        return []
    best = next(t for t in search["trials"] if t["number"] == search["best"][0])
    found = []
    for axis, value in best["axes"].items():
        bounds = span(search, axis)
        if bounds is not None and (side := at_edge(value, *bounds)):
            found.append((axis, side, value))
    return found


def span(search: Search, axis: str) -> tuple[float, float, bool] | None:
    """Lower and upper end of an axis, and whether it is drawn by order of magnitude; None for a choice and for a
    simplex, whose ends mean that a weight is all or nothing."""
    knob = search["space"].get(axis)
    if knob is None or knob["kind"] not in ("uniform", "log_uniform", "int"):
        return None
    return knob["low"], knob["high"], knob["kind"] == "log_uniform"


def numeric_axes(search: Search) -> list[str]:
    """Axes with numbers, the most important first where that is known, else as they were drawn."""
    known: dict[str, float] = {}
    for methods in search.get("importances", {}).values():
        for axes in methods.values():
            for axis, found in axes.items():
                known[axis] = known.get(axis, 0.0) + fmean(found)
    settings = [coordinates(t) for t in ended(search)]
    seen = dict.fromkeys(axis for one in settings for axis in one)
    numeric = [a for a in seen if all(_is_number(one.get(a, 0.0)) for one in settings)]
    return sorted(numeric, key=lambda a: -known.get(a, 0.0))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
