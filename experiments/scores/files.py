"""Tables in files: CSV, TSV, JSON Lines, JSON and Parquet, compressed or not."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from experiments.scores.numbers import MISSING
from experiments.scores.table import ScoreTable
from mmcore.data.file_kinds import SPREADSHEETS
from mmcore.errors import ScoresError, not_utf8
from mmcore.files import read_bytes, refuse_special
from mmcore.language import say

MOST_BYTES = 1 << 30
"""Of the text of a file of scores, once it is unpacked."""
KINDS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
"""Endings that are read; each of the text formats also with ``.gz`` behind it."""

_COMMA_NUMBER = re.compile(r"[+-]?\d+(,\d+)?([eE][+-]?\d+)?")


def read_file(path: Path) -> ScoreTable:
    """Read a file of scores.

    Numbers of a CSV stay text until they are checked, so that a message can name the line of one that is none.

    Raises:
        ScoresError: no such file, an unknown ending, a broken file, or one without rows.
    """
    if not path.exists():
        raise ScoresError("there is no such file of scores", found=str(path), next_step=_nearby(path))
    if path.is_dir():
        raise ScoresError(
            "scores must be a file, or a folder of TensorBoard events",
            found=f"folder {path} without a file events.out.tfevents…",
            next_step=f"Name a file that ends in {', '.join(KINDS)}",
        )
    kind = Path(path.name.removesuffix(".gz")).suffix.lower()
    match kind:
        case ".csv" | ".tsv" | ".txt":
            table = _delimited(path, "\t" if kind == ".tsv" else None)
        case ".jsonl" | ".ndjson":
            table = _json_lines(path)
        case ".json":
            table = _json(path)
        case ".parquet":
            table = _parquet(path)
        case _:
            raise ScoresError(
                "the ending of a file says how to read it", expected=", ".join(KINDS), found=path.name,
                next_step="Save its sheet as CSV" if kind in SPREADSHEETS else "Rename it, or write the scores as CSV",
            )  # fmt: skip
    if not len(table.rows):
        raise ScoresError("a file of scores must have rows", found="none", where=str(path))
    return table


def short_name(path: Path) -> str:
    """A file's name without its endings."""
    name = path.name.removesuffix(".gz")
    return Path(name).stem or name


def _nearby(path: Path) -> str | None:
    if not path.parent.is_dir():
        return f"The folder {path.parent} is not there either"
    found = sorted(p.name for p in path.parent.iterdir() if p.name.removesuffix(".gz").endswith(KINDS))
    return f"In that folder are: {', '.join(found[:5])}" if found else None


def _text(path: Path) -> str:
    try:
        data = read_bytes(path, MOST_BYTES)
        if path.name.endswith(".gz"):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as whole:
                data = whole.read(MOST_BYTES + 1)
            if len(data) > MOST_BYTES:
                raise OSError(errno.EFBIG, f"more than {MOST_BYTES:,} bytes once it is unpacked", str(path))
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        byte, line = not_utf8(problem)
        raise ScoresError(
            "a file of scores must be UTF-8 text", found=byte, where=f"{path}:{line}", next_step="Save it as UTF-8"
        ) from None
    except (OSError, EOFError) as problem:
        raise ScoresError("a file of scores must be readable", found=str(problem), where=str(path)) from None


def _delimited(path: Path, delimiter: str | None) -> ScoreTable:
    text = _text(path)
    first = text.split("\n", 1)[0]
    if delimiter is None:
        # The character that the header has most of: a comma, unless there is none.
        delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[tuple[int, list[str]]] = []
    try:
        lines.extend((reader.line_num, row) for row in reader)
    except csv.Error as problem:
        # The row that is broken begins behind the last whole one; a quote that stays open swallows the rest.
        raise ScoresError(
            "a CSV file must be well formed", found=str(problem),
            where=f"{path}:{lines[-1][0] + 1 if lines else 1}", next_step="Look for a quote that is not closed there",
        ) from None  # fmt: skip
    rows = [(number, row) for number, row in lines if any(cell.strip() for cell in row)]
    if not rows:
        raise ScoresError("a file of scores must have rows", found="none", where=str(path))
    header = [name.strip() for name in rows[0][1]]
    _refuse_header(header, path)
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise ScoresError(
                "every row must have as many cells as the header",
                expected=str(len(header)), found=str(len(row)), where=f"{path}:{number}",
                next_step=_extra_cells(row) if len(row) > len(header) else "Add a cell, empty where there is no value",
            )  # fmt: skip
    table = pd.DataFrame([[cell.strip() for cell in row] for _, row in rows[1:]], columns=header, dtype=object)
    notes = () if delimiter == "," else _point_commas(table)
    return ScoreTable(table, short_name(path), str(path), tuple(number for number, _ in rows[1:]), notes=notes)


