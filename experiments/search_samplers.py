"""Who proposes settings, and who ends trials early: from a study's words to Optuna's samplers and pruners."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from experiments.search_claims import rank
from mmcore.seeding import seed_of
from studies.search import Sampler
from studies.space import Axis
from studies.tuning import ArmSearch, ResolvedSearch

REDUCTION = 3
"""Halving keeps one trial in three at each rung (Li et al. 2017 §3.6: 3 or 4, results hardly differ)."""

_STARTUP = 10
"""Trials drawn at random before a model of the objective is trusted; Optuna's own choice for TPE."""


def build_sampler(search: ResolvedSearch, arm: ArmSearch) -> BaseSampler:
    """The sampler of a search; what it proposes for a trial follows from the trial's number and those before it."""
    if search.sampler == "grid":
        return Grid(arm.cells())
    return PerTrial(search.sampler, arm.arm)


def build_pruner(search: ResolvedSearch, arm: ArmSearch) -> BasePruner:
    """The pruner of a search. A trial's steps are epochs: of its first repeat one by one, then the end of each other;
    wilcoxon's are its repeats."""
    epochs = arm.config.training.epochs
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
        case "random":
            return optuna.samplers.RandomSampler(seed=seed)
        case "tpe":
            # Trials of other processes, not yet known, count as bad (constant liar), so that nobody proposes the same.
            return optuna.samplers.TPESampler(seed=seed, n_startup_trials=_STARTUP, multivariate=True, group=True)
        case "gp":
            return optuna.samplers.GPSampler(seed=seed, n_startup_trials=_STARTUP)
        case "cma_es":
            return optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=1, warn_independent_sampling=False)
        case "nsga2":
            return optuna.samplers.NSGAIISampler(seed=seed, population_size=16)
        case "nsga3":
            return optuna.samplers.NSGAIIISampler(seed=seed, population_size=16)
        case "grid":
            raise AssertionError("a grid is no sampler of Optuna's here")


class PerTrial(BaseSampler):
    """A sampler of Optuna's, made anew for each trial with a seed of the trial's number.

    A sampler with one seed would repeat its first proposals in every process, and after every restart. The seed decides
    on settings alone; no training knows of it.

    Args:
        kind: which.
        name: the arm: two arms' searches draw different numbers.
    """

    def __init__(self, kind: Sampler, name: str) -> None:
        self._kind: Sampler = kind
        self._name = name
        self._inner = self._make(0)

    def _make(self, number: int) -> BaseSampler:
        # 31 bits: numpy's older generators, which Optuna uses, take no more.
        seed = seed_of(0, f"search/{self._name}", 0, number) & 0x7FFFFFFF
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return _build(self._kind, seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """A sampler of the trial's own."""
        self._inner = self._make(trial.number)
        self._inner.before_trial(study, trial)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """As the sampler has it."""
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the sampler has it."""
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """As the sampler has it."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """As the sampler has it."""
        self._inner.after_trial(study, trial, state, values)


class Grid(BaseSampler):
    """Every combination once: a trial's cell is its rank among the proposals, whoever asks.

    Optuna's own grid lets two processes take one cell, and has no conditions.

    Args:
        cells: values by axis, in the order in which they are visited; after the last comes the first again.
    """

    def __init__(self, cells: Sequence[dict[str, Any]]) -> None:
        self._cells = cells

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """None: each axis is looked up by itself."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The cell's value."""
        # Of the storage, not of the study: with hyperband that is one of the trial's bracket alone.
        trials = study._storage.get_all_trials(study._study_id, deepcopy=False)
        return self._cells[rank(trial, trials) % len(self._cells)][param_name]
