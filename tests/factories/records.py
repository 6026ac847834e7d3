"""Records, and changes to them, since they are frozen."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from mmcore.config import build_config
from mmcore.facts import CorpusFacts, Environment, Failure, SplitFacts
from mmcore.record import Record
from mmcore.scores import Score

T = TypeVar("T")


def changed(whole: T, path: str, value: object) -> T:
    """The same with another value in one place.

    Args:
        path: fields, keys and indices, joined by dots: ``split.test.items``, ``items.0.count``.

    Raises:
        AssertionError: there is no such place.
    """
    first, _, rest = path.partition(".")
    here: Any = whole
    if isinstance(here, tuple):
        at = int(first)
        return cast(T, (*here[:at], changed(here[at], rest, value) if rest else value, *here[at + 1 :]))
    if isinstance(here, Mapping):
        return cast(T, {**here, first: changed(here[first], rest, value) if rest else value})
    assert hasattr(here, first), f"{type(here).__name__} has no '{first}'"
    new = changed(getattr(here, first), rest, value) if rest else value
    if isinstance(here, BaseModel):
        return cast(T, here.model_copy(update={first: new}))
    assert is_dataclass(here)
    return cast(T, replace(cast(Any, here), **{first: new}))


def each(record: Record, rows: str, change: Callable[[Any], Any]) -> Record:
    """The record with every row of one kind changed; rows that become None are left out."""
    made = (change(row) for row in getattr(record, rows))
    return replace(record, **{rows: tuple(row for row in made if row is not None)})


def a_record(**changes: Any) -> Record:
    """The record of a finished run of arm ``both`` with three scores and two epochs."""
    usual: dict[str, Any] = {
        "fingerprint": "f0",
        "repeat": 0,
        "status": "done",
        "failure": None,
        "epochs": 2,
        "best_epoch": 1,
        "stopped_early": False,
        "steps": 6,
        "seconds": 1.0,
        "config": build_config({"corpus": "c", "model": {"width": 8, "heads": 1}}),
        "corpus": CorpusFacts(name="tiny", content="c" * 32, path="/corpora/tiny"),
        "split": SplitFacts(),
        "parameters": {"total": 10},
        "flops": {},
        "numerics": 1,
        "study": "level",
        "arm": "both",
        "environment": Environment(commit="abc", python="3.11"),
        "scores": (
            Score("test", "all", "skill", None, 0.5),
            Score("test", "all", "f1", "active", math.nan),
            Score("test", "all", "loss", "x", 1.5, baseline="constant"),
        ),
        "history": (
            {"epoch": 1, "train/loss": 2.0},
            {"epoch": 2, "train/loss": 1.0, "validation/skill": math.nan},
        ),
        "items": (),
    }
    return Record(**{**usual, **changes})


def failed(**changes: Any) -> Record:
    """The record of a run whose training diverged."""
    nothing: dict[str, Any] = {"status": "failed", "failure": Failure("TrainingDiverged", "no"), "scores": ()}
    return a_record(**{**nothing, **changes})
