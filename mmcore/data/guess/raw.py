"""Reads one raw file, whatever its kind, as a table. Nothing is renamed or converted."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

from mmcore.data.guess.subtitles import read_subtitles
from mmcore.data.guess.words import RATES, TIMES
from mmcore.data.sources.arrow_claims import refuse_claims
from mmcore.data.sources.special import TORN, open_archive, refuse_bomb
from mmcore.errors import CorpusError, not_utf8

SUFFIXES = (".csv", ".tsv", ".parquet", ".feather", ".npy", ".npz", ".jsonl", ".ndjson", ".srt", ".vtt")
"""What can be read."""
_WIDEST = 100_000


@dataclass(frozen=True)
class Raw:
    """The contents of one file.

    Args:
        frame: the rows; columns are text.
        form: ``array`` where the columns have no names of their own; they are then ``0``, ``1``, ….
        sampling_rate: rows a second, where the file says so.
        turned: an array of one row a feature was turned to one row a time.
    """

    frame: pd.DataFrame
    form: Literal["table", "array", "subtitles"] = "table"
    sampling_rate: float | None = None
    turned: bool = False

    def named(self, prefix: str) -> Raw:
        """The same; columns of an array are named ``prefix_0``, ``prefix_1``, …"""
        if self.form != "array":
            return self
        names = {name: f"{prefix}_{name}" for name in self.frame.columns if str(name).isdigit()}
        return replace(self, frame=self.frame.rename(columns=names))

    def transposed(self) -> Raw:
        """The same with rows and columns of an array exchanged."""
        values = self.frame.to_numpy().T
        return replace(self, frame=_numbered(values), turned=True)


def read_raw(path: Path) -> Raw:
    """The file as a table.

    .npy and .npz are read without unpickling. Lists of one length in a column (an embedding in a JSON line) become
    numbered columns.

    Raises:
        CorpusError: the file cannot be read, or holds no table; with the reason.
    """
    refuse_bomb(path)
    try:
        raw = _read(path)
    except CorpusError:
        raise
    except UnicodeDecodeError as error:
        byte, line = not_utf8(error)
        found = f"{byte} on line {line}"
        raise CorpusError(
            "the file must be UTF-8 text", found=found, next_step="Save it as UTF-8", where=str(path)
        ) from None
    except (*TORN, KeyError, MemoryError, RecursionError, pd.errors.ParserError, pa.ArrowException) as error:
        found = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise CorpusError("the file cannot be read", found=found, where=str(path)) from None
    if raw.frame.shape[1] > _WIDEST:
        raise CorpusError(
            "a table may have at most 100,000 columns", found=f"{raw.frame.shape[1]} columns", where=str(path)
        )
    frame = raw.frame.rename(columns=str)
    return replace(raw, frame=_without_lists(frame))


def _read(path: Path) -> Raw:
    match path.suffix.lower():
        case ".csv" | ".tsv":
            return _read_csv(path)
        case ".parquet":
            with pq.ParquetFile(path, memory_map=False) as file:
                rows, columns = file.metadata.num_rows, file.metadata.num_columns
            refuse_claims(path, rows, columns, path.stat().st_size, 4 * rows * columns)
            return Raw(pd.read_parquet(path, engine="pyarrow"))
        case ".feather":
            table = feather.read_table(path, memory_map=False)
            # pyarrow trusts the buffers of a file: offsets that lead out of them would end the process.
            table.validate(full=True)
            return Raw(table.to_pandas())
        case ".npy":
            return _array(_npy(path), path)
        case ".npz":
            return _read_npz(path)
        case ".jsonl" | ".ndjson":
            lines = path.read_text(encoding="utf-8-sig").splitlines()
            rows = [_json(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
            return Raw(pd.json_normalize(rows, sep="."))
        case ".srt" | ".vtt":
            return Raw(read_subtitles(path), "subtitles")
        case other:
            raise CorpusError(f"files {other or 'without an ending'} are not read", where=str(path))


def _npy(path: Path) -> np.ndarray:
    # Mapped, so that a header that claims more than the file holds takes no memory; objects cannot be.
    with path.open("rb") as file:
        objects = b"'|O'" in file.read(256)
    return np.array(np.load(path, mmap_mode=None if objects else "r", allow_pickle=False))


def _json(path: Path, number: int, line: str) -> dict[str, object]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise CorpusError("each line must be JSON", found=str(error), where=f"{path}:{number}") from None
    if not isinstance(row, dict):
        raise CorpusError("each line must be a JSON object", found=line[:60], where=f"{path}:{number}")
    return row


def _read_csv(path: Path) -> Raw:
    with path.open(encoding="utf-8-sig", newline="") as file:
        head = file.readline()
    if not head.strip():
        raise CorpusError("a table must begin with a line of column names", found="an empty line", where=str(path))
    separator = max(",;\t|", key=head.count) if path.suffix.lower() == ".csv" else "\t"
    headless = all(_is_number(cell) for cell in head.strip().split(separator))
    read = partial(
        pd.read_csv, path, sep=separator, encoding="utf-8-sig", low_memory=False, header=None if headless else "infer"
    )
    frame = read()
    texts = [column for _, column in frame.items() if not pd.api.types.is_numeric_dtype(column)]
    if separator == ";" and any(map(_decimal_commas, texts)):
        frame = read(decimal=",")
    return Raw(frame.rename(columns=str), "array" if headless else "table")


def _is_number(cell: str) -> bool:
    try:
        float(cell.strip().strip('"'))
    except ValueError:
        return False
    return True


def _decimal_commas(column: pd.Series) -> bool:
    cells = column.dropna().astype(str).head(50)
    return len(cells) > 0 and all(re.fullmatch(r"[+-]?\d+,\d+", cell) for cell in cells)


def _array(values: np.ndarray, path: Path) -> Raw:
    if values.dtype.kind not in "fiub":
        raise CorpusError("an array must hold numbers", found=f"type {values.dtype}", where=str(path))
    shape = values.shape
    while values.ndim > 2 and 1 in values.shape:
        values = values.squeeze(values.shape.index(1))
    if values.ndim == 1:
        values = values[:, None]
    if values.ndim != 2:
        raise CorpusError(
            "an array must be rows by features",
            found=f"shape {shape}",
            next_step="Average or flatten its other axes",
            where=str(path),
        )
    return Raw(_numbered(values), "array")


def _numbered(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, columns=pd.Index([str(at) for at in range(values.shape[1])]))


def _read_npz(path: Path) -> Raw:
    """One table of an archive: arrays with as many rows side by side; a time array and a rate where there are."""
    with path.open("rb") as opened, open_archive(opened) as archive:
        arrays = {name: archive[name] for name in archive.files}
    rate = next((float(a) for name, a in arrays.items() if a.ndim == 0 and name.lower() in RATES), None)
    arrays = {name: a for name, a in arrays.items() if a.ndim > 0}
    if not arrays:
        raise CorpusError("an archive must hold an array of rows", found="single numbers", where=str(path))
    parts: list[pd.DataFrame] = []
    times = [name for name in arrays if name.lower() in TIMES and arrays[name].ndim == 1]
    values = [name for name in arrays if name not in times]
    for name in [*times[:1], *values]:
        part = _array(arrays[name], path).frame
        if name in times or part.shape[1] == 1:
            part.columns = pd.Index([name])
        elif len(values) > 1:
            part.columns = pd.Index([f"{name}_{column}" for column in part.columns])
        parts.append(part)
    lengths = {name: len(part) for name, part in zip([*times[:1], *values], parts, strict=True)}
    if len(set(lengths.values())) > 1:
        raise CorpusError(
            "all arrays of an archive must have as many rows",
            found=", ".join(f"{name}: {count}" for name, count in lengths.items())[:200],
            next_step="Write a file for each of them",
            where=str(path),
        )
    return Raw(pd.concat(parts, axis=1), "array", rate)


def _without_lists(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of lists of one length become numbered columns."""
    lists = {name: width for name in not_numeric(frame) if (width := _list_length(frame[name]))}
    if not lists:
        return frame.reset_index(drop=True)
    parts: list[Any] = []
    for name in frame.columns:
        if name not in lists:
            parts.append(frame[name].reset_index(drop=True))
            continue
        empty = [np.nan] * lists[name]
        cells = [list(cell) if isinstance(cell, list | tuple | np.ndarray) else empty for cell in frame[name]]
        parts.append(pd.DataFrame(cells, columns=pd.Index([f"{name}_{at}" for at in range(lists[name])])))
    return pd.concat(parts, axis=1)


def not_numeric(frame: pd.DataFrame) -> list[str]:
    """Columns that pandas does not hold as numbers or booleans."""
    kinds = zip(frame.columns, frame.dtypes, strict=True)
    return [str(name) for name, kind in kinds if not pd.api.types.is_numeric_dtype(kind)]


def _list_length(column: Any) -> int:
    """Length of the lists in a column; 0 where it holds something else or lists of several lengths."""
    known = column.dropna()
    if not len(known) or not isinstance(known.iloc[0], list | tuple | np.ndarray):
        return 0
    lengths = {len(cell) for cell in known if isinstance(cell, list | tuple | np.ndarray)}
    return lengths.pop() if len(lengths) == 1 else 0
