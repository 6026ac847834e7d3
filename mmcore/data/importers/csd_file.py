"""Opens one computational sequence with h5py: root, metadata, and features with intervals by item."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mmcore.data.importers.sample import check_claim
from mmcore.data.sources.special import refuse_no_file
from mmcore.errors import CorpusError

TORN = (OSError, RuntimeError, KeyError, ValueError, TypeError)
"""What h5py raises for files that are torn or laid out in another way."""


class Sequence:
    """A computational sequence; items are read one by one.

    Args:
        path: the file, for messages.
        root: its root group.
        name: of the root group.
    """

    def __init__(self, path: Path, root: Any, name: str) -> None:
        self.path, self.name = path, name
        self._data = root["data"]
        self.items: tuple[str, ...] = tuple(self._data.keys())
        self.dimensions = _dimensions(root)

    def read(self, item: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Features (T, F) and intervals (T, 2) of an item; None where features hold no numbers, such as words.

        Raises:
            CorpusError: other shapes, a claim above :data:`~mmcore.data.importers.sample.ITEM_LIMIT`, a torn file.
        """
        with reading(self.path):
            entry = self._data[item]
            features, intervals = entry["features"], entry["intervals"]
            check_claim(features.shape, max(features.dtype.itemsize, 1), f"features of '{item}'", str(self.path))
            if features.dtype.kind not in "fiu":
                return None
            shape, times = tuple(features.shape), tuple(intervals.shape)
            if len(shape) == 1:
                shape = (shape[0], 1)
            if len(shape) != 2 or times != (shape[0], 2) or not shape[1] or intervals.dtype.kind not in "fiu":
                raise CorpusError(
                    f"item '{item}' must hold features (rows, columns) and one start and end for each row",
                    expected=f"intervals of shape ({shape[0] if shape else 0}, 2)",
                    found=f"features {shape} and intervals {times}",
                    next_step="Compare the file with its original",
                    where=str(self.path),
                )
            return np.asarray(features[()]).reshape(shape), np.asarray(intervals[()], np.float64)


@contextmanager
def open_sequence(path: Path) -> Iterator[Sequence]:
    """A .csd file, opened for reading.

    Raises:
        CorpusError: h5py is not installed, the file is torn or no HDF5, or has another structure.
    """
    refuse_no_file(path)
    h5py = _h5py()
    with ExitStack() as stack:
        with reading(path):
            file = stack.enter_context(h5py.File(path, "r"))
            names = list(file)
            roots = [name for name in names if file.get(name, getclass=True) is h5py.Group and "data" in file[name]]
            sequence = Sequence(path, file[roots[0]], roots[0]) if len(roots) == 1 else None
        if sequence is None:
            raise CorpusError(
                "a computational sequence has one root group with a group 'data'",
                found=", ".join(names)[:100] or "an empty file",
                next_step="Only files of CMU-MultimodalSDK can be read; save others with numpy.savez and import numpy",
                where=str(path),
            )
        yield sequence


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what h5py raises for a torn or foreign file into an error of ours."""
    try:
        yield
    except TORN as error:
        raise CorpusError(
            "the file cannot be read as a computational sequence",
            expected="HDF5 with ROOT/data/ITEM/features and intervals",
            found=f"{type(error).__name__}: {error}"[:200],
            next_step="Compare its size with that of the original, and copy or download it again",
            where=str(path),
        ) from None


def _h5py() -> Any:
    try:
        import h5py
    except ImportError:
        raise CorpusError(
            "computational sequences are HDF5 files, which the package h5py reads",
            found="no such package",
            next_step='Install it: pip install "mmstudy[hdf5]"',
        ) from None
    return h5py


def _dimensions(root: Any) -> tuple[str, ...] | None:
    """Names of columns from the metadata; None where there are none."""
    try:
        said = root["metadata"]["dimension names"][0]
        names = json.loads(said.decode() if isinstance(said, bytes) else said)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        return None
    while isinstance(names, list) and len(names) == 1 and isinstance(names[0], list):
        names = names[0]
    return tuple(str(name) for name in names) if isinstance(names, list) else None
