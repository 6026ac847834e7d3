"""What earlier reports of a study in this home have shown, and what adding repeats now would mean."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from experiments.home import Home
from experiments.planning.plan import AnyPlan
from experiments.planning.request import OPEN
from mmcore.files import read_bytes
from mmcore.language import say
from reports.numbers import listing
from reports.records.looks import Look, Written, before, earlier_looks

FILE = "report.json"
MOST_NAMED = 3
"""Comparisons that a warning names before it counts the rest."""


def remembered_looks(todo: AnyPlan, home: Home) -> tuple[Look, ...]:
    """The looks that the report of a study must remember; see :func:`reports.records.looks.earlier_looks`.

    Of the reports in the home, whatever options they were written with. One that cannot be read says nothing.
    """
    folder = home.report(todo.request.key)
    now = {(run.arm, run.repeat): run.fingerprint for run in (*todo.runs, *todo.later)}
    return earlier_looks(_written(folder), _others(folder, todo.request.study.name), todo.request.study, now)


def looks_warning(todo: AnyPlan, home: Home) -> tuple[str, ...]:
    """Says, before anything is trained, that a claim from added repeats will be doubted; () where it will not."""
    study = todo.request.study
    if not todo.count(*OPEN):
        return ()
    planned = {(run.arm, run.fingerprint) for run in todo.runs}
    first: dict[tuple[str, str], tuple[Look, str]] = {}
    for look in before(remembered_looks(todo, home), study):
        read = {run.arm for run in look.runs if (run.arm, run.fingerprint) in planned}
        for c in look.comparisons:
            if c.component is None and {c.arm, c.reference} <= read:
                first.setdefault((c.arm, c.reference), (look, c.verdict))
    open_looks = {pair: look for pair, (look, verdict) in first.items() if verdict == "undecided"}
    if not open_looks:
        return ()
    named = [say("'{arm}' against '{reference}'", arm=arm, reference=other) for arm, other in open_looks]
    if len(named) > MOST_NAMED:
        named = [*named[:MOST_NAMED], say("{n} more", n=len(named) - MOST_NAMED)]
    fresh = max(study.numbers.stop, *(look.planned.after for look in open_looks.values()))
    return (
        say(
            "an earlier report left {pairs} undecided. Repeats that are added now are another look at the same runs, "
            "and the report will doubt a claim that comes of it (ABL046). A claim on fresh repeats alone is not "
            "doubted: --repeats {n}@{fresh}",
            pairs=listing(named),
            n=study.repeats,
            fresh=fresh,
        ),
    )


def _others(folder: Path, study: str) -> Iterator[Written]:
    for path in sorted(folder.parent.glob(f"{glob.escape(study)}*")):
        if path != folder and (written := _written(path)) is not None and written.study == study:
            yield written


def _written(folder: Path) -> Written | None:
    try:
        return Written.model_validate(json.loads(read_bytes(folder / FILE)))
    except (OSError, ValueError, RecursionError, ValidationError):
        return None
