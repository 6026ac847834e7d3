"""Reads columns of a .csv file; reports whatever is wrong with its line.

pandas is imported where a file is read: plans of corpora in other forms do without it.
"""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmcore.data.sources.class_names import ClassNames
from mmcore.data.sources.look_alikes import ends_within_a_line
from mmcore.data.sources.problems import Tell, different, stop
from mmcore.errors import CorpusError, nearest
from mmcore.language import number_of
from mmcore.names import nfc


def read_csv(
    path: Path, wanted: Sequence[str], classes: Mapping[str, ClassNames], tell: Tell = stop
) -> tuple[list[str], list[np.ndarray]]:
    """The names of all columns, and the wanted ones as float64; NaN where a cell is empty.

    Args:
        path: the file. wanted: columns. classes: those of them whose cells may hold names of classes.
        tell: see :mod:`mmcore.data.sources.problems`; a missing column and a cell with a fault are NaN.

    Raises:
        CorpusError: see :func:`mmcore.data.sources.tables.read_table`.
    """
    _, written = next(_rows(path), (1, []))
    if not written:
        raise CorpusError(
            "a table must begin with a line of column names",
            found="an empty file" if not path.stat().st_size else "an empty line",
            where=f"{path}:1",
        )
    refuse_separator(path, written)
    names = [nfc(name) for name in written]
    there = check_columns(path, names, wanted, tell)
    _refuse_cut(path, len(written))
    frame = _frame(path, written)
    # As text, and read apart: in a column of names "None" or "NA" may be a class.
    named = [written[names.index(name)] for name in there if name in classes]
    texts = _frame(path, written, usecols=named, dtype=str, na_filter=False) if named else frame
    arrays = []
    for name in wanted:
        if name not in there:
            arrays.append(np.full(len(frame), np.nan))
            continue
        column = written[names.index(name)]
        if name in classes:
            arrays.append(_codes(path, texts[column], frame[column], classes[name], tell))
        else:
            arrays.append(_numbers(path, name, frame[column], tell))
    return names, arrays


def refuse_separator(path: Path, header: Sequence[str]) -> None:
    """Refuse a table whose cells other characters separate than commas, as spreadsheets of many countries save it.

    Raises:
        CorpusError: the header is one cell that holds semicolons or tabs.
    """
    for mark, called in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and mark in header[0]:
            raise CorpusError(
                "cells of a corpus are separated by commas, and numbers have a decimal point",
                found=called,
                next_step="Save it as CSV with commas. mmstudy data init reads a folder of such files as they are",
                where=f"{path}:1",
            )


def _refuse_cut(path: Path, columns: int) -> None:
    """Refuse a file that ends within a row: the cells that are missing would count as empty."""
    if not ends_within_a_line(path):
        return
    last, line = [], 1
    for line, last in _rows(path):  # noqa: B007
        pass
    if 0 < len(last) < columns:
        raise CorpusError(
            "the file ends in the middle of a row",
            expected=f"{number_of(columns, 'cell')} and a line break",
            found=number_of(len(last), "cell"),
            next_step="It was cut off: copy or write it again",
            where=f"{path}:{line}",
        )


def _frame(path: Path, names: Sequence[str], **how: Any) -> Any:
    import pandas as pd

    try:
        with warnings.catch_warnings():
            # Rows longer than the header would otherwise lose cells with nothing but a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(path, encoding="utf-8-sig", index_col=False, low_memory=False, **how)
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        for line, cells in _rows(path):
            if len(cells) > len(names):
                raise CorpusError(
                    "a row must not have more cells than the header",
                    expected=number_of(len(names), "cell"),
                    found=number_of(len(cells), "cell"),
                    next_step="Quote a cell that holds a comma, or name the columns in the header",
                    where=f"{path}:{line}",
                ) from None
        raise CorpusError(
            "the table cannot be read",
            found=str(error).removeprefix("Error tokenizing data. C error: ").strip()[:200],
            next_step="Check its commas and quotes",
            where=str(path),
        ) from None


def _numbers(path: Path, name: str, column: Any, tell: Tell) -> np.ndarray:
    import pandas as pd

    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
        try:
            numbers: Any = pd.to_numeric(column, errors="coerce")
        except OverflowError:
            # Whole numbers of hundreds of digits are objects of their own; as numbers they are infinite.
            numbers = column.map(_as_number)
        bad = np.flatnonzero((numbers.isna() & column.notna()).to_numpy())
        for row, cell in different((int(at), column.iloc[at]) for at in bad):
            tell(no_number(name, cell, f"{path}:{_line_of(path, row)}"))
        column = numbers
    return column.to_numpy(np.float64)


def _as_number(cell: object) -> float:
    try:
        return float(str(cell))
    except ValueError:
        return np.nan


def _codes(path: Path, texts: Any, column: Any, names: ClassNames, tell: Tell) -> np.ndarray:
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        cells, (codes_T, wrong) = column, names.of_numbers(column.to_numpy(np.float64))
    else:
        place_T, found = pd.factorize(texts)
        cells, (codes_T, wrong) = texts, names.of_texts(list(found), place_T)
    for row, cell in different((int(at), cells.iloc[at]) for at in wrong):
        tell(names.error(cell, f"{path}:{_line_of(path, row)}"))
    return codes_T


def check_columns(path: Path, names: Sequence[str], wanted: Sequence[str], tell: Tell = stop) -> list[str]:
    """The wanted columns that a table has once.

    Args:
        tell: called with each that it lacks, with the nearest name that it has, or has twice.

    Raises:
        CorpusError: by default at the first.
    """
    have = set(names)
    for column in wanted:
        if column not in have:
            tell(
                CorpusError(
                    f"column '{column}' is missing",
                    expected=f"the {len(wanted)} columns that corpus.yaml names"
                    if len(wanted) > 1
                    else "the column that corpus.yaml names",
                    found=number_of(len(names), "column"),
                    next_step=nearest(column, sorted(have))[:300],
                    where=f"{path}:1" if path.suffix == ".csv" else str(path),
                )
            )
    twice = {name for name in set(wanted) if list(names).count(name) > 1} if len(have) != len(names) else set()
    for column in sorted(twice):
        tell(CorpusError(f"column '{column}' appears twice", where=str(path)))
    return [column for column in wanted if column in have and column not in twice]


def no_number(column: str, found: object, where: str) -> CorpusError:
    """A cell that should be a number is none."""
    return CorpusError(
        f"column '{column}' must hold numbers",
        found=repr(found)[:80],
        next_step="Leave the cell empty where there is no value; if cells name classes, list these names as labels of "
        f"'{column}' in corpus.yaml",
        where=where,
    )


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
