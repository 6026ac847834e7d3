"""The section on a search: the best settings, how much of their score was luck, the cost, and the limits."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from mmcore.language import later, say
from reports.model.section import Finding, Section, SectionTable, plain_table
from reports.numbers import counted, interval, listing, number, percent, prose
from reports.records.frame import StudyResults
from reports.sections.joining import clauses, commas
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
STATES = (later("complete"), later("pruned"), later("failed"))
"""Of trials that ended."""


def section(results: StudyResults) -> Section | None:
    """What the searches of a study came to; None for a study without one."""
    searches = results.search
    if not searches:
        return None
    return Section(
        key="search",
        title=say("Search"),
        question=say("Which settings are best, and how much of their score is luck?"),
        lead=_lead(searches),
        findings=(
            *_confirmations(results),
            *_rankings(searches),
            *(finding for search in searches for finding in _of_one(search)),
        ),
        figures=FIGURES,
        tables=_tables(results),
        limits=say(
            "The curves of the best of n treat trials as exchangeable. Samplers that learn from earlier trials make "
            "later ones better, so a smaller search with such a sampler would have found less than the curve says."
        ),
    )


def _lead(searches: Sequence[SearchResult]) -> str:
    one = searches[0].search
    names = listing([title(objective) for objective in one.objective])
    trials, epochs = one.budget.trials, one.budget.epochs
    budget = counted(trials, "trial") if trials else say("{n:,} epochs", n=epochs)
    pruned = say("without pruning" if one.pruner == "none" else "with the pruner {pruner}", pruner=one.pruner)
    over = say("on repeat 0" if one.repeats == 1 else "the mean over repeats 0 to {last}", last=one.repeats - 1)
    return prose(
        say(
            "'{arm}' was searched with a budget of {budget} by the sampler {sampler}, {pruned}."
            if len(searches) == 1
            else "Each of {n} arms was searched by itself with a budget of {budget} by the sampler {sampler}, "
            "{pruned}.",
            arm=searches[0].arm, n=len(searches), budget=budget, sampler=one.sampler, pruned=pruned,
        ),
        say("The objective is {names}, {over}, the same for every trial.", names=names, over=over),
        say(
            "Test items were read only afterwards, when the best settings were retrained on other repeats; the "
            "verdicts above rest on those repeats alone."
        ),
    )  # fmt: skip


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
        text = say(
            "In {measured}, '{arm}' (trial {trial}) had {searched} in the search, and {mean} when retrained: {lost}"
            if len(objectives) > 1
            else "'{arm}' (trial {trial}) had {searched} in the search, and {mean} when retrained: {lost}",
            measured=measured,
            arm=row["arm"],
            trial=row["trial"],
            searched=number(row["searched"]),
            mean=number(row["mean"]),
            lost=_lost(row["lost"]),
        )
        evidence = say(
            "{measured}: {level} interval {edges} over {repeats}.",
            measured=measured,
            level=percent(1 - results.study.alpha),
            edges=interval(row["low"], row["high"]),
            repeats=counted(int(row["n"]), "fresh repeat"),
        )
        label = "promised too much" if lucky else "confirmed"
        found.append(Finding(text, label, "bad" if lucky else "good", evidence))
    return found


def _lost(lost: float) -> str:
    if lost > 0:
        return say("{lost} is selection bias, or luck of the repeats.", lost=number(lost))
    return say("no sign of selection bias, as far as other repeats, which may be easier or harder, can show.")


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
        text = say(
            "'{first}' is expected to lead at every budget from 1 to {trials}.",
            first=first,
            trials=counted(shared, "trial"),
        )
        return [Finding(text, "stable", "good")]
    n, leader, before = changes[-1]
    listed = clauses(say("from {n} on '{new}' instead of '{old}'", n=k, new=new, old=old) for k, new, old in changes)
    text = say(
        "The best arm depends on the budget: '{leader}' from {trials} on, '{before}' with fewer.",
        leader=leader,
        trials=counted(n, "trial"),
        before=before,
    )
    return [Finding(text, "depends on the budget", "bad", say("Expected best of n trials: {listed}.", listed=listed))]


def _of_one(search: SearchResult) -> list[Finding]:
    arm, trials = search.arm, search.ended
    states = Counter(t.state for t in trials)
    parts = [say("{n} {state}", n=states[s], state=say(s)) for s in STATES if states[s]]
    counts = say("{trials}: {states}.", trials=counted(len(trials), "trial"), states=commas(parts))
    found = [Finding(_epochs(search), evidence=counts)]
    if not search.complete:
        found.insert(
            0,
            Finding(
                say("The search for '{arm}' has not reached its budget; the same command continues it.", arm=arm),
                "open",
                "open",
            ),
        )
    found += _fewer(search)
    if search.complete and search.importances is None:
        text = say(
            "It is not known which settings of '{arm}' matter most: {states} of its trials were trained "
            "to the end, too few for an estimate.",
            arm=arm,
            states=states["complete"],
        )
        found.append(Finding(text, "no importances", "open"))
    if states["failed"]:
        why = Counter(t.failure for t in trials if t.failure).most_common(1)
        reason = say("Most often: {why}.", why=why[0][0]) if why else ""
        found.append(
            Finding(
                say("{trials} of '{arm}' failed.", trials=counted(states["failed"], "trial"), arm=arm),
                "failures",
                "bad",
                reason,
            )
        )
    for axis, side, value in edges(search):
        text = say(
            "The best {axis} of '{arm}' lies at the lower end of its range; the optimum may lie beyond."
            if side == "low"
            else "The best {axis} of '{arm}' lies at the upper end of its range; the optimum may lie beyond.",
            axis=axis,
            arm=arm,
        )
        found.append(Finding(text, "edge of the space", "bad", say("{text}.", text=number(value))))
    return found


def _epochs(search: SearchResult) -> str:
    """What the trials cost, what they would have cost in full, and by cause what made them cost less."""
    left = saved(search)
    full = search.epochs + sum(left.values())

    def share(cause: str) -> str:
        rounded = round(left[cause] / full, 2)
        return percent(rounded) if rounded else say("under 1 %")

    causes = [cause for cause in left if left[cause] and cause != "failed"]
    shares = [
        say("{cause} saved {share}" if cause == causes[0] else "{cause} {share}", cause=say(cause), share=share(cause))
        for cause in causes
    ]
    parts = [listing(shares)] if shares else []
    parts += [say("{share} were left out because trials failed", share=share("failed"))] if left["failed"] else []
    if not parts:
        return say("The search for '{arm}' took {epochs:,} epochs.", arm=search.arm, epochs=search.epochs)
    return say(
        "The search for '{arm}' took {epochs:,} epochs instead of {full:,}: {parts}.",
        arm=search.arm, epochs=search.epochs, full=full, parts=clauses(parts),
    )  # fmt: skip


def _fewer(search: SearchResult) -> list[Finding]:
    """Where a search found fewer settings than were to be confirmed."""
    found, wanted = len(search.confirmed), len(search.search.names(search.setup))
    if not search.complete or not 0 < found < wanted:
        return []
    names = {
        "arm": search.arm,
        "settings": counted(found, "different setting"),
        "confirmed": say(
            "{n} is confirmed instead of {wanted}" if found == 1 else "{n} are confirmed instead of {wanted}",
            n=found,
            wanted=wanted,
        ),
    }
    if len(search.search.objective) > 1:
        text = say("Search for '{arm}': The front has {settings}, so {confirmed}.", **names)
    elif found == 1:
        text = say("Search for '{arm}': {settings} was completed, so {confirmed}.", **names)
    else:
        text = say("Search for '{arm}': {settings} were completed, so {confirmed}.", **names)
    return [Finding(text, "fewer settings", "open")]


def _tables(results: StudyResults) -> tuple[SectionTable, ...]:
    searches = results.search
    best = []
    for search in searches:
        for arm, trial in search.confirmed.items():
            best += [(arm, trial.number, path, _plain(value)) for path, value in trial.settings.items()]
    made = [
        SectionTable("settings", say("The best settings"), plain_table(("arm", "trial", "setting", "value"), best)),
        _framed(
            "confirmed", say("Search score against confirmed score, on validation items"), confirmed_frame(results)
        ),
        _framed("importances", say("How much of the variation each axis explains"), importances_frame(searches)),
        _framed("best_of", say("Expected best of n trials"), best_of_frame(searches)),
        _framed("trials", say("Every trial"), trials_frame(searches)),
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
