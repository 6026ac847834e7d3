"""A corpus in a folder, format 1: ``corpus.yaml``, ``items.csv`` and a folder of tables per modality.

Everything is validated here, at the border; what comes after trusts it. Importing this file costs neither pandas nor
torch, so that a plan can ask for a corpus's schema and content.
"""

from __future__ import annotations

import csv
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import ValidationError

from mmcore.data.sources.table_files import no_table, table_names, table_paths, unreadable
from mmcore.errors import CorpusError, nearest, quoting
from mmcore.frozen import Frozen
from mmcore.names import nfc
from mmcore.schema import Clock, CorpusSchema, Modality, Targets
from mmcore.yamlfile import YamlFile, read_yaml

if TYPE_CHECKING:
    import pandas as pd

    from mmcore.data.sources.tables import Table

SIDES = ("train", "validation", "test")


@dataclass(frozen=True)
class Item:
    """One recording, as a line of ``items.csv`` declares it.

    Args:
        name: names the item's files; in NFC.
        group: what must never be split between train and test; the name where the cell is empty.
        split: ``train``, ``validation`` or ``test``; None where the corpus gives no split.
        metadata: every other column: the item's conditions.
    """

    name: str
    group: str
    split: str | None
    metadata: dict[str, str]


class FolderSource:
    """A corpus folder, opened: schema and items are read and checked, tables are read when asked for.

    Args:
        folder: holds ``corpus.yaml``.

    Raises:
        CorpusError: any rule of format 1 is broken: file and line, rule, nearest valid name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.schema: CorpusSchema = read_schema(self.folder)
        self.items: tuple[Item, ...] = read_items(self.folder / "items.csv")
        names = [item.name for item in self.items]
        self._paths = {name: table_paths(self.folder, name, names) for name in table_names(self.schema)}
        for name, paths in self._paths.items():
            if not paths:
                raise no_table(self.folder, name)

    def has(self, item: str, modality: str) -> bool:
        """Whether the item has a file of that modality or target table."""
        return nfc(item) in self._paths[nfc(modality)]

    def read(self, item: str, name: str) -> Table | None:
        """The item's table of a modality, or of the target where it is a table of its own; None where it has none.

        Times are seconds of the item: those of the file by the ``rate`` and ``offset`` of corpus.yaml, or of its rows
        by their ``sampling_rate``. Cells that hold one of the schema's ``missing_values`` are NaN, cells that hold a
        class's name its code.

        Raises:
            CorpusError: see :func:`mmcore.data.sources.tables.read_table`; a target of scope item without exactly one
                row; a table of segments none of which ends after its start.
        """
        from mmcore.data.sources.tables import read_table

        name = nfc(name)
        path = self._paths[name].get(nfc(item))
        if path is None:
            return None
        stream, columns, labels = self._declared(name)
        per_item = name not in self.schema.modalities and self.schema.targets.scope == "item"
        timed = self.schema.step is not None and not per_item
        times = stream.columns_of_time if timed else ()
        table = read_table(path, columns, times, labels, stream.missing_values)
        if per_item and len(table.values_TF) != 1:
            raise CorpusError(
                "a target of scope item has one row per item",
                expected="1 row",
                found=f"{len(table.values_TF)} rows",
                where=str(path),
            )
        _check_segments(table, path, stream)
        sampled = table.sampled(stream.sampling_rate) if timed else table
        return sampled.without(stream.missing_values).by_clock(stream)

    def _declared(self, name: str) -> tuple[Modality | Targets, list[str], dict[str, tuple[str, ...]]]:
        """What corpus.yaml says of a table: its stream, columns and names of classes."""
        if name in self.schema.modalities:
            modality = self.schema.modalities[name]
            return modality, list(modality.columns), modality.labels
        targets, labels = self.schema.targets, {}
        for row in self.schema.target_columns():
            for column, parameter in zip(row, targets.parameters, strict=True):
                if parameter.labels is not None:
                    labels[column] = parameter.labels
        return targets, [column for row in self.schema.target_columns() for column in row], labels

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
        _, columns, _ = self._declared(nfc(name))
        frame = pd.DataFrame(table.values_TF, columns=columns)
        if table.end_T is not None:
            frame.insert(0, "end", table.end_T)
        if table.time_T is not None:
            frame.insert(0, "time" if table.end_T is None else "start", table.time_T)
        return frame


def _check_segments(table: Table, path: Path, clock: Clock) -> None:
    """Refuse a table none of whose segments ends after its start: its columns were named in the wrong order."""
    if table.time_T is None or table.end_T is None:
        return
    backwards_T, known_T = table.end_T <= table.time_T, ~(table.end_T != table.end_T) & ~(table.time_T != table.time_T)
    if known_T.any() and backwards_T[known_T].all():
        raise CorpusError(
            "a segment must end after its start",
            found=f"no row that does; the first has {clock.start} {table.time_T[known_T][0]:g} and {clock.end} "
            f"{table.end_T[known_T][0]:g}",
            next_step="Exchange start and end in corpus.yaml, or name the column of ends if this one holds lengths",
            where=str(path),
        )


def content_key(folder: Path) -> str:
    """32 hexadecimal digits over the bytes of every file that format 1 reads, with their relative paths.

    Files that nobody reads (``truth.yaml``, notes, tables of unknown items) do not count; neither does where the
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
    # Hashing releases the interpreter lock, so threads read and hash side by side.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        digests = list(pool.map(_digest, (path for _, path in named)))
    whole = hashlib.blake2b(digest_size=16)
    for (name, _), digest in zip(named, digests, strict=True):
        whole.update(f"{len(name.encode())}:{name}".encode() + digest)
    return whole.hexdigest()


def _digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
    except OSError as error:
        raise unreadable(path, "file", error) from None


