"""Finds and reads the files of a Hugging Face ``datasets`` folder with pyarrow, a batch of rows at a time.

``save_to_disk`` writes ``dataset_info.json``, ``state.json`` and Arrow streams; a ``DatasetDict`` a folder for each
split and ``dataset_dict.json``. Parquet files of the hub are named after their split. Nothing is unpickled, and no code
of a dataset is run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmcore.data.importers.sample import SIDES, check_claim
from mmcore.data.sources.special import refuse_bomb, refuse_no_file
from mmcore.errors import CorpusError

BATCH_ROWS = 64
"""Rows of a Parquet file that are in memory at a time; an Arrow file has the batches that it was written with."""
_SPLIT = re.compile(r"([A-Za-z]+)(?:[-_.].*)?")


@dataclass(frozen=True)
class Shard:
    """One file with rows.

    Args:
        path: the file.
        split: as the folder or the file's name has it; None where there is none.
    """

    path: Path
    split: str | None


def find_shards(path: Path) -> list[Shard]:
    """The files of a dataset, in order.

    Raises:
        CorpusError: nothing that can be read, a list of files that names one which is not there.
    """
    if path.is_file():
        return [Shard(path, None)]
    if (path / "dataset_dict.json").is_file():
        names = _json(path / "dataset_dict.json").get("splits")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise _odd(path / "dataset_dict.json", "a list 'splits'")
        return [shard for name in names for shard in _saved(path, name)]
    if (path / "state.json").is_file():
        return _saved(path, None)
    found = sorted(path.rglob("*.parquet")) or sorted(path.rglob("*.arrow"))
    if not found:
        raise CorpusError(
            "a folder of datasets holds Arrow or Parquet files",
            expected="what save_to_disk writes, or files such as train-00000-of-00001.parquet",
            found="no such file",
            next_step="Save it: dataset.save_to_disk('DIR')",
            where=str(path),
        )
    return [Shard(file, _split_of(file.relative_to(path))) for file in found]


def features_of(shards: Sequence[Shard]) -> Mapping[str, object]:
    """What ``datasets`` says of each column (``_type`` and more); empty where the files say nothing.

    Raises:
        CorpusError: a dataset_info.json that is no JSON.
    """
    beside = shards[0].path.parent / "dataset_info.json"
    if beside.is_file():
        features = _json(beside).get("features")
        if isinstance(features, dict):
            return features
    with opened(shards[0].path) as (schema, _):
        said = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        features = json.loads(said).get("info", {}).get("features", {})
    except (ValueError, AttributeError):
        return {}
    return features if isinstance(features, dict) else {}


@contextmanager
def opened(path: Path) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """The columns of a file, and its rows batch by batch.

    Raises:
        CorpusError: the file is torn, or of another kind.
    """
    refuse_bomb(path)
    try:
        if path.suffix == ".parquet":
            with pq.ParquetFile(path, memory_map=False) as file:
                _check_claims(file.metadata, path)
                yield file.schema_arrow, file.iter_batches(BATCH_ROWS, use_threads=False)
        else:
            with pa.OSFile(str(path)) as source, _stream(source) as reader:
                yield reader.schema, map(_sound, reader)
    except (OSError, pa.ArrowException, EOFError) as error:
        raise CorpusError(
            "the file cannot be read",
            expected="a whole Arrow or Parquet file",
            found=str(error).splitlines()[0][:160],
            next_step="Compare its size with that of the original, and copy or save it again",
            where=str(path),
        ) from None


def _sound(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch, once its buffers hold together: pyarrow trusts them, and a forged offset would end the process."""
    batch.validate(full=True)
    return batch


def _check_claims(metadata: pq.FileMetaData, path: Path) -> None:
    """Refuse rows that are too long before they are read; equal values take next to no space in a file."""
    for at in range(metadata.num_row_groups):
        group = metadata.row_group(at)
        for place in range(group.num_columns):
            column = group.column(place)
            mean = column.num_values // max(group.num_rows, 1)
            check_claim((mean,), 4, f"'{column.path_in_schema}'", str(path))


def _stream(source: pa.NativeFile) -> Any:
    """Saved datasets are streams; files with an index are read as well."""
    if source.read(6) == b"ARROW1":
        source.seek(0)
        file = pa.ipc.open_file(source)
        return pa.RecordBatchReader.from_batches(
            file.schema, (file.get_batch(at) for at in range(file.num_record_batches))
        )
    source.seek(0)
    return pa.ipc.open_stream(source)


def _saved(folder: Path, split: str | None) -> list[Shard]:
    """The files that a state.json names; in the folder itself, and nowhere else."""
    if split is not None:
        _check_inside(split, folder / "dataset_dict.json")
    place = folder if split is None else folder / split
    state = _json(place / "state.json")
    files = state.get("_data_files")
    if not isinstance(files, list):
        raise _odd(place / "state.json", "a list '_data_files'")
    own = state.get("_split")
    split = split or (own if isinstance(own, str) else None)
    shards = []
    for entry in files:
        name = entry.get("filename") if isinstance(entry, Mapping) else None
        if not isinstance(name, str):
            raise _odd(place / "state.json", "a 'filename' for each data file")
        _check_inside(name, place / "state.json")
        shards.append(Shard(place / name, split))
    if not shards:
        raise _odd(place / "state.json", "at least one data file")
    return shards


def _check_inside(name: str, where: Path) -> None:
    if Path(name).name != name or name in ("", ".", ".."):
        raise _odd(where, "names of files in the folder itself")


def _json(path: Path) -> Mapping[str, object]:
    refuse_no_file(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CorpusError(
            "the file cannot be read",
            expected="JSON that save_to_disk has written",
            found=str(error)[:120],
            next_step="Save the dataset again: dataset.save_to_disk('DIR')",
            where=str(path),
        ) from None
    if not isinstance(data, dict):
        raise _odd(path, "an object")
    return data


def _odd(path: Path, expected: str) -> CorpusError:
    return CorpusError(
        "the file must be as save_to_disk writes it",
        expected=expected,
        next_step="Save the dataset again: dataset.save_to_disk('DIR')",
        where=str(path),
    )


def _split_of(path: Path) -> str | None:
    """A split's name at the beginning of a file's name, else that of a folder above it."""
    for part in (path.stem, *reversed(path.parts[:-1])):
        found = _SPLIT.fullmatch(part)
        if found and found[1].lower() in SIDES:
            return found[1]
    return None
