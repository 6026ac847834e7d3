"""Optuna's samplers, which propose settings, and pruners, which end trials early, built from a study's words."""

from __future__ import annotations

import warnings
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from mmcore.seeding import seed_of
from studies.search.block import Sampler
from studies.search.resolved import ArmSearch, ResolvedSearch
from studies.search.space import Axis

REDUCTION = 3
"""Halving keeps one trial in three at each rung (Li et al. 2017 §3.6: 3 or 4, results hardly differ)."""

_STARTUP = 10
"""Trials drawn at random before a model of the objective is trusted; Optuna's own choice for TPE."""


def build_sampler(search: ResolvedSearch, arm: ArmSearch, rank: int) -> BaseSampler:
    """The sampler of one proposal, with a seed of its rank.

    All values of a grid are set beforehand, so its sampler has nothing to propose.

    A single seed for all proposals would repeat the first ones after each restart, and a seed from the trial's number
    would change the proposals of an interrupted search. The seed affects only the settings, not the trainings.
    """
    # 31 bits: numpy's older generators, which Optuna uses, take no more.
    seed = seed_of(0, f"search/{arm.arm}", 0, rank) & 0x7FFFFFFF
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _build(search.sampler, seed)


def build_pruner(search: ResolvedSearch, arm: ArmSearch) -> BasePruner:
    """The pruner of a search. A trial's steps are epochs: of its first repeat one by one, then the end of each other;
    wilcoxon's are its repeats."""
    epochs = arm.epochs(arm.config)
    # Three rungs within the first repeat: a ninth of its epochs, a third, all.
    first_rung = max(1, round(epochs / REDUCTION**2))
    match search.pruner:
        case "none":
            return optuna.pruners.NopPruner()
        case "median":
            return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=first_rung)
        case "halving":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=first_rung, reduction_factor=REDUCTION)
        case "hyperband":
            most = epochs * search.repeats
            return optuna.pruners.HyperbandPruner(
                min_resource=first_rung, max_resource=most, reduction_factor=REDUCTION
            )
        case "wilcoxon":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return optuna.pruners.WilcoxonPruner(p_threshold=0.1)


def distribution(axis: Axis) -> BaseDistribution:
    """An axis as Optuna has it."""
    if axis.choices is not None:
        return CategoricalDistribution(axis.choices)
    assert axis.low is not None
    assert axis.high is not None
    if axis.kind == "int":
        return IntDistribution(int(axis.low), int(axis.high), step=axis.step or 1)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


def suggest(trial: optuna.Trial, axis: Axis) -> Any:
    """A trial's value of an axis, as its sampler proposes."""
    if axis.choices is not None:
        return trial.suggest_categorical(axis.name, axis.choices)
    assert axis.low is not None
    assert axis.high is not None
    if axis.kind == "int":
        return trial.suggest_int(axis.name, int(axis.low), int(axis.high), step=axis.step or 1)
    return trial.suggest_float(axis.name, axis.low, axis.high, log=axis.log)


def _build(kind: Sampler, seed: int) -> BaseSampler:
    match kind:
        case "random" | "grid":
            return optuna.samplers.RandomSampler(seed=seed)
        case "tpe":
            # Proposals that must not be known yet count as bad (constant liar), so that they are not proposed again.
            return optuna.samplers.TPESampler(seed=seed, n_startup_trials=_STARTUP, multivariate=True, group=True)
        case "gp":
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=_STARTUP)
        case "cma_es":
            return optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=1, warn_independent_sampling=False)
        case "nsga2":
            return optuna.samplers.NSGAIISampler(seed=seed, population_size=16)
        case "nsga3":
            return optuna.samplers.NSGAIIISampler(seed=seed, population_size=16)
