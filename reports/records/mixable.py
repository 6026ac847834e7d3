"""Which records may stand side by side: only those that were scored on the same things in the same way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from mmcore.config import Forecast, RunConfig
from mmcore.errors import RecordError
from mmcore.facts import SIDES, Side
from mmcore.record import Record

SAME_LOSS = 1e-9
"""Relative difference of two naive losses that is rounding: each run computes them anew."""

ALIGN = (
    "Arms must not differ in data alignment or split: give them the same data.* and split.*, then run the study again"
)


def check_mixable(records: Sequence[Record]) -> None:
    """Refuse records that differ in corpus, task, numerics or, within a repeat, in split or scored targets.

    Runs on unlike machines or with other numbers of threads differ by rounding alone: they are mixed, and check ABL023
    names them.

    Raises:
        RecordError: names two runs that disagree and what about.
    """

    def task(record: Record) -> str:
        kind = record.corpus.task
        # Arms may differ in what they read, e.g. the look-ahead, but not in what they must predict.
        own = record.config.task if isinstance(record.config, RunConfig) else None
        horizon = own.horizon if isinstance(own, Forecast) else 1
        return f"{kind} {horizon} steps ahead" if kind == "forecast" else kind

    _same("corpora", records, lambda r: f"content {r.corpus.content}")
    _same("tasks", records, task)
    _same("numerics", records, lambda r: f"version {r.numerics}")
    repeats: dict[int, list[Record]] = {}
    for record in records:
        repeats.setdefault(record.repeat, []).append(record)
    for same_repeat in repeats.values():
        split = [r for r in same_repeat if r.split.sides]
        # Windows may differ: the stride of training is an arm's own.
        for side in SIDES:
            _same(f"{side} items", split, lambda r, s=side: _sizes(r.split.sides.get(s)), ALIGN)
        _check_targets([r for r in same_repeat if r.done and r.items])


def _sizes(side: Side | None) -> str:
    return f"{side.items} items in {side.groups} groups" if side else "none"


def _same(
    what: str,
    records: Sequence[Record],
    value_of: Callable[[Record], str],
    next_step: str = "Run the study again so that all arms share them",
) -> None:
    values = [value_of(r) for r in records]
    for record, value in zip(records, values, strict=True):
        if value != values[0]:
            raise _refusal(what, records[0], record, values[0], value, next_step)


Scored = dict[tuple[str, str], tuple[int, float]]
"""Item and component to the number of targets and the naive loss on them: the same for every model."""


def _check_targets(records: Sequence[Record]) -> None:
    """Equal names of items do not make equal targets: an arm's own alignment moves or drops some of them."""
    if not records:
        return
    first, expected = records[0], _scored(records[0])
    for record in records[1:]:
        found = _scored(record)
        if found == expected:
            continue
        for key in expected | found:
            one, two = expected.get(key), found.get(key)
            of = f" of item '{key[0]}', component '{key[1]}'"
            if one is None or two is None:
                say = {True: "no targets" + of, False: "targets" + of}
                raise _refusal("test items", first, record, say[one is None], say[two is None], ALIGN)
            if one[0] != two[0]:
                raise _refusal("targets", first, record, f"{one[0]} targets{of}", f"{two[0]} targets{of}", ALIGN)
            if not _close(one[1], two[1]):
                losses = ["naive loss " + ("none" if math.isnan(v) else repr(v)) + of for v in (one[1], two[1])]
                raise _refusal("targets", first, record, losses[0], losses[1], ALIGN)


def _scored(record: Record) -> Scored:
    return {(row.item, row.component): (row.count, row.naive_loss) for row in record.items}


def _close(one: float, two: float) -> bool:
    """Equal but for rounding, or both NaN."""
    if math.isnan(one) or math.isnan(two):
        return math.isnan(one) and math.isnan(two)
    return math.isclose(one, two, rel_tol=SAME_LOSS, abs_tol=1e-15)


def _refusal(what: str, first: Record, other: Record, expected: str, found: str, next_step: str) -> RecordError:
    return RecordError(
        f"runs cannot be mixed in one report because their {what} differ",
        expected=f"{expected} as in {first.name}",
        found=f"{found} in {other.name}",
        next_step=next_step,
        where=other.fingerprint,
    )
