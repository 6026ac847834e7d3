"""What the options of a command must obey before a study is looked at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from mmcore.errors import StudyError
from mmcore.limits import MOST_REPEATS

MOST_WORKERS = 1_024
"""Worker processes, and threads of each."""
MOST_PACKED = 1_024
"""Runs that are trained as one batch."""
_DEEPEST = 64


def check_texts(texts: Mapping[str, str | None]) -> None:
    """Refuse an empty text, by the name of its option.

    Raises:
        StudyError: a text is empty, or has a NUL character.
    """
    for flag, value in texts.items():
        if value is not None and (not value.strip() or "\0" in value):
            raise StudyError(
                f"--{flag} needs a value",
                found="an empty text" if not value.strip() else "a NUL character",
                where=f"--{flag}",
                next_step="Leave the option out; if it comes from a variable of the shell, that is not set",
            )


def check_numbers(repeats: object, workers: int | None, threads: int | None) -> None:
    """Refuse a number that no machine has.

    Raises:
        StudyError: a number is out of its bounds.
    """
    for flag, value, most in (
        ("repeats", repeats, MOST_REPEATS), ("workers", workers, MOST_WORKERS), ("threads", threads, MOST_WORKERS),
    ):  # fmt: skip
        if isinstance(value, int) and (isinstance(value, bool) or not 1 <= value <= most):
            raise StudyError(f"--{flag} takes a number from 1 to {most:,}", found=str(value)[:40], where=f"--{flag}")


def check_pack(value: object) -> None:
    """Refuse a size of packs that is none.

    Raises:
        StudyError: it is neither ``auto`` nor a number within its bounds.
    """
    number = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_PACKED
    if value not in (None, "auto") and not number:
        raise StudyError(
            f"--pack takes auto, or a number of runs from 1 to {MOST_PACKED:,}", found=str(value)[:40], where="--pack"
        )


def check_changes(changes: Iterable[tuple[str, Any]]) -> None:
    """Refuse changes that no file can hold.

    Raises:
        StudyError: a path that is set twice or is none, or a value that YAML and JSON do not have.
    """
    seen: set[str] = set()
    for path, value in changes:
        where = f"--set {path[:80]}"
        if path in seen:
            raise StudyError(f"'{path}' is set twice", where=where, next_step="Keep one of them")
        seen.add(path)
        if not path or any(not step.strip() for step in path.split(".")):
            raise StudyError("a path is names joined by dots", found=repr(path)[:80], where="--set")
        _refuse_strange(value, where)


def _refuse_strange(value: Any, where: str, depth: int = 0) -> None:
    """Only what YAML and JSON hold: a date or a NaN would be lost on the way to the command that rebuilds a report."""
    match value:
        case None | bool() | int():
            return
        case float() if math.isfinite(value):
            return
        case str() if value.isprintable() or not any(_is_control(character) for character in value):
            return
        case list() | tuple() if depth < _DEEPEST:
            for one in value:
                _refuse_strange(one, where, depth + 1)
            return
        case dict() if depth < _DEEPEST and all(isinstance(key, str) for key in value):
            for one in value.values():
                _refuse_strange(one, where, depth + 1)
            return
    raise StudyError(
        "the value of a setting is a finite number, text, true, false, null, or a list or mapping of such values",
        found=f"{type(value).__name__} {str(value)[:40]!r}",
        where=where,
    )


def _is_control(character: str) -> bool:
    return (ord(character) < 32 and character not in "\t\n\r") or 0xD800 <= ord(character) <= 0xDFFF
