"""The prepared store: a corpus on its grid, as flat memory-mapped arrays that all workers share.

    KEY/index.json       schema, items with offsets, array shapes: what makes the folder a store
    KEY/quality.json     one row per item and modality
    KEY/columns.json     columns that are the same but for their names
    KEY/values.NAME.npy  (N, F) per modality     KEY/present.npy  (N, M)     KEY/target.npy  (N, K, P) or (I, K, P)

It is keyed by content and alignment settings, built item by item in a temporary folder next to its place, and renamed
when whole. N grid steps of all items, I items, M modalities, F raw features, K tracks, P parameters.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock

from mmcore.config import DataConfig
from mmcore.data.gridding import on_grid
from mmcore.data.quality import summarise
from mmcore.data.sources.folder import FolderSource, content_key
from mmcore.data.timing import time_notes
from mmcore.errors import CorpusError
from mmcore.events import Note, OnEvent, ignore
from mmcore.schema import CorpusSchema

FORMAT = "mmstudy prepared 3"
"""Raise with every change of the layout, or of what alignment computes."""


@dataclass(frozen=True)
class PreparedItem:
    """An item's place in the store.

    Args:
        name, group, split: as in ``items.csv``.
        offset, steps: its rows are offset … offset+steps−1; steps is 0 where it has no time.
        has: per modality, in schema order, whether the item has it (some step is present).
        breaks: steps that follow a gap of the reference above ``max_gap``; a window never reaches across one.
        metadata: every other column of ``items.csv``.
    """

    name: str
    group: str
    split: str | None
    offset: int
    steps: int
    has: tuple[bool, ...]
    breaks: tuple[int, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether it has every modality."""
        return all(self.has)


OWN = -1
"""Instead of a donor: the item reads its own rows."""


@dataclass(frozen=True)
class Placebo:
    """From whom each item reads one modality; I items.

    Args:
        items: of the corpus.
        donor_I: index of the item that is read instead; :data:`OWN` for items that lack the modality.
        turn_I: steps by which the donor's stream is turned, 0 … the donor's steps − 1.
    """

    items: tuple[PreparedItem, ...]
    donor_I: np.ndarray
    turn_I: np.ndarray

    def rows(self, item: int, first: int, last: int) -> slice | np.ndarray:
        """The rows of the store to read in place of rows ``first`` … ``last`` − 1 of an item.

        The donor's stream is turned and repeated: a longer item reads it in a circle.
        """
        donor = int(self.donor_I[item])
        if donor == OWN:
            return slice(first, last)
        own, other = self.items[item], self.items[donor]
        return other.offset + (np.arange(first, last) - own.offset + int(self.turn_I[item])) % other.steps


@dataclass(frozen=True)
class Prepared:
    """An opened store; the arrays are read-only memory maps.

    Args:
        key: name of the store. content: content key of the corpus. path: its folder.
        schema, items: of the corpus.
        quality: rows of :func:`mmcore.data.quality.quality_row`.
        values: modality to (N, F), float32 or float16, NaN where not usable.
        present: (N, M) bool.
        target: (N, K, P) float32 raw values, NaN where there is no target; (I, K, P) for scope item.
        likenesses: what :func:`mmcore.data.alike.examine_columns` found; {} in a store from before it was looked for.
        placebos: modalities that windows read from other items, see :mod:`mmcore.data.placebo`; no part of the store,
            set by a run. ``values`` and ``present`` are the items' own.
    """

    key: str
    content: str
    path: Path
    schema: CorpusSchema
    items: tuple[PreparedItem, ...]
    quality: list[dict[str, Any]]
    values: dict[str, np.ndarray]
    present: np.ndarray
    target: np.ndarray
    placebos: Mapping[str, Placebo] = field(default_factory=dict)
    likenesses: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)


def prepare(folder: Path, config: DataConfig, cache: Path, on_event: OnEvent = ignore) -> Prepared:
    """Open the prepared store of a corpus, and build it first where there is none.

    Args:
        folder: the corpus.
        config: its tolerance, max_gap and interpolation; window, stride and clip do not touch the store.
        cache: where stores are kept; several processes may ask at once, one builds and the others wait.
        on_event: receives notes.

    Raises:
        CorpusError: the corpus breaks its format, no item has a step, or it changed while it was read.
    """
    folder, cache = Path(folder), Path(cache)
    content = content_key(folder)
    place = store_path(content, config, cache)
    key = place.name
    if _is_whole(place):
        return open_prepared(place)
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{key}.lock"):
        if not _is_whole(place):
            # Whoever holds the lock is the only builder of this key: what lies here was left by one that died.
            for leftover in (place, *cache.glob(f"{key}.partial*")):
                shutil.rmtree(leftover, ignore_errors=True)
            partial = cache / f"{key}.partial-{os.getpid()}"
            partial.mkdir()
            try:
                _build(FolderSource(folder), config, partial, key, content, on_event)
                if content_key(folder) != content:
                    raise CorpusError(
                        "the corpus changed while it was being prepared", next_step="Run again", where=str(folder)
                    )
                os.replace(partial, place)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return open_prepared(place)


def store_path(content: str, config: DataConfig, cache: Path) -> Path:
    """Where the store of a corpus with this content key lies, or would lie, under these alignment settings."""
    settings = f"{FORMAT}|{content}|{config.tolerance!r}|{config.max_gap!r}"
    if config.interpolation != "linear":
        # Added only where it differs, so that stores built before there was a choice are still found.
        settings += f"|{config.interpolation}"
    return cache / hashlib.blake2b(settings.encode(), digest_size=16).hexdigest()


