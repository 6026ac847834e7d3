"""The numbers of a search as tidy tables: trials, the best so far, best of n, confirmation, the front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np
import pandas as pd

from mmcore.config import Overrides
from mmcore.language import later, say
from reports.records.frame import StudyResults
from reports.records.rows import chosen
from reports.statistics.intervals import Estimate, estimate
from reports.statistics.search import BestOf, at_edge, best_of, non_dominated
from studies.search.block import Objective
from studies.search.results import SearchResult, TrialResult
from studies.search.space import Int, LogUniform, Uniform


def title(objective: Objective) -> str:
    """``validation/active/f1`` as words: ``F1 of active on validation items``."""
    return say("{measure} on validation items", measure=short_title(objective))


def short_title(objective: Objective) -> str:
    """The same without its items: ``F1 of active``."""
    metric = objective.metric
    if metric.component is None:
        return say(metric.measure.title)
    return say("{measure} of {part}", measure=say(metric.measure.title), part=metric.component)


def saved(search: SearchResult) -> dict[str, int]:
    """Epochs that the ended trials did not take, by cause: ``pruning, reuse, early stopping, failed``.

    A run that was there already saves what it would have cost in full; what else a trial did not take is due to how it
    ended.
    """
    found: dict[str, int] = {later("pruning"): 0, later("reuse"): 0, later("early stopping"): 0, "failed": 0}
    causes = {"pruned": "pruning", "complete": "early stopping", "failed": "failed"}
    for trial in search.ended:
        left = max(0, trial.epochs_full - trial.epochs)
        runs = max(1, len(trial.fingerprints))
        reused = min(left, trial.epochs_full * trial.reused // runs)
        found["reuse"] += reused
        found[causes[trial.state]] += left - reused
    return found


def coordinates(trial: TrialResult) -> Overrides:
    """A trial's settings by axis: those of a simplex are its weights, not the numbers that were drawn for them."""
    found: Overrides = {}
    for path, value in trial.settings.items():
        found |= {f"{path}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {path: value}
    return found


def first_values(search: SearchResult) -> np.ndarray:
    """The first objective of each ended trial, in order: NaN for those that were pruned or failed."""
    return np.array([t.values[0] if t.values else math.nan for t in search.ended])


def trials_frame(searches: Sequence[SearchResult]) -> pd.DataFrame:
    """One row an ended trial: arm, number, state, each objective, ``last`` (what a pruned one had reached), epochs,
    seconds, reused, failure, its runs, and a column for each axis."""
    rows = []
    for search in searches:
        names = [one.name for one in search.search.objective]
        for trial in search.ended:
            kept = {"epochs": trial.epochs, "seconds": trial.seconds, "reused": trial.reused, "failure": trial.failure}
            rows.append(
                {"arm": search.arm, "number": trial.number, "state": trial.state}
                | dict(zip(names, trial.values or [math.nan] * len(names), strict=True))
                | {"last": trial.reported[-1][1] if trial.reported else math.nan}
                | kept
                | {"runs": " ".join(trial.fingerprints)}
                | coordinates(trial)
            )
    return pd.DataFrame(rows)


def history_frame(searches: Sequence[SearchResult]) -> pd.DataFrame:
    """One row an ended trial in the order of proposals: ``arm, trial, order, state, value, best``, first objective.

    ``value`` of a pruned trial is the last it reached; ``best`` is that of complete trials so far.
    """
    rows = []
    for search in searches:
        maximise, best = search.search.objective[0].maximise, math.nan
        for order, trial in enumerate(search.ended, 1):
            value = trial.values[0] if trial.values else math.nan
            if not math.isnan(value) and (math.isnan(best) or (value > best) == maximise):
                best = value
            if trial.state == "pruned" and trial.reported:
                value = trial.reported[-1][1]
            rows.append((search.arm, trial.number, order, trial.state, value, best))
    return pd.DataFrame(rows, columns=["arm", "trial", "order", "state", "value", "best"])


def curves(searches: Sequence[SearchResult]) -> dict[str, tuple[BestOf, ...]]:
    """Best of n for each search, first objective. A pruned or failed trial is one that was drawn and found nothing:
    it counts as the worst complete one."""
    found = {}
    for search in searches:
        maximise, numbers = search.search.objective[0].maximise, first_values(search)
        known = numbers[np.isfinite(numbers)]
        if len(known):
            worst = known.min() if maximise else known.max()
            found[search.arm] = best_of(np.where(np.isfinite(numbers), numbers, worst), maximise)
    return found


def best_of_frame(searches: Sequence[SearchResult]) -> pd.DataFrame:
    """``arm, n, mean, low, high``: the expected best of n trials, and where 80 of 100 draws lie."""
    rows = [(arm, b.n, b.mean, b.low, b.high) for arm, curve in curves(searches).items() for b in curve]
    return pd.DataFrame(rows, columns=["arm", "n", "mean", "low", "high"])


def importances_frame(searches: Sequence[SearchResult]) -> pd.DataFrame:
    """``arm, objective, method, axis, mean, low, high, n``: share of the variation, over resampled trials."""
    rows = []
    for search in searches:
        for one in search.importances or ():
            spread = (fmean(one.shares), min(one.shares), max(one.shares), len(one.shares))
            rows.append((search.arm, one.objective, one.method, one.axis, *spread))
    return pd.DataFrame(rows, columns=["arm", "objective", "method", "axis", "mean", "low", "high", "n"])


def confirmed_frame(results: StudyResults) -> pd.DataFrame:
    """One row per confirmed arm and objective: what the search said, and what fresh repeats say.

    Columns ``arm, trial, objective, searched, mean, low, high, n, lost``: ``searched`` on the search's own repeats and
    the mean with its interval on fresh ones, both on validation items; ``lost`` is how much was luck, above 0 where the
    search promised too much.
    """
    rows = []
    for search in results.search:
        for arm, trial in search.confirmed.items():
            for objective, searched in zip(search.search.objective, trial.values, strict=True):
                fresh = validated(results, arm, objective)
                lost = (searched - fresh.mean) * (1 if objective.maximise else -1)
                numbers = (searched, fresh.mean, fresh.low, fresh.high, fresh.n, lost)
                rows.append((arm, trial.number, objective.name, *numbers))
    columns = ["arm", "trial", "objective", "searched", "mean", "low", "high", "n", "lost"]
    return pd.DataFrame(rows, columns=columns)


def validated(results: StudyResults, arm: str, objective: Objective) -> Estimate:
    """An objective over an arm's finished repeats, on validation items; n = 0 where there is none."""
    metric = objective.metric
    whole = chosen(results.scores, split="validation", items="all", arm=arm, metric=metric.measure.name)
    mine = whole[whole["parameter"].isna()]
    # pandas turns None into NaN, which equals nothing: components are compared in Python.
    wanted = [v for c, v in zip(mine["component"], mine["value"], strict=True) if _same(c, metric.component)]
    return estimate(np.array(wanted, dtype=float), 1 - results.study.alpha, results.overlap)


def _same(found: object, component: str | None) -> bool:
    return (found if isinstance(found, str) else None) == component


def front_frame(search: SearchResult) -> pd.DataFrame:
    """``trial, x, y, front`` of the first two objectives; empty for a search with one."""
    objectives = search.search.objective
    if len(objectives) < 2:
        return pd.DataFrame(columns=["trial", "x", "y", "front"])
    done = [t for t in search.ended if t.values]
    points = np.array([t.values for t in done], dtype=float).reshape(len(done), len(objectives))
    front = non_dominated(points, [one.maximise for one in objectives])
    rows = [(t.number, p[0], p[1], bool(f)) for t, p, f in zip(done, points, front, strict=True)]
    return pd.DataFrame(rows, columns=["trial", "x", "y", "front"])


def edges(search: SearchResult) -> list[tuple[str, str, float]]:
    """Axes whose best value lies at an end of its range: (axis, ``low`` or ``high``, value); choices have no ends."""
    found = []
    for axis, value in search.leader.axes.items() if search.leader else ():
        bounds = span(search, axis)
        if bounds is not None and (side := at_edge(value, *bounds)):
            found.append((axis, side, value))
    return found


def span(search: SearchResult, axis: str) -> tuple[float, float, bool] | None:
    """Lower and upper end of an axis, and whether it is drawn by order of magnitude; None for a choice and for a
    simplex, whose ends mean that a weight is all or nothing."""
    match search.setup.space.get(axis):
        case (Uniform() | LogUniform() | Int()) as parameter:
            return parameter.low, parameter.high, isinstance(parameter, LogUniform)
        case _:
            return None


def numeric_axes(search: SearchResult) -> list[str]:
    """Axes with numbers, the most important first where that is known, else as they were drawn."""
    known: dict[str, float] = {}
    for one in search.importances or ():
        known[one.axis] = known.get(one.axis, 0.0) + fmean(one.shares)
    settings = [coordinates(t) for t in search.ended]
    seen = dict.fromkeys(axis for one in settings for axis in one)
    numeric = [a for a in seen if all(_is_number(one.get(a, 0.0)) for one in settings)]
    return sorted(numeric, key=lambda a: -known.get(a, 0.0))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
