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
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import orjson
from pydantic import TypeAdapter, ValidationError

from mmcore.complaints import complaint
from mmcore.config import DataConfig
from mmcore.errors import CorpusError
from mmcore.facts import Likenesses
from mmcore.files import BrokenFile, read_bytes, refuse_special, unopened
from mmcore.quality import QualityRow, read_quality
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
        quality: a row for each item and modality.
        values: modality to (N, F), float32 or float16, NaN where not usable.
        present: (N, M) bool.
        target: (N, K, P) float32 raw values, NaN where there is no target; (I, K, P) for scope item.
        placebos: modalities that windows read from other items, see :mod:`mmcore.data.placebo`; no part of the store,
            set by a run. ``values`` and ``present`` are the items' own.
    """

    key: str
    content: str
    path: Path
    schema: CorpusSchema
    items: tuple[PreparedItem, ...]
    quality: tuple[QualityRow, ...]
    values: dict[str, np.ndarray]
    present: np.ndarray
    target: np.ndarray
    placebos: Mapping[str, Placebo] = field(default_factory=dict)
    likenesses: Likenesses = field(default_factory=Likenesses)


@dataclass(frozen=True)
class Settings:
    """Those of alignment that the store was built with."""

    tolerance: float
    max_gap: float
    interpolation: str


@dataclass(frozen=True)
class Index:
    """What index.json holds.

    Args:
        shapes: of the arrays, by name.
    """

    format: str
    key: str
    content: str
    settings: Settings
    schema: CorpusSchema
    items: tuple[PreparedItem, ...]
    shapes: Mapping[str, tuple[int, ...]]


class Aligned(Protocol):
    """Items on their grid: a store, or its index alone."""

    @property
    def schema(self) -> CorpusSchema: ...
    @property
    def items(self) -> tuple[PreparedItem, ...]: ...


T = TypeVar("T")
_INDEX, _LIKENESSES = TypeAdapter(Index), TypeAdapter(Likenesses)


def write_index(folder: Path, index: Index) -> None:
    """Write what makes a folder a store."""
    (folder / "index.json").write_bytes(_INDEX.dump_json(index, by_alias=True))


def write_likenesses(folder: Path, found: Likenesses) -> None:
    """Write which columns of a store are alike."""
    (folder / "columns.json").write_bytes(_LIKENESSES.dump_json(found))


def store_path(content: str, config: DataConfig, cache: Path) -> Path:
    """Where the store of a corpus with this content key lies, or would lie, under these alignment settings."""
    settings = f"{FORMAT}|{content}|{config.tolerance!r}|{config.max_gap!r}"
    if config.interpolation != "linear":
        # Added only where it differs, so that stores built before there was a choice are still found.
        settings += f"|{config.interpolation}"
    return cache / hashlib.blake2b(settings.encode(), digest_size=16).hexdigest()


class BrokenStore(CorpusError):
    """A prepared store is torn, incomplete or of another version; it can be made again from its corpus."""


def read_index(path: Path) -> Index:
    """The index of a store.

    Raises:
        BrokenStore: it is not there, torn, of another version, or does not hold together.
        CorpusError: this user may not read it.
    """
    return _reading(path, lambda: _index(path))


def open_prepared(path: Path) -> Prepared:
    """Open a store.

    Raises:
        BrokenStore: the folder is not a store of this version, or is incomplete.
        CorpusError: this user may not read it.
    """
    return _reading(Path(path), lambda: _opened(Path(path)))


def _opened(path: Path) -> Prepared:
    index, quality = _index(path), read_quality(path)
    arrays = {name: _array(path / f"{name}.npy", shape) for name, shape in index.shapes.items()}
    return Prepared(
        index.key, index.content, path, index.schema, index.items, quality,
        {name: arrays[f"values.{name}"] for name in index.schema.modalities}, arrays["present"], arrays["target"],
        likenesses=_likenesses(path),
    )  # fmt: skip


def _index(path: Path) -> Index:
    text = read_bytes(path / "index.json")
    content = orjson.loads(text)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"format {str(found)[:40]!r}")
    index = _INDEX.validate_json(text)
    steps = 0
    for item in index.items:
        if item.offset != steps or item.steps < 0 or len(item.has) != len(index.schema.modalities):
            raise ValueError(f"index.json: the place of item '{item.name}'")
        steps += item.steps
    needed = [*(f"values.{name}" for name in index.schema.modalities), "present"]
    for name in (*needed, "target"):
        if name not in index.shapes:
            raise ValueError(f"index.json: no shape of {name}.npy")
    if any(index.shapes[name][:1] != (steps,) for name in needed):
        raise ValueError(f"index.json: shapes that do not fit {steps} steps")
    return index


def _array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    refuse_special(path)
    array = np.lib.format.open_memmap(path, mode="r")
    if array.shape != shape:
        raise ValueError(f"{path.name} of shape {array.shape} instead of {shape}")
    if array.dtype.kind not in "fb":
        raise ValueError(f"{path.name} of type {array.dtype}")
    return array


def _reading(path: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as problem:
        found = f"no file {Path(problem.filename or path).name}"
    except OSError as problem:
        raise unopened(CorpusError, "the prepared store", Path(problem.filename or path), problem) from None
    except BrokenFile as problem:
        found = problem.message.removeprefix(f"{path}/")
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        found = f"{'.'.join(map(str, first['loc'])) or path.name}: {complaint(first)}"
    except (ValueError, KeyError, TypeError, OverflowError) as problem:
        found = " ".join(str(problem).split())
    raise BrokenStore(
        "the folder is not a complete prepared store",
        expected=f"{FORMAT}: index.json, quality.json and the arrays that the index names",
        found=found[:300],
        next_step="mmstudy run or mmstudy data prepare sets it aside and prepares the corpus again",
        where=str(path),
    )


def _likenesses(path: Path) -> Likenesses:
    try:
        return _LIKENESSES.validate_json(read_bytes(path / "columns.json"))
    except FileNotFoundError:
        return Likenesses()