# corpus.yaml -------------------------------------------------------------------------------------------------------
def read_schema(folder: Path) -> CorpusSchema:
    """The contents of ``corpus.yaml``.

    Raises:
        CorpusError: no such file, broken YAML, an unknown key or name, a broken rule; with file, line and the nearest
            valid name.
    """
    path = Path(folder) / "corpus.yaml"
    try:
        there = path.is_file()
    except OSError as error:
        raise unreadable(path, "file", error) from None
    if not there:
        raise CorpusError(
            "a corpus folder holds a file corpus.yaml",
            next_step="Name a corpus folder, or make one: mmstudy data simulate FOLDER",
            where=str(folder),
        )
    file = read_yaml(path, CorpusError)
    try:
        return CorpusSchema.model_validate(file.data)
    except ValidationError as error:
        raise _explain(error, file) from None


def _explain(error: ValidationError, file: YamlFile) -> CorpusError:
    # A misspelt key is also a missing one; the misspelling is what the reader wrote.
    first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    loc = [step for step in first["loc"] if isinstance(step, str | int)]
    path = ".".join(str(step) for step in loc)
    where = file.where(loc)
    match first["type"]:
        case "extra_forbidden":
            return CorpusError(
                f"unknown key '{loc[-1]}'" + (f" in {'.'.join(map(str, loc[:-1]))}" if loc[1:] else ""),
                next_step=nearest(str(loc[-1]), _valid_keys(loc[:-1])),
                where=where,
            )
        case "missing":
            return CorpusError(f"'{path}' is missing", next_step=f"Write {loc[-1]}: …", where=where)
        case "literal_error":
            choices = [
                c.strip(" '") for c in str(first.get("ctx", {}).get("expected", "")).replace(" or ", ",").split(",")
            ]
            return CorpusError(
                f"'{path}' is none of its choices",
                found=repr(first["input"])[:80],
                next_step=nearest(str(first["input"]), choices),
                where=where,
            )
        case "value_error":
            return CorpusError(first["msg"].removeprefix("Value error, "), where=where)
        case _:
            message = first["msg"]
            return CorpusError(
                f"'{path}': {message[:1].lower()}{message[1:]}",
                found=repr(first["input"])[:80],
                next_step=quoting(first["type"], first["input"]),
                where=where,
            )


def _valid_keys(loc: list[str | int]) -> list[str]:
    """The keys that the schema takes at a place: field names, by alias where there is one."""
    annotation: Any = CorpusSchema
    for step in loc:
        model = _model(annotation)
        if model is not None:
            fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
            annotation = fields.get(str(step))
        else:
            arguments = get_args(annotation)
            # dict[str, X] -> X; tuple[X, ...] -> X
            annotation = arguments[-1] if arguments and arguments[-1] is not Ellipsis else next(iter(arguments), None)
    model = _model(annotation)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model(annotation: Any) -> type[Frozen] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, Frozen) else None


# items.csv ---------------------------------------------------------------------------------------------------------
def read_items(path: Path) -> tuple[Item, ...]:
    """The lines of an ``items.csv``; no table is opened.

    Raises:
        CorpusError: the file is missing, empty or breaks a rule of format 1, with file and line.
    """
    where = f"{path}:1"
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [nfc(cell.strip()) for cell in next(reader, [])]
            rows = [(reader.line_num, cells) for cells in reader if cells]
    except FileNotFoundError:
        raise CorpusError(
            "the file does not exist", expected="one line per item: item,group[,split]", where=str(path)
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError("the file cannot be read", found=str(error), where=str(path)) from None
    if not header and not rows:
        raise CorpusError(
            "the file is empty", expected="a header and one line per item: item,group[,split]", where=where
        )
    for column in ("item", "group"):
        if column not in header:
            raise CorpusError(f"column '{column}' is missing", next_step=nearest(column, header), where=where)
    for column in header:
        if header.count(column) > 1:
            raise CorpusError(f"column '{column}' stands there twice", where=where)
    if not rows:
        raise CorpusError("a corpus has at least one item", found="a header alone", where=str(path))
    items: list[Item] = []
    first_line: dict[str, int] = {}
    for line, cells in rows:
        where = f"{path}:{line}"
        if len(cells) != len(header):
            raise CorpusError(
                "every row must have as many cells as the header",
                expected=f"{len(header)} cells",
                found=f"{len(cells)} cells",
                where=where,
            )
        row = {column: nfc(cell.strip()) for column, cell in zip(header, cells, strict=True)}
        name = row.pop("item")
        _check_name(name, where)
        # Folded, since two names that differ in case alone are one file on Windows and macOS.
        if name.casefold() in first_line:
            raise CorpusError(
                f"item '{name}' is listed twice", found=f"it first on line {first_line[name.casefold()]}", where=where
            )
        first_line[name.casefold()] = line
        group, split = row.pop("group") or name, row.pop("split", "") or None
        if split is not None and split not in SIDES:
            raise CorpusError(f"split '{split}' is unknown", next_step=nearest(split, SIDES), where=where)
        items.append(Item(name, group, split, row))
    return tuple(items)


def check_item_name(name: str) -> Literal["ok", "empty", "escapes"]:
    """Whether a name can name a file inside a folder, on every system."""
    if not name:
        return "empty"
    bad = set('/\\:*?"<>|') & set(name) or name.strip(".") == "" or any(ord(c) < 32 for c in name)
    return "escapes" if bad else "ok"


def _check_name(name: str, where: str) -> None:
    match check_item_name(name):
        case "empty":
            raise CorpusError("an item must have a name", where=where)
        case "escapes":
            raise CorpusError(
                "an item's name must name a file inside the corpus folder",
                expected='no / \\ : * ? " < > | and no control characters, and more than dots',
                found=repr(name),
                where=where,
            )
