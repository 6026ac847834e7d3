"""What training code reports: scores of a run, scores by test item, epochs. Read and checked; errors say file and key.

A score's name is ``[SPLIT/][COMPONENT/]MEASURE``, the split ``test`` unless it says ``train`` or ``validation``. In
JSON a mapping within a mapping is the same as a slash: ``{"left": {"accuracy": 0.8}}`` is ``{"left/accuracy": 0.8}``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from mmcore.errors import MMStudyError, nearest
from mmcore.measures import Metric
from mmcore.scores import ItemLoss, Score

SPLITS = ("train", "validation", "test")
ITEMS = "items"
"""The key of the scores by item."""
MEAN = 1e-6
"""A run's score and the mean of its items may differ by so much: sums are rounded in different ways."""


class ScoresError(MMStudyError):
    """What training code reported cannot be used: the run has failed."""


@dataclass(frozen=True)
class Named:
    """The name of a score, taken apart."""

    split: str
    component: str | None
    measure: str

    @property
    def column(self) -> str:
        """As a column of a run's history."""
        return f"{self.split}/{self.measure}" + (f"/{self.component}" if self.component else "")


@dataclass(frozen=True)
class Reported:
    """The scores of a finished run.

    Args:
        items: scores by item as ``loss``; the whole name of the score as ``component``.
    """

    scores: tuple[Score, ...]
    items: tuple[ItemLoss, ...] = ()


def named(key: str, split: str = "test") -> Named:
    """The parts of a score's name.

    Args:
        split: meant where the name says none.

    Example:
        >>> named("left/accuracy"), named("loss", "validation").column
        (Named(split='test', component='left', measure='accuracy'), 'validation/loss')
    """
    head, _, rest = key.partition("/")
    if rest and head in SPLITS:
        split, key = head, rest
    component, _, measure = key.rpartition("/")
    return Named(split, component or None, measure)


def read_scores(path: Path, metric: str, called: str) -> Reported:
    """The scores that a run left in a file.

    Args:
        path: of a JSON object.
        metric: the study's, which must be there.
        called: how messages call the file.

    Raises:
        ScoresError: no file, no JSON, a value that is no finite number, no value of the metric.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScoresError(
            "the training code must leave its scores in a file",
            found="no such file once it had ended",
            where=called,
            next_step='Write it as JSON, such as {"accuracy": 0.8}, into the folder that {workdir} stands for',
        ) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as problem:
        raise ScoresError("scores must be JSON", found=str(problem), where=called) from None
    return check_scores(content, metric, called)


def check_scores(reported: Any, metric: str, called: str) -> Reported:
    """Scores as plain data, checked; see :func:`read_scores`."""
    if not isinstance(reported, Mapping):
        raise ScoresError(
            "scores must be one mapping from the name of a score to its value",
            found=type(reported).__name__,
            where=called,
            next_step='Write {"accuracy": 0.8}',
        )
    values = dict(_flat({key: value for key, value in reported.items() if key != ITEMS}))
    scores = []
    for key, value in values.items():
        part = named(key)
        if not part.measure:
            raise ScoresError("a score must have a name", found=f"'{key}'", where=called)
        scores.append(Score(part.split, "all", part.measure, part.component, _number(value, called, key)))
    names = [f"{s.component}/{s.metric}" if s.component else s.metric for s in scores if s.split == "test"]
    if metric not in names:
        raise ScoresError(
            f"the study's metric '{metric}' is not among the scores",
            found=", ".join(names) or "none of test items",
            where=called,
            next_step=nearest(metric, names),
        )
    items = tuple(_items(reported[ITEMS], metric, called)) if ITEMS in reported else ()
    _refuse_other_means(scores, items, called)
    return Reported(tuple(scores), items)


def _refuse_other_means(scores: Sequence[Score], items: Sequence[ItemLoss], called: str) -> None:
    """A score by item says something of new items if the run's score is the mean of it, and nothing otherwise."""
    by_name: dict[str, list[float]] = {}
    for row in items:
        by_name.setdefault(row.component, []).append(row.loss)
    for score in scores:
        name = f"{score.component}/{score.metric}" if score.component else score.metric
        if score.split != "test" or name not in by_name:
            continue
        mean = fmean(by_name[name])
        if not math.isclose(mean, score.value, rel_tol=MEAN, abs_tol=MEAN):
            raise ScoresError(
                "a run's score must be the mean of its scores by item",
                expected=f"{mean:.6g}, the mean of {len(by_name[name])} items",
                found=f"{score.value:.6g}",
                where=f"{called}: {name}",
                next_step=f"Leave {name} out of the items, or report their mean",
            )


