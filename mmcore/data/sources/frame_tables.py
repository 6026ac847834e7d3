"""One table that a user hands over, as times and columns; whatever is wrong is kept with item and modality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from mmcore.data.sources.frame_times import Clock, times_of
from mmcore.data.sources.given import Data, Faults, plain
from mmcore.language import number_of


@dataclass(frozen=True)
class Cells:
    """One column of one table.

    Args:
        form: what its cells are; ``empty`` where there is none.
        values_T: numbers with NaN for no value, or text with None for no value.
        levels: class names in their order, where the type has them.
    """

    form: Literal["float", "int", "bool", "text", "empty"]
    values_T: np.ndarray
    levels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class RawTable:
    """A table, taken apart.

    Args:
        times: ``time``, or ``start`` and ``end``, in seconds (float64), or nanoseconds (int64) where ``clock`` is
            dates; {} for rows.
        clock: how to read them.
        columns: every other column, by name.
    """

    times: dict[str, np.ndarray]
    clock: Clock
    columns: dict[str, Cells]


def read_tables(data: Data, name: str, faults: Faults) -> dict[str, RawTable]:
    """Every table of a modality or of targets over time, by item, however they were handed over.

    Items without a table are left out; a table that cannot be read is a fault, and empty.
    """
    tables = data.tables
    if isinstance(tables, pd.DataFrame):
        tables = dict(_by_item(tables, name, faults))
    if not isinstance(tables, Mapping):
        faults.add(
            "tables must be a mapping of item to table, or a frame with a column 'item'",
            name=name,
            found=f"a {type(tables).__name__}",
            next_step="Write {'first': frame, 'second': frame}",
        )
        return {}
    found: dict[str, RawTable] = {}
    for key, table in tables.items():
        item = plain(key)
        if item in found:
            faults.add("two tables have one item's name", name=name, item=item, next_step="Name each item differently")
        if table is not None:
            # An unreadable table is a table all the same: its item must not be called bare as well.
            found[item] = raw_table(table, data, name, item, faults) or RawTable({}, "rows", {})
    if not any(table is not None for table in tables.values()):
        faults.add("no item has a table", name=name, next_step="Leave it out, or give a table for some item")
    return found


def _by_item(frame: pd.DataFrame, name: str, faults: Faults) -> Iterator[tuple[Any, pd.DataFrame]]:
    if "item" in frame.index.names:
        frame = frame.reset_index("item")
    if "item" not in frame.columns:
        faults.add(
            "one frame for all items needs a column 'item'",
            name=name,
            found=f"columns {_listed(frame.columns)}",
            next_step="Add it, or give a mapping of item to frame",
        )
        return
    for item, part in frame.groupby("item", sort=False, observed=True, dropna=False):
        if plain(item) == "":
            faults.add("a row names no item", name=name, found=f"{len(part)} such rows", next_step="Drop or fill them")
        else:
            yield item, part.drop(columns="item")


def raw_table(table: Any, data: Data, name: str, item: str, faults: Faults) -> RawTable | None:
    """Take one table apart.

    Args:
        table: a frame, a series or an array of shape (T, F) or (T,).
        data: says how columns are named.
        name, item: whose, for messages.
        faults: receives everything that is wrong: no rows, columns named twice, cells that are neither numbers nor
            text, infinite numbers, times that do not increase.

    Returns:
        None where nothing can be read.
    """
    frame = _frame(table, data, name, item, faults)
    if frame is None:
        return None
    if not len(frame):
        faults.add(
            "a table must have rows", name=name, item=item, next_step="Leave the item out where it has no such table"
        )
        return None
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        faults.add(f"column '{twice[0]}' appears twice", name=name, item=item, next_step="Rename or drop one")
        return None
    if "" in frame.columns:
        faults.add("a column must have a name", name=name, item=item, next_step="Rename or drop it")
        return None
    frame, times, clock = times_of(frame, data, name, item, faults)
    if data.columns is not None:
        wanted = list(dict.fromkeys(map(plain, data.columns)))
        missing = [column for column in wanted if column not in frame.columns]
        if missing:
            faults.add(
                f"column '{missing[0]}' is missing",
                name=name,
                item=item,
                found=f"columns {_listed(frame.columns)}",
                next_step="Correct the name in columns",
            )
            return None
        frame = frame.loc[:, wanted]
    numbers = _finite_numbers(frame)
    cells: dict[str, Cells] = {}
    for column in frame.columns:
        series: Any = None if column in numbers else frame[column]
        one = numbers[column] if column in numbers else cells_of(series, column, name, item, faults)
        if one is not None:
            cells[column] = one
    return RawTable(times, clock, cells)


def _finite_numbers(frame: pd.DataFrame) -> dict[str, Cells]:
    """The columns of plain floats, where all are finite or NaN: read at once, since embeddings have hundreds."""
    found: dict[str, Cells] = {}
    for kind in (np.float32, np.float64):
        part = frame.loc[:, [dtype == kind for dtype in frame.dtypes]]
        values_TF = part.to_numpy()
        if part.shape[1] and not np.isinf(values_TF).any():
            found |= {column: Cells("float", values_TF[:, at]) for at, column in enumerate(part.columns)}
    return found


def _frame(table: Any, data: Data, name: str, item: str, faults: Faults) -> pd.DataFrame | None:
    """With column names as text."""
    if not isinstance(table, pd.DataFrame | pd.Series) and hasattr(table, "to_pandas"):
        # Tables of pyarrow and polars; as arrays they would lose their names.
        table = table.to_pandas()
    if isinstance(table, pd.Series):
        table = table.to_frame(table.name if table.name is not None else name)
    if isinstance(table, pd.DataFrame):
        if isinstance(table.columns, pd.MultiIndex):
            faults.add(
                "columns must have one level of names",
                name=name,
                item=item,
                found=f"{table.columns.nlevels} levels",
                next_step="Join them: frame.columns = ['_'.join(map(str, c)) for c in frame.columns]",
            )
            return None
        if not isinstance(table.columns, pd.RangeIndex):
            return table.set_axis([plain(column) for column in table.columns], axis=1)
        return _named(table, data, name, item, faults)
    values = np.asarray(table)
    if values.ndim == 1 and values.dtype != object:
        values = values[:, None]
    if values.ndim != 2:
        faults.add(
            "a table must be a frame, or an array with one row a time and one column a feature",
            name=name,
            item=item,
            expected="shape (T, F)",
            found=f"a {type(table).__name__} of shape {values.shape}",
            next_step="Flatten the other axes into columns: x.reshape(len(x), -1)",
        )
        return None
    return _named(pd.DataFrame(values), data, name, item, faults)


def _named(frame: pd.DataFrame, data: Data, name: str, item: str, faults: Faults) -> pd.DataFrame | None:
    """A table whose columns have no names gets those that were said, or numbers."""
    columns = _column_names(data, name, frame.shape[1])
    if len(columns) == frame.shape[1]:
        return frame.set_axis(columns, axis=1)
    faults.add(
        "columns must name every column of an array",
        name=name,
        item=item,
        expected=number_of(len(columns), "column"),
        found=f"shape {frame.shape}",
        next_step="Correct columns, or the array",
    )
    return None


def _column_names(data: Data, name: str, count: int) -> list[str]:
    if data.columns is not None:
        return [plain(column) for column in data.columns]
    return [name] if count == 1 else [f"{name}_{at}" for at in range(count)]


def _listed(names: Sequence[Any] | pd.Index) -> str:
    shown = ", ".join(map(str, names[:8]))
    return f"{shown}, … ({len(names)})" if len(names) > 8 else shown


# Cells -------------------------------------------------------------------------------------------------------------
def cells_of(series: pd.Series, column: str, name: str, item: str, faults: Faults) -> Cells | None:
    """One column as numbers or text; None, and a fault, where it is neither."""
    kind: Any = series.dtype
    if isinstance(kind, pd.CategoricalDtype):
        levels = tuple(plain(level).strip() for level in kind.categories)
        return Cells("text", _text(series.astype(object)), levels)
    if pd.api.types.is_object_dtype(kind):
        kind = _objects(series, column, name, item, faults)
        if kind is None:
            return None
    match kind:
        case "empty":
            return Cells("empty", np.full(len(series), np.nan))
        case "text":
            return Cells("text", _text(series))
        case "bool":
            form: Any = "bool"
        case "float":
            form = "float"
        case _ if pd.api.types.is_string_dtype(kind):
            return (
                Cells("text", _text(series)) if series.notna().any() else Cells("empty", np.full(len(series), np.nan))
            )
        case _ if pd.api.types.is_bool_dtype(kind):
            form = "bool"
        case _ if pd.api.types.is_integer_dtype(kind):
            form = "int"
        case _ if pd.api.types.is_float_dtype(kind):
            form = "float"
        case _:
            faults.add(
                f"column '{column}' must hold numbers or text",
                name=name,
                item=item,
                found=f"{kind}",
                next_step="Convert it, or leave it out",
            )
            return None
    if kind in (np.float32, np.float64):
        values_T = series.to_numpy()
    elif form != "float" and not series.isna().any():
        values_T = series.to_numpy(np.int64 if form == "int" else bool)
    else:
        values_T = series.to_numpy(np.float64, na_value=np.nan)
    if form == "float" and np.isinf(values_T).any():
        row = int(np.flatnonzero(np.isinf(values_T))[0])
        faults.add(
            f"column '{column}' must be finite",
            name=name,
            item=item,
            found=f"{values_T[row]} in row {row}",
            next_step="Write NaN where there is no value: frame.replace([np.inf, -np.inf], np.nan)",
        )
        return None
    return Cells(form, values_T)


def _objects(series: pd.Series, column: str, name: str, item: str, faults: Faults) -> str | None:
    """What the cells of a column of Python objects are."""
    known = series[series.notna()]
    kinds = {
        "bool" if isinstance(cell, bool | np.bool_) else "text" if isinstance(cell, str)
        else "float" if isinstance(cell, int | float | np.number) else type(cell).__name__
        for cell in known
    }  # fmt: skip
    if not kinds:
        return "empty"
    if len(kinds) == 1 and kinds <= {"bool", "text", "float"}:
        return kinds.pop()
    row, odd = next(
        (row, cell) for row, cell in enumerate(series) if not isinstance(cell, str) and not _missing(cell)
    )  # fmt: skip
    many = isinstance(odd, list | tuple | np.ndarray)
    faults.add(
        f"column '{column}' must hold numbers or text",
        name=name,
        item=item,
        found=f"objects: {odd!r} in row {row}"[:90] + (" beside text" if "text" in kinds else ""),
        next_step="Give an array with a column for each number: np.stack(frame[column])"
        if many
        else "Convert it with pd.to_numeric or .astype(str), or leave it out",
    )
    return None


def _missing(cell: Any) -> bool:
    return cell is None or cell is pd.NA or cell is pd.NaT or (isinstance(cell, float) and cell != cell)


def _text(series: pd.Series) -> np.ndarray:
    """Text cells in one spelling; None where there is none."""
    values_T = np.empty(len(series), object)
    values_T[:] = [plain(cell).strip() or None for cell in series]
    return values_T
