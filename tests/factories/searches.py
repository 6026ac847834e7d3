"""Searches as reports get them, without a storage or an engine behind them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mmcore.config import build_config
from mmcore.seeding import generator
from studies.search.block import Budget, Pruner, Sampler, parse_objective
from studies.search.resolved import ArmSearch, ResolvedSearch
from studies.search.results import Importance, SearchResult, TrialResult, TrialState
from studies.search.space import Choice, Int, LogUniform, Space

SKILL = "validation/skill"
RATE = "training.optimiser.learning_rate"
SPACE = {
    RATE: LogUniform(low=1e-4, high=1e-2),
    "model.layers": Int(low=1, high=4),
    "model.norm": Choice(values=("pre", "post")),
}


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


def make_search(
    arm: str = "multimodal",
    trials: int = 12,
    *,
    objectives: int = 1,
    seed: int = 0,
    promise: float | None = None,
    pruned: tuple[int, ...] = (3, 7),
    failed: tuple[int, ...] = (5,),
    complete: bool = True,
    edge: bool = False,
) -> SearchResult:
    """A search over a learning rate, a number of layers and a choice; the value falls with the rate's distance."""
    rng = generator(seed, f"test/{arm}")
    rows: list[TrialResult] = []
    for n in range(trials):
        rate, layers = float(10 ** rng.uniform(-4, -2)), int(rng.integers(1, 5))
        state: TrialState = "pruned" if n in pruned else "failed" if n in failed else "complete"
        value = 0.5 - 0.1 * (math.log10(rate) + 3) ** 2 + 0.01 * layers
        axes = {RATE: rate, "model.layers": layers, "model.norm": "pre"}
        rows.append(
            TrialResult(
                n, state, settings=axes, axes=axes,
                values=(value, 0.3 * layers)[:objectives] if state == "complete" else (),
                reported=((1, value / 2), (2, value - 0.05)),
                epochs=8 if state == "pruned" else 24, epochs_full=24, seconds=10.0, fingerprints=(f"{n:032x}",),
                failure="RuntimeError: no memory" if state == "failed" else None,
            )
        )  # fmt: skip
    best = max((r for r in rows if r.values), key=lambda r: r.values[0])
    if edge:
        best = rows[best.number] = replace(best, axes={**best.axes, RATE: 9.9e-3})
    promised = (promise if promise is not None else best.values[0], 0.4)[:objectives]
    names = (SKILL, "validation/active/f1")[:objectives]
    shares = {
        ("fANOVA", RATE): (0.8, 0.7),
        ("fANOVA", "model.layers"): (0.2, 0.3),
        ("PED-ANOVA", RATE): (0.6, 0.9),
        ("PED-ANOVA", "model.layers"): (0.4, 0.1),
    }
    return found(
        resolved(SPACE, (arm,), objectives=names, sampler="tpe", pruner="median", trials=trials),
        rows,
        best=(best.number,),
        confirmed={arm: replace(best, values=promised)},
        complete=complete,
        importances=tuple(Importance(SKILL, method, axis, each) for (method, axis), each in shares.items()),
    )
