"""Whether the numbers of a finished run follow from one another: scores from outcomes by item, skill from losses, and
what stands in two files is the same in both.

Whoever edits one number of a record leaves the others as they were. An edit of all that belongs together is not seen.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from mmcore.config import RunConfig
from mmcore.errors import RecordError
from mmcore.files import read_bytes, read_kept
from mmcore.fingerprint import NUMERICS
from mmcore.frozen import Number
from mmcore.record import Record
from mmcore.scores import ItemLoss, Outcome, Score
from mmcore.skill import relative_skill, skill
from reports.statistics.measured import CLASS_MEASURES, of_classes

CLOSE = 1e-6
"""Rounding that is allowed, relative and absolute: sums are of float64, in another order."""
LIKELY = 1e-3
"""The same where a model was run again: on a graphics card, or among others in a batch."""
_EPOCHS = TypeAdapter(list[dict[str, Number]])
_COLUMNS = ("loss", "count", "naive_loss")
_CLOCK = "seconds"
"""Differs where a run was trained again for its weights, as after its checkpoints were torn."""
Key = tuple[str, str, str, str | None, str | None, str | None]
"""Of a score: split, items, metric, component, parameter, baseline."""


@dataclass(frozen=True)
class Contradiction:
    """A number that does not follow from the others.

    Args:
        field: as the record calls it. follows: what it must be by the others. found: what stands in the record.
    """

    field: str
    follows: float
    found: float


def contradictions(record: Record, folder: Path) -> Iterator[Contradiction]:
    """What contradicts itself in a finished run: the parts first, then what follows from them.

    Runs of other training code and those of another version of the numerics are not looked at: what scores mean there
    is not known here. Neither are measures that the record does not hold the parts of: average precision, those of the
    user's, and all scores of the validation side but skill, loss and what chose the epoch.

    Args:
        folder: of the run, with its other files; one that is torn or not there is not compared.
    """
    if not record.done or not isinstance(record.config, RunConfig) or record.numerics != NUMERICS:
        return
    values = {_key(one): one.value for one in record.scores}
    yield from _beside(record, folder)
    if record.outcomes:
        yield from _items(record)
        yield from _against(values, _of_outcomes(record))
    yield from _against(values, _of_losses(values))
    yield from _against(values, _of_parts(values))
    yield from _best_epoch(record, values)


def _key(score: Score) -> Key:
    return score.split, score.items, score.metric, score.component, score.parameter, score.baseline


def _named(key: Key) -> str:
    split, items, metric, component, parameter, baseline = key
    parts = [split, *(() if items == "all" else (items,)), *(() if component is None else (component,)), metric]
    return "/".join(parts) + (f" of {parameter}" if parameter else "") + (f" of {baseline}" if baseline else "")


def _against(values: dict[Key, float], known: Iterable[tuple[Key, float]]) -> Iterator[Contradiction]:
    """Scores that differ from what follows; where nothing follows, or there is no such score, nothing is said."""
    for key, follows in known:
        if key in values and not math.isnan(follows) and not _close(follows, values[key]):
            yield Contradiction(f"scores: {_named(key)}", follows, values[key])


def _close(one: float, other: float, by: float = CLOSE) -> bool:
    if not (math.isfinite(one) and math.isfinite(other)):
        # JSON has null for NaN and for infinite numbers.
        return math.isfinite(one) == math.isfinite(other)
    return math.isclose(one, other, rel_tol=by, abs_tol=by)


# Files -------------------------------------------------------------------------------------------------------------
def _beside(record: Record, folder: Path) -> Iterator[Contradiction]:
    """Rows that differ from those in the files beside the record."""
    table, history = folder / "items.csv", folder / "history.json"
    if record.items and table.is_file():
        text = read_bytes(table).decode("utf-8", errors="replace")
        rows = [{name: _number(row.get(name)) for name in _COLUMNS} for row in csv.DictReader(io.StringIO(text))]
        named = [f"items: {_of_item(one)}" for one in record.items]
        here = [{name: float(getattr(one, name)) for name in _COLUMNS} for one in record.items]
        yield from _rows("items: rows", named, here, rows)
    if history.is_file():
        try:
            epochs = read_kept(history, _EPOCHS, "the history", "")
        except RecordError:
            return
        named = [f"history: epoch {row.get('epoch', math.nan):g}" for row in record.history]
        here = [{name: value for name, value in row.items() if name != _CLOCK} for row in record.history]
        yield from _rows("history: rows", named, here, epochs)


def _rows(
    of: str, named: Sequence[str], here: Sequence[Mapping[str, float]], there: Sequence[Mapping[str, float]]
) -> Iterator[Contradiction]:
    if len(here) != len(there):
        yield Contradiction(of, len(there), len(here))
        return
    for name, mine, theirs in zip(named, here, there, strict=True):
        for field, value in mine.items():
            follows = theirs.get(field, math.nan)
            if not _close(follows, value):
                yield Contradiction(f"{name} {field}", follows, value)


def _number(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError:
        return math.nan


def _of_item(row: ItemLoss) -> str:
    return f"{row.component} of '{row.item}'"


# Items and outcomes ------------------------------------------------------------------------------------------------
def _items(record: Record) -> Iterator[Contradiction]:
    """Items against their outcomes by parameter: a component's loss is the sum over its parameters."""
    of_item: dict[tuple[str, str], list[Outcome]] = {}
    for one in record.outcomes:
        of_item.setdefault((one.item, one.component), []).append(one)
        if one.cells is not None and (count := sum(cell[2] for cell in one.cells)) != one.count:
            yield Contradiction(f"outcomes: {one.parameter} of '{one.item}' count", count, one.count)
    for row in record.items:
        parts = of_item.get((row.item, row.component), [])
        if not parts:
            continue
        for field in _COLUMNS:
            follows = math.fsum(getattr(part, field) for part in parts)
            if not math.isnan(follows) and not _close(follows, float(getattr(row, field))):
                yield Contradiction(f"items: {_of_item(row)} {field}", follows, float(getattr(row, field)))


