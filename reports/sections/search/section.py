"""The section on a search: the best settings, how much of their score was luck, the cost, and the limits."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.model.section import Finding, Section, SectionTable, plain_table
from reports.numbers import counted, interval, listing, number, percent
from reports.records.frame import StudyResults
from reports.sections.search.estimates import (
    best_of_frame,
    confirmed_frame,
    curves,
    edges,
    importances_frame,
    saved,
    title,
    trials_frame,
)
from reports.statistics.search import flips
from studies.search.results import SearchResult

FIGURES = (
    "search_history", "search_confirmed", "search_best_of", "search_importances", "search_slices", "search_front",
)  # fmt: skip
"""In the order of the page."""


def section(results: StudyResults) -> Section | None:
    """What the searches of a study came to; None for a study without one."""
    searches = results.search
    if not searches:
        return None
    return Section(
        key="search",
        title="Search",
        question="Which settings are best, and how much of their score is luck?",
        lead=_lead(searches),
        findings=(
            *_confirmations(results),
            *_rankings(searches),
            *(finding for search in searches for finding in _of_one(search)),
        ),
        figures=FIGURES,
        tables=_tables(results),
        limits="The curves of the best of n treat trials as exchangeable. Samplers that learn from earlier trials make "
        "later ones better, so a smaller search with such a sampler would have found less than the curve says.",
    )


def _lead(searches: Sequence[SearchResult]) -> str:
    one = searches[0].search
    names = listing([title(objective) for objective in one.objective])
    budget = counted(one.budget.trials, "trial") if one.budget.trials else f"{one.budget.epochs:,} epochs"
    alone = len(searches) == 1
    who = f"'{searches[0].arm}' was searched" if alone else f"Each of {len(searches)} arms was searched by itself"
    pruned = "without pruning" if one.pruner == "none" else f"with the pruner {one.pruner}"
    over = "on repeat 0" if one.repeats == 1 else f"the mean over repeats 0 to {one.repeats - 1}"
    return (
        f"{who} with a budget of {budget} by the sampler {one.sampler}, {pruned}. The objective is {names}, {over}, "
        "the same for every trial. Test items were read only afterwards, when the best settings were retrained on "
        "other repeats; the verdicts above rest on those repeats alone."
    )


def _confirmations(results: StudyResults) -> list[Finding]:
    """The winner's curse: what the search promised against what fresh repeats give."""
    found = []
    objectives = {one.name: one for search in results.search for one in search.search.objective}
    for row in confirmed_frame(results).to_dict("records"):
        if row["n"] == 0:
            continue
        objective = objectives[row["objective"]]
        lucky = row["searched"] > row["high"] if objective.maximise else row["searched"] < row["low"]
        measured = title(objective)
        text = (
            f"{f'In {measured}, ' if len(objectives) > 1 else ''}'{row['arm']}' (trial {row['trial']}) had "
            f"{number(row['searched'])} in the search, and "
            f"{number(row['mean'])} when retrained: {_lost(row['lost'])}"
        )
        evidence = f"{measured}: {percent(1 - results.study.alpha)} interval {interval(row['low'], row['high'])} over "
        evidence += counted(int(row["n"]), "fresh repeat") + "."
        label = "promised too much" if lucky else "confirmed"
        found.append(Finding(text, label, "bad" if lucky else "good", evidence))
    return found


def _lost(lost: float) -> str:
    if lost > 0:
        return f"{number(lost)} is selection bias, or luck of the repeats."
    return "no sign of selection bias, as far as other repeats, which may be easier or harder, can show."


def _rankings(searches: Sequence[SearchResult]) -> list[Finding]:
    """At which budget another arm takes the lead."""
    objectives = searches[0].search.objective
    maximise = objectives[0].maximise
    if len(searches) < 2 or len(objectives) > 1:
        return []
    found = curves(searches)
    if len(found) < 2:
        return []
    shared = min(map(len, found.values()))
    changes = flips({k: list(v) for k, v in found.items()}, maximise)
    if not changes:
        first = max(found, key=lambda a: found[a][0].mean * (1 if maximise else -1))
        text = f"'{first}' is expected to lead at every budget from 1 to {counted(shared, 'trial')}."
        return [Finding(text, "stable", "good")]
    n, leader, before = changes[-1]
    listed = "; ".join(f"from {k} on '{new}' instead of '{old}'" for k, new, old in changes)
    text = f"The best arm depends on the budget: '{leader}' from {counted(n, 'trial')} on, '{before}' with fewer."
    return [Finding(text, "depends on the budget", "bad", f"Expected best of n trials: {listed}.")]


