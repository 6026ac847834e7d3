"""A search with every choice made: one search for each arm with hyperparameters, all with the same effort."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict

from mmcore.config import EvaluationConfig, ForeignConfig, Overrides, Plain, RunConfig, flat, override
from mmcore.fingerprint import fingerprint, identity, numerics
from mmcore.measures import Metric, parse_metric
from mmcore.schema import CorpusSchema
from mmcore.seeding import generator
from studies.configs import Where, config_of
from studies.runner import AnyRunner, max_epochs, nested
from studies.search.block import Budget, Objective, Pruner, Sampler, Search
from studies.search.space import Axis, Draws, Space, cells, possible_values, settle


class Identity(TypedDict):
    """What the trials of one search have in common, as JSON has it. It is compared as a whole, and kept with the
    search."""

    space: dict[str, Plain]
    """The hyperparameters by path."""
    objective: list[str]
    base: Plain
    """The arm's config as a run's name has it."""
    corpus: str
    """The corpus's content key."""
    repeats: int
    numerics: int
    sampler: str
    pruner: str
    parallel: int | None
    """How many places before a trial its proposal may know; see :attr:`ResolvedSearch.lag`."""


TUNED = "tuned"
"""The arm with the best settings of the scientific hyperparameters; ``tuned 2`` is the second best."""


@dataclass(frozen=True)
class ArmSearch:
    """One search: an arm, and what is tuned for it.

    Args:
        arm: its name; :data:`TUNED` for the scientific hyperparameters.
        overrides: what the arm changes on the base.
        config: the arm's config with repeat 0, judged without its test side; the settings of training code of the
            user's own.
        space: the hyperparameters that apply to this arm, simplexes with their components.
        runner: that training code; None: mmstudy trains.
    """

    arm: str
    overrides: Overrides
    config: RunConfig | ForeignConfig
    space: Space
    runner: AnyRunner | None = None

    @cached_property
    def plain(self) -> Plain:
        """The arm's config as nested plain values; callers must not change them."""
        config = self.config
        return nested(config.settings) if isinstance(config, ForeignConfig) else config.model_dump(mode="json")

    def settings(self, draw: Callable[[Axis], Any]) -> Overrides:
        """Overrides for one trial, from what a sampler draws."""
        return settle(self.space, self.plain, draw)

    def candidate(
        self, settings: Mapping[str, Any], schema: CorpusSchema | None, where: Where = str
    ) -> RunConfig | ForeignConfig:
        """The config of a trial, with repeat 0.

        Args:
            schema: of the corpus; None for training code of the user's own.

        Raises:
            StudyError: the settings contradict each other or the arm.
        """
        if isinstance(self.config, ForeignConfig):
            return ForeignConfig(settings={**self.config.settings, **flat(settings)})
        assert schema is not None
        return config_of(override(self.plain, dict(settings)), self.config.corpus, schema, where)

    def epochs(self, config: RunConfig | ForeignConfig) -> int:
        """Epochs of a whole training; where only the training code knows them, a training counts as one."""
        if isinstance(config, RunConfig):
            return config.training.epochs
        assert self.runner is not None
        return max_epochs(self.runner, config.settings) or 1

    @property
    def epochs_most(self) -> int:
        """Epochs of the longest training that the space holds."""
        own = self.epochs(self.config)
        setting = "training.epochs" if self.runner is None else self.runner.max_epochs
        if not isinstance(setting, str):
            return own
        return max(possible_values(setting, self.space, nested({setting: own})) or [own])

    def cells(self) -> list[Draws]:
        """The grid, in an order of its own, so that the first part of it covers the space."""
        grid = cells(self.space, self.plain)
        order = generator(0, f"grid/{self.arm}").permutation(len(grid))
        return [grid[index] for index in order]