def open_prepared(path: Path) -> Prepared:
    """Open a store.

    Raises:
        CorpusError: the folder is no store of this version, or is half-built.
    """
    path = Path(path)
    try:
        index = json.loads((path / "index.json").read_text(encoding="utf-8"))
        quality = json.loads((path / "quality.json").read_text(encoding="utf-8"))
        if index["format"] != FORMAT:
            raise ValueError(f"format '{index['format']}'")
        arrays = {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in index["shapes"]}
        for name, shape in index["shapes"].items():
            if list(arrays[name].shape) != shape:
                raise ValueError(f"{name}.npy of shape {arrays[name].shape} instead of {tuple(shape)}")
        schema = CorpusSchema.model_validate(index["schema"])
        items = tuple(
            PreparedItem(**{**item, "has": tuple(item["has"]), "breaks": tuple(item["breaks"])})
            for item in index["items"]
        )
        return Prepared(
            index["key"], index["content"], path, schema, items, quality,
            {name: arrays[f"values.{name}"] for name in schema.modalities}, arrays["present"], arrays["target"],
            likenesses=_likenesses(path),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusError(
            "the folder is no whole prepared store",
            expected=f"{FORMAT}: index.json, quality.json and the arrays that the index names",
            found=f"{type(error).__name__}: {error}"[:300],
            next_step="Delete it; it is rebuilt when needed",
            where=str(path),
        ) from None


def _likenesses(path: Path) -> dict[str, list[dict[str, Any]]]:
    try:
        return json.loads((path / "columns.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def _is_whole(place: Path) -> bool:
    if not place.exists():
        return False
    try:
        open_prepared(place)
    except CorpusError:
        return False
    return True


# Building ----------------------------------------------------------------------------------------------------------
class _ArrayFile:
    """An .npy file that grows row by row: the header leaves room for its final length, so one pass is enough."""

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape = (0, *row_shape)
        self.dtype = dtype
        self.file: IO[bytes] = path.open("wb")
        self._write_header()
        self.start = self.file.tell()

    def append(self, rows: np.ndarray) -> None:
        assert rows.shape[1:] == self.shape[1:]
        self.file.write(np.ascontiguousarray(rows, self.dtype).tobytes())
        self.shape = (self.shape[0] + len(rows), *self.shape[1:])

    def close(self) -> None:
        self.file.seek(0)
        self._write_header()
        assert self.file.tell() == self.start, "numpy pads headers so that the first axis may grow in place"
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()

    def _write_header(self) -> None:
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(self.file, header)


def _build(source: FolderSource, config: DataConfig, folder: Path, key: str, content: str, on_event: OnEvent) -> None:
    schema = source.schema
    on_event(Note(f"preparing corpus '{schema.name}': {len(source.items)} items"))
    files = {
        f"values.{name}": _ArrayFile(folder / f"values.{name}.npy", (len(m.columns),), np.dtype(m.storage))
        for name, m in schema.modalities.items()
    }
    files["present"] = _ArrayFile(folder / "present.npy", (len(schema.modalities),), np.dtype(bool))
    tracks = (schema.targets.tracks, len(schema.targets.parameters))
    files["target"] = _ArrayFile(folder / "target.npy", tracks, np.dtype(np.float32))
    items: list[PreparedItem] = []
    quality: list[dict[str, Any]] = []
    offset = 0
    try:
        for item in source.items:
            one = on_grid(source, item.name, config)
            for name, values_SF in one.values.items():
                files[f"values.{name}"].append(values_SF)
            files["present"].append(one.present_SM)
            files["target"].append(one.target_SKP)
            quality.extend(one.quality)
            has = tuple(bool(one.present_SM[:, m].any()) for m in range(one.present_SM.shape[1]))
            items.append(
                PreparedItem(item.name, item.group, item.split, offset, one.steps, has, one.breaks, item.metadata)
            )
            offset += one.steps
    finally:
        for file in files.values():
            file.close()
    if not offset:
        raise CorpusError(
            "no item has a single step",
            expected="rows with a time in the reference modality, in the targets or in any stream",
            where=str(source.folder),
        )
    index = {
        "format": FORMAT,
        "key": key,
        "content": content,
        "settings": {
            "tolerance": config.tolerance,
            "max_gap": config.max_gap,
            "interpolation": config.interpolation,
        },
        "schema": schema.model_dump(mode="json", by_alias=True),
        "items": [asdict(item) for item in items],
        "shapes": {name: list(file.shape) for name, file in files.items()},
    }
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "quality.json").write_text(json.dumps(quality), encoding="utf-8")
    _examine(source, folder, quality)
    (folder / "quality.json").write_text(json.dumps(quality), encoding="utf-8")
    _report(schema, items, quality, on_event)


def _examine(source: FolderSource, folder: Path, quality: list[dict[str, Any]]) -> None:
    """What only shows when all items are there."""
    from mmcore.data.alike import examine_columns
    from mmcore.data.loud import mark_loud

    prepared = open_prepared(folder)
    mark_loud(source, prepared, quality)
    (folder / "columns.json").write_text(json.dumps(examine_columns(prepared)), encoding="utf-8")


def _report(
    schema: CorpusSchema, items: Sequence[PreparedItem], quality: Sequence[dict[str, Any]], on_event: OnEvent
) -> None:
    steps = sum(item.steps for item in items)
    on_event(Note(f"prepared corpus '{schema.name}': {len(items)} items, {steps} steps"))
    empty = [item.name for item in items if not item.steps]
    if empty:
        on_event(Note(f"{len(empty)} items have no step and are left out: {', '.join(empty[:5])}"))
    for text in time_notes(quality):
        on_event(Note(text))
    for line in summarise(quality):
        if line["warnings"]:
            text = f"{line['modality']}: {line['warnings']} items with a warning, e.g. {line['examples'][0]}"
            on_event(Note(text))