def judged_items(items: Iterable[ItemLoss], metric: Metric) -> tuple[ItemLoss, ...]:
    """The scores by item that belong to a metric, as reports read them.

    Args:
        items: of a record; their ``component`` is the whole name of the score.
    """
    component = metric.component or metric.measure.name
    return tuple(replace(row, component=component) for row in items if row.component == metric.name)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}/")
        else:
            yield f"{prefix}{key}", value


def _number(value: Any, called: str, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ScoresError("a score must be a finite number", found=json.dumps(value)[:60], where=f"{called}: {key}")
    return float(value)


def _items(reported: Any, metric: str, called: str) -> Iterator[ItemLoss]:
    """Rows ``{"item": …, "group": …, SCORE: …}``; or item to its score, or to such a row."""
    seen: set[str] = set()
    for at, row in _rows(reported, metric, called):
        where = f"{called}: {ITEMS}[{at}]"
        if not isinstance(row, Mapping) or not isinstance(row.get("item"), str | int) or isinstance(row["item"], bool):
            raise ScoresError(
                "each row of items must be a mapping with an item's name",
                found=json.dumps(row)[:60],
                where=where,
                next_step=f'Write {{"item": "a", "{metric}": 0.8}}',
            )
        item = str(row["item"])
        if item in seen:
            raise ScoresError("an item may have one row", found=f"'{item}' twice", where=where)
        seen.add(item)
        group = str(row.get("group", item))
        for key, value in _flat({name: entry for name, entry in row.items() if name not in ("item", "group")}):
            number = _number(value, called, f"{ITEMS}[{at}].{key}")
            yield ItemLoss(item, group, True, key.removeprefix("test/"), number, 1, math.nan)


def _rows(reported: Any, metric: str, called: str) -> Iterator[tuple[Any, Any]]:
    match reported:
        case Mapping():
            for item, row in reported.items():
                own = row if isinstance(row, Mapping) else {metric: row}
                yield item, {"item": item, **own}
        case list():
            yield from enumerate(reported)
        case _:
            raise ScoresError(
                "items must be a list of rows, or a mapping from item to score",
                found=type(reported).__name__,
                where=f"{called}: {ITEMS}",
            )


# Epochs --------------------------------------------------------------------------------------------------------------
class Epochs:
    """The epochs that training code reports in a file of JSON lines, as they come.

    Args:
        path: of the file; it need not be there.
        called: how messages call it.
    """

    def __init__(self, path: Path, called: str) -> None:
        self._path, self._called = path, called
        self._read, self._lines = 0, 0
        self.rows: dict[int, dict[str, float]] = {}
        """Epoch to its row of the history; a row that comes twice counts as it came last."""

    def new(self, whole: bool = False) -> list[dict[str, float]]:
        """Rows that were not there at the last look, as rows of a history.

        Args:
            whole: the code has ended, so the last line needs no line break.

        Raises:
            ScoresError: a line that is no JSON object with an epoch from 1 and numbers.
        """
        try:
            with open(self._path, "rb") as file:
                file.seek(self._read)
                text = file.read()
        except OSError:
            return []
        end = len(text) if whole else text.rfind(b"\n") + 1
        self._read += end
        found = []
        for line in text[:end].decode("utf-8", errors="replace").splitlines():
            self._lines += 1
            if line.strip():
                row = _epoch(line, f"{self._called}:{self._lines}")
                self.rows[int(row["epoch"])] = row
                found.append(row)
        return found

    @property
    def history(self) -> tuple[dict[str, float], ...]:
        """All rows, by epoch."""
        return tuple(self.rows[epoch] for epoch in sorted(self.rows))


def _epoch(line: str, where: str) -> dict[str, float]:
    try:
        content = json.loads(line)
    except json.JSONDecodeError as problem:
        raise ScoresError("each line must be one JSON object", found=str(problem), where=where) from None
    epoch = content.get("epoch") if isinstance(content, Mapping) else None
    if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 1:
        raise ScoresError(
            "each line must say its epoch, counted from 1",
            found=line[:60],
            where=where,
            next_step='Write {"epoch": 1, "accuracy": 0.5}',
        )
    row: dict[str, float] = {"epoch": epoch}
    for key, value in _flat({name: entry for name, entry in content.items() if name != "epoch"}):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ScoresError("a score must be a number", found=json.dumps(value)[:60], where=f"{where}: {key}")
        row[named(key, "validation").column] = float(value)
    return row
