"""What earlier reports of a study in this home have shown, and what adding repeats now would mean."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from experiments.home import Home
from experiments.planning.plan import AnyPlan
from experiments.planning.request import OPEN, AnyRequest
from mmcore.atomic import write_atomically
from mmcore.files import read_bytes
from mmcore.language import say
from reports.numbers import listing
from reports.records.looks import Fingerprints, Look, Written, before, earlier_looks, note_of

FILE = "report.json"
MOST_NAMED = 3
"""Comparisons that a warning names before it counts the rest."""


def remembered_looks(todo: AnyPlan, home: Home) -> tuple[Look, ...]:
    """The looks that the report of a study must remember; see :func:`reports.records.looks.earlier_looks`.

    Of the reports in the home, whatever options they were written with. One that cannot be read says nothing.
    """
    folder = home.report(todo.request.key)
    own = _written(folder / FILE) or _written(home.looks(todo.request.key))
    return earlier_looks(own, _others(todo.request, home), todo.request.study, _runs(todo))


def write_note(todo: AnyPlan, home: Home, path: Path) -> bool:
    """Write what the report of a study remembers, for another home; whether there is anything to remember.

    It is read back from :meth:`experiments.home.Home.looks`.
    """
    looks = remembered_looks(todo, home)
    if looks:
        path.write_text(note_of(todo.request.study, looks).model_dump_json(indent=1), encoding="utf-8")
    return bool(looks)


def keep_look(report: Path, home: Home, key: str) -> None:
    """Remember a report that was written outside the home as a look: beside those that came from another home.

    A home that may only be read is nobody's to add repeats to.

    Args:
        report: its folder. key: of the study.
    """
    written = _written(report / FILE)
    if written is not None and not home.read_only:
        text = written.model_dump_json(indent=1).encode()
        write_atomically(home.looks(f"{key}-elsewhere"), lambda file: file.write(text))


def looks_warning(todo: AnyPlan, home: Home) -> tuple[str, ...]:
    """Says, before anything is trained, that a claim from added repeats will be doubted; () where it will not."""
    study = todo.request.study
    if not todo.count(*OPEN):
        return ()
    planned = {(run.arm, run.fingerprint) for run in todo.runs}
    first: dict[tuple[str, str], tuple[Look, str]] = {}
    for look in before(remembered_looks(todo, home), study, _runs(todo)):
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


def _runs(todo: AnyPlan) -> Fingerprints:
    return {(run.arm, run.repeat): run.fingerprint for run in (*todo.runs, *todo.later)}


def _others(request: AnyRequest, home: Home) -> Iterator[Written]:
    name, begins = request.study.name, glob.escape(request.study.name)
    notes = sorted(home.looks("").parent.glob(f"{begins}*.json"))
    for path in (*sorted(home.report("").glob(f"{begins}*/{FILE}")), *notes):
        written = None if path.parent == home.report(request.key) else _written(path)
        if written is not None and written.study == name:
            yield written


def _written(path: Path) -> Written | None:
    try:
        return Written.model_validate(json.loads(read_bytes(path)))
    except (OSError, ValueError, RecursionError, ValidationError):
        return None
