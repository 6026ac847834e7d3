"""Texts for the user about a trial that has ended, and about its search so far."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from experiments.tuning.ownership import proposals, rank_of
from experiments.tuning.results import as_text, ranking
from experiments.tuning.trial import OpenTrial
from mmcore.language import say
from reports.numbers import counted
from studies.search.resolved import ResolvedSearch


def how_it_ended(
    search: ResolvedSearch,
    trials: Sequence[FrozenTrial],
    one: OpenTrial,
    state: TrialState,
    values: Sequence[float],
    epochs: int,
    why: str | None,
) -> str:
    """A trial's end in a line, with the best so far.

    Args:
        trials: all of its search. values: its objectives; empty unless it is complete. epochs: that it took.
        why: it failed.
    """
    settings = ", ".join(f"{path.rpartition('.')[2]} {as_text(value)}" for path, value in one.notes.settings.items())
    ranked, taken = ranking(search, trials), counted(epochs, "epoch")
    match state:
        case TrialState.COMPLETE:
            scores = ", ".join(f"{value:.3f}" for value in values)
            text = say("{scores} in {epochs}, {settings}", scores=scores, epochs=taken, settings=settings)
        case TrialState.PRUNED:
            text = say("pruned after {epochs}, {settings}", epochs=taken, settings=settings)
        case _:
            return say("failed: {why}", why=why)
    if not ranked:
        return text
    value, trial = ranked[0].values[0], rank_of(ranked[0])
    return say("{text}; best so far {value:.3f} (trial {trial})", text=text, value=value, trial=trial)


def standing(search: ResolvedSearch, trials: Sequence[FrozenTrial]) -> str:
    """Trials by state, and the best so far."""
    pruned = sum(trial.state == TrialState.PRUNED for trial in trials)
    ranked = ranking(search, trials)
    parts = [counted(len(proposals(trials)), "trial")]
    if pruned:
        parts.append(say("{n} pruned", n=pruned))
    if ranked:
        parts.append(say("best {value:.3f}", value=ranked[0].values[0]))
    return say(", ").join(parts)
