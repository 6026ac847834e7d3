"""Reads one table, .parquet, .feather or .csv, as plain float arrays; reports whatever is wrong with file and line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mmcore.clock import Clock
from mmcore.data.sources.arrow_claims import refuse_arrow_bomb, refuse_claims
from mmcore.data.sources.class_names import ClassNames
from mmcore.data.sources.csv_file import check_columns, no_number, read_csv
from mmcore.data.sources.problems import Tell, different, stop
from mmcore.data.sources.special import refuse_no_file
from mmcore.data.sources.table_files import no_utf8, unreadable
from mmcore.errors import CorpusError
from mmcore.names import nfc


@dataclass(frozen=True)
class Table:
    """The rows of one file, in file order.

    Args:
        time_T: seconds, float64, NaN where a row has none; where rows are segments their starts; None for an untimed
            table.
        values_TF: float32, NaN where a cell is empty; columns in the order that was asked for.
        extra_columns: columns of the file that corpus.yaml does not name.
        end_T: the ends of segments, as ``time_T``; None where rows have one time each.
    """

    time_T: np.ndarray | None
    values_TF: np.ndarray
    extra_columns: int
    end_T: np.ndarray | None = None

    def by_clock(self, clock: Clock) -> Table:
        """The same rows with times as the clock corrects them; itself where there is nothing to correct."""
        if self.time_T is None or clock.keeps_times:
            return self
        end_T = None if self.end_T is None else self.end_T * clock.factor + clock.offset
        return replace(self, time_T=self.time_T * clock.factor + clock.offset, end_T=end_T)

    def sampled(self, rate: float | None) -> Table:
        """The same rows with row i at i / rate seconds; itself for None."""
        return self if rate is None else replace(self, time_T=np.arange(len(self.values_TF)) / rate)

    def without(self, missing: Sequence[float]) -> Table:
        """The same rows, with NaN in cells that hold one of these numbers (as float32); itself where there are none."""
        if not missing:
            return self
        with np.errstate(over="ignore"):
            gone_TF = np.isin(self.values_TF, np.array(missing, np.float32))
        return replace(self, values_TF=np.where(gone_TF, np.float32(np.nan), self.values_TF))


def read_table(
    path: Path,
    columns: Sequence[str],
    times: Sequence[str] = (),
    labels: Mapping[str, tuple[str, ...]] | None = None,
    missing: Sequence[float] = (),
    tell: Tell = stop,
) -> Table:
    """Read ``columns`` and the columns of times of a .parquet, .feather or .csv file.

    Args:
        path: the file; its suffix decides how it is read.
        columns: the wanted columns, in the wanted order; compared in NFC.
        times: the column of times (seconds), or those of starts and ends; none for an untimed table.
        labels: names of classes that the cells of a column may hold in place of codes.
        missing: numbers that are no class in such columns; elsewhere they are kept, see :meth:`Table.without`.
        tell: see :mod:`mmcore.data.sources.problems`; a missing column and a cell with a fault are NaN.

    Returns:
        The table. Empty cells and nulls become NaN, booleans 0 and 1; a file with a header alone has zero rows.
        Numbers beyond float32 become infinite and are counted as such later.

    Raises:
        CorpusError: unreadable file, missing column (with the nearest name) or duplicate column, a cell that is no
            number or no class (with its line; in a .parquet or .feather file the row, from 1).
    """
    wanted = [*times, *columns]
    classes = {column: ClassNames(column, names, tuple(missing)) for column, names in (labels or {}).items()}
    refuse_no_file(path)
    try:
        names, arrays = (read_csv if path.suffix == ".csv" else _read_arrow)(path, wanted, classes, tell)
    except UnicodeDecodeError:
        raise _no_utf8(path) from None
    except PermissionError as error:
        raise unreadable(path, "table", error) from None
    except (OSError, pa.ArrowException) as error:
        raise CorpusError(
            "the table cannot be read",
            found=str(error).splitlines()[0][:200],
            next_step="Write the file again",
            where=str(path),
        ) from None
    time_T, end_T, *_ = [*(arrays.pop(0).astype(np.float64) for _ in times), None, None]
    values_TF = np.empty((len(arrays[0]) if arrays else 0, len(arrays)), np.float32)
    with np.errstate(over="ignore"):
        for at, column_T in enumerate(arrays):
            values_TF[:, at] = column_T
    return Table(time_T, values_TF, len(set(names) - set(wanted) - {"time"}), end_T)


def _no_utf8(path: Path) -> CorpusError:
    try:
        path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return no_utf8(path, error)
    return CorpusError("the file must be UTF-8 text", next_step="Write the file again", where=str(path))


def _read_arrow(
    path: Path, wanted: Sequence[str], classes: Mapping[str, ClassNames], tell: Tell
) -> tuple[list[str], list[np.ndarray]]:
    # Read whole: pyarrow maps a file by default, and a mapped file cannot be replaced on Windows.
    if path.suffix == ".feather":
        from pyarrow import feather

        refuse_arrow_bomb(path)
        table: Any = feather.read_table(path, memory_map=False)
        # pyarrow trusts the buffers of a file: offsets that lead out of them would end the process.
        table.validate(full=True)
        written = list(table.column_names)
        names = [nfc(name) for name in written]
        there = check_columns(path, names, wanted, tell)
    else:
        with pq.ParquetFile(path, memory_map=False) as file:
            written = list(file.schema_arrow.names)
            names = [nfc(name) for name in written]
            there = check_columns(path, names, wanted, tell)
            rows = file.metadata.num_rows
            refuse_claims(path, rows, len(there), path.stat().st_size, 4 * rows * len(there))
            table = file.read(columns=[written[names.index(name)] for name in there], use_threads=False)
    columns = {
        name: _column(path, name, table.column(written[names.index(name)]), classes.get(name), tell) for name in there
    }
    return names, [columns.get(name, np.full(table.num_rows, np.nan)) for name in wanted]


def _column(path: Path, name: str, column: Any, classes: ClassNames | None, tell: Tell) -> np.ndarray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers_T = (column if pa.types.is_floating(kind) else column.cast(pa.float64())).to_numpy()
    elif pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        # Whole numbers above 2^53, such as nanoseconds since 1970, are rounded.
        numbers_T = column.cast(pa.float64(), safe=False).to_numpy()
    elif classes is not None and _is_text(kind):
        return _codes(path, column, classes, tell)
    else:
        cells = column.to_pylist()
        bad = [*different((row, cell) for row, cell in enumerate(cells) if not _parses(cell))]
        for row, cell in bad:
            tell(no_number(name, cell, f"{path}:{row + 1}"))
        if not bad:
            tell(
                CorpusError(
                    f"column '{name}' must hold numbers",
                    found=f"type {kind}",
                    next_step="Write the column as floats, null where there is no value",
                    where=str(path),
                )
            )
        return np.full(len(cells), np.nan)
    if classes is None:
        return numbers_T
    codes_T, wrong = classes.of_numbers(numbers_T.astype(np.float64))
    for row, cell in different((int(at), float(numbers_T[at])) for at in wrong):
        tell(classes.error(cell, f"{path}:{row + 1}"))
    return codes_T


def _is_text(kind: Any) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _codes(path: Path, column: Any, classes: ClassNames, tell: Tell) -> np.ndarray:
    encoded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    place_T = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    codes_T, wrong = classes.of_texts(encoded.dictionary.to_pylist(), place_T)
    for row, cell in different((int(at), column[int(at)].as_py()) for at in wrong):
        tell(classes.error(cell, f"{path}:{row + 1}"))
    return codes_T


def _parses(cell: Any) -> bool:
    if cell is None or cell == "":
        return True
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True