def _extra_cells(row: list[str]) -> str:
    if sum(cell.strip().isdigit() for cell in row) > 1:
        return "A decimal comma splits a number in two: write points, or separate cells by semicolons"
    return "Put names that contain the separator in quotes"


def _point_commas(table: pd.DataFrame) -> tuple[str, ...]:
    """Write decimal commas as points, in columns that hold such numbers alone; a sentence for each such column."""
    notes: list[str] = []
    for place, name in enumerate(table.columns):
        cells = [cell for cell in table.iloc[:, place] if cell.lower() not in MISSING]
        if any("," in cell for cell in cells) and all(_COMMA_NUMBER.fullmatch(cell) for cell in cells):
            table.isetitem(place, [cell.replace(",", ".") for cell in table.iloc[:, place]])
            notes.append(say("Commas in the numbers of column '{column}' were read as decimal points.", column=name))
    return tuple(notes)


def _refuse_header(header: list[str], path: Path) -> None:
    again = sorted({name for name in header if header.count(name) > 1 and name})
    if again:
        raise ScoresError(
            "columns must have names of their own", found=f"twice: {', '.join(again)}", where=f"{path}:1",
            next_step="Rename one of them",
        )  # fmt: skip
    if any(_is_number(name) for name in header) and all(_is_number(name) or not name for name in header):
        raise ScoresError(
            "the first line must name the columns", found=", ".join(header[:5]), where=f"{path}:1",
            next_step="Add a line such as: model,seed,accuracy",
        )  # fmt: skip


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _json_lines(path: Path) -> ScoreTable:
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as problem:
            raise ScoresError(
                "every line must be JSON", found=f"{problem.msg} in {line[:40]!r}", where=f"{path}:{number}"
            ) from None
        if not isinstance(row, dict):
            raise ScoresError(
                "every line must be a JSON object", expected='for example {"model": "mlp", "seed": 0, "accuracy": 0.9}',
                found=line[:40], where=f"{path}:{number}",
            )  # fmt: skip
        rows.append(_flat(row))
        numbers.append(number)
    return ScoreTable(pd.DataFrame(rows, dtype=object), short_name(path), str(path), tuple(numbers))


def _json(path: Path) -> ScoreTable:
    try:
        rows = json.loads(_text(path))
    except json.JSONDecodeError as problem:
        raise ScoresError(
            "the file must be JSON", found=problem.msg, where=f"{path}:{problem.lineno}",
            next_step="A file with one object a line must end in .jsonl",
        ) from None  # fmt: skip
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ScoresError(
            "scores in JSON are a list of objects",
            expected='for example [{"model": "mlp", "seed": 0, "accuracy": 0.9}]', found=type(rows).__name__,
            where=str(path),
        )  # fmt: skip
    table = pd.DataFrame([_flat(row) for row in rows], dtype=object)
    return ScoreTable(table, short_name(path), str(path), tuple(range(1, len(rows) + 1)), "row")


def _flat(row: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Nested objects by dotted names: ``{"metrics": {"f1": 0.5}}`` is column ``metrics.f1``."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat


def _parquet(path: Path) -> ScoreTable:
    try:
        refuse_special(path)
        with pq.ParquetFile(path, memory_map=False) as file:
            cells = file.metadata.num_rows * file.metadata.num_columns
        if cells > MOST_BYTES // 4:
            raise OSError(errno.EFBIG, f"{cells:,} cells, where {MOST_BYTES // 4:,} are the limit", str(path))
        table = pd.read_parquet(path)
    except Exception as problem:  # pyarrow raises many kinds, all of which mean that the file is broken
        raise ScoresError(
            "a Parquet file must be readable", found=str(problem).splitlines()[0], where=str(path)
        ) from None
    table.columns = [str(name) for name in table.columns]
    if not isinstance(table.index, pd.RangeIndex):
        table = table.reset_index()
    return ScoreTable(table, short_name(path), str(path), tuple(range(1, len(table) + 1)), "row")
