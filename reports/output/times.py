"""What in a report's JSON says when, where and how quickly it came about; the rest follows from the study alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TIMES = ("seconds", "more_seconds", "seconds_spared")
"""Keys of times, wherever they stand: of an arm's run, of the repeats that would decide, of a trial, of runs that a
sequential study was spared (whose ``text`` says so in words)."""

PLACES = ("command", "rebuild", "home", "study_file", "corpus_path", "path", "reused_from")
"""Keys of the provenance that name a folder, or another study that left a run there."""


def without_times(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report without :data:`TIMES` and :data:`PLACES`.

    What is left is equal, byte for byte once it is written, for every report of a study on one kind of machine: after
    any kill and resume, with any number of workers, beside any other runs, in any home.

    Args:
        report: the content of ``report.json``.

    Example:
        >>> without_times({"study": "a", "arms": [{"name": "x", "seconds": 1.5}], "provenance": {"home": "/tmp"}})
        {'study': 'a', 'arms': [{'name': 'x'}], 'provenance': {}}
    """
    timeless = {key: _without(value, TIMES) for key, value in report.items()}
    timeless["provenance"] = _without(report["provenance"], (*TIMES, *PLACES))
    if timeless.get("sequential"):
        timeless["sequential"] = _without(timeless["sequential"], ("text",))
    return timeless


def _without(value: Any, keys: tuple[str, ...]) -> Any:
    match value:
        case Mapping():
            return {key: _without(inner, keys) for key, inner in value.items() if key not in keys}
        case list() | tuple():
            return [_without(inner, keys) for inner in value]
        case _:
            return value
