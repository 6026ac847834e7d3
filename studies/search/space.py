"""What a search varies, as data: one hyperparameter for each config path, and how its value follows from plain numbers.

A hyperparameter has axes: what a sampler draws. Most have one, named like the path; a simplex has one for each
component. So this page knows nothing of samplers, and a sampler nothing of configs:

    >>> from studies.search.space import Axis, Uniform, settle
    >>> settle({"model.dropout": Uniform(low=0.0, high=0.5)}, {}, lambda axis: axis.low)
    {'model.dropout': 0.0}
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from mmcore.config import Overrides, override
from mmcore.errors import StudyError
from mmcore.frozen import Frozen
from mmcore.limits import MOST_CELLS

Role = Literal["nuisance", "scientific"]
"""nuisance: tuned for each arm with the same budget, so that none is judged by settings that suit another;
scientific: what the study asks about, so its best values become arms of their own."""

_TINY = 1e-9
"""The smallest uniform number behind a weight of a simplex: 0 has no logarithm."""


class _Hyperparameter(Frozen):
    """What all hyperparameters have."""

    role: Role = "nuisance"
    """What the hyperparameter is to the study; see :data:`Role`."""
    when: Overrides = {}
    """The hyperparameter is there only where each of these paths has this value, or one of this list of values."""


class Choice(_Hyperparameter):
    """One of some values of any type."""

    kind: Literal["choice"] = "choice"
    values: tuple[Any, ...] = Field(min_length=2)
    """The values, in the order of a grid."""

    @model_validator(mode="after")
    def _differ(self) -> Choice:
        labels = [label(value) for value in self.values]
        if len(set(labels)) < len(labels):
            raise ValueError("values must differ from one another")
        return self


class _Range(_Hyperparameter):
    low: float
    """The smallest value, itself included."""
    high: float
    """The largest value, itself included."""
    points: Annotated[int, Field(ge=2, le=MOST_CELLS)] | None = None
    """Values that a grid takes, at equal distances, both ends among them."""

    @model_validator(mode="after")
    def _ordered(self) -> _Range:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be below high ({self.high:g})")
        return self


class Uniform(_Range):
    """Any number of an interval, all alike."""

    kind: Literal["uniform"] = "uniform"


class LogUniform(_Range):
    """Any number of an interval of positive numbers, all orders of magnitude alike."""

    kind: Literal["log_uniform"] = "log_uniform"

    @model_validator(mode="after")
    def _positive(self) -> LogUniform:
        if self.low <= 0:
            raise ValueError(f"low ({self.low:g}) must be above 0: zero has no order of magnitude")
        return self


class Int(_Hyperparameter):
    """A whole number."""

    kind: Literal["int"] = "int"
    low: int
    """The smallest value, itself included."""
    high: int
    """The largest value, itself included."""
    step: PositiveInt = 1
    """Distance between the values, counted from ``low``."""

    @model_validator(mode="after")
    def _ordered(self) -> Int:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        if (self.high - self.low) // self.step >= MOST_CELLS:
            found = f"{(self.high - self.low) // self.step + 1:,}"
            raise ValueError(f"at most {MOST_CELLS:,} values can be searched; from low to high there are {found}")
        if (self.high - self.low) % self.step:
            raise ValueError(f"steps of {self.step} from {self.low} do not reach {self.high}")
        return self


class Simplex(_Hyperparameter):
    """Weights of components, uniform over all proportions; they sum to their number, so 1 is an equal share.

    Source: Devroye, Non-Uniform Random Variate Generation (1986), ch. V, theorem 4.1: normalised exponentials.
    """

    kind: Literal["simplex"] = "simplex"
    components: tuple[str, ...] | None = None
    """Who is weighed; one that is left out counts 1. None: all loss components of the corpus."""

    @model_validator(mode="after")
    def _several(self) -> Simplex:
        if self.components is not None and len(set(self.components)) < max(2, len(self.components)):
            raise ValueError("components must be two or more different names")
        return self


Hyperparameter = Annotated[Choice | Uniform | LogUniform | Int | Simplex, Field(discriminator="kind")]
Space = Mapping[str, Choice | Uniform | LogUniform | Int | Simplex]
KNOBS: tuple[type[Frozen], ...] = (Choice, Uniform, LogUniform, Int, Simplex)


@dataclass(frozen=True)
class Axis:
    """One number or choice that a sampler draws.

    Args:
        name: unique within the space: the hyperparameter's path, and for a simplex the component after it.
        kind: ``choice``, ``float`` or ``int``.
        low, high: both included; None for a choice.
        log: drawn uniformly by order of magnitude.
        step: of an int.
        choices: labels of a choice.
        points: values that a grid takes of a float; None: it has no grid.
    """

    name: str
    kind: Literal["choice", "float", "int"]
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: int | None = None
    choices: tuple[str | int | float | bool, ...] | None = None
    points: int | None = None


Draw = Callable[[Axis], Any]
"""Gives a value of an axis: a label of its choices, or a number within its bounds."""

Draws = dict[str, Any]
"""The value of each axis, by its name."""


def label(value: Any) -> str | int | float | bool:
    """A choice's value as storages take it: numbers, truth values and text as they are, all else as JSON."""
    return value if isinstance(value, str | int | float | bool) else json.dumps(value, sort_keys=True)


