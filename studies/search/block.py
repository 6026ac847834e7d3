"""The ``search:`` block of a study, as written: what is tuned, by what yardstick, with how much effort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from mmcore.config import Overrides
from mmcore.errors import ConfigError, StudyError, nearest
from mmcore.frozen import Frozen
from mmcore.limits import Thousand, TrialCount
from mmcore.measures import MEASURES, Measure, Metric, parse_metric
from mmcore.record import Record
from mmcore.scores import value_of
from studies.search.space import Choice, Hyperparameter, LogUniform, Uniform

Sampler = Literal["random", "tpe", "gp", "cma_es", "nsga2", "nsga3", "grid"]
Pruner = Literal["none", "median", "halving", "hyperband", "wilcoxon"]
Baseline = Literal["equal", "random", "uncertainty", "dwa", "gradnorm"]

WEIGHTS = "loss.weights"
"""The path whose search asks for baselines."""

BASELINES: dict[Baseline, Overrides] = {
    "equal": {},
    "random": {"loss.weighting.kind": "random"},
    "uncertainty": {"loss.weighting.kind": "uncertainty"},
    "dwa": {"loss.weighting.kind": "dwa"},
    "gradnorm": {"loss.weighting.kind": "gradnorm"},
}
"""Baselines that tuned weights have to beat (Kurin et al. and Xin et al., both NeurIPS 2022), as overrides of arms."""

BASELINE_SPACE: dict[str, Choice | Uniform | LogUniform] = {
    "loss.weighting.temperature": LogUniform(low=0.5, high=8.0, when={"loss.weighting.kind": "dwa"}),
    "loss.weighting.alpha": Uniform(low=0.0, high=3.0, when={"loss.weighting.kind": "gradnorm"}),
    "loss.weighting.learning_rate": LogUniform(low=2.5e-3, high=0.25, when={"loss.weighting.kind": "gradnorm"}),
}
"""What baselines may tune with the budget that the weights have; random, uncertainty and equal weights have no
hyperparameter."""


class Budget(Frozen):
    """How much effort each arm's search may spend: a number of trials, or of epochs over all its trials."""

    trials: TrialCount | None = None
    """Trials to reach, those of earlier calls included."""
    epochs: PositiveInt | None = None
    """Epochs never to exceed; a trial begins only if it would fit even without pruning."""

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if (self.trials is None) == (self.epochs is None):
            raise ValueError("a budget is either trials: N or epochs: N")
        return self


class Confirm(Frozen):
    """Which arms are retrained on fresh repeats after the search and then tested for the first time."""

    best: Thousand = 1
    """Settings of scientific hyperparameters that become arms: the best, the second best …"""
    baselines: tuple[Baseline, ...] | None = None
    """Arms to beat, added where the study does not have them; None: all where loss weights are scientific
    hyperparameters."""


