"""The targets that a user hands over: one per item, over time, or columns of a modality."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import pandas as pd

from mmcore.data.sources.frame_kinds import Column, parameters_of
from mmcore.data.sources.frame_tables import Cells, RawTable, cells_of, read_tables
from mmcore.data.sources.given import Faults, TargetData, plain, suggest
from mmcore.data.sources.written import WrittenTargets
from mmcore.errors import nearest

_TRACK = re.compile(r"(0|[1-9]\d*)_(.+)", re.DOTALL)


@dataclass(frozen=True)
class OwnTargets:
    """Targets in a table of their own.

    Args:
        name: of that table.
        scope: one target per item, or targets over time.
        tables: item to table; one row each for scope item.
    """

    name: str
    scope: Literal["item", "step"]
    tables: dict[str, RawTable]


def own_targets(data: TargetData, items: Container[str], faults: Faults) -> OwnTargets:
    """Read targets that are no columns of a modality.

    One target per item: a frame or series with one row per item, or a mapping of item to value (or to a mapping of
    column to value). Targets over time: a mapping of item to table, or one frame with ``item`` and times.

    Args:
        items: those that have a table of some modality.
    """
    name = plain(data.name)
    if _per_item(data):
        return OwnTargets(name, "item", _one_row_each(data, name, items, faults))
    return OwnTargets(name, "step", read_tables(data, name, faults))


def _per_item(data: TargetData) -> bool:
    tables = data.tables
    if isinstance(tables, pd.Series):
        return tables.index.nlevels == 1
    if isinstance(tables, pd.DataFrame):
        timed = data.time in tables or {data.start, data.end} <= set(tables.columns)
        return not timed and tables.index.nlevels == 1
    return isinstance(tables, Mapping) and all(
        isinstance(one, Mapping | str) or (not isinstance(one, pd.DataFrame | pd.Series) and np.ndim(one) == 0)
        for one in tables.values()
    )


def _one_row_each(data: TargetData, name: str, known: Container[str], faults: Faults) -> dict[str, RawTable]:
    frame = _frame_of_items(data, name)
    items = [plain(item) for item in frame.pop("item")] if "item" in frame else [plain(i) for i in frame.index]
    if isinstance(data.tables, pd.DataFrame | pd.Series) and not any(item in known for item in items):
        faults.add(
            "a frame of targets names its items in a column or index 'item'",
            name=name,
            found=f"columns {', '.join(frame.columns)}; index {', '.join(items[:3])}, …",
            next_step="Set it: frame.set_index(…), or add the column",
        )
        return {}
    if len(set(items)) < len(items):
        twice = next(item for item in items if items.count(item) > 1)
        faults.add(
            "a frame of targets without times has one row per item",
            name=name,
            item=twice,
            found=f"{items.count(twice)} rows",
            next_step="Keep one row, or add a column 'time' for targets over time",
        )
        return {}
    if data.columns is not None:
        for column in data.columns:
            if plain(column) not in frame.columns:
                faults.add(f"column '{column}' is missing", name=name, next_step=suggest(column, list(frame.columns)))
                return {}
        frame = frame[[plain(column) for column in data.columns]]
    if not len(items) or not frame.shape[1]:
        faults.add("targets must have a row and a column", name=name, found=f"shape {frame.shape}")
        return {}
    series: dict[str, pd.Series] = {c: cast("pd.Series", frame[c]) for c in frame.columns}
    columns = {c: cells_of(one, c, name, items[0], faults) for c, one in series.items()}
    return {
        item: RawTable(
            {}, "rows", {c: Cells(one.form, one.values_T[at : at + 1], one.levels) for c, one in columns.items() if one}
        )
        for at, item in enumerate(items)
    }


def _frame_of_items(data: TargetData, name: str) -> pd.DataFrame:
    """One row per item; items in the column ``item``, or in the index."""
    tables = data.tables
    if isinstance(tables, pd.Series):
        frame = tables.to_frame("target" if tables.name is None else tables.name)
    elif isinstance(tables, pd.DataFrame):
        frame = tables
    elif any(isinstance(one, Mapping) for one in tables.values()):
        frame = pd.DataFrame.from_dict({key: dict(one) for key, one in tables.items()}, orient="index")
    else:
        frame = pd.DataFrame({"target": pd.Series(dict(tables))})
    return frame.set_axis([plain(column) for column in frame.columns], axis=1)


def shared_targets(
    data: TargetData, columns: Sequence[Column] | None, modalities: Sequence[str], faults: Faults
) -> WrittenTargets | None:
    """Targets that are columns of a modality, as corpus.yaml has them.

    Columns ``0_x, 0_y, 1_x, 1_y`` are two tracks with the parameters x and y; other names are one track.

    Args:
        data: ``tables`` is the modality's name; ``columns`` those that are predicted, None: all.
        columns: of the modality; None where there is no such modality.

    Returns:
        None where they cannot be targets; ``faults`` has the reason.
    """
    name = plain(data.tables)
    if columns is None:
        faults.add(
            f"targets name the modality '{name}', which is not there",
            next_step=nearest(name, list(modalities)) + ". Labels are given as a frame, or as item to frame",
        )
        return None
    options = {"kinds": data.kinds, "labels": data.labels, "units": data.units, "resample": data.resample}
    options |= {"sampling_rate": data.sampling_rate, "rate": data.rate, "offset": data.offset}
    options |= {"missing_values": tuple(data.missing_values)}
    for option in (option for option, value in options.items() if value):
        faults.add(
            f"targets taken from a modality are read as that modality says, so they have no {option}",
            name=name,
            next_step=f"Write {option} in ModalityData",
        )
    if data.columns is not None:
        by_name = {column.name: column for column in columns}
        chosen = [plain(column) for column in data.columns]
        for column in chosen:
            if column not in by_name:
                faults.add(f"target column '{column}' is missing", name=name, next_step=suggest(column, list(by_name)))
                return None
        columns = [by_name[column] for column in chosen]
    tracks = _tracks(columns)
    first = tracks[0]
    for column in first:
        if column.kind == "embedding":
            faults.add(
                f"column '{column.name}' of an embedding cannot be a target",
                name=name,
                next_step=f'Choose the columns that are predicted: TargetData("{name}", columns=[…])',
            )
            return None
    merged = [_merged(same, name, faults) for same in zip(*tracks, strict=True)]
    return {"from": name, "tracks": len(tracks), "parameters": parameters_of(merged, data)}


def _tracks(columns: Sequence[Column]) -> list[list[Column]]:
    """The columns of each track, with the names of parameters, in one order."""
    found: dict[int, dict[str, Column]] = {}
    for column in columns:
        parts = _TRACK.fullmatch(column.name)
        if parts is None:
            return [list(columns)]
        found.setdefault(int(parts[1]), {})[parts[2]] = column
    first = found.get(0, {})
    if sorted(found) != list(range(len(found))) or any(set(track) != set(first) for track in found.values()):
        return [list(columns)]
    return [
        [Column(name, found[k][name].kind, found[k][name].labels, found[k][name].classes) for name in first]
        for k in range(len(found))
    ]


def _merged(same: Sequence[Column], name: str, faults: Faults) -> Column:
    """One parameter from its columns in all tracks."""
    first = same[0]
    odd = next((k for k, one in enumerate(same) if (one.kind, one.labels) != (first.kind, first.labels)), None)
    if odd is not None:
        faults.add(
            f"parameter '{first.name}' must be of one kind in all tracks",
            name=name,
            found=f"{first.kind} in track 0, {same[odd].kind} in track {odd}",
            next_step=f'Set it in ModalityData: kinds={{"{odd}_{first.name}": "{first.kind}"}}',
        )
    classes = max((one.classes or 0 for one in same), default=0) or None
    return Column(first.name, first.kind, first.labels, classes)
