"""Changes to records, which are frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from mmcore.record import Record

T = TypeVar("T")


def changed(whole: T, path: str, value: object) -> T:
    """The same with another value in one place.

    Args:
        path: fields, keys and indices, joined by dots: ``split.test.items``, ``items.0.count``.

    Raises:
        AssertionError: there is no such place.
    """
    first, _, rest = path.partition(".")
    here: Any = whole
    if isinstance(here, tuple):
        at = int(first)
        return cast(T, (*here[:at], changed(here[at], rest, value) if rest else value, *here[at + 1 :]))
    if isinstance(here, Mapping):
        return cast(T, {**here, first: changed(here[first], rest, value) if rest else value})
    assert hasattr(here, first), f"{type(here).__name__} has no '{first}'"
    new = changed(getattr(here, first), rest, value) if rest else value
    if isinstance(here, BaseModel):
        return cast(T, here.model_copy(update={first: new}))
    assert is_dataclass(here)
    return cast(T, replace(cast(Any, here), **{first: new}))


def each(record: Record, rows: str, change: Callable[[Any], Any]) -> Record:
    """The record with every row of one kind changed; rows that become None are left out."""
    made = (change(row) for row in getattr(record, rows))
    return replace(record, **{rows: tuple(row for row in made if row is not None)})
