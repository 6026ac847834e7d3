"""A search with every choice made: one search for each arm that has something to tune, all with the same effort."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmcore.config import NOT_NUMBERS, EvaluationConfig, RunConfig, override
from mmcore.errors import StudyError, nearest
from mmcore.fingerprint import fingerprint, identity
from mmcore.schema import CorpusSchema
from mmcore.seeding import generator
from mmcore.yamlfile import YamlFile
from studies.checking import Where, config_of, pointer
from studies.resolved import ResolvedArm
from studies.search import (
    BASELINE_KNOBS,
    WEIGHTS,
    Budget,
    Objective,
    Pruner,
    Sampler,
    Search,
    baselines,
    parse_objective,
)
from studies.space import Axis, Simplex, Space, cells, options, settle

TUNED = "tuned"
"""The arm with the best settings of the scientific knobs; ``tuned 2`` is the second best."""

_PROBES = 64
"""Settings drawn to see whether the space holds forbidden ones, beyond the ends of each axis."""


@dataclass(frozen=True)
class ArmSearch:
    """One search: an arm, and what is tuned for it.

    Args:
        arm: its name; :data:`TUNED` for the scientific knobs.
        overrides: what the arm changes on the base.
        config: the arm's config with repeat 0, judged without its test side.
        space: the knobs that apply to this arm, simplexes with their components.
    """

    arm: str
    overrides: dict[str, Any]
    config: RunConfig
    space: Space

    def settings(self, draw: Callable[[Axis], Any]) -> dict[str, Any]:
        """Overrides for one trial, from what a sampler draws."""
        return settle(self.space, self.config.model_dump(mode="json"), draw)

    def candidate(self, settings: Mapping[str, Any], schema: CorpusSchema, where: Where = str) -> RunConfig:
        """The config of a trial, with repeat 0.

        Raises:
            StudyError: the settings contradict each other or the arm.
        """
        values = override(self.config.model_dump(mode="json"), dict(settings))
        return config_of(values, self.config.corpus, schema, where)

    def cells(self) -> list[dict[str, Any]]:
        """The grid, in an order of its own, so that the first part of it covers the space."""
        grid = cells(self.space, self.config.model_dump(mode="json"))
        order = generator(0, f"grid/{self.arm}").permutation(len(grid))
        return [grid[index] for index in order]


@dataclass(frozen=True)
class ResolvedSearch:
    """All searches of a study.

    Args:
        searches: one for each arm that has knobs, scientific first.
        as_is: arms without a knob: confirmed as they are written.
        objective: what is optimised; several: a Pareto front.
        sampler, pruner, budget: equal for all searches.
        repeats: S; a trial is trained for repeats 0 … S−1.
        best: how many of the best settings of scientific knobs are confirmed.
    """

    searches: tuple[ArmSearch, ...]
    as_is: tuple[str, ...]
    objective: tuple[Objective, ...]
    sampler: Sampler
    pruner: Pruner
    budget: Budget
    repeats: int
    best: int

    def epochs_full(self, search: ArmSearch) -> int:
        """Epochs of a trial that is not pruned, as the arm has them; a searched ``training.epochs`` changes them."""
        return self.repeats * search.config.training.epochs

    def identity(self, search: ArmSearch, content: str) -> dict[str, Any]:
        """What trials of one search must have in common, as plain data; the budget is not among it: it may grow."""
        return {
            "space": {path: knob.model_dump(mode="json") for path, knob in search.space.items()},
            "objective": [objective.name for objective in self.objective],
            "base": identity(search.config, content)["config"],
            "corpus": content,
            "repeats": self.repeats,
            "numerics": identity(search.config, content)["numerics"],
            "sampler": self.sampler,
            "pruner": self.pruner,
        }


def digest(told: Mapping[str, Any]) -> str:
    """32 hexadecimal digits of an identity."""
    return hashlib.blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).hexdigest()


def resolve_search(
    search: Search, arms: Sequence[ResolvedArm], base: RunConfig, schema: CorpusSchema, written: YamlFile
) -> ResolvedSearch:
    """Check a search against its corpus, and deal its knobs out to the arms.

    Args:
        search: as written.
        arms: the study's arms, baselines included.
        base: what the scientific knobs are laid over.
        schema: of the corpus.
        written: the study's file.

    Raises:
        StudyError: a path that no search may vary, settings that contradict each other, an objective without value.
    """
    where = pointer(written, ("search", "space"))
    components = list(schema.targets.components)
    space = {path: _with_components(path, knob, components, where) for path, knob in search.space.items()}
    knobs = BASELINE_KNOBS if baselines(search) else {}
    added = {path: knob for path, knob in knobs.items() if path not in space}
    for path in space:
        _refuse(path, where)
    objectives = tuple(_objective(name, index, search, schema, written) for index, name in enumerate(search.objective))
    if search.pruner not in ("none", "wilcoxon") and objectives[0].column is None:
        raise StudyError(
            f"pruner {search.pruner} looks at the objective after each epoch, and '{objectives[0].name}' is only "
            "known at the end of a run",
            where=written.where(("search", "pruner")),
            next_step="Use validation/skill or validation/loss (also of a component), or the pruner wilcoxon or none",
        )
    nuisance = {path: knob for path, knob in {**space, **added}.items() if knob.role == "nuisance"}
    whole = {**space, **added}
    searches: list[ArmSearch] = []
    if len(nuisance) < len(whole):
        if taken := [arm.name for arm in arms if arm.name in tuned_names(search.confirm.best)]:
            raise StudyError(
                f"arm name '{taken[0]}' is kept for what the search finds",
                where=written.where(("arms", taken[0])),
                next_step="Call the arm otherwise",
            )
        searches.append(_arm_search(TUNED, {}, base, whole))
    searches += [_arm_search(arm.name, arm.overrides, arm.config, nuisance) for arm in arms]
    for found in searches:
        _probe(found, search, schema, where)
    if not any(found.space for found in searches):
        raise StudyError("no knob of the space applies to any arm", where=written.where(("search", "space")))
    return ResolvedSearch(
        tuple(found for found in searches if found.space),
        tuple(found.arm for found in searches if not found.space),
        objectives,
        search.sampler,
        search.pruner,
        search.budget,
        search.repeats,
        search.confirm.best,
    )


def tuned_names(best: int) -> list[str]:
    """Names of the arms that scientific knobs become."""
    return [TUNED, *(f"{TUNED} {rank}" for rank in range(2, best + 1))]


def _arm_search(name: str, overrides: dict[str, Any], config: RunConfig, space: Space) -> ArmSearch:
    judged = config.evaluation.model_copy(update={"test": False})
    values = config.model_dump(mode="json")

    def possible(path: str) -> bool:
        # A condition on a path that is searched as well is decided by each trial, any other by the arm.
        outer = {k: v for k, v in space[path].when.items() if k not in space}
        probe = {path: space[path].model_copy(update={"when": outer})}
        return bool(settle(probe, values, lambda axis: options(axis)[0] if axis.choices else axis.low))

    mine = {path: knob for path, knob in space.items() if possible(path)}
    return ArmSearch(name, overrides, config.model_copy(update={"evaluation": judged}), mine)


def _with_components(path: str, knob: Any, components: list[str], where: Where) -> Any:
    if not isinstance(knob, Simplex):
        return knob
    if path != WEIGHTS:
        raise StudyError(
            f"a simplex weighs loss components, so it goes with {WEIGHTS}",
            where=where(path),
            next_step="Use uniform knobs for other settings",
        )
    names = components if knob.components is None else list(knob.components)
    for name in names:
        if name not in components:
            raise StudyError(
                f"the simplex names the unknown component '{name}'",
                where=where(path),
                next_step=nearest(name, components),
            )
    if len(names) < 2:
        raise StudyError(
            "weights have proportions only where there are two components", found=", ".join(names), where=where(path)
        )
    return knob.model_copy(update={"components": tuple(names)})


_SCORED = ("task", "data", "split", "evaluation")


def _refuse(path: str, where: Where) -> None:
    """Trials must be comparable: no knob may change what they are scored on, or only where they run."""
    head, _, rest = path.partition(".")
    if head in NOT_NUMBERS:
        raise StudyError(f"'{path}' is no setting that could be tuned", where=where(path))
    if head in _SCORED and (head, rest) not in (("data", "window"), ("data", "stride"), ("data", "clip")):
        raise StudyError(
            f"'{path}' decides what trials are scored on, so their scores could not be compared",
            where=where(path),
            next_step="Make each value a study of its own",
        )


def _objective(name: str, index: int, search: Search, schema: CorpusSchema, written: YamlFile) -> Objective:
    listed = isinstance(written.data["search"].get("objective"), list)
    where = written.where(("search", "objective", index) if listed else ("search", "objective"))
    objective = parse_objective(name, tuple(search.space), where)
    components = list(schema.targets.components)
    if objective.metric.component is not None and objective.metric.component not in components:
        raise StudyError(
            f"objective '{name}' names an unknown component",
            where=where,
            next_step=nearest(objective.metric.component, components),
        )
    kinds = {p.kind for p in schema.targets.parameters if objective.metric.component in (None, p.component)}
    if not kinds & set(objective.metric.measure.kinds):
        raise StudyError(
            f"objective '{name}' has no value here",
            expected=f"a component with {' or '.join(objective.metric.measure.kinds)} parameters",
            found=", ".join(sorted(kinds)),
            where=where,
        )
    return objective


def _probe(found: ArmSearch, search: Search, schema: CorpusSchema, where: Where) -> None:
    """Build the configs at the ends of each axis, and some in between: what contradicts itself is told now."""
    if search.sampler == "grid":
        found.cells()
    axes: dict[str, Axis] = {}

    def first(axis: Axis) -> Any:
        axes[axis.name] = axis
        return axis.choices[0] if axis.choices else axis.low

    found.candidate(found.settings(first), schema, where)
    for axis in list(axes.values()):
        for value in axis.choices or (axis.low, axis.high):
            found.candidate(
                found.settings(lambda a, at=axis.name, value=value: value if a.name == at else first(a)), schema, where
            )
    for index in range(_PROBES):
        rng = generator(0, f"space/{found.arm}", 0, index)
        found.candidate(found.settings(lambda axis, rng=rng: drawn(axis, rng.random())), schema, where)


def drawn(axis: Axis, uniform: float) -> Any:
    """The value of an axis at a uniform number in [0, 1)."""
    if axis.choices is not None:
        return axis.choices[int(uniform * len(axis.choices))]
    assert axis.low is not None
    assert axis.high is not None
    if axis.kind == "int":
        values = options(axis)
        return values[int(uniform * len(values))]
    if axis.log:
        return axis.low * (axis.high / axis.low) ** uniform
    return axis.low + (axis.high - axis.low) * uniform


def confirmed_config(found: ArmSearch, settings: Mapping[str, Any], schema: CorpusSchema) -> RunConfig:
    """The config with which the winner is trained anew: tested, as its arm is."""
    tested = EvaluationConfig(without=found.config.evaluation.without)
    return found.candidate(settings, schema).model_copy(update={"evaluation": tested})


def same(one: RunConfig, other: RunConfig) -> bool:
    """Whether two configs mean one experiment."""
    return fingerprint(one, "") == fingerprint(other, "")
