"""Columns that differ only in their names: the same stream as two modalities, and targets among the inputs.

R sampled rows, F and G columns, I items, N grid steps of all items, K tracks, P parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from mmcore.data.normalisation import counted_targets
from mmcore.data.prepared import Prepared
from mmcore.data.usual import usual_range
from mmcore.facts import Alike, Copied, Likenesses
from mmcore.language import say, say_of

ALIKE = 0.999
"""From this absolute correlation on, two columns hold the same information."""
SAMPLED_ROWS = 2_000
"""Rows of the store, evenly spaced, that are compared."""
LEAST_ROWS = 20
"""Rows that two columns must share."""
LEAST_ITEMS = 8
"""Rows that two columns must share for targets of scope item, where a row is an item."""
LEAST_MOVES = 5
"""Shared rows in which each column must differ from its median; otherwise a single common event would count as a
copy."""
LEAST_EVENTS = 3
"""Stretches of rows in which each column must differ from its median: one clip that lasts a hundred rows is one event,
and two clips may coincide with two others at one of many lags."""
LAGS = 10
"""An input is recognised up to this many steps ahead of a target or behind it."""
MOST_CLASSES = 32
"""Classes that are looked for one by one, as columns of 0 and 1."""
NAMED = 5
"""Pairs of columns that are named; the rest are counted."""
_BLOCK = 512


def examine_columns(prepared: Prepared) -> Likenesses:
    """Which columns of different modalities are alike, and which are alike with a target.

    Compared on a sample of rows by correlation, with loud cells tamed (see :mod:`mmcore.data.usual`), so that a
    common sentinel does not make columns alike. NaN does not count. Columns that hardly change are alike with none.

    Returns:
        ``alike``: one for each pair of modalities, with the first :data:`NAMED` pairs of columns by name. ``copies``:
        one for each target and column of another modality; a class that a column reveals is named ``target = class``.
    """
    rows_R = _rows(prepared)
    item_R = _item_of_rows(prepared)[rows_R]
    x = {name: _tamed(np.asarray(values_NF[rows_R])) for name, values_NF in prepared.values.items()}
    # Hundreds of small products: several threads would wait for each other longer than they compute, and keep
    # processors busy meanwhile that other processes need.
    with _libraries().limit(limits=1, user_api="blas"):
        return Likenesses(tuple(_pairs(prepared, x, item_R)), tuple(_copies(prepared)))


@cache
def _libraries() -> ThreadpoolController:
    """The numeric libraries of this process. To find them takes some milliseconds; numpy's is there from the start."""
    return ThreadpoolController()


def likeness_notes(prepared: Prepared) -> list[str]:
    """Sentences about similar columns; [] if there are none, or if an old version wrote the store without comparing."""
    found = prepared.likenesses
    notes = []
    for pair in found.alike or ():
        mine, its = pair.columns[0]
        named = {"one": f"{pair.one}.{mine}", "other": f"{pair.other}.{its}", "n": pair.count - 1}
        notes.append(
            say("{one} and {other} are the same but for unit and sign, and {n} more of their columns", **named)
            if pair.count > 1
            else say("{one} and {other} are the same but for unit and sign", **named)
        )
    for copy in found.copies or ():
        named = {"column": f"{copy.modality}.{copy.column}", "target": copy.target}
        if copy.lag > 0:
            notes.append(
                say_of(
                    copy.lag,
                    "{column}, read 1 step after, reveals the target '{target}'",
                    "{column}, read {n} steps after, reveals the target '{target}'",
                    **named,
                )
            )
        elif copy.lag:
            notes.append(
                say_of(
                    -copy.lag,
                    "{column}, read 1 step before, reveals the target '{target}'",
                    "{column}, read {n} steps before, reveals the target '{target}'",
                    **named,
                )
            )
        else:
            notes.append(say("{column} reveals the target '{target}'", **named))
    return notes


def _rows(prepared: Prepared) -> np.ndarray:
    total = len(prepared.present)
    return np.unique(np.linspace(0, max(0, total - 1), min(total, SAMPLED_ROWS)).astype(int))


def _item_of_rows(prepared: Prepared) -> np.ndarray:
    return np.repeat(np.arange(len(prepared.items)), [item.steps for item in prepared.items])


def _tamed(values_RF: np.ndarray) -> np.ndarray:
    values_RF = values_RF.astype(np.float32)
    return usual_range(values_RF).tamed(values_RF)


def _pairs(prepared: Prepared, x: dict[str, np.ndarray], item_R: np.ndarray) -> Iterator[Alike]:
    modalities = prepared.schema.modalities
    names = [*modalities]
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            found = [(f, g) for f, g, _ in likenesses(x[one], x[other], LEAST_ROWS, item_R)]
            if found:
                columns = tuple((modalities[one].columns[f], modalities[other].columns[g]) for f, g in found[:NAMED])
                yield Alike(one, other, columns, len(found))


def _copies(prepared: Prepared) -> Iterator[Copied]:
    schema = prepared.schema
    names, y = _targets(prepared)
    others = [name for name in schema.modalities if name != schema.targets.from_]
    if schema.targets.scope == "item":
        for name in others:
            means_IF = np.array([_mean(prepared, name, index) for index in range(len(prepared.items))])
            for f, g, r in likenesses(_tamed(means_IF), y, LEAST_ITEMS):
                yield Copied(names[g], name, schema.modalities[name].columns[f], 0, r)
        return
    rows_R = _rows(prepared)
    item_N = _item_of_rows(prepared)
    for name in others:
        known: set[tuple[int, int]] = set()
        for lag in range(-LAGS, LAGS + 1):
            there = (rows_R + lag >= 0) & (rows_R + lag < len(item_N))
            at_R = rows_R[there]
            at_R = at_R[item_N[at_R] == item_N[at_R + lag]]
            x_RF = _tamed(np.asarray(prepared.values[name][at_R + lag]))
            for f, g, r in likenesses(x_RF, y[at_R], LEAST_ROWS, item_N[at_R]):
                if (f, g) not in known:
                    known.add((f, g))
                    yield Copied(names[g], name, schema.modalities[name].columns[f], lag, r)


