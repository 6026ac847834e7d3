"""The base of everything that is data: frozen, typed, unknown keys refused."""

from __future__ import annotations

import math
from functools import cache
from typing import Annotated, Any, ClassVar, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mmcore.limits import LARGEST


def _without_truth(part: Any) -> Any:
    """The same schema; its numbers refuse truth values, and whole ones what is above the largest."""
    match part:
        case {"type": "int"}:
            whole = {"le": LARGEST, **part} if "lt" not in part else part
            return core_schema.no_info_before_validator_function(_refuse_truth, cast(CoreSchema, whole))
        case {"type": "float"}:
            return core_schema.no_info_before_validator_function(_refuse_truth, part)
        case {"type": "function-before", "function": {"function": function}} if function is _refuse_truth:
            return part
        case dict():
            return {key: _without_truth(value) if key not in _NOT_SCHEMAS else value for key, value in part.items()}
        case list():
            return [_without_truth(one) for one in part]
        case tuple():
            return tuple(_without_truth(one) for one in part)
        case _:
            return part


_NOT_SCHEMAS = ("metadata", "config", "default", "ref", "schema_ref", "cls", "function", "serialization")


def _refuse_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("truth_value", "Input should be a number, not a truth value")
    return value


class Frozen(BaseModel):
    """A pydantic model that is never mutated.

    A truth value is no number: ``batch: true`` is refused, where Python would take it for 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)
    whereabouts: ClassVar[tuple[str, ...]] = ()
    """Fields that say where something lies: they change no number."""
    usual_kind: ClassVar[str | None] = None
    """The kind that goes without saying, in a family that was no family at first; None: every kind is told."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        made = handler(source)
        # Results are written by mmstudy itself, and hold too many numbers to look at each in Python.
        return made if cls.model_config.get("allow_inf_nan") else _without_truth(made)


Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""NaN where there is nothing to measure; JSON has null in its place."""


def without_defaults(model: BaseModel) -> dict[str, Any]:
    """The fields that differ from their defaults, nested; the ``kind`` of a tagged union is kept unless it goes without
    saying. Fields that only say where something lies are left out.

    Two configs with equal results are equal in meaning, also after a new field with a default has been added.

    Example:
        >>> from mmcore.config import RunConfig
        >>> without_defaults(RunConfig(corpus="c", training={"epochs": 3}))
        {'corpus': 'c', 'training': {'epochs': 3}}
    """
    kept: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        default = _default(type(model), name)
        if isinstance(model, Frozen) and (name in model.whereabouts or (name == "kind" and value == model.usual_kind)):
            continue
        if value == default and name != "kind":
            continue
        kept[name] = without_defaults(value) if isinstance(value, BaseModel) else _plain(value)
    return kept


@cache
def _default(kind: type[BaseModel], field: str) -> Any:
    """The default of a field, to be compared and never changed. pydantic copies it deeply each time it is asked, which
    took most of the time of a plan of many runs."""
    return kind.model_fields[field].get_default(call_default_factory=True)


def _plain(value: Any) -> Any:
    match value:
        case BaseModel():
            return without_defaults(value)
        case tuple() | list():
            return [_plain(v) for v in value]
        case dict():
            return {k: _plain(v) for k, v in value.items()}
        case _:
            return value