def _of_one(search: SearchResult) -> list[Finding]:
    arm, trials = search.arm, search.ended
    states = Counter(t.state for t in trials)
    text = f"The search for '{arm}' took {search.epochs:,} epochs{_savings(search)}"
    parts = [f"{states[s]} {s}" for s in ("complete", "pruned", "failed") if states[s]]
    found = [Finding(f"{text}.", evidence=f"{counted(len(trials), 'trial')}: {', '.join(parts)}.")]
    if not search.complete:
        found.insert(
            0,
            Finding(
                f"The search for '{arm}' has not reached its budget; the same command continues it.", "open", "open"
            ),
        )
    found += _fewer(search)
    if search.complete and search.importances is None:
        text = (
            f"It is not known which settings of '{arm}' matter most: {states['complete']} of its trials were trained "
            "to the end, too few for an estimate."
        )
        found.append(Finding(text, "no importances", "open"))
    if states["failed"]:
        why = Counter(t.failure for t in trials if t.failure).most_common(1)
        reason = f"Most often: {why[0][0]}." if why else ""
        found.append(Finding(f"{counted(states['failed'], 'trial')} of '{arm}' failed.", "failures", "bad", reason))
    for axis, side, value in edges(search):
        end = "lower" if side == "low" else "upper"
        text = f"The best {axis} of '{arm}' lies at the {end} end of its range; the optimum may lie beyond."
        found.append(Finding(text, "edge of the space", "bad", f"{number(value)}."))
    return found


def _savings(search: SearchResult) -> str:
    """What the trials would have cost in full, and by cause what made them cost less."""
    left = saved(search)
    full = search.epochs + sum(left.values())

    def share(cause: str) -> str:
        rounded = round(left[cause] / full, 2)
        return percent(rounded) if rounded else "under 1 %"

    causes = [cause for cause in left if left[cause] and cause != "failed"]
    first = "{} saved {}"
    shares = [(first if cause == causes[0] else "{} {}").format(cause, share(cause)) for cause in causes]
    parts = [listing(shares)] if shares else []
    parts += [f"{share('failed')} were left out because trials failed"] if left["failed"] else []
    return f" instead of {full:,}: {'; '.join(parts)}" if parts else ""


def _fewer(search: SearchResult) -> list[Finding]:
    """Where a search found fewer settings than were to be confirmed."""
    found, wanted = len(search.confirmed), len(search.search.names(search.setup))
    if not search.complete or not 0 < found < wanted:
        return []
    settings = counted(found, "different setting")
    if len(search.search.objective) > 1:
        why = f"The front has {settings}"
    else:
        why = f"{settings} {'was' if found == 1 else 'were'} completed"
    confirmed = f"{found} {'is' if found == 1 else 'are'} confirmed instead of {wanted}"
    return [Finding(f"Search for '{search.arm}': {why}, so {confirmed}.", "fewer settings", "open")]


def _tables(results: StudyResults) -> tuple[SectionTable, ...]:
    searches = results.search
    best = []
    for search in searches:
        for arm, trial in search.confirmed.items():
            best += [(arm, trial.number, path, _plain(value)) for path, value in trial.settings.items()]
    made = [
        SectionTable("settings", "The best settings", plain_table(("arm", "trial", "setting", "value"), best)),
        _framed("confirmed", "Search score against confirmed score, on validation items", confirmed_frame(results)),
        _framed("importances", "How much of the variation each axis explains", importances_frame(searches)),
        _framed("best_of", "Expected best of n trials", best_of_frame(searches)),
        _framed("trials", "Every trial", trials_frame(searches)),
    ]
    return tuple(t for t in made if t.table.rows)


def _framed(name: str, caption: str, frame: pd.DataFrame) -> SectionTable:
    rows = frame.astype(object).where(frame.notna(), None).itertuples(index=False)
    return SectionTable(name, caption, plain_table([str(c) for c in frame.columns], [list(row) for row in rows]))


def _plain(value: Any) -> str:
    """A setting in one line; long fractions are rounded to six digits."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(one)}" for key, one in value.items())
    return value if isinstance(value, str) else json.dumps(value)
