"""Reads one table, .parquet or .csv, as plain float arrays; whatever is wrong is told with file and line."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mmcore.errors import CorpusError, nearest
from mmcore.schema import Clock

TIME = "time"


@dataclass(frozen=True)
class Table:
    """The rows of one file, in file order.

    Args:
        time_T: seconds, float64, NaN where a row has none; None for an untimed table.
        values_TF: float32, NaN where a cell is empty; columns in the order that was asked for.
        extra_columns: columns of the file that nobody asked for.
    """

    time_T: np.ndarray | None
    values_TF: np.ndarray
    extra_columns: int

    def by_clock(self, clock: Clock) -> Table:
        """The same rows with times as the clock corrects them; itself where there is nothing to correct."""
        if self.time_T is None or clock.keeps_times:
            return self
        return replace(self, time_T=self.time_T * clock.factor + clock.offset)

    def without(self, missing: Sequence[float]) -> Table:
        """The same rows, with NaN in cells that hold one of these numbers (as float32); itself where there are none."""
        if not missing:
            return self
        with np.errstate(over="ignore"):
            gone_TF = np.isin(self.values_TF, np.array(missing, np.float32))
        return Table(self.time_T, np.where(gone_TF, np.float32(np.nan), self.values_TF), self.extra_columns)


def read_table(path: Path, columns: Sequence[str], timed: bool) -> Table:
    """Read ``columns`` (and ``time``, where the table is timed) of a .parquet or .csv file.

    Args:
        path: the file; its suffix decides how it is read.
        columns: the wanted columns, in the wanted order.
        timed: whether a column ``time`` (seconds) is required; else such a column is ignored.

    Returns:
        The table. Empty cells and nulls become NaN, booleans 0 and 1; a file with a header alone has zero rows.
        Numbers beyond float32 become infinite and are counted as such later.

    Raises:
        CorpusError: unreadable file, missing column (with the nearest name) or duplicate column, a cell that
            is no number (with its line; in a .parquet file the row, from 1).
    """
    wanted = [TIME, *columns] if timed else list(columns)
    reader = _read_parquet if path.suffix == ".parquet" else _read_csv
    try:
        names, arrays = reader(path, wanted)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise CorpusError(
            "the table cannot be read",
            found=str(error).splitlines()[0][:200],
            next_step="Write the file again",
            where=str(path),
        ) from None
    time_T = arrays.pop(0).astype(np.float64) if timed else None
    values_TF = np.empty((len(arrays[0]) if arrays else 0, len(arrays)), np.float32)
    with np.errstate(over="ignore"):
        for at, column_T in enumerate(arrays):
            values_TF[:, at] = column_T
    return Table(time_T, values_TF, len(set(names) - set(wanted) - {TIME}))


def _check_columns(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    have = set(names)
    for column in wanted:
        if column not in have:
            raise CorpusError(
                f"column '{column}' is missing",
                expected=f"{len(wanted)} columns that corpus.yaml names",
                found=f"{len(names)} columns",
                next_step=nearest(column, sorted(have))[:300],
                where=f"{path}:1" if path.suffix == ".csv" else str(path),
            )
    if len(have) != len(names):
        wanted_twice = sorted(name for name in set(wanted) if list(names).count(name) > 1)
        if wanted_twice:
            raise CorpusError(f"column '{wanted_twice[0]}' stands there twice", where=str(path))


def _no_number(path: Path, line: int, column: str, found: object) -> CorpusError:
    return CorpusError(
        f"column '{column}' must hold numbers",
        found=repr(found)[:80],
        next_step="Leave the cell empty where there is no value",
        where=f"{path}:{line}",
    )


def _read_parquet(path: Path, wanted: list[str]) -> tuple[list[str], list[np.ndarray]]:
    # Read whole: pyarrow maps a file by default, and a mapped file cannot be replaced on Windows.
    with pq.ParquetFile(path, memory_map=False) as file:
        names = list(file.schema_arrow.names)
        _check_columns(path, names, wanted)
        table = file.read(columns=wanted, use_threads=False)
    arrays = []
    for name in wanted:
        column = table.column(name)
        kind = column.type
        if pa.types.is_floating(kind):
            arrays.append(column.to_numpy())
        elif pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
            arrays.append(column.cast(pa.float64()).to_numpy())
        else:
            cells = column.to_pylist()
            bad = next((i for i, cell in enumerate(cells) if not _parses(cell)), None)
            if bad is not None:
                raise _no_number(path, bad + 1, name, cells[bad])
            raise CorpusError(
                f"column '{name}' must hold numbers",
                found=f"type {kind}",
                next_step="Write the column as floats, null where there is no value",
                where=str(path),
            )
    return names, arrays


def _parses(cell: Any) -> bool:
    if cell is None or cell == "":
        return True
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


def _read_csv(path: Path, wanted: list[str]) -> tuple[list[str], list[np.ndarray]]:
    _, names = next(_rows(path), (1, []))
    if not names:
        raise CorpusError(
            "a table must begin with a line of column names",
            found="an empty file" if not path.stat().st_size else "an empty line",
            where=f"{path}:1",
        )
    _check_columns(path, names, wanted)
    try:
        with warnings.catch_warnings():
            # Rows longer than the header would otherwise lose cells with nothing but a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(path, encoding="utf-8-sig", index_col=False, low_memory=False)
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        for line, cells in _rows(path):
            if len(cells) > len(names):
                raise CorpusError(
                    "a row must not have more cells than the header",
                    expected=f"{len(names)} cells",
                    found=f"{len(cells)} cells",
                    next_step="Quote a cell that holds a comma, or name the columns in the header",
                    where=f"{path}:{line}",
                ) from None
        raise CorpusError(
            "the table cannot be read",
            found=str(error).removeprefix("Error tokenizing data. C error: ").strip()[:200],
            next_step="Check its commas and quotes",
            where=str(path),
        ) from None
    arrays = []
    for name in wanted:
        column: Any = frame[name]
        if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
            numbers: Any = pd.to_numeric(column, errors="coerce")
            bad = np.flatnonzero((numbers.isna() & column.notna()).to_numpy())
            if len(bad):
                raise _no_number(path, _line_of(path, int(bad[0])), name, column.iloc[bad[0]])
            column = numbers
        arrays.append(column.to_numpy(np.float64))
    return names, arrays


def _line_of(path: Path, row: int) -> int:
    """The line in the file where data row ``row`` (from 0, blank lines not counted) ends."""
    lines = (line for line, cells in _rows(path) if cells)
    return next(line for at, line in enumerate(lines) if at == row + 1)


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Every row with the line where it ends, header and blank lines included."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                raise CorpusError(
                    "the row cannot be read",
                    found=str(error),
                    next_step="Check its quotes: one that is never closed makes a cell of the rest of the file",
                    where=f"{path}:{reader.line_num}",
                ) from None
            if cells is None:
                return
            yield reader.line_num, cells
