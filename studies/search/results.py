"""The result of a search, as reports and plans read it and as the arms to confirm use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from studies.search.resolved import ArmSearch, ResolvedSearch

TrialState = Literal["complete", "pruned", "failed", "running", "waiting"]

ENDED: tuple[TrialState, ...] = ("complete", "pruned", "failed")
"""States of trials that have ended, in whatever way."""


@dataclass(frozen=True)
class TrialResult:
    """One proposal of a search, however often it was interrupted.

    Args:
        number: its place among the proposals, from 0.
        state: how far it is.
        settings: the overrides of the config that it stands for.
        axes: what the sampler drew, by axis; differs from ``settings`` for a simplex.
        values: one for each objective, the mean over ``repeats``; () where it is not complete.
        repeats: the same for each repeat that was finished.
        reported: step and value. Steps are epochs of the first repeat, then the end of each other; with the pruner
            wilcoxon they are repeats.
        epochs: epochs beyond those that trials before it took of the same runs.
        epochs_full: epochs of all its runs without pruning.
        seconds: from begin to end; None while it runs.
        fingerprints: its runs, by repeat.
        reused: how many of them earlier trials had already trained.
        failure: why it failed; None where it did not.
    """

    number: int
    state: TrialState
    settings: Mapping[str, Any]
    axes: Mapping[str, Any]
    values: tuple[float, ...] = ()
    repeats: tuple[tuple[float, ...], ...] = ()
    reported: tuple[tuple[int, float], ...] = ()
    epochs: int = 0
    epochs_full: int = 0
    seconds: float | None = None
    fingerprints: tuple[str, ...] = ()
    reused: int = 0
    failure: str | None = None


@dataclass(frozen=True)
class Importance:
    """How much of the variation of an objective one axis explains.

    Args:
        objective: its name. method: of the estimate. axis: as in :class:`studies.search.space.Axis`.
        shares: one for each resample of the trials, in [0, 1].
    """

    objective: str
    method: str
    axis: str
    shares: tuple[float, ...]


@dataclass(frozen=True)
class SearchResult:
    """One search of a study: what was tuned, and what was found so far.

    Args:
        search: sampler, pruner, budget and objectives, the same for all searches of a study.
        setup: the arm that was tuned, and its space.
        trials: one for each proposal, by number.
        best: numbers of complete trials, best first; with several objectives those on the Pareto front.
        confirmed: arms that are trained on fresh repeats, by name, with the trials that gave their settings; {} until
            the search is complete.
        complete: whether the budget is reached and no trial is open.
        importances: how much each axis matters; None where that was not estimated, or too few trials are complete.
    """

    search: ResolvedSearch
    setup: ArmSearch
    trials: tuple[TrialResult, ...] = ()
    best: tuple[int, ...] = ()
    confirmed: Mapping[str, TrialResult] = field(default_factory=dict)
    complete: bool = False
    importances: tuple[Importance, ...] | None = None

    @property
    def arm(self) -> str:
        """The arm that was tuned; ``tuned`` for the scientific hyperparameters."""
        return self.setup.arm

    @property
    def leader(self) -> TrialResult | None:
        """The best trial; None where none is complete."""
        return next((trial for trial in self.trials if trial.number in self.best[:1]), None)

    @property
    def ended(self) -> tuple[TrialResult, ...]:
        """Trials that have ended, in whatever way, by number."""
        return tuple(trial for trial in self.trials if trial.state in ENDED)

    @property
    def epochs(self) -> int:
        """Epochs that its trials took, pruned and failed ones included; a run that several trials have counts once."""
        return sum(trial.epochs for trial in self.trials)
