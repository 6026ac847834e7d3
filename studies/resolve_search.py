"""From a ``search:`` block to searches with every choice made; what cannot be tuned is refused with its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmcore.config import NOT_NUMBERS, Overrides, RunConfig
from mmcore.errors import ConfigError, StudyError, nearest
from mmcore.measures import Measure, Metric, refuse_unmeasured
from mmcore.schema import CorpusSchema
from mmcore.seeding import generator
from mmcore.task import default_metric, resolve_task, selection_metric
from mmcore.yamlfile import YamlFile
from studies.configs import Where, pointer
from studies.matching import Match
from studies.resolved import ResolvedArm
from studies.search.block import BASELINE_SPACE, WEIGHTS, Objective, Search, baselines, parse_objective
from studies.search.resolved import TUNED, ArmSearch, ResolvedSearch, tuned_names
from studies.search.rules import (
    refuse_budget,
    refuse_conditions,
    refuse_idle,
    refuse_overlaps,
    refuse_overwritten,
    refuse_sampler,
)
from studies.search.space import Axis, Hyperparameter, Simplex, Space, listed, options, possible_values
from studies.study import Study

_PROBES = 64
"""Settings drawn to see whether the space holds forbidden ones, beyond the ends of each axis."""


def resolve_search(
    search: Search,
    arms: Sequence[ResolvedArm],
    base: RunConfig,
    schema: CorpusSchema,
    written: YamlFile,
    metric: Metric,
) -> ResolvedSearch:
    """Check a search against its corpus, and deal its hyperparameters out to the arms.

    Args:
        search: as written.
        arms: the study's arms, baselines included.
        base: what the scientific hyperparameters are laid over.
        schema: of the corpus.
        written: the study's file.
        metric: the study's, which is what it looks for unless it says otherwise.

    Raises:
        StudyError: a path that no search may vary, settings that contradict each other, an objective without value.
    """
    where = pointer(written, ("search", "space"))
    components = list(schema.targets.components)
    space = {path: _with_components(path, parameter, components, where) for path, parameter in search.space.items()}
    nuisances = BASELINE_SPACE if baselines(search) else {}
    added = {path: parameter for path, parameter in nuisances.items() if path not in space}
    for path in space:
        _refuse(path, where)
    named = search.objective or (f"validation/{metric.name}",)
    objectives = tuple(
        _objective(name, index, search, schema, written, base.measures) for index, name in enumerate(named)
    )
    selects = {selection_metric(config, schema) for config in (base, *(arm.config for arm in arms))}
    if search.pruner not in ("none", "wilcoxon") and any(objectives[0].column(one) is None for one in selects):
        raise StudyError(
            f"pruner {search.pruner} reads the objective after each epoch, but '{objectives[0].name}' is only "
            "known at the end of a run",
            where=written.where(("search", "pruner")),
            next_step="Use validation/skill or validation/loss (also of a component), or the metric that chooses the "
            "epoch; or the pruner wilcoxon or none",
        )
    nuisance = {path: parameter for path, parameter in {**space, **added}.items() if parameter.role == "nuisance"}
    whole = {**space, **added}
    refuse_conditions(space, [base, *(arm.config for arm in arms)], written)
    searches: list[ArmSearch] = []
    if len(nuisance) < len(whole):
        if taken := [arm.name for arm in arms if arm.name in tuned_names(search.confirm.best)]:
            raise StudyError(
                f"arm name '{taken[0]}' is reserved for the result of the search",
                where=written.where(("arms", taken[0])),
                next_step="Give the arm another name",
            )
        searches.append(_arm_search(TUNED, {}, base, whole))
    searches += [_arm_search(arm.name, arm.overrides, arm.config, nuisance) for arm in arms]
    refuse_idle(space, searches, written)
    sized = {arm.name for arm in arms if arm.size is not None}
    for found in searches:
        refuse_overlaps(found, written)
        refuse_overwritten(found, found.arm in sized, written)
        _probe(found, search, schema, where)
    refuse_sampler(search.sampler, searches, written)
    resolved = ResolvedSearch.of(search, searches, objectives, default_metric(resolve_task(base, schema), schema).name)
    refuse_budget(resolved, written)
    return resolved


def found_names(search: ResolvedSearch | None) -> list[str]:
    """Names of the arms that a search will add to those of its study."""
    if search is None or not any(found.arm == TUNED for found in search.searches):
        return []
    return tuned_names(search.best)


def refuse_with_search(study: Study, search: ResolvedSearch, match: Match | None, written: YamlFile) -> None:
    """What makes no sense beside a search.

    Raises:
        StudyError: arms that are matched in size and tuned in it; comparisons that know nothing of what is found.
    """
    sized = [path for found in search.searches for path in found.space if path.startswith("model.")]
    if match is not None and sized:
        raise StudyError(
            f"the study matches the size of its arms, and '{sized[0]}' would change it",
            where=written.where(("match",)),
            next_step="Leave match out, or do not tune model settings",
        )
    if study.comparisons in ("neighbours", "conditions") and found_names(search):
        raise StudyError(
            f"comparisons: {study.comparisons} has no place for '{TUNED}', the arm that the search finds",
            where=written.where(("comparisons",)),
            next_step="Use reference or pairs, list the comparisons, or make all hyperparameters nuisance",
        )


def _arm_search(name: str, overrides: Overrides, config: RunConfig, space: Space) -> ArmSearch:
    judged = config.evaluation.model_copy(update={"test": False})
    values = config.model_dump(mode="json")

    mine: dict[str, Hyperparameter] = {}
    for path, parameter in space.items():
        # A condition on what is searched as well is decided by each trial, any other by the arm.
        found = {condition: possible_values(condition, mine, values) for condition in parameter.when}
        if all(known is None or any(v in listed(parameter.when[c]) for v in known) for c, known in found.items()):
            mine[path] = parameter
    return ArmSearch(name, overrides, config.model_copy(update={"evaluation": judged}), mine)


def _with_components(path: str, parameter: Any, components: list[str], where: Where) -> Any:
    if not isinstance(parameter, Simplex):
        return parameter
    if path != WEIGHTS:
        raise StudyError(
            f"a simplex weighs loss components, so it only fits {WEIGHTS}",
            where=where(path),
            next_step="Use uniform hyperparameters for other settings",
        )
    names = components if parameter.components is None else list(parameter.components)
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
    return parameter.model_copy(update={"components": tuple(names)})


_SCORED = ("task", "data", "split", "evaluation")


def _refuse(path: str, where: Where) -> None:
    """Trials must be comparable: no hyperparameter may change what they are scored on, or only where they run."""
    head, _, rest = path.partition(".")
    if head in NOT_NUMBERS or path == "data.placebo":
        raise StudyError(f"'{path}' is not a setting that can be tuned", where=where(path))
    if head in _SCORED and (head, rest) not in (("data", "window"), ("data", "stride"), ("data", "clip")):
        raise StudyError(
            f"'{path}' decides what trials are scored on, so their scores could not be compared",
            where=where(path),
            next_step="Make each value a study of its own",
        )


def _objective(
    name: str, index: int, search: Search, schema: CorpusSchema, written: YamlFile, own: Mapping[str, Measure]
) -> Objective:
    listed = isinstance(written.data["search"].get("objective"), list)
    where = written.where(("search", "objective", index) if listed else ("search", "objective"))
    objective = parse_objective(name, tuple(search.space), where, own)
    try:
        refuse_unmeasured(objective.metric, schema.targets, f"objective '{name}'")
    except ConfigError as error:
        raise StudyError(
            error.rule, expected=error.expected, found=error.found, next_step=error.next_step, where=where
        ) from None
    return objective


def _probe(found: ArmSearch, search: Search, schema: CorpusSchema, where: Where) -> None:
    """Build the configs at the ends of each axis, and some in between: what contradicts itself is reported now."""
    if search.sampler == "grid":
        try:
            found.cells()
        except StudyError as error:
            if error.where is not None:
                raise
            raise StudyError(error.rule, found=error.found, next_step=error.next_step, where=where("")) from None
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
