"""Output of ``mmstudy data check``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from mmcore.data.checking import Checked, Problem
from mmcore.language import later, say
from mmcore.shell import argument
from reports.numbers import counted

LEVELS = (later("error"), later("warning"))
"""The levels of problems, for the languages."""
_PLACES = 3
"""At most this many places are listed for the same problem; the others are counted."""


def check_text(checked: Checked, folder: Path) -> str:
    """All problems as text; a problem in many files is printed once, with the first files."""
    lines = [line for group in _alike(checked.problems) for line in _lines(group)]
    if checked.skipped:
        lines.append(say("not looked at: {what}", what=checked.skipped))
    warnings = len(checked.problems) - checked.errors
    lines.append(
        say(
            "{folder}: {read}; {errors}, {warnings}",
            folder=folder,
            read=read_text(checked),
            errors=counted(checked.errors, "error") if checked.errors else say("no error"),
            warnings=counted(warnings, "warning") if warnings else say("no warning"),
        )
    )
    if checked.errors:
        lines.append(say("Fix them, then run again: {command}", command=f"mmstudy data check {argument(folder)}"))
    else:
        lines.append(say("Next: {command}", command=f"mmstudy data inspect {argument(folder)}"))
    return "\n".join(lines)


def read_text(checked: Checked) -> str:
    """How much was read."""
    return say("{items}, {tables} read", items=counted(checked.items, "item"), tables=counted(checked.tables, "table"))


def check_json(checked: Checked, folder: Path) -> dict[str, object]:
    """All problems as data for JSON, each one separately."""
    return {
        "corpus": str(folder),
        "items": checked.items,
        "modalities": checked.modalities,
        "tables": checked.tables,
        "skipped": checked.skipped,
        "errors": checked.errors,
        "warnings": len(checked.problems) - checked.errors,
        "problems": [asdict(problem) for problem in checked.problems],
    }


def _alike(problems: list[Problem]) -> list[list[Problem]]:
    """Errors first; problems that differ in their place alone together."""
    groups: dict[tuple[object, ...], list[Problem]] = {}
    for problem in sorted(problems, key=lambda problem: problem.level):
        key = (problem.level, problem.rule, problem.expected, problem.found, problem.next_step)
        groups.setdefault(key, []).append(problem)
    return list(groups.values())


def _lines(group: list[Problem]) -> list[str]:
    lines = [say("{level}: {text}", level=say(group[0].level), text=group[0].message)]
    if len(group) > 1:
        places, more = (
            say(", ").join(str(problem.where) for problem in group[1 : 1 + _PLACES]),
            len(group) - 1 - _PLACES,
        )
        places = say("{places} and {n} more", places=places, n=more) if more > 0 else places
        lines.append(f"  {say('the same in {places}', places=places)}")
    return lines
