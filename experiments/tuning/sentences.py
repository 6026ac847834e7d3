"""What a search says of its trials while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optuna.trial import FrozenTrial, TrialState

from experiments.tuning.ownership import proposals, rank_of
from experiments.tuning.results import as_text, ranking
from mmcore.language import say
from studies.search.resolved import ResolvedSearch


def outcome_text(
    search: ResolvedSearch,
    trials: Sequence[FrozenTrial],
    state: TrialState,
    values: Sequence[float],
    epochs: int,
    settings: Mapping[str, object],
    why: str | None,
) -> str:
    """A trial's end in a line, with the best so far.

    Args:
        trials: all of the search. values: the trial's, by objective; [] unless it is complete.
        epochs: that it trained. settings: path to value. why: why it failed.
    """
    chosen = ", ".join(f"{path.rpartition('.')[2]} {as_text(value)}" for path, value in settings.items())
    ranked = ranking(search, trials)
    match state:
        case TrialState.COMPLETE:
            scores = ", ".join(f"{value:.3f}" for value in values)
            text = say("{scores} in {n} epochs, {settings}", scores=scores, n=epochs, settings=chosen)
        case TrialState.PRUNED:
            text = say("pruned after {n} epochs, {settings}", n=epochs, settings=chosen)
        case _:
            return say("failed: {why}", why=why)
    if not ranked:
        return text
    value, trial = ranked[0].values[0], rank_of(ranked[0])
    return say("{text}; best so far {value:.3f} (trial {trial})", text=text, value=value, trial=trial)


def standing_text(search: ResolvedSearch, trials: Sequence[FrozenTrial]) -> str:
    """Trials by state, and the best so far."""
    pruned = sum(trial.state == TrialState.PRUNED for trial in trials)
    ranked = ranking(search, trials)
    parts = [say("{n} trials", n=len(proposals(trials)))]
    if pruned:
        parts.append(say("{n} pruned", n=pruned))
    if ranked:
        parts.append(say("best {value:.3f}", value=ranked[0].values[0]))
    return say(", ").join(parts)
