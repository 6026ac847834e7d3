"""Searches of a study for people: what they would do, and how far they are."""

from __future__ import annotations

from collections import Counter

from experiments.planning.request import AnyRequest, trains_itself
from experiments.planning.search import PlannedSearch
from reports.numbers import about
from studies.search.resolved import TUNED
from studies.search.results import SearchResult, TrialState


def search_text(request: AnyRequest, planned: tuple[PlannedSearch, ...], workers: int) -> list[str]:
    """The searches for people, line by line."""
    search, study = request.study.search, request.study
    assert search is not None
    budget = f"{search.budget.trials} trials" if search.budget.trials else f"{search.budget.epochs} epochs"
    shared = "repeat 0" if search.repeats == 1 else f"repeats 0 to {search.repeats - 1}"
    pruned = "no trial is pruned" if search.pruner == "none" else f"pruner {search.pruner}"
    lines = [
        f"search   {', '.join(one.name for one in search.objective)} on {shared}; sampler {search.sampler}, {pruned}; "
        f"{budget} for each of:"
    ]
    for one in planned:
        # A budget in epochs reaches further where trials are pruned.
        least = "at least " if search.budget.epochs and search.pruner != "none" else ""
        state = f"{least}{one.left} to do" if one.left else "complete"
        lines.append(f"  {one.arm}: {one.done} trials done, {state}")
        lines += [f"    {path}: {text}" for path, text in one.hyperparameters.items()]
    if search.as_is:
        lines.append(f"  nothing to tune, so used as written: {', '.join(search.as_is)}")
    seconds = sum(one.seconds for one in planned) / workers
    if seconds:
        epochs, spent = sum(one.epochs for one in planned), sum(one.spent for one in planned)
        pruned = f", with pruning about {spent:,}" if spent < epochs else ""
        lines.append(f"  at most {epochs:,} epochs{pruned}; about {about(seconds)} on {workers} workers")
    last = study.numbers[-1]
    # Whether other training code reads test items in its trials, mmstudy cannot see.
    tested = ", tested for the first time" if trains_itself(request) else ""
    winners = [one.arm for one in planned if one.arm == TUNED]
    best = "the best setting and " if search.best == 1 else f"the {search.best} best settings and "
    lines.append(
        f"then     {best if winners and request.tunes else ''}{len(study.arms)} arms on fresh repeats "
        f"{study.first_repeat} to {last}{tested}"
    )
    if winners and request.tunes:
        lines.append(f"         {search.best * len(study.numbers)} runs of what is found come on top of those below")
    return lines


def standing(request: AnyRequest) -> list[str]:
    """How far the searches of a study are, a line each; [] where it has none."""
    search = request.study.search
    if search is None:
        return []
    found = {one.arm: one for one in request.searches}
    lines = []
    for arm in search.searches:
        one = found.get(arm.arm) or SearchResult(search, arm)
        states = Counter(trial.state for trial in one.trials)
        text = ", ".join(f"{states[state]} {state}" for state in _STATES if states[state]) or "not begun"
        budget = f"{search.budget.trials} trials" if search.budget.trials else f"{search.budget.epochs} epochs"
        line = f"search for {arm.arm}: {text}; budget {budget}"
        if one.leader is not None:
            line += f"; best {one.leader.values[0]:.3f} (trial {one.leader.number})"
        lines.append(line)
    return lines


_STATES: tuple[TrialState, ...] = ("complete", "pruned", "failed", "running", "waiting")
