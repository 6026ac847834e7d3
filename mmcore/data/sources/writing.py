"""Writes a corpus folder so that it appears whole or not at all; for the simulation and the importers."""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml

from mmcore.errors import CorpusError
from mmcore.yamlfile import PATTERNS


@contextmanager
def new_corpus(folder: Path) -> Iterator[Path]:
    """A temporary folder to write into; on leaving it takes the place of ``folder``, on an error it vanishes.

    Raises:
        CorpusError: ``folder`` holds something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CorpusError(
            "a corpus is written into a new folder",
            found="something there already",
            next_step="Name another folder, or remove this one",
            where=str(folder),
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        if folder.exists():
            folder.rmdir()
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_table(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """A .parquet file; the bytes depend on the columns and the version of pyarrow alone. Its folder is made."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(exist_ok=True)
    # Dictionaries and statistics cost time and space on columns of measured numbers.
    pq.write_table(pa.table(dict(columns)), path, compression="zstd", use_dictionary=False, write_statistics=False)


class TableWriter:
    """A .parquet file that is written in pieces, so that memory holds one of them. Its folder is made.

    Args:
        columns: the times first; these are written as float64, all others as float32.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path.parent.mkdir(exist_ok=True)
        kinds = [pa.float64(), *(pa.float32() for _ in columns[1:])]
        self._schema = pa.schema(list(zip(columns, kinds, strict=True)))
        self._writer = pq.ParquetWriter(
            path, self._schema, compression="zstd", use_dictionary=False, write_statistics=False
        )

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def write(self, values_SF: np.ndarray) -> None:
        """Add rows (S, F), the times as the first column."""
        import pyarrow as pa

        arrays = [pa.array(values_SF[:, at], field.type) for at, field in enumerate(self._schema)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))


def write_items(folder: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """``items.csv``, with the same line ends on every system."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    (folder / "items.csv").write_bytes(text.getvalue().encode())


def write_yaml(path: Path, data: object) -> None:
    """Keys in the order given."""
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    path.write_bytes(text.encode())


class _Dumper(yaml.SafeDumper):
    """Quotes what either version of YAML would take for more than text: other programs read by version 1.1."""


for _name, _pattern in PATTERNS.items():
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, None)
