"""The records of a study's runs, read from disk for a report: of large studies by all processors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from experiments.home import Home
from experiments.planning.plan import AnyPlan
from experiments.planning.request import AnyConfig, PlannedRun
from experiments.records import RECORD, read_columns
from mmcore.forked import Copy, CopyFailedError, copies
from mmcore.garbage import without_collection
from reports.records.collected import Collected
from studies.resolved import AnyStudy

LARGE = 64 * 2**20
"""Bytes of records from which on other processors help: reading so many takes about half a second."""
TOGETHER = 32
"""Runs that a copy of this process reads before it hands them over."""


def load_records(todo: AnyPlan, home: Home) -> Collected:
    """Every record of a plan that is there, in the order of arms and repeats.

    Raises:
        BrokenFile, RecordError: as :func:`experiments.records.read_columns` and :meth:`Collected.add`.
    """
    study = todo.request.study
    order = {arm.name: number for number, arm in enumerate(study.arms)}
    runs = sorted(todo.runs, key=lambda run: (order[run.arm], run.repeat))
    parts = [runs[at : at + TOGETHER] for at in range(0, len(runs), TOGETHER)]
    helpers = min(copies(), len(parts)) if len(parts) > 1 and _bytes(runs, home) >= LARGE else 0
    with without_collection(), contextlib.ExitStack() as ending:
        collected = Collected(study)
        beside: list[Copy[Collected] | None] = []
        for k in range(helpers):
            copy = Copy(partial(_parts, study, parts[k::helpers], home))
            ending.callback(copy.end)
            beside.append(copy)
        for at, part in enumerate(parts):
            later = _next(beside, at % helpers) if helpers else None
            if later is None:
                _add(collected, part, home)
            else:
                collected.join(later)
    return collected


def _bytes(runs: Sequence[PlannedRun[AnyConfig]], home: Home) -> int:
    """Size of the records, as if all were as large as the first."""
    for run in runs:
        with contextlib.suppress(OSError):
            return len(runs) * (home.run(run.fingerprint or "") / RECORD).stat().st_size
    return 0


def _next(beside: list[Copy[Collected] | None], at: int) -> Collected | None:
    """The next part that a copy has read; None, from then on, where it failed."""
    copy = beside[at]
    if copy is not None:
        try:
            return copy.next()
        except CopyFailedError:
            beside[at] = None
    return None


def _parts(study: AnyStudy, parts: Sequence[Sequence[PlannedRun[AnyConfig]]], home: Home) -> Iterator[Collected]:
    for part in parts:
        collected = Collected(study)
        _add(collected, part, home)
        if collected.refused:
            # What two records disagree about is said by whoever sees all of them.
            raise CopyFailedError
        yield collected


def _add(collected: Collected, runs: Sequence[PlannedRun[AnyConfig]], home: Home) -> None:
    for run in runs:
        found = read_columns(home.run(run.fingerprint)) if run.fingerprint else None
        if found is not None:
            # One training may serve arms of several names; here it is the arm of this study.
            collected.add(replace(found[0], arm=run.arm), found[1])
