"""How many steps an item will have, by its tables' rows or times alone: for plans, before anything is aligned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmcore.data.sources.table_files import table_paths
from mmcore.errors import CorpusError
from mmcore.files import open_file, refuse_special
from mmcore.schema import Clock, CorpusSchema

TIMES_READ = 30
"""Items whose columns of times are read; the others are taken to be as long as these on average."""


def counted_steps(folder: Path, schema: CorpusSchema, items: Sequence[str]) -> dict[str, int]:
    """Steps of each item that is looked at; 0 where no table that decides them can be read.

    A reference, and a corpus whose rows are steps, is counted by rows. Otherwise steps are the span of the labels, or
    of the longest stream, over ``step``: alignment may find a few more or fewer, since streams may begin apart. Where
    columns of times must be read only the first :data:`TIMES_READ` items are looked at.

    Raises:
        CorpusError: a folder that cannot be read, an item with two tables.
    """
    names = _deciding(schema)
    paths = {name: table_paths(folder, name, items) for name in names}
    rows_alone = schema.step is None or schema.reference is not None
    timed = not rows_alone and any(_clock(schema, name).columns_of_time for name in names)
    found: dict[str, int] = {}
    for item in items[:TIMES_READ] if timed else items:
        lengths = [
            _rows(paths[name][item]) if rows_alone else _span(schema, name, paths[name][item])
            for name in names
            if item in paths[name]
        ]
        known = [length for length in lengths if length is not None]
        found[item] = max(known, default=0)
    return found


def _deciding(schema: CorpusSchema) -> list[str]:
    """Tables that decide how many steps an item has."""
    if schema.reference is not None:
        return [schema.reference]
    if not schema.targets_are_features and schema.targets.scope == "step":
        return [schema.targets.from_]
    return list(schema.modalities)


def _clock(schema: CorpusSchema, name: str) -> Clock:
    return schema.modalities.get(name, schema.targets)


def _rows(path: Path) -> int | None:
    try:
        refuse_special(path)
        match path.suffix:
            case ".parquet":
                import pyarrow.parquet as parquet

                return parquet.read_metadata(path).num_rows
            case ".feather":
                from pyarrow import feather

                return feather.read_table(path, columns=[], memory_map=False).num_rows
            case _:
                with open_file(path) as file:
                    return max(0, sum(1 for _ in file) - 1)
    except (OSError, ValueError):
        return None


def _span(schema: CorpusSchema, name: str, path: Path) -> int | None:
    from mmcore.data.sources.tables import read_table

    assert schema.step is not None, "a timed corpus"
    clock = _clock(schema, name)
    if clock.sampling_rate is not None:
        rows = _rows(path)
        return None if not rows else int((rows - 1) / clock.sampling_rate / schema.step) + 1
    try:
        table = read_table(path, (), clock.columns_of_time).by_clock(clock)
    except CorpusError:
        return None
    times = [column for column in (table.time_T, table.end_T) if column is not None]
    known = np.concatenate([column[np.isfinite(column)] for column in times])
    return int((known.max() - known.min()) / schema.step) + 1 if len(known) else None
