"""Building the prepared store of a corpus, or opening the one that is there; see :mod:`mmcore.data.prepared`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from filelock import FileLock

from mmcore.atomic import room_in
from mmcore.config import DataConfig
from mmcore.data.alike import examine_columns
from mmcore.data.gridding import on_grid
from mmcore.data.loud import mark_loud, mark_units, ranges_of
from mmcore.data.prepared import (
    FORMAT,
    BrokenStore,
    Index,
    Prepared,
    PreparedItem,
    Settings,
    open_prepared,
    store_path,
    write_index,
    write_likenesses,
)
from mmcore.data.sources.folder import FolderSource, content_key
from mmcore.data.sources.look_alikes import group_notes
from mmcore.data.timing import time_notes
from mmcore.data.unknown import unknown_in
from mmcore.errors import CorpusError
from mmcore.events import Note, OnEvent, ignore
from mmcore.files import set_aside
from mmcore.language import counted, say
from mmcore.quality import QualityRow, summarise, write_quality


def prepare(
    folder: Path, config: DataConfig, cache: Path, on_event: OnEvent = ignore, targets: bool = True
) -> Prepared:
    """Open the prepared store of a corpus, and build it first where there is none.

    Args:
        folder: the corpus.
        config: its tolerance, max_gap and interpolation; window, stride and clip do not touch the store.
        cache: where stores are kept; several processes may ask at once, one builds and the others wait.
        on_event: receives notes.
        targets: whether the table of targets must be there; not where a model only predicts.

    Raises:
        CorpusError: the corpus breaks its format, no item has a step, it changed while it was read, or this user may
            not read the store.
    """
    folder, cache = Path(folder), Path(cache)
    content = content_key(folder)
    place = store_path(content, config, cache)
    key = place.name
    store = _opened(place)
    if store is not None:
        return store
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{key}.lock"), room_in(cache):
        store = _opened(place)
        if store is None:
            # Only the process with the lock builds this key: a folder found here was left by a process that died.
            for leftover in cache.glob(f"{key}.partial*"):
                shutil.rmtree(leftover, ignore_errors=True)
            if os.path.lexists(place):
                on_event(Note(_aside(place, cache)))
            partial = cache / f"{key}.partial-{os.getpid()}"
            partial.mkdir()
            try:
                _build(FolderSource(folder, targets), config, partial, key, content, on_event)
                if content_key(folder) != content:
                    raise CorpusError(
                        "the corpus changed while it was being prepared", next_step="Run again", where=str(folder)
                    )
                os.replace(partial, place)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return open_prepared(place)


def _opened(place: Path) -> Prepared | None:
    """The store; None where there is none, or a broken one.

    Raises:
        CorpusError: this user may not read it.
    """
    if not os.path.lexists(place):
        return None
    try:
        return open_prepared(place)
    except BrokenStore:
        return None


def _aside(place: Path, cache: Path) -> str:
    """Rename a broken store, and say so. Of several only the latest is kept: a store may be large."""
    try:
        open_prepared(place)
        found = say("it could not be opened before")
    except CorpusError as problem:
        found = problem.found or problem.rule
    for earlier in cache.glob(f"{place.name}.broken-*"):
        shutil.rmtree(earlier, ignore_errors=True)
    return say(
        "the prepared store was broken ({found}); it is kept as {kept}, and the corpus prepared again",
        found=found,
        kept=set_aside(place),
    )


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
    for text in source.doubts():
        on_event(Note(text))
    on_event(
        Note(say("preparing corpus '{corpus}': {items}", corpus=schema.name, items=counted(len(source.items), "item")))
    )
    files = {
        f"values.{name}": _ArrayFile(folder / f"values.{name}.npy", (len(m.columns),), np.dtype(m.storage))
        for name, m in schema.modalities.items()
    }
    files["present"] = _ArrayFile(folder / "present.npy", (len(schema.modalities),), np.dtype(bool))
    tracks = (schema.targets.tracks, len(schema.targets.parameters))
    files["target"] = _ArrayFile(folder / "target.npy", tracks, np.dtype(np.float32))
    items: list[PreparedItem] = []
    quality: list[QualityRow] = []
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
    settings = Settings(config.tolerance, config.max_gap, config.interpolation)
    shapes = {name: file.shape for name, file in files.items()}
    write_index(folder, Index(FORMAT, key, content, settings, schema, tuple(items), shapes))
    write_quality(folder, quality)
    _examine(source, folder, quality)
    _report(open_prepared(folder), on_event)


def _examine(source: FolderSource, folder: Path, quality: Sequence[QualityRow]) -> None:
    """Write what only shows when all items are there, into the quality report and beside it."""
    prepared = open_prepared(folder)
    ranges = ranges_of(prepared)
    write_quality(folder, mark_units(prepared, mark_loud(source, prepared, quality, ranges), ranges))
    write_likenesses(folder, examine_columns(prepared))


def _report(store: Prepared, on_event: OnEvent) -> None:
    steps = sum(item.steps for item in store.items)
    corpus = store.schema.name
    on_event(
        Note(
            say(
                "prepared corpus '{corpus}': {items}, {steps}",
                corpus=corpus,
                items=counted(len(store.items), "item"),
                steps=counted(steps, "step"),
            )
        )
    )
    for text in quality_notes(store):
        on_event(Note(text))


def quality_notes(store: Prepared) -> list[str]:
    """What a person should know of a corpus before anything is trained on it; [] where all is well."""
    items, quality = store.items, store.quality
    empty = [item.name for item in items if not item.steps]
    names = ", ".join(empty[:5])
    notes = []
    if len(empty) == 1:
        notes.append(say("item {name} has no step and is left out", name=names))
    elif empty:
        notes.append(say("{n} items have no step and are left out: {names}", n=len(empty), names=names))
    notes += group_notes(item.group for item in items)
    notes += time_notes(quality)
    notes += unknown_in(store)
    for line in summarise(quality):
        if line.warnings == 1:
            notes.append(
                say("{modality}: 1 item with a warning, {example}", modality=line.modality, example=line.examples[0])
            )
        elif line.warnings:
            notes.append(
                say(
                    "{modality}: {n} items with a warning, e.g. {example}",
                    modality=line.modality,
                    n=line.warnings,
                    example=line.examples[0],
                )
            )
    return notes