def _of_outcomes(record: Record) -> Iterator[tuple[Key, float]]:
    """The model's scores on test items, from what it did on each."""
    complete = {row.item for row in record.items if row.complete}
    for items in ("all", "complete"):
        by_component: dict[str, dict[str, list[Outcome]]] = {}
        for one in record.outcomes:
            if items == "all" or one.item in complete:
                by_component.setdefault(one.component, {}).setdefault(one.parameter, []).append(one)
        for component, parameters in by_component.items():
            yield from _of_component(items, component, parameters)


def _of_component(items: str, component: str, parameters: dict[str, list[Outcome]]) -> Iterator[tuple[Key, float]]:
    def key(metric: str, parameter: str | None = None) -> Key:
        return "test", items, metric, component, parameter, None

    losses = {name: _mean(rows, [row.loss for row in rows]) for name, rows in parameters.items()}
    yield key("loss"), sum(losses.values())
    of_classes_ = {name: rows for name, rows in parameters.items() if rows[0].cells is not None}
    if of_classes_:
        yield key("log_loss"), _mean_of_known([losses[name] for name in of_classes_])
        for measure in CLASS_MEASURES:
            # Which of several parameters have only two classes is not in the record; F1 is of these.
            if measure != "f1" or len(of_classes_) == 1:
                yield key(measure), _mean_of_known([_of_cells(measure, rows) for rows in of_classes_.values()])
    errors = {
        name: _mean(rows, [math.nan if row.error is None else row.error for row in rows])
        for name, rows in parameters.items()
        if name not in of_classes_
    }
    for name, error in errors.items():
        yield key("mae", name), error
        if len(parameters) == 1:
            yield key("mae"), error


