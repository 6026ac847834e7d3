"""A corpus in a folder, format 1: ``corpus.yaml``, ``items.csv`` and a folder of tables per modality.

Everything is validated here, at the border; what comes after trusts it. Importing this file costs neither pandas nor
torch, so that a plan can ask for a corpus's schema and content.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from mmcore.data.sources.items_file import SIDES, Item, check_item_name, read_items
from mmcore.data.sources.look_alikes import cut_notes, stranger_notes
from mmcore.data.sources.problems import Tell, stop
from mmcore.data.sources.schema_file import read_schema
from mmcore.data.sources.table_files import is_empty, no_table, strangers, table_names, table_paths, unreadable
from mmcore.errors import CorpusError
from mmcore.files import open_file
from mmcore.language import number_of
from mmcore.names import nfc
from mmcore.schema import Clock, CorpusSchema, Modality, Targets

__all__ = [
    "SIDES", "FolderSource", "Item", "check_item_name", "content_key", "read_items", "read_modality", "read_schema",
    "read_targets",
]  # fmt: skip

WITHOUT_THREADS = 4_000_000
"""Bytes of a corpus up to which its files are hashed one after the other: threads would take longer."""

if TYPE_CHECKING:
    import pandas as pd

    from mmcore.data.sources.tables import Table


class FolderSource:
    """A corpus folder, opened: schema and items are read and checked, tables are read when asked for.

    Args:
        folder: holds ``corpus.yaml``.
        targets: whether the table of targets must be there, and tables of each modality; not where a model only
            predicts. A modality that no item has then has an empty folder, so that no misspelt name passes for it.

    Raises:
        CorpusError: any rule of format 1 is broken: file and line, rule, nearest valid name.
    """

    def __init__(self, folder: Path, targets: bool = True) -> None:
        self.folder = Path(folder)
        self.schema: CorpusSchema = read_schema(self.folder)
        self.items: tuple[Item, ...] = read_items(self.folder / "items.csv")
        names = [item.name for item in self.items]
        self._paths = {name: table_paths(self.folder, name, names) for name in table_names(self.schema)}
        some = any(self._paths[name] for name in self.schema.modalities)
        for name, paths in self._paths.items():
            if paths or (not targets and name not in self.schema.modalities):
                continue
            if targets or not some or not is_empty(self.folder / name):
                raise no_table(self.folder, name, optional=not targets)

    def has(self, item: str, modality: str) -> bool:
        """Whether the item has a file of that modality or target table."""
        return nfc(item) in self._paths[nfc(modality)]

    def doubts(self) -> list[str]:
        """What looks like a slip: misspelt names of files, tables whose end is missing; [] where all is well."""
        names = [item.name for item in self.items]
        lacking = {name: [item for item in names if item not in paths] for name, paths in self._paths.items()}
        others = {name: strangers(self.folder, name, names) for name in self._paths if lacking[name]}
        every = (path for paths in self._paths.values() for path in paths.values())
        return stranger_notes(lacking, others) + cut_notes(every, self.folder)

    def columns(self, name: str) -> list[str]:
        """The columns of a modality or of the targets that corpus.yaml names, besides times."""
        modality = self.schema.modalities.get(nfc(name))
        return [*modality.columns] if modality else [c for row in self.schema.target_columns() for c in row]

    def read(self, item: str, name: str, only: Sequence[str] | None = None) -> Table | None:
        """The item's table of a modality, or of the target where it is a table of its own; None where it has none.

        Times are seconds of the item: those of the file by the ``rate`` and ``offset`` of corpus.yaml, or of its rows
        by their ``sampling_rate``. Cells that hold one of the schema's ``missing_values`` are NaN, cells that hold a
        class's name its code.

        Args:
            only: some of :meth:`columns`, to read no others; None: all.

        Raises:
            CorpusError: see :func:`mmcore.data.sources.tables.read_table`; a target of scope item without exactly one
                row; a table of segments none of which ends after its start.
        """
        name = nfc(name)
        path = self._paths[name].get(nfc(item))
        if path is None:
            return None
        timed = self.schema.step is not None
        if name in self.schema.modalities:
            return read_modality(path, self.schema.modalities[name], timed, only=only)
        return read_targets(path, self.schema.targets, self.schema.target_columns(), timed, only=only)

    def table(self, item: str, name: str) -> pd.DataFrame:
        """:meth:`read` as a frame: float columns; first ``time``, or ``start`` and ``end`` (seconds), where there are
        times.

        Raises:
            CorpusError: the item has no such table, or it breaks the format.
        """
        import pandas as pd

        table = self.read(item, name)
        if table is None:
            raise CorpusError(f"item '{item}' has no table of '{name}'", where=str(self.folder / name))
        frame = pd.DataFrame(table.values_TF, columns=pd.Index(self.columns(name)))
        if table.end_T is not None:
            frame.insert(0, "end", table.end_T)
        if table.time_T is not None:
            frame.insert(0, "time" if table.end_T is None else "start", table.time_T)
        return frame


def read_modality(
    path: Path, modality: Modality, timed: bool, tell: Tell = stop, only: Sequence[str] | None = None
) -> Table:
    """A table of a modality, see :meth:`FolderSource.read`.

    Args:
        timed: whether the corpus has times. tell: see :mod:`mmcore.data.sources.problems`. only: columns to read;
            None: all.

    Raises:
        CorpusError: by default at the first fault.
    """
    return _read(path, modality, modality.columns if only is None else only, modality.labels, timed, tell)


def read_targets(
    path: Path,
    targets: Targets,
    columns: tuple[tuple[str, ...], ...],
    timed: bool,
    tell: Tell = stop,
    only: Sequence[str] | None = None,
) -> Table:
    """A table of targets, see :meth:`FolderSource.read`.

    Args:
        columns: of each track. timed: whether the corpus has times. tell: see :mod:`mmcore.data.sources.problems`.
        only: columns to read; None: all.

    Raises:
        CorpusError: by default at the first fault.
    """
    labels = {
        column: parameter.labels
        for row in columns
        for column, parameter in zip(row, targets.parameters, strict=True)
        if parameter.labels is not None
    }
    per_item = targets.scope == "item"
    wanted = [c for row in columns for c in row] if only is None else only
    table = _read(path, targets, wanted, labels, timed and not per_item, tell)
    if per_item and len(table.values_TF) != 1:
        tell(
            CorpusError(
                "a target of scope item has one row per item",
                expected="1 row",
                found=number_of(len(table.values_TF), "row"),
                where=str(path),
            )
        )
    return table


def _read(
    path: Path,
    stream: Modality | Targets,
    columns: Sequence[str],
    labels: dict[str, tuple[str, ...]],
    timed: bool,
    tell: Tell,
) -> Table:
    from mmcore.data.sources.tables import read_table

    times = stream.columns_of_time if timed else ()
    named = {column: names for column, names in labels.items() if column in columns}
    table = read_table(path, columns, times, named, stream.missing_values, tell)
    _check_segments(table, path, stream, tell)
    sampled = table.sampled(stream.sampling_rate) if timed else table
    return sampled.without(stream.missing_values).by_clock(stream)


def _check_segments(table: Table, path: Path, clock: Clock, tell: Tell) -> None:
    """Refuse a table none of whose segments ends after its start: its columns were named in the wrong order."""
    if table.time_T is None or table.end_T is None:
        return
    backwards_T, known_T = table.end_T <= table.time_T, ~(table.end_T != table.end_T) & ~(table.time_T != table.time_T)
    if known_T.any() and backwards_T[known_T].all():
        tell(
            CorpusError(
                "a segment must end after its start",
                found=f"no row that does; the first has {clock.start} {table.time_T[known_T][0]:g} and {clock.end} "
                f"{table.end_T[known_T][0]:g}",
                next_step="Swap start and end in corpus.yaml, or name the column of ends if this one holds lengths",
                where=str(path),
            )
        )


def content_key(folder: Path) -> str:
    """32 hexadecimal digits over the bytes of every file that format 1 reads, with their relative paths.

    Files that are never read (``truth.yaml``, notes, tables of unknown items) do not count; neither does where the
    folder lies.

    Raises:
        CorpusError: ``corpus.yaml`` or ``items.csv`` breaks the format.
    """
    folder = Path(folder)
    schema = read_schema(folder)
    items = read_items(folder / "items.csv")
    paths = [folder / "corpus.yaml", folder / "items.csv"]
    for name in table_names(schema):
        paths.extend(table_paths(folder, name, (item.name for item in items)).values())
    # In NFC, so that a copy on another system is the same corpus.
    named = sorted((nfc(path.relative_to(folder).as_posix()), path) for path in paths)
    whole = hashlib.blake2b(digest_size=16)
    for (name, _), digest in zip(named, _digests([path for _, path in named]), strict=True):
        whole.update(f"{len(name.encode())}:{name}".encode() + digest)
    return whole.hexdigest()


def _digests(paths: Sequence[Path]) -> list[bytes]:
    """The digest of each file, in their order."""
    if _bytes_of(paths) < WITHOUT_THREADS:
        return [_digest(path) for path in paths]
    # Hashing releases the interpreter lock, so threads read and hash side by side.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(_digest, paths))


def _bytes_of(paths: Sequence[Path]) -> float:
    """Together; infinite where a file cannot be asked."""
    try:
        return sum(path.stat().st_size for path in paths)
    except OSError:
        return math.inf


def _digest(path: Path) -> bytes:
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
    except OSError as error:
        raise unreadable(path, "file", error) from None