@dataclass(frozen=True)
class ResolvedSearch:
    """All searches of a study.

    Args:
        searches: one for each arm that has hyperparameters, scientific first.
        as_is: arms without a hyperparameter: confirmed as they are written.
        objective: what is optimised; several: a Pareto front.
        sampler, pruner, budget: equal for all searches.
        repeats: S; a trial is trained for repeats 0 … S−1.
        best: how many of the best settings of scientific hyperparameters are confirmed.
        usual: the metric that chooses the epoch of a config that names none.
        parallel: trials that go on at a time at most, where one learns from others.
    """

    searches: tuple[ArmSearch, ...]
    as_is: tuple[str, ...]
    objective: tuple[Objective, ...]
    sampler: Sampler
    pruner: Pruner
    budget: Budget
    repeats: int
    best: int
    usual: str = "skill"
    parallel: int = 4

    @classmethod
    def of(
        cls, search: Search, searches: Sequence[ArmSearch], objective: tuple[Objective, ...], usual: str
    ) -> ResolvedSearch:
        """The searches of a study as it is written; arms without a hyperparameter are confirmed as they are."""
        return cls(
            tuple(found for found in searches if found.space),
            tuple(found.arm for found in searches if not found.space),
            objective,
            search.sampler,
            search.pruner,
            search.budget,
            search.repeats,
            search.confirm.best,
            usual,
            search.parallel,
        )

    def select(self, config: RunConfig | ForeignConfig) -> Metric:
        """The metric by which the epoch of a trial is chosen; what training code of the user's own does is not known,
        and taken to be the objective."""
        if isinstance(config, ForeignConfig):
            return self.objective[0].metric
        return parse_metric(config.training.select or self.usual, config.measures)

    @property
    def lag(self) -> int | None:
        """How many places before a trial those are that its proposal and its pruning may know; None: it needs none."""
        learns = self.sampler not in ("random", "grid") or self.pruner != "none" or self.budget.trials is None
        return self.parallel if learns else None

    def names(self, search: ArmSearch) -> list[str]:
        """Arms that a search is to confirm; fewer are confirmed where it finds fewer settings."""
        return tuned_names(self.best) if search.arm == TUNED else [search.arm]

    def epochs_full(self, search: ArmSearch) -> int:
        """Epochs of a trial that is not pruned; where ``training.epochs`` is searched, those of the longest trial, so
        that a budget in epochs is never exceeded."""
        return self.repeats * search.epochs_most

    def identity(self, search: ArmSearch, content: str) -> Identity:
        """What trials of one search must have in common; the budget is not among it: it may grow."""
        config = search.config
        base = config.settings if isinstance(config, ForeignConfig) else identity(config, content)["config"]
        return {
            "space": {path: parameter.model_dump(mode="json") for path, parameter in search.space.items()},
            "objective": [objective.name for objective in self.objective],
            "base": base,
            "corpus": content,
            "repeats": self.repeats,
            "numerics": numerics(),
            "sampler": self.sampler,
            "pruner": self.pruner,
            "parallel": self.lag,
        }


def digest(identity: Identity) -> str:
    """32 hexadecimal digits of an identity."""
    return hashlib.blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=16).hexdigest()


def tuned_names(best: int) -> list[str]:
    """Names of the arms that scientific hyperparameters become."""
    return [TUNED, *(f"{TUNED} {rank}" for rank in range(2, best + 1))]


def confirmed_config(
    found: ArmSearch, settings: Mapping[str, Any], schema: CorpusSchema | None
) -> RunConfig | ForeignConfig:
    """The config with which the winner is retrained: tested, as its arm is."""
    config = found.candidate(settings, schema)
    if isinstance(config, ForeignConfig) or isinstance(found.config, ForeignConfig):
        return config
    return config.model_copy(update={"evaluation": EvaluationConfig(without=found.config.evaluation.without)})


def same(one: RunConfig | ForeignConfig, other: RunConfig | ForeignConfig) -> bool:
    """Whether two configs mean one experiment."""
    if isinstance(one, RunConfig) and isinstance(other, RunConfig):
        return fingerprint(one, "") == fingerprint(other, "")
    return one == other
