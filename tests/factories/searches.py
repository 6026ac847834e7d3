"""Searches as reports get them, without a storage or an engine behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmcore.config import build_config
from studies.search.block import Budget, Pruner, Sampler, parse_objective
from studies.search.resolved import ArmSearch, ResolvedSearch
from studies.search.results import Importance, SearchResult, TrialResult
from studies.search.space import Space

SKILL = "validation/skill"


def resolved(
    space: Space | None = None,
    arms: Sequence[str] = ("tuned",),
    *,
    objectives: Sequence[str] = (SKILL,),
    sampler: Sampler = "random",
    pruner: Pruner = "none",
    trials: int = 1,
    repeats: int = 2,
    best: int = 1,
) -> ResolvedSearch:
    """The searches of a study for these arms, over one space."""
    return ResolvedSearch(
        tuple(ArmSearch(arm, {}, build_config({"corpus": "c"}), space or {}) for arm in arms),
        (),
        tuple(parse_objective(name, (), "") for name in objectives),
        sampler,
        pruner,
        Budget(trials=trials),
        repeats,
        best,
    )


def found(
    search: ResolvedSearch,
    trials: Sequence[TrialResult] = (),
    *,
    best: Sequence[int] = (),
    confirmed: Mapping[str, TrialResult] | None = None,
    complete: bool = True,
    importances: tuple[Importance, ...] | None = None,
) -> SearchResult:
    """What the first of the searches came to."""
    return SearchResult(search, search.searches[0], tuple(trials), tuple(best), confirmed or {}, complete, importances)