def _mean(prepared: Prepared, name: str, index: int) -> np.ndarray:
    item = prepared.items[index]
    values_SF = np.asarray(prepared.values[name][item.offset : item.offset + item.steps]).astype(np.float64)
    known_SF = ~np.isnan(values_SF)
    sums_F, counts_F = np.where(known_SF, values_SF, 0.0).sum(axis=0), known_SF.sum(axis=0)
    return np.divide(sums_F, counts_F, out=np.full(len(sums_F), np.nan), where=counts_F > 0)


def _targets(prepared: Prepared) -> tuple[list[str], np.ndarray]:
    """Names and values, one column a target, then one a class; (N, ·), or (I, ·) for scope item."""
    targets = prepared.schema.targets
    K, P = targets.tracks, len(targets.parameters)
    blocks = [counted_targets(prepared, index).reshape(-1, K * P) for index in range(len(prepared.items))]
    y = np.concatenate(blocks) if blocks else np.empty((0, K * P), np.float32)
    names = [column for row in prepared.schema.target_columns() for column in row]
    columns = [_tamed(y)]
    for at in range(K * P):
        parameter = targets.parameters[at % P]
        for code in range(parameter.classes or 0) if (parameter.classes or 0) <= MOST_CLASSES else ():
            names.append(f"{names[at]} = {code}")
            columns.append(np.where(np.isnan(y[:, at : at + 1]), np.nan, y[:, at : at + 1] == code).astype(np.float32))
    return names, np.concatenate(columns, axis=1)


def likenesses(
    x_RF: np.ndarray, y_RG: np.ndarray, least: int, item_R: np.ndarray | None = None
) -> list[tuple[int, int, float]]:
    """Pairs of columns (f, g) with an absolute correlation of :data:`ALIKE` or more over the rows that both know.

    Args:
        least: rows that both must know.
        item_R: the item of each row, where rows are steps in order: one stretch of an item is then one event, however
            many rows it has. None: each row is an item.
    """
    found = []
    y = _scaled(y_RG)
    for first in range(0, x_RF.shape[1], _BLOCK):
        x = _scaled(x_RF[:, first : first + _BLOCK])
        # Rounding of float32 may cost a little; what comes near is computed again with care.
        for f, g in np.argwhere(np.abs(_correlation(x, y)) > ALIKE - 0.01).tolist():
            r = _exact(x_RF[:, first + f], y_RG[:, g], least, item_R)
            if abs(r) >= ALIKE:
                found.append((first + f, g, round(r, 6)))
    return found


def _scaled(values_RF: np.ndarray) -> np.ndarray:
    values_RF = values_RF.astype(np.float64)
    known_RF = ~np.isnan(values_RF)
    count_F = np.maximum(known_RF.sum(axis=0), 1)
    mean_F = np.where(known_RF, values_RF, 0.0).sum(axis=0) / count_F
    values_RF = values_RF - mean_F
    deviation_F = np.sqrt((np.where(known_RF, values_RF, 0.0) ** 2).sum(axis=0) / count_F)
    return (values_RF / np.where(deviation_F > 0, deviation_F, np.inf)).astype(np.float32)


def _correlation(x_RF: np.ndarray, y_RG: np.ndarray) -> np.ndarray:
    """Correlations over the rows that both know, (F, G); 0 if a column does not change there."""
    x_known, y_known = ~np.isnan(x_RF), ~np.isnan(y_RG)
    if x_known.all() and y_known.all():
        return x_RF.T @ y_RG / max(1, len(x_RF))
    x, y = np.where(x_known, x_RF, np.float32(0)), np.where(y_known, y_RG, np.float32(0))
    mx, my = x_known.astype(np.float32), y_known.astype(np.float32)
    n = np.maximum(mx.T @ my, 1)
    sx, sy = x.T @ my / n, mx.T @ y / n
    vx, vy = (x * x).T @ my / n - sx * sx, mx.T @ (y * y) / n - sy * sy
    spread = np.sqrt(np.maximum(vx, 0) * np.maximum(vy, 0))
    return np.divide(x.T @ y / n - sx * sy, spread, out=np.zeros_like(spread), where=spread > 1e-6)


def _exact(x_R: np.ndarray, y_R: np.ndarray, least: int, item_R: np.ndarray | None) -> float:
    both = ~(np.isnan(x_R) | np.isnan(y_R))
    x, y = x_R[both].astype(np.float64), y_R[both].astype(np.float64)
    if len(x) < least or min((v != np.median(v)).sum() for v in (x, y)) < min(LEAST_MOVES, least // 2):
        return 0.0
    if item_R is not None and min(_events(v, item_R[both]) for v in (x, y)) < LEAST_EVENTS:
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    spread = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / spread) if spread > 0 else 0.0


def _events(value_R: np.ndarray, item_R: np.ndarray) -> int:
    """Stretches of one value, other than the median, within one item."""
    begins_R = np.r_[True, (np.diff(value_R) != 0) | (np.diff(item_R) != 0)]
    return int((begins_R & (value_R != np.median(value_R))).sum())
