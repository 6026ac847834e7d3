"""Searches of a study for people: what they would do, and how far they are."""

from __future__ import annotations

from collections import Counter

from experiments.cli.labels import clauses, labelled, width
from experiments.planning.request import AnyRequest, trains_itself
from experiments.planning.search import PlannedSearch
from mmcore.language import counted, later, say, say_of
from reports.numbers import about
from studies.search.resolved import TUNED, ResolvedSearch
from studies.search.results import SearchResult, TrialState


def search_text(request: AnyRequest, planned: tuple[PlannedSearch, ...], workers: int) -> list[str]:
    """The searches for people, line by line."""
    search, study = request.study.search, request.study
    assert search is not None
    budget = _budget(search)
    shared = say("repeat 0") if search.repeats == 1 else say("repeats 0 to {last}", last=search.repeats - 1)
    pruned = say("no trial is pruned") if search.pruner == "none" else say("pruner {pruner}", pruner=search.pruner)
    lines = [
        labelled(
            "search",
            say(
                "{objective} on {shared}; sampler {sampler}, {pruned}; {budget} for each of:",
                objective=", ".join(one.name for one in search.objective),
                shared=shared,
                sampler=search.sampler,
                pruned=pruned,
                budget=budget,
            ),
        )
    ]
    for one in planned:
        # A budget in epochs reaches further where trials are pruned.
        more = bool(search.budget.epochs) and search.pruner != "none"
        state = say("at least {n} to do", n=one.left) if more else say("{n} to do", n=one.left)
        state = state if one.left else say("complete")
        done = say_of(
            one.done, "{arm}: 1 trial done, {state}", "{arm}: {n} trials done, {state}", arm=one.arm, state=state
        )
        lines.append(f"  {done}")
        lines += [f"    {path}: {text}" for path, text in one.hyperparameters.items()]
    if search.as_is:
        lines.append(f"  {say('nothing to tune, so used as written: {arms}', arms=', '.join(search.as_is))}")
    seconds = sum(one.seconds for one in planned) / workers
    if seconds:
        epochs, spent = sum(one.epochs for one in planned), sum(one.spent for one in planned)
        most = (
            say("at most {epochs:,} epochs, with pruning about {spent:,}", epochs=epochs, spent=spent)
            if spent < epochs
            else say("at most {epochs:,} epochs", epochs=epochs)
        )
        time = say("about {time} on {workers}", time=about(seconds), workers=counted(workers, "worker"))
        lines.append(f"  {clauses(most, time)}")
    found = any(one.arm == TUNED for one in planned) and request.tunes
    arms = counted(len(study.arms), "arm")
    if found and search.best == 1:
        arms = say("the best setting and {arms}", arms=arms)
    elif found:
        arms = say("the {best} best settings and {arms}", best=search.best, arms=arms)
    text = say("{arms} on fresh repeats {first} to {last}", arms=arms, first=study.first_repeat, last=study.numbers[-1])
    # Whether other training code reads test items in its trials, mmstudy cannot see.
    lines.append(
        labelled("then", say("{text}, tested for the first time", text=text) if trains_itself(request) else text)
    )
    if found:
        runs = search.best * len(study.numbers)
        lines.append(
            " " * width()
            + say_of(
                runs,
                "1 run of what is found comes on top of those below",
                "{n} runs of what is found come on top of those below",
            )
        )
    return lines


def _budget(search: ResolvedSearch) -> str:
    if search.budget.trials:
        return counted(search.budget.trials, "trial")
    return counted(search.budget.epochs or 0, "epoch")


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
        ended = [say("{n} {state}", n=states[state], state=say(state)) for state in _STATES if states[state]]
        best = (
            say("best {value:.3f} (trial {number})", value=one.leader.values[0], number=one.leader.number)
            if one.leader is not None
            else ""
        )
        stands = say("search for {arm}: {text}", arm=arm.arm, text=say(", ").join(ended) or say("not begun"))
        lines.append(clauses(stands, say("budget {budget}", budget=_budget(search)), best))
    return lines


_STATES: tuple[TrialState, ...] = ("complete", "pruned", "failed", "running", "waiting")
MARKED = (later("complete"), later("pruned"), later("failed"), later("running"), later("waiting"))
"""The states of trials, for the languages."""