def axes_of(path: str, parameter: Choice | Uniform | LogUniform | Int | Simplex) -> tuple[Axis, ...]:
    """The axes of one hyperparameter; a simplex must have its components."""
    match parameter:
        case Choice():
            return (Axis(path, "choice", choices=tuple(label(value) for value in parameter.values)),)
        case Uniform():
            return (Axis(path, "float", parameter.low, parameter.high, points=parameter.points),)
        case LogUniform():
            return (Axis(path, "float", parameter.low, parameter.high, log=True, points=parameter.points),)
        case Int():
            return (Axis(path, "int", parameter.low, parameter.high, step=parameter.step),)
        case Simplex():
            assert parameter.components is not None
            return tuple(Axis(f"{path}.{component}", "float", _TINY, 1.0) for component in parameter.components)


def settle(space: Space, config: Mapping[str, Any], draw: Draw) -> Overrides:
    """Overrides of a config: every hyperparameter that applies gets a value, in the order of the space.

    Args:
        space: the hyperparameters.
        config: nested plain values that the overrides are for; decides on ``when`` where a path is not searched.
        draw: asked for each axis once.

    Returns:
        Dotted path to value; ``{}`` where no hyperparameter applies.
    """
    settled: Overrides = {}
    for path, parameter in space.items():
        if not applies(parameter, settled, config):
            continue
        values = [draw(axis) for axis in axes_of(path, parameter)]
        match parameter:
            case Choice():
                settled[path] = {label(value): value for value in parameter.values}[values[0]]
            case Uniform() | LogUniform():
                settled[path] = float(values[0])
            case Int():
                settled[path] = int(values[0])
            case Simplex():
                assert parameter.components is not None
                for component, weight in zip(parameter.components, simplex(values), strict=True):
                    settled[f"{path}.{component}"] = weight
    return settled


def applies(parameter: _Hyperparameter, settled: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Whether a hyperparameter's condition holds, given what was drawn before it and the config that it is for."""
    return all(_value(settled, config, path) in listed(wanted) for path, wanted in parameter.when.items())


def listed(wanted: Any) -> list[Any]:
    """The values that a condition names: one, or a list of them."""
    return list(wanted) if isinstance(wanted, list | tuple) else [wanted]


def possible_values(path: str, space: Space, config: Mapping[str, Any]) -> list[Any] | None:
    """The values that a path may have in the trials of a space; None: all those of an interval."""
    around = [path] if path in space else [known for known in space if path.startswith(f"{known}.")]
    if not around:
        return [at(config, path)]
    parameter = space[around[0]]
    unsearched = [at(config, path)] if parameter.when else []
    match parameter:
        case Choice():
            return unsearched + [_value({around[0]: value}, config, path) for value in parameter.values]
        case Int():
            return [*unsearched, *range(parameter.low, parameter.high + 1, parameter.step)]
        case _:
            return None


def _value(settled: Mapping[str, Any], config: Mapping[str, Any], path: str) -> Any:
    """What a path has in a trial; it may stand inside a mapping that was drawn."""
    return settled[path] if path in settled else at(override(dict(config), dict(settled)), path)


def simplex(uniforms: list[float]) -> list[float]:
    """Weights that sum to their number, from as many numbers in (0, 1]; uniform ones give uniform proportions.

    All ones, where every share would be 0 of 0, count as equal.

    Example:
        >>> simplex([0.5, 0.5])
        [1.0, 1.0]
    """
    shares = [-math.log(uniform) for uniform in uniforms]
    total = sum(shares)
    if total == 0.0:
        return [1.0] * len(shares)
    # Seven digits: enough to tell weights apart, few enough to be read.
    return [float(f"{len(shares) * share / total:.7g}") for share in shares]


def cells(space: Space, config: Mapping[str, Any]) -> list[Draws]:
    """Every combination of a grid, as values of its axes by name; where a condition fails its axis is left out.

    Raises:
        StudyError: an axis has no end of values, or there are more than :data:`mmcore.limits.MOST_CELLS` settings.
    """
    found = [dict(drawn) for drawn in islice(_branches(space, config, {}), MOST_CELLS + 1)]
    if len(found) > MOST_CELLS:
        raise StudyError(
            f"a grid may have at most {MOST_CELLS:,} settings",
            found="more",
            next_step="Take fewer points or values, or choose another sampler",
        )
    return found


def _branches(space: Space, config: Mapping[str, Any], fixed: Draws) -> Iterator[Draws]:
    """All ways to go on from the axes fixed so far: the next axis that is not fixed is tried with all its values."""
    open_axis: list[Axis] = []

    def draw(axis: Axis) -> Any:
        if axis.name in fixed:
            return fixed[axis.name]
        open_axis.append(axis)
        raise _Open

    try:
        settle(space, config, draw)
    except _Open:
        for value in options(open_axis[0]):
            yield from _branches(space, config, {**fixed, open_axis[0].name: value})
    else:
        yield fixed


class _Open(Exception):
    """An axis has no value yet."""


def options(axis: Axis) -> list[Any]:
    """The values of an axis that a grid visits.

    Raises:
        StudyError: it has no end of values and no ``points``.
    """
    if axis.choices is not None:
        return list(axis.choices)
    assert axis.low is not None
    assert axis.high is not None
    if axis.kind == "int":
        return list(range(int(axis.low), int(axis.high) + 1, axis.step or 1))
    if axis.points is None:
        raise StudyError(
            f"a grid needs to know how many values of '{axis.name}' to take",
            next_step="Give it points: N, or choose another sampler (a simplex has no grid)",
        )
    low, high = (math.log(axis.low), math.log(axis.high)) if axis.log else (axis.low, axis.high)
    inner = [low + (high - low) * index / (axis.points - 1) for index in range(1, axis.points - 1)]
    return [axis.low, *(math.exp(value) if axis.log else value for value in inner), axis.high]


def at(config: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    value: Any = config
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
