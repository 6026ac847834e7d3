"""Rules that keep hyperparameters of a search from conflicting with one another, the arms or the budget; errors say
file and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from mmcore.config import Overrides, Plain, RunConfig, build_config, flat, override
from mmcore.errors import ConfigError, StudyError, nearest
from mmcore.yamlfile import Place, YamlFile
from studies.configs import pointer
from studies.search.block import Sampler
from studies.search.resolved import ArmSearch, ResolvedSearch
from studies.search.space import Choice, Hyperparameter, Simplex, Space, at, axes_of, listed, possible_values

_SPACE: Place = ("search", "space")


# Conditions ----------------------------------------------------------------------------------------------------------
def refuse_conditions(space: Space, configs: Sequence[RunConfig], written: YamlFile) -> None:
    """Every ``when`` must be able to hold: an unknown path or value would silently remove its hyperparameter.

    Args:
        space: the hyperparameters as written.
        configs: of the base and of the arms.
        written: the study's file.

    Raises:
        StudyError: a path that is none, a value that it cannot have, or that is not among those searched.
    """
    plain = [config.model_dump(mode="json") for config in configs]
    for path, parameter in space.items():
        for condition, wanted in parameter.when.items():
            where = written.where((*_SPACE, path, "when", condition))
            around = space.get(condition)
            for value in listed(wanted):
                if around is None:
                    _refuse_unknown(path, condition, value, space, plain, where)
                # What a scientific hyperparameter varies is, in the arms, as they have it.
                elif around.role == "nuisance" or all(at(values, condition) != value for values in plain):
                    _refuse_unsearched(path, condition, value, around, where)


def _refuse_unknown(path: str, condition: str, value: Any, space: Space, plain: list[Plain], where: str) -> None:
    """A condition on what is not searched itself: some arm, or some choice beside it, must be able to have it."""
    choices = [
        (known, one) for known, parameter in space.items() if isinstance(parameter, Choice) for one in parameter.values
    ]
    first: ConfigError | None = None
    for values in [*plain, *(override(values, {known: one}) for values in plain for known, one in choices)]:
        try:
            build_config(override(values, {condition: value}))
        except ConfigError as error:
            first = first or error
        else:
            return
    assert first is not None
    raise StudyError(
        f"'{path}' waits for {condition} to be {value}, which it cannot be: {first.rule}",
        expected=first.expected,
        found=first.found,
        where=where,
        next_step=first.next_step,
    )


def _refuse_unsearched(path: str, condition: str, value: Any, around: Hyperparameter, where: str) -> None:
    """A condition on a hyperparameter: its value must be one that the hyperparameter may draw."""
    values = possible_values(condition, {condition: around.model_copy(update={"when": {}})}, {})
    if values is None:
        raise StudyError(
            f"'{path}' waits for {condition} to be {value}, but that is drawn from an interval: no draw is exactly it",
            where=where,
            next_step=f"Make '{condition}' a choice, or leave the condition out",
        )
    if value not in values:
        raise StudyError(
            f"'{path}' waits for {condition} to be {value}, which is not among the values searched",
            where=where,
            next_step=nearest(str(value), [str(one) for one in values]),
        )


def refuse_idle(space: Space, searches: Sequence[ArmSearch], written: YamlFile) -> None:
    """Every hyperparameter must apply to some arm.

    Raises:
        StudyError: one whose conditions hold for no arm.
    """
    for path, parameter in space.items():
        if not any(path in found.space for found in searches):
            when = " and ".join(f"{condition} is {value}" for condition, value in parameter.when.items())
            raise StudyError(
                f"'{path}' applies to no arm: there is none where {when}",
                where=written.where((*_SPACE, path)),
                next_step="Add such an arm, change the condition, or leave the hyperparameter out",
            )


# Overwriting -------------------------------------------------------------------------------------------------
def refuse_overlaps(found: ArmSearch, written: YamlFile) -> None:
    """No hyperparameter may overwrite what another has drawn: trials would be reported with settings they did not have.

    Raises:
        StudyError: hyperparameters of which one is inside the other, or drops it by naming another kind.
    """
    values = found.config.model_dump(mode="json")
    for (one, first), (other, second) in combinations(found.space.items(), 2):
        if one.partition(".")[0] != other.partition(".")[0] or not _overwrites(values, (one, first), (other, second)):
            continue
        turned = not _overwrites(values, (other, second), (one, first))
        raise StudyError(
            f"'{other}' overwrites the value drawn for '{one}'",
            where=pointer(written, _SPACE)(other),
            next_step=f"Write '{other}' above '{one}'" if turned else "Keep one of them",
        )


def _overwrites(values: Plain, one: tuple[str, Hyperparameter], other: tuple[str, Hyperparameter]) -> bool:
    for mine in _samples(*one):
        before = override(values, mine)
        kept = flat(mine)
        for its in _samples(*other):
            after = override(before, its)
            if any(at(after, leaf) != value for leaf, value in kept.items()):
                return True
    return False


def refuse_overwritten(found: ArmSearch, sized: bool, written: YamlFile) -> None:
    """No hyperparameter may change what its arm is: arms would become one experiment, or be judged under a wrong name.

    Args:
        found: the search of an arm.
        sized: whether matching set its sizes; no search may vary those, which another rule reports.
        written: the study's file.

    Raises:
        StudyError: a hyperparameter on a setting of the arm.
    """
    values = found.config.model_dump(mode="json")
    own = {leaf: at(values, leaf) for leaf in flat(found.overrides)}
    own = {leaf: value for leaf, value in own.items() if not (sized and leaf.startswith("model."))}
    arms = written.data.get("arms") or {}
    for path, parameter in found.space.items():
        for sample in _samples(path, parameter):
            after = override(values, sample)
            for leaf, value in own.items():
                if at(after, leaf) == value:
                    continue
                mine = found.arm in arms
                raise StudyError(
                    f"arm '{found.arm}' sets {leaf}, and the hyperparameter '{path}' would overwrite it in every trial",
                    where=pointer(written, ("arms", found.arm))(leaf) if mine else pointer(written, _SPACE)(path),
                    next_step=f"Leave {'it out of the arm' if mine else 'the hyperparameter out'}, or make the "
                    "hyperparameter's values a study of their own",
                )


def _samples(path: str, parameter: Hyperparameter) -> Iterator[Overrides]:
    """Overrides that a hyperparameter may draw, enough of them to see what it changes."""
    match parameter:
        case Choice():
            yield from ({path: value} for value in parameter.values)
        case Simplex():
            # No arm and no other hyperparameter has weights like these by chance.
            yield {f"{path}.{component}": 0.1234567 for component in parameter.components or ()}
        case _:
            yield from ({path: value} for value in (parameter.low, parameter.high))


# Effort --------------------------------------------------------------------------------------------------------------
def refuse_budget(search: ResolvedSearch, written: YamlFile) -> None:
    """A budget in epochs must have room for a trial.

    Raises:
        StudyError: it has none for some arm.
    """
    budget = search.budget.epochs
    for found in search.searches:
        full = search.epochs_full(found)
        if budget is not None and budget < full:
            takes = "takes" if found.epochs_most == found.config.training.epochs else "may take"
            raise StudyError(
                f"a trial of '{found.arm}' {takes} {full} epochs ({search.repeats} repeats of {found.epochs_most}), "
                f"and the budget is {budget}",
                where=written.where(("search", "budget", "epochs")),
                next_step=f"Raise the budget to {full} at least, for one trial; a search wants many",
            )


def refuse_sampler(sampler: Sampler, searches: Sequence[ArmSearch], written: YamlFile) -> None:
    """CMA-ES moves through numbers; where there is none it would be random search under another name.

    Raises:
        StudyError: an arm whose hyperparameters are choices only.
    """
    if sampler != "cma_es":
        return
    for found in searches:
        axes = [axis for path, parameter in found.space.items() for axis in axes_of(path, parameter)]
        if axes and all(axis.kind == "choice" for axis in axes):
            raise StudyError(
                f"sampler cma_es needs a hyperparameter that is a number, but '{found.arm}' only has choices: "
                "it would draw at random",
                found=", ".join(found.space),
                where=written.where(("search", "sampler")),
                next_step="Use tpe or random",
            )
