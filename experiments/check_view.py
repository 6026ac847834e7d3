"""Output of ``mmstudy data check``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from mmcore.data.checking import Checked, Problem
from reports.numbers import counted

_PLACES = 3
"""At most this many places are listed for the same problem; the others are counted."""


def check_text(checked: Checked, folder: Path) -> str:
    """All problems as text; a problem in many files is printed once, with the first files."""
    lines = [line for group in _alike(checked.problems) for line in _lines(group)]
    if checked.skipped:
        lines.append(f"not looked at: {checked.skipped}")
    warnings = len(checked.problems) - checked.errors
    held = f"{counted(checked.items, 'item')}, {counted(checked.tables, 'table')} read"
    errors = counted(checked.errors, "error") if checked.errors else "no error"
    lines.append(f"{folder}: {held}; {errors}, {counted(warnings, 'warning') if warnings else 'no warning'}")
    if checked.errors:
        lines.append(f"Fix them, then run again: mmstudy data check {folder}")
    else:
        lines.append(f"Next: mmstudy data inspect {folder}")
    return "\n".join(lines)


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
    lines = [f"{group[0].level}: {group[0].message}"]
    if len(group) > 1:
        more = f" and {len(group) - 1 - _PLACES} more" if len(group) - 1 > _PLACES else ""
        others = ", ".join(str(problem.where) for problem in group[1 : 1 + _PLACES])
        lines.append(f"  the same in {others}{more}")
    return lines
