"""From a ``search:`` block over training code of the user's own to searches with every choice made."""

from __future__ import annotations

from collections.abc import Sequence

from mmcore.config import ForeignConfig, Overrides
from mmcore.errors import StudyError, nearest
from mmcore.measures import Measure, Metric
from mmcore.yamlfile import YamlFile
from studies.configs import pointer
from studies.resolved import ResolvedArm
from studies.runner import AnyRunner, higher_is_better, max_epochs
from studies.search.block import Objective, Search, baselines
from studies.search.resolved import TUNED, ArmSearch, ResolvedSearch, tuned_names
from studies.search.rules import refuse_budget, refuse_idle, refuse_overlaps, refuse_overwritten, refuse_sampler
from studies.search.space import Hyperparameter, Simplex, Space, listed, possible_values


def resolve_runner_search(
    search: Search,
    arms: Sequence[ResolvedArm[ForeignConfig]],
    base: ForeignConfig,
    runner: AnyRunner,
    written: YamlFile,
    metric: Metric,
) -> ResolvedSearch:
    """Check a search against the settings of the base, and deal its hyperparameters out to the arms.

    Args:
        search: as written.
        arms: the study's arms.
        base: what the scientific hyperparameters are laid over.
        runner: the training code.
        written: the study's file.
        metric: the study's, which is what it looks for unless it says otherwise.

    Raises:
        StudyError: a path that is no setting, an objective on test items, pruning without epochs.
    """
    _refuse_space(search, base, written)
    if baselines(search):
        raise StudyError(
            "baselines of loss weights belong to mmstudy's own training",
            where=written.where(("search", "confirm")),
            next_step="Leave baselines out, or write them as arms",
        )
    objectives = tuple(_objective(name, search, runner, written) for name in _named(search, metric))
    if search.pruner not in ("none", "wilcoxon") and not max_epochs(runner, base.settings):
        raise StudyError(
            f"pruner {search.pruner} must know how many epochs a whole training has",
            where=written.where(("search", "pruner")),
            next_step="Add max_epochs to the runner: a number, or the setting that holds it. Or use pruner none",
        )
    if search.budget.epochs is not None and not max_epochs(runner, base.settings):
        raise StudyError(
            "a budget in epochs must know how many epochs a whole training has",
            where=written.where(("search", "budget", "epochs")),
            next_step="Add max_epochs to the runner: a number, or the setting that holds it. Or use trials: N",
        )
    nuisance = {path: one for path, one in search.space.items() if one.role == "nuisance"}
    searches: list[ArmSearch] = []
    if len(nuisance) < len(search.space):
        if taken := [arm.name for arm in arms if arm.name in tuned_names(search.confirm.best)]:
            raise StudyError(
                f"arm name '{taken[0]}' is reserved for the result of the search",
                where=written.where(("arms", taken[0])),
                next_step="Give the arm another name",
            )
        searches.append(_of_arm(TUNED, {}, base, search.space, runner))
    searches += [_of_arm(arm.name, arm.overrides, arm.config, nuisance, runner) for arm in arms]
    refuse_idle(search.space, searches, written)
    for found in searches:
        refuse_overlaps(found, written)
        refuse_overwritten(found, False, written)
        if search.sampler == "grid":
            found.cells()
    refuse_sampler(search.sampler, searches, written)
    resolved = ResolvedSearch.of(search, searches, objectives, metric.name)
    refuse_budget(resolved, written)
    return resolved


def _refuse_space(search: Search, base: ForeignConfig, written: YamlFile) -> None:
    where = pointer(written, ("search", "space"))
    known = list(base.settings)
    for path, parameter in search.space.items():
        if path not in base.settings:
            raise StudyError(f"'{path}' is not a setting of base", where=where(path), next_step=nearest(path, known))
        if isinstance(parameter, Simplex):
            raise StudyError(
                "a simplex weighs the loss components of mmstudy's own training",
                where=where(path),
                next_step="Use uniform hyperparameters",
            )
        for condition in parameter.when:
            if condition not in base.settings:
                raise StudyError(
                    f"'{path}' waits for '{condition}', which is not a setting of base",
                    where=written.where(("search", "space", path, "when", condition)),
                    next_step=nearest(condition, known),
                )


def _of_arm(name: str, overrides: Overrides, config: ForeignConfig, space: Space, runner: AnyRunner) -> ArmSearch:
    whole = ArmSearch(name, overrides, config, {}, runner)
    mine: dict[str, Hyperparameter] = {}
    for path, parameter in space.items():
        # A condition on what is searched as well is decided by each trial, any other by the arm.
        found = {condition: possible_values(condition, mine, whole.plain) for condition in parameter.when}
        if all(known is None or any(v in listed(parameter.when[c]) for v in known) for c, known in found.items()):
            mine[path] = parameter
    return ArmSearch(name, overrides, config, mine, runner)


def _named(search: Search, metric: Metric) -> tuple[str, ...]:
    return search.objective or (f"validation/{metric.name}",)


def _objective(name: str, search: Search, runner: AnyRunner, written: YamlFile) -> Objective:
    where = written.where(("search", "objective"))
    side, _, rest = name.partition("/")
    if side != "validation" or not rest:
        why = {
            "test": "test items are for the confirmation alone, otherwise the winner's score would be the best of many",
            "train": "what a model remembers of training items does not measure its settings",
        }.get(side, "a trial is judged by what its training code reports of validation items")
        raise StudyError(
            f"'{name}' cannot be an objective: {why}",
            where=where,
            next_step=f'Use validation/{rest or name}, and report it: {{"validation/{rest or name}": 0.8}}',
        )
    component, _, measure = rest.rpartition("/")
    own = Measure(measure, higher_is_better(runner, measure, where), measure, "As the training code computes it.")
    return Objective(name, Metric(own, component or None))