def _mean(rows: Sequence[Outcome], values: Sequence[float]) -> float:
    """Over counted targets."""
    weights = [row.count for row in rows]
    return math.fsum(v * n for v, n in zip(values, weights, strict=True)) / sum(weights) if sum(weights) else math.nan


def _of_cells(measure: str, rows: Sequence[Outcome]) -> float:
    cells = np.array([cell for row in rows for cell in row.cells or ()], int).reshape(-1, 3)
    classes = max(2, int(cells[:, :2].max(initial=0)) + 1)
    right = cells[:, 0] == cells[:, 1]
    sums = (
        np.bincount(cells[right, 0], cells[right, 2], classes),
        np.bincount(cells[:, 0], cells[:, 2], classes),
        np.bincount(cells[:, 1], cells[:, 2], classes),
    )
    return float(of_classes(measure, *sums))


def _mean_of_known(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


# Losses ------------------------------------------------------------------------------------------------------------
def _of_losses(values: Mapping[Key, float]) -> Iterator[tuple[Key, float]]:
    """Skill and the scores of the whole, from each component's loss and that of the better baseline."""
    sides = dict.fromkeys((key[0], key[1]) for key in values)
    for split, items in sides:
        losses: dict[str | None, dict[str, float]] = {}
        for (its, of, metric, component, parameter, who), value in values.items():
            if (its, of, metric, parameter) == (split, items, "loss", None) and component is not None:
                losses.setdefault(who, {})[component] = value
        naive = {
            component: min((own[component] for who, own in losses.items() if who and component in own and
                            not math.isnan(own[component])), default=math.nan)
            for own in losses.values() for component in own
        }  # fmt: skip
        for who, own in losses.items():
            yield from _of_predictor((split, items), who, own, naive)


def _of_predictor(
    side: tuple[str, str], who: str | None, losses: Mapping[str, float], naive: Mapping[str, float]
) -> Iterator[tuple[Key, float]]:
    def key(metric: str, component: str | None) -> Key:
        return (*side, metric, component, None, who)

    whole = sum(losses[component] for component in losses if not math.isnan(naive[component]))
    yield key("loss", None), whole if any(not math.isnan(naive[c]) for c in losses) else math.nan
    for metric, of in (("skill", skill), ("relative_skill", relative_skill)):
        each = {component: of(loss, naive[component]) for component, loss in losses.items()}
        for component, value in each.items():
            yield key(metric, component), value
        yield key(metric, None), math.nan if math.isnan(whole) else _mean_of_known([*each.values()])


def _of_parts(values: Mapping[Key, float]) -> Iterator[tuple[Key, float]]:
    """The other measures of the whole, each the mean over components; a component's, where it has one parameter."""
    below: dict[Key, list[float]] = {}
    for (split, items, metric, component, parameter, who), value in values.items():
        if parameter is not None:
            below.setdefault((split, items, metric, component, None, who), []).append(value)
        elif component is not None and metric not in ("loss", "skill", "relative_skill"):
            below.setdefault((split, items, metric, None, None, who), []).append(value)
    for key, parts in below.items():
        yield key, _mean_of_known(parts)


# History -----------------------------------------------------------------------------------------------------------
def _best_epoch(record: Record, values: Mapping[Key, float]) -> Iterator[Contradiction]:
    """Validation scores against those of the epoch whose checkpoint was scored."""
    assert isinstance(record.config, RunConfig)
    if record.config.evaluation.without:
        return  # The model was scored without modalities that it was trained with.
    for row in record.history:
        if row.get("epoch") != record.best_epoch:
            continue
        for name, follows in row.items():
            split, _, rest = name.partition("/")
            metric, _, component = rest.partition("/")
            key = (split, "all", metric, component or None, None, None)
            if split == "validation" and key in values and not _close(follows, values[key], LIKELY):
                yield Contradiction(f"scores: {_named(key)}", follows, values[key])
