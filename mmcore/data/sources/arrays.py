"""Arrays as scikit-learn and PyTorch have them, taken apart into tables by item.

N items, T rows (the longest item's), T_i rows of one item, F features, P targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from mmcore.data.sources.given import Faults, ModalityData, TargetData, plain
from mmcore.language import number_of

Rates = float | Fraction | str | Mapping[str, float | Fraction | str] | None
"""Rows per second of all modalities, or by modality."""
Lengths = Sequence[int] | np.ndarray | Mapping[str, Sequence[int] | np.ndarray] | None
"""Rows of each item, of all modalities or by modality."""


def tables_from_arrays(
    X: Mapping[Any, Any],
    y: Any,
    *,
    items: Any = None,
    groups: Any = None,
    split: Any = None,
    sampling_rate: Rates = None,
    lengths: Lengths = None,
    target_names: Sequence[str] | None = None,
) -> tuple[pd.DataFrame, dict[str, ModalityData], TargetData]:
    """Items, modalities and targets for :func:`mmcore.data.sources.frames.draft_corpus`.

    Args:
        X, y, items, groups, split, sampling_rate, lengths, target_names: see
            :meth:`experiments.corpus.Corpus.from_arrays`.

    Raises:
        CorpusError: numbers of items that differ, arrays without a time axis, lengths beyond an array.
    """
    faults = Faults()
    if not isinstance(X, Mapping) or not X:
        faults.add(
            "X must be a mapping of modality to arrays",
            found="an empty one" if isinstance(X, Mapping) else f"a {type(X).__name__}",
            next_step='Write {"audio": X}',
        )
        faults.stop()
    given = {plain(key): one if isinstance(one, ModalityData) else ModalityData(one) for key, one in X.items()}
    count = len(next(iter(given.values())).tables)
    frame = _items(items, groups, split, count, faults)
    names = frame["item"].tolist()
    modalities: dict[str, ModalityData] = {}
    for name, data in given.items():
        arrays = _by_item(data.tables, names, _of(lengths, name), name, faults)
        rate = data.sampling_rate if data.sampling_rate is not None else _of(sampling_rate, name)
        modalities[name] = replace(data, tables=arrays, sampling_rate=rate)
    targets = _targets(y, names, lengths, sampling_rate, target_names, faults)
    faults.stop()
    return frame, modalities, targets


def _of(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else value


def _items(items: Any, groups: Any, split: Any, count: int, faults: Faults) -> pd.DataFrame:
    if isinstance(items, pd.DataFrame):
        frame = items.rename_axis("item").reset_index() if "item" not in items.columns else items.reset_index(drop=True)
    else:
        width = max(3, len(str(count - 1)))
        names = [f"item_{at:0{width}d}" for at in range(count)] if items is None else list(items)
        frame = pd.DataFrame({"item": names})
    if len(frame) != count:
        faults.add("items must name every item of X", expected=number_of(count, "item"), found=f"{len(frame)}")
    for column, values in (("group", groups), ("split", split)):
        if values is None:
            continue
        if len(values) != len(frame):
            faults.add(
                f"{'groups' if column == 'group' else column} must have a value for every item",
                expected=number_of(len(frame), "value"),
                found=f"{len(values)}",
            )
        else:
            frame[column] = list(values)
    faults.stop()
    return frame


def _by_item(
    arrays: Any, names: Sequence[str], lengths: Any, name: str, faults: Faults
) -> dict[str, pd.DataFrame | np.ndarray]:
    """Item to array of shape (T_i, F); padding is cut off, and an item that is all padding has no table."""
    if len(arrays) != len(names):
        faults.add(
            "all modalities must have the same items", name=name, expected=number_of(len(names), 'array'),
            found=f"{len(arrays)}", next_step="Write None, or rows of NaN, where an item lacks the modality",
        )  # fmt: skip
        return {}
    if isinstance(arrays, np.ndarray) and arrays.dtype != object and arrays.ndim != 3:
        faults.add(
            "an array of a modality must have the axes item, time and feature",
            name=name,
            expected="shape (N, T, F)",
            found=f"shape {arrays.shape}",
            next_step="Write X[:, :, None] for one feature, or X[:, None, :] for one row an item",
        )
        return {}
    if lengths is not None and len(lengths) != len(names):
        faults.add("lengths must have a number for every item", name=name, expected=number_of(len(names), "number"))
        return {}
    found: dict[str, pd.DataFrame | np.ndarray] = {}
    for at, (item, array) in enumerate(zip(names, arrays, strict=True)):
        if array is None:
            continue
        values = _unpadded(array, None if lengths is None else int(lengths[at]), name, item, faults)
        if values is not None and len(values):
            found[item] = values
    return found


def _unpadded(array: Any, length: int | None, name: str, item: str, faults: Faults) -> pd.DataFrame | np.ndarray | None:
    """Without the rows beyond ``length``, or where that is None without rows of NaN at the end."""
    values = array if isinstance(array, pd.DataFrame) else np.asarray(array)
    if length is not None:
        if not 0 <= length <= len(values):
            faults.add(
                "a length must not go beyond its array", name=name, item=item, expected=f"at most {len(values)}",
                found=str(length),
            )  # fmt: skip
        return values.iloc[:length] if isinstance(values, pd.DataFrame) else values[:length]
    if isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.ndim:
        full = np.flatnonzero(~np.isnan(values.reshape(len(values), -1)).all(axis=1))
        return values[: full[-1] + 1] if len(full) else None
    return values


def _targets(
    y: Any, names: Sequence[str], lengths: Lengths, sampling_rate: Rates, target_names: Any, faults: Faults
) -> TargetData:
    data = y if isinstance(y, TargetData) else TargetData(y)
    values = data.tables
    if isinstance(values, str):
        return data
    columns = target_names if target_names is not None else data.columns
    if not isinstance(values, pd.DataFrame | pd.Series | np.ndarray):
        values = list(values)
        if all(np.ndim(one) == 0 for one in values):
            values = np.array(values)
    if len(values) != len(names):
        faults.add(
            "y must have a value for every item of X",
            expected=number_of(len(names), "value"),
            found=f"{len(values)}",
        )
        return data
    if isinstance(values, pd.DataFrame | pd.Series):
        return replace(data, tables=values.set_axis(list(names), axis=0), columns=columns)
    if isinstance(values, np.ndarray) and values.ndim < 3:
        values = values[:, None] if values.ndim == 1 else values
        width = values.shape[1]
        given = [plain(c) for c in columns] if columns is not None else ["y"] if width == 1 else _numbered(width)
        if len(given) != width:
            faults.add("target_names must name every column of y", expected=f"{width} names", found=f"{len(given)}")
            return data
        return replace(data, tables=pd.DataFrame(values, index=list(names), columns=given), columns=None)
    rate = data.sampling_rate if data.sampling_rate is not None else _of(sampling_rate, "y")
    tables = _by_item(values, names, _of(lengths, "y"), "y", faults)
    width = max((np.shape(one)[1] if np.ndim(one) == 2 else 1 for one in tables.values()), default=1)
    given = columns if columns is not None else ["y"] if width == 1 else _numbered(width)
    return replace(data, tables=tables, columns=given, sampling_rate=rate)


def _numbered(width: int) -> list[str]:
    return [f"y_{at}" for at in range(width)]
