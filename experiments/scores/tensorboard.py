"""A folder of TensorBoard event files as a table of scores. Needs the extra ``tensorboard``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.scores.steps import at_step
from experiments.scores.table import Given, ScoreTable
from experiments.scores.wandb import parts_of_name
from mmcore.errors import ScoresError, nearest
from mmcore.language import say
from reports.numbers import counted

_REPEAT = re.compile(r"^(?:seed|fold|run|repeat|rep|version|s|r)?[-_ =]*(\d+)$", re.IGNORECASE)
"""A folder that is named like a repeat."""


def read_tensorboard(folder: Path, score: str | None, step: str) -> ScoreTable:
    """A row for each folder with event files: its arm and repeat are in its name.

    ``mlp/seed_0`` is repeat 0 of 'mlp', and so is ``mlp-seed0``. A run's score is its last, largest or smallest value.

    Raises:
        ScoresError: the extra is missing, a broken file, or no such tag.
    """
    accumulator = _accumulator()
    runs: dict[str, Any] = {}
    for place in sorted({path.parent for path in folder.rglob("events.out.tfevents*")}):
        events = accumulator(str(place), size_guidance={"scalars": 0, "tensors": 0})
        events.Reload()
        runs[place.relative_to(folder).as_posix()] = events
    tags = {name: _tags(events) for name, events in runs.items()}
    known = list(dict.fromkeys(tag for found in tags.values() for tag in found))
    if score is None and len(known) != 1:
        raise ScoresError(
            "it must be clear which tag is the score", expected="--score TAG", where=str(folder),
            found=", ".join(known[:20]) or "no scalars",
        )  # fmt: skip
    score = score or known[0]
    if score not in known:
        raise ScoresError("no run has the tag", found=f"'{score}'", where=str(folder), next_step=nearest(score, known))
    rows = [{**_named(name), score: at_step(tags[name][score], step)} for name in runs if score in tags[name]]
    facts = {"runs": counted(len(rows), "run"), "score": score, "step": step}
    notes = [say("TensorBoard events of {runs}: '{score}' at its {step} value.", **facts)]
    if len(rows) < len(runs):
        folders = counted(len(runs) - len(rows), "folder")
        notes.append(say("{folders} without '{score}' left out.", folders=folders, score=score))
    table = pd.DataFrame(rows, dtype=object)
    places = tuple(range(1, len(rows) + 1))
    given = Given(arm="arm", repeat="repeat" if "repeat" in table else None, score=score)
    return ScoreTable(table, folder.resolve().name, str(folder), places, "run", tuple(notes), given)


def _accumulator() -> Any:
    try:
        from tensorboard.backend.event_processing.event_accumulator import (  # pyright: ignore[reportMissingImports]
            EventAccumulator,
        )
    except ImportError:
        raise ScoresError(
            "event files of TensorBoard need a package that is not installed",
            next_step='pip install "mmstudy[tensorboard]"',
        ) from None
    return EventAccumulator


def _tags(events: Any) -> dict[str, list[float]]:
    """Tag to its values in order of steps; of scalars, and of tensors that hold one number, as newer writers have."""
    found: dict[str, list[float]] = {}
    for tag in events.Tags().get("scalars", ()):
        found[tag] = [float(e.value) for e in sorted(events.Scalars(tag), key=lambda e: (e.step, e.wall_time))]
    for tag in events.Tags().get("tensors", ()):
        values = [(e.step, e.wall_time, e.tensor_proto) for e in events.Tensors(tag)]
        numbers = [(step, at, list(proto.float_val)) for step, at, proto in values]
        if numbers and all(len(value) == 1 for *_, value in numbers):
            found[tag] = [float(value[0]) for *_, value in sorted(numbers)]
    return found


def _named(path: str) -> dict[str, str]:
    """``mlp/seed_0`` as arm 'mlp', repeat 0."""
    before, _, last = path.rpartition("/")
    repeat = _REPEAT.match(last)
    if before and repeat is not None:
        return {"arm": before, "repeat": repeat[1]}
    return parts_of_name(path)
