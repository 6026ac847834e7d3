"""How much each axis of a search matters, by Optuna's estimators, with the spread that they have."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import optuna
from optuna.importance import BaseImportanceEvaluator, FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, TrialState

from experiments.tuning.ownership import proposals
from mmcore.seeding import generator
from studies.search.resolved import ResolvedSearch
from studies.search.results import Importance

FEWEST = 10
"""Complete trials without which an estimate would be noise alone."""
REPETITIONS = 8
"""Resamples of the trials; the spread of the estimates over them is what they are good for."""
TREES = 32
"""Of fANOVA's forest: the spread over resamples is larger than what more trees would take away."""


def importances(study: optuna.Study, search: ResolvedSearch) -> tuple[Importance, ...] | None:
    """Shares of the variation of each objective; None with fewer than :data:`FEWEST` complete trials.

    Each repetition draws as many trials as there are, with replacement, from f(repetition): estimates are stochastic
    themselves (fANOVA's forest), and depend on which trials happened to be made. An axis that is not drawn in every
    trial (a conditional one) is left out by fANOVA and known to PED-ANOVA.

    Source:
        fANOVA: Hutter et al. 2014. PED-ANOVA: Watanabe et al. 2023, target quantile 0.1.
    """
    # By rank: resamples are drawn by place, and the places of trials must not depend on which of them began first.
    done = [t for t in proposals(study.get_trials(deepcopy=False)).values() if t.state == TrialState.COMPLETE]
    if len(done) < FEWEST:
        return None
    found: list[Importance] = []
    for j, objective in enumerate(search.objective):
        shares: dict[tuple[str, str], list[float]] = {}
        for repetition in range(REPETITIONS):
            rng = generator(repetition, "importances")
            drawn = [done[i] for i in rng.integers(0, len(done), len(done))]
            resampled = _study([_single(t, j) for t in drawn], objective.maximise)
            evaluators = {
                "fANOVA": FanovaImportanceEvaluator(n_trees=TREES, seed=repetition),
                "PED-ANOVA": PedAnovaImportanceEvaluator(),
            }
            for method, evaluator in evaluators.items():
                for axis, share in _shares(resampled, evaluator).items():
                    shares.setdefault((method, axis), []).append(share)
        # One method after the other, as they are shown.
        ordered = sorted(shares, key=lambda key: key[0] != "fANOVA")
        found += [Importance(objective.name, method, axis, tuple(shares[method, axis])) for method, axis in ordered]
    return tuple(found)


def _shares(study: optuna.Study, evaluator: BaseImportanceEvaluator) -> dict[str, float]:
    """Normalised to a sum of 1; {} where a resample gives no estimate (all its trials have one value)."""
    values = {t.value for t in study.get_trials(deepcopy=False)}
    if len(values) < 2:
        return {}
    with warnings.catch_warnings():
        # A resample may hold an axis at one value only; Optuna warns, and its share is 0.
        warnings.simplefilter("ignore")
        return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _study(trials: Sequence[FrozenTrial], maximise: bool) -> optuna.Study:
    study = optuna.create_study(direction="maximize" if maximise else "minimize")
    study.add_trials(trials)
    return study


def _single(trial: FrozenTrial, objective: int) -> FrozenTrial:
    assert trial.values is not None
    return optuna.trial.create_trial(
        params=trial.params, distributions=trial.distributions, value=trial.values[objective]
    )
