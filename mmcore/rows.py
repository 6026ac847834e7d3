"""The rows of a record as columns: what a report reads of thousands of runs. No torch.

A record has a thousand rows. Objects made of them took a quarter of the time of a large report, which only puts their
fields into columns. So columns are made of JSON at once, and are checked as columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter, itemgetter
from typing import cast

from mmcore.record import Record
from mmcore.scores import NaiveClasses

Column = Sequence[object]
Columns = Mapping[str, Column]
"""By field, one value a row; () for each field where there is no row."""

_WORD, _WORD_OR_NONE = frozenset({str}), frozenset({str, type(None)})
_WHOLE, _TRUTH = frozenset({int}), frozenset({bool})
_FINITE = frozenset({int, float})
_NUMBER = _FINITE | {type(None)}
_LIST_OR_NONE = frozenset({list, type(None)})
_KINDS: Mapping[str, Mapping[str, frozenset[type]]] = {
    "scores": {
        "split": _WORD, "items": _WORD, "metric": _WORD, "component": _WORD_OR_NONE, "value": _NUMBER,
        "parameter": _WORD_OR_NONE, "baseline": _WORD_OR_NONE,
    },
    "items": {
        "item": _WORD, "group": _WORD, "complete": _TRUTH, "component": _WORD, "loss": _NUMBER, "count": _WHOLE,
        "naive_loss": _NUMBER,
    },
    "outcomes": {
        "item": _WORD, "parameter": _WORD, "component": _WORD, "count": _WHOLE, "loss": _NUMBER, "naive_loss": _NUMBER,
        "error": _NUMBER, "cells": _LIST_OR_NONE,
    },
    "calibration": {
        "component": _WORD, "bin": _WHOLE, "count": _WHOLE, "confidence": _FINITE, "accuracy": _FINITE,
    },
    "naive_classes": {"parameter": _WORD, "component": _WORD, "classes": frozenset({list})},
}  # fmt: skip
"""The rows of a record, their fields, and the types that JSON may give them."""
ROWS = ("scores", "history", "items", "outcomes", "calibration", "naive_classes")
"""What stands last in a record, in this order."""


@dataclass(frozen=True)
class Rows:
    """The rows of a :class:`mmcore.record.Record`, column by column.

    Numbers may be None where there is nothing to measure; ``naive_loss`` is NaN there.
    """

    scores: Columns
    history: Columns
    items: Columns
    outcomes: Columns
    calibration: Columns
    naive_classes: tuple[NaiveClasses, ...]


def rows_of(record: Record) -> Rows:
    """The rows of a record that is there as an object."""
    found = {}
    for name in ("scores", "items", "outcomes", "calibration"):
        found[name] = {field: [*map(attrgetter(field), getattr(record, name))] for field in _KINDS[name]}
    return Rows(**found, history=_history(record.history), naive_classes=record.naive_classes)


def rows_in(content: object) -> Rows | None:
    """The rows in a record's JSON; None unless everything is there and has the right type.

    Where it is None, whoever reads the record makes objects of it, which says what is wrong, or that nothing is.
    """
    if not isinstance(content, dict) or content.keys() != {*ROWS}:
        return None
    try:
        found = {name: _checked(name, content[name]) for name in _KINDS}
        history = _history(_rows(content["history"]))
        outcomes = found["outcomes"]
        found["outcomes"] = {**outcomes, "cells": _cells(outcomes["cells"])}
        classes = _classes(found.pop("naive_classes"))
    except (KeyError, TypeError, AttributeError, _UnlikeError):
        return None
    if not all(_NUMBER.issuperset(map(type, column)) for column in history.values()):
        return None
    return Rows(**found, history=history, naive_classes=classes)


class _UnlikeError(Exception):
    """A value has another type than its field."""


def _checked(name: str, rows: object) -> dict[str, Column]:
    known = _rows(rows)
    columns: dict[str, Column] = {}
    for field, kind in _KINDS[name].items():
        columns[field] = values = [*map(itemgetter(field), known)]
        types = {*map(type, values)}
        if not kind.issuperset(types):
            raise _UnlikeError
        if field == "naive_loss" and type(None) in types:
            columns[field] = [math.nan if value is None else value for value in values]
    return columns


def _rows(rows: object) -> list[dict[str, object]]:
    if not isinstance(rows, list) or not {dict}.issuperset(map(type, rows)):
        raise _UnlikeError
    return rows


def _history(rows: Sequence[Mapping[str, object]]) -> Columns:
    """By name in order of mention; None where a row lacks one."""
    names = [*rows[0]] if rows else []
    if all([*row] == names for row in rows):
        return dict(zip(names, zip(*(row.values() for row in rows), strict=True), strict=True))
    return {name: tuple(row.get(name) for row in rows) for name in dict.fromkeys(name for row in rows for name in row)}


def _cells(cells: Column) -> Column:
    """Confusion matrices as tuples; refuses what is none."""
    known = [one for one in cast("Sequence[list[list[int]] | None]", cells) if one is not None]
    each = [*chain.from_iterable(known)]
    if not ({list}.issuperset(map(type, each)) and {3}.issuperset(map(len, each))):
        raise _UnlikeError
    if not _WHOLE.issuperset(map(type, chain.from_iterable(each))):
        raise _UnlikeError
    return [None if one is None else tuple(map(tuple, one)) for one in cast("Sequence[list[list[int]] | None]", cells)]


def _classes(columns: Columns) -> tuple[NaiveClasses, ...]:
    lists = cast("Sequence[list[int]]", columns["classes"])
    if not _WHOLE.issuperset(map(type, chain.from_iterable(lists))):
        raise _UnlikeError
    words = cast("Sequence[Sequence[str]]", (columns["parameter"], columns["component"]))
    return tuple(NaiveClasses(p, c, tuple(own)) for p, c, own in zip(*words, lists, strict=True))
