"""Which records may stand side by side: only those that were scored on the same things in the same way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import cast

from mmcore.config import Forecast, RunConfig
from mmcore.errors import RecordError
from mmcore.facts import SIDES, Side
from mmcore.record import Run
from mmcore.rows import Columns

SAME_LOSS = 1e-9
"""Relative difference of two naive losses that is rounding: each run computes them anew."""

ALIGN = (
    "Arms must not differ in data alignment or split: give them the same data.* and split.*, then run the study again"
)


class Targets:
    """What the records of each repeat were scored on. Records come one by one, in the order of the report."""

    def __init__(self) -> None:
        self._known: dict[int, list[tuple[Run, Found]]] = {}
        self.refused: dict[int, RecordError] = {}
        """By repeat, what the first two records that disagree are to be refused with."""

    def add(self, run: Run, items: Columns) -> None:
        """Compare the items of a record with those of the first one of its repeat."""
        if run.corpus.content and run.done and items["item"]:
            columns = (items[name] for name in ("item", "component", "count", "naive_loss"))
            self._compare(run, cast(Found, [*zip(*columns, strict=True)]))

    def join(self, later: Targets) -> None:
        """Take over what records that come after these were scored on; none of them is refused."""
        for known in later._known.values():
            for run, found in known:
                self._compare(run, found)

    def _compare(self, run: Run, found: Found) -> None:
        if run.repeat in self.refused:
            return
        known = self._known.setdefault(run.repeat, [(run, found)])
        first, expected = known[0]
        if found == expected:
            return
        # Equal but for rounding, it seems; what comes before these records may differ more.
        known.append((run, found))
        problem = _unlike(first.name, _scored(expected), run, _scored(found))
        if problem is not None:
            self.refused[run.repeat] = problem


def check_mixable(runs: Sequence[Run], targets: Targets) -> None:
    """Refuse records that differ in corpus, task, numerics or, within a repeat, in split or scored targets.

    Runs on unlike machines or with other numbers of threads differ by rounding alone: they are mixed, and check ABL023
    names them.

    Args:
        runs: those that opened their corpus, in the order of the report.
        targets: what the records of these runs were scored on.

    Raises:
        RecordError: names two runs that disagree and what about.
    """

    def task(run: Run) -> str:
        kind = run.corpus.task
        # Arms may differ in what they read, e.g. the look-ahead, but not in what they must predict.
        own = run.config.task if isinstance(run.config, RunConfig) else None
        horizon = own.horizon if isinstance(own, Forecast) else 1
        return f"{kind} {horizon} steps ahead" if kind == "forecast" else kind

    _same("corpora", runs, lambda r: f"content {r.corpus.content}")
    _same("tasks", runs, task)
    _same("numerics", runs, lambda r: f"version {r.numerics}")
    repeats: dict[int, list[Run]] = {}
    for run in runs:
        repeats.setdefault(run.repeat, []).append(run)
    for repeat, same_repeat in repeats.items():
        split = [r for r in same_repeat if r.split.sides]
        # Windows may differ: the stride of training is an arm's own.
        for side in SIDES:
            _same(f"{side} items", split, lambda r, s=side: _sizes(r.split.sides.get(s)), ALIGN)
        if repeat in targets.refused:
            raise targets.refused[repeat]


def _sizes(side: Side | None) -> str:
    return f"{side.items} items in {side.groups} groups" if side else "none"


def _same(
    what: str,
    runs: Sequence[Run],
    value_of: Callable[[Run], str],
    next_step: str = "Run the study again so that all arms share them",
) -> None:
    values = [value_of(r) for r in runs]
    for run, value in zip(runs, values, strict=True):
        if value != values[0]:
            raise _refusal(what, runs[0].name, run, values[0], value, next_step)


Found = list[tuple[str, str, int, float]]
"""Item, component, the number of targets and the naive loss on them: the same for every model."""
Scored = dict[tuple[str, str], tuple[int, float]]
"""The same by item and component."""


def _scored(found: Found) -> Scored:
    return {(item, component): (count, loss) for item, component, count, loss in found}


def _unlike(first: str, expected: Scored, record: Run, found: Scored) -> RecordError | None:
    """What to say where they differ by more than rounding.

    Equal names of items do not make equal targets: an arm's own alignment moves or drops some of them.
    """
    for key in expected | found:
        one, two = expected.get(key), found.get(key)
        of = f" of item '{key[0]}', component '{key[1]}'"
        if one is None or two is None:
            say = {True: "no targets" + of, False: "targets" + of}
            return _refusal("test items", first, record, say[one is None], say[two is None], ALIGN)
        if one[0] != two[0]:
            return _refusal("targets", first, record, f"{one[0]} targets{of}", f"{two[0]} targets{of}", ALIGN)
        if not _close(one[1], two[1]):
            losses = ["naive loss " + ("none" if math.isnan(v) else repr(v)) + of for v in (one[1], two[1])]
            return _refusal("targets", first, record, losses[0], losses[1], ALIGN)
    return None


def _close(one: float, two: float) -> bool:
    """Equal but for rounding, or both NaN."""
    if math.isnan(one) or math.isnan(two):
        return math.isnan(one) and math.isnan(two)
    return math.isclose(one, two, rel_tol=SAME_LOSS, abs_tol=1e-15)


def _refusal(what: str, first: str, other: Run, expected: str, found: str, next_step: str) -> RecordError:
    return RecordError(
        f"runs cannot be mixed in one report because their {what} differ",
        expected=f"{expected} as in {first}",
        found=f"{found} in {other.name}",
        next_step=next_step,
        where=other.fingerprint,
    )
