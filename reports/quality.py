"""The corpus's quality report as tables: row by row, and drawn together per modality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.contents import Table


def quality_table(rows: Sequence[dict[str, Any]]) -> Table:
    """All rows, with every column that any of them has, in order of first mention."""
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    return Table(columns, tuple(tuple(_cell(row.get(c)) for c in columns) for row in rows))


def quality_by_modality(rows: Sequence[dict[str, Any]]) -> Table:
    """One row a modality: number of items, then for each number its mean over items (shares) or its sum (counts).

    The largest of anything called ``largest…`` is kept instead. Empty where rows name no modality.
    """
    frame = pd.DataFrame(list(rows))
    if "modality" not in frame:
        return Table((), ())
    numeric = [str(c) for c in frame.columns if pd.api.types.is_numeric_dtype(frame[c]) and frame[c].notna().any()]
    lines = []
    for modality, part in frame.groupby("modality", sort=False):
        line: list[Any] = [modality, len(part)]
        for column in numeric:
            values = part[column].astype(float)
            whole = (values.dropna() % 1 == 0).all() and pd.api.types.is_integer_dtype(frame[column])
            if column.startswith("largest"):
                line.append(float(values.max()))
            elif pd.api.types.is_bool_dtype(frame[column]) or whole:
                line.append(int(values.sum()))
            else:
                line.append(float(values.mean()))
        lines.append(tuple(_cell(v) for v in line))
    return Table(("modality", "items", *numeric), tuple(lines))


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return ", ".join(str(v) for v in value)
    return None if value is None or value != value else value