class Search(Frozen):
    """Settings that are tuned before arms are compared.

    A study's arms are what is compared; ``space`` holds what is tuned; all else is fixed by base and preset. Trials are
    trained on repeats 0 … S−1 and judged on validation items alone. The arms, with the best settings found, are then
    trained on the study's repeats, counted from S, and tested.
    """

    space: dict[str, Hyperparameter] = Field(min_length=1)
    """Config path to hyperparameter; see studies/search/space.py."""
    objective: tuple[str, ...] | None = None
    """What the search optimises: ``validation/MEASURE`` or ``validation/COMPONENT/MEASURE``, averaged over the
    repeats of a trial. Several: a Pareto front. None: the study's metric on validation items."""
    sampler: Sampler = "tpe"
    """The method that proposes settings."""
    pruner: Pruner = "none"
    """The method that ends bad trials early."""
    budget: Budget
    """Effort of each arm's search, the same for all."""
    parallel: TrialCount = 4
    """At most this many trials run at a time, on any number of workers. A proposal only uses trials that are at least
    this many places before it, and waits for them, so it does not depend on which trial ended first.
    1: every proposal uses all trials before it. It has no effect if nothing is learned from other trials: with
    sampler random or grid, no pruner, and a budget of trials."""
    repeats: Thousand = 2
    """S: repeats 0 … S−1 of every trial, the same for all trials and arms."""
    confirm: Confirm = Confirm()
    """What happens to the winners."""

    @field_validator("objective", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits(self) -> Search:
        objective = ("",) if self.objective is None else self.objective
        if not objective:
            raise ValueError("objective must name at least one measure")
        if len(set(objective)) < len(objective):
            raise ValueError("objective names a measure twice")
        several = len(objective) > 1
        if several and self.pruner != "none":
            raise ValueError("pruner must be none with several objectives: half-way, no trial can be called worse")
        if several and self.sampler == "cma_es":
            raise ValueError("sampler cma_es supports only one objective; choose tpe, gp, nsga2, nsga3, random or grid")
        if self.pruner == "wilcoxon" and self.repeats < 4:
            raise ValueError(
                f"pruner wilcoxon compares repeats and needs at least 4: {self.repeats} cannot give a p below 0.1"
            )
        known: set[str] = set()
        for path, parameter in self.space.items():
            for condition in parameter.when:
                for other in self.space:
                    if f"{condition}.".startswith(f"{other}.") and other not in known:
                        raise ValueError(f"'{path}' depends on '{other}', which must stand above it in the space")
            known.add(path)
        return self


def baselines(search: Search) -> dict[str, Overrides]:
    """The arms that a search has to beat: name to overrides."""
    wanted = search.confirm.baselines
    if wanted is None:
        asked = WEIGHTS in search.space and search.space[WEIGHTS].role == "scientific"
        wanted = tuple(BASELINES) if asked else ()
    return {name: BASELINES[name] for name in wanted}


@dataclass(frozen=True)
class Objective:
    """One number of a trial, on validation items.

    Args:
        name: as written, ``validation/skill``.
        metric: what it measures.
    """

    name: str
    metric: Metric

    @property
    def maximise(self) -> bool:
        """Its direction."""
        return self.metric.measure.higher_is_better

    def column(self, select: Metric) -> str | None:
        """The column of a run's history with its value after each epoch; None where that is not kept.

        Args:
            select: the metric by which the run's epoch is chosen.
        """
        kept = self.metric.measure.name in ("skill", "loss") or self.metric == select
        return self.metric.column if kept else None

    def of(self, record: Record) -> float:
        """Its value in a record: the model's, on all validation items; NaN where there is none."""
        return value_of(self.metric, record.scores, "validation")


def parse_objective(
    name: str, searched: tuple[str, ...], where: str, own: Mapping[str, Measure] | None = None
) -> Objective:
    """Read an objective, and refuse one whose best value would mean nothing.

    Args:
        name: as written.
        searched: the paths of the space.
        where: file and line.
        own: measures of the user's, by name.

    Raises:
        StudyError: an objective that depends on what is searched, reads test items, or is no measure.
    """
    side, _, rest = name.partition("/")
    measure = rest.rpartition("/")[2] or name
    if measure in ("weighted_loss", "objective"):
        mine = [path for path in searched if path.startswith("loss")]
        why = (
            f"it depends on {', '.join(mine)}, which this search varies: the weighted loss falls when weight moves to "
            "components with a small loss, whatever the model has learned"
            if mine
            else "it depends on how a model was trained, so trials would be measured with different yardsticks"
        )
        raise StudyError(
            f"'{name}' cannot be an objective: {why}",
            where=where,
            next_step="Use validation/skill: it compares unweighted losses with naive losses",
        )
    if side == "test":
        raise StudyError(
            f"'{name}' cannot be an objective: test items are for the confirmation alone, otherwise the winner's score "
            "would be the best of many",
            where=where,
            next_step=f"Use validation/{rest}",
        )
    if side == "train":
        raise StudyError(
            f"'{name}' cannot be an objective: what a model remembers of training items does not measure its settings",
            where=where,
            next_step=f"Use validation/{rest}",
        )
    if side != "validation" or not rest:
        raise StudyError(
            f"objective '{name}' is unknown",
            expected="validation/MEASURE or validation/COMPONENT/MEASURE",
            where=where,
            next_step=nearest(measure, [f"validation/{m}" for m in MEASURES]),
        )
    try:
        return Objective(name, parse_metric(rest, own))
    except ConfigError as error:
        raise StudyError(error.rule, next_step=error.next_step, where=where) from None
