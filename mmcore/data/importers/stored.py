"""Arrays of an .npz archive or of a folder of .npy files, read one item at a time and never unpickled.

What a header claims is checked before memory is taken: a few kilobytes of a compressed archive can claim terabytes.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from mmcore.data.importers.sample import check_claim
from mmcore.data.sources.special import TORN, refuse_no_file
from mmcore.errors import CorpusError
from mmcore.names import refuse_torn_text

ARCHIVE_LIMIT = 64 << 30
"""Bytes that all arrays of an archive may claim together."""


@dataclass(frozen=True)
class StoredArray:
    """An array that lies in a file.

    Args:
        name: without ``.npy``.
        path: the archive, or the file.
        shape, dtype: as the header claims them; they fit the size of the file.
        member: the name within the archive; None: a file of its own.
        fortran: whether the first axis is the fastest, so that items do not lie one after another.
    """

    name: str
    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    member: str | None
    fortran: bool

    def whole(self) -> np.ndarray:
        """All of it.

        Raises:
            CorpusError: it claims more than one item may, or the file is torn.
        """
        check_claim(self.shape, self.dtype.itemsize, f"array '{self.name}', which is read at once,", str(self.path))
        with _reading(self.path, self.name):
            if self.member is None:
                return np.load(self.path, allow_pickle=False)
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
                return np.lib.format.read_array(file, allow_pickle=False)

    def items(self) -> Iterator[np.ndarray]:
        """Its parts along the first axis, one after another.

        Raises:
            CorpusError: an item claims more than :data:`~mmcore.data.importers.sample.ITEM_LIMIT`, or the file is torn.
        """
        check_claim(self.shape[1:], self.dtype.itemsize, f"array '{self.name}'", str(self.path))
        if self.fortran:
            yield from self.whole()
            return
        if self.member is None:
            with _reading(self.path, self.name):
                mapped = np.load(self.path, mmap_mode="r", allow_pickle=False)
            for at in range(len(mapped)):
                yield np.array(mapped[at])
            return
        size = prod(self.shape[1:]) * self.dtype.itemsize
        with _reading(self.path, self.name), zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
            _header(file)
            for _ in range(self.shape[0]):
                data = file.read(size)
                if len(data) != size:
                    raise EOFError(f"the array '{self.name}' ends early")
                yield np.frombuffer(data, self.dtype).reshape(self.shape[1:])


class _reading:
    """Turns whatever a torn file makes a library raise into an error of ours."""

    def __init__(self, path: Path, name: str = "") -> None:
        self._path, self._name = path, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, TORN):
            pickled = "allow_pickle" in str(error) or "Object arrays" in str(error)
            name = f" '{self._name}'" if self._name else ""
            raise CorpusError(
                f"array{name} holds Python objects, and nothing is unpickled" if pickled else "the file cannot be read",
                expected="an archive of numpy.savez, or files of numpy.save",
                found=None if pickled else f"{type(error).__name__}: {error}"[:200],
                next_step="Save plain arrays: np.savez(FILE, names=names.astype(str))"
                if pickled
                else "Compare its size with that of the original, and copy or save it again",
                where=str(self._path),
            ) from None


def open_arrays(path: Path) -> dict[str, StoredArray]:
    """The arrays of an .npz archive, or of the .npy files of a folder, by name; only headers are read.

    Raises:
        CorpusError: no such file, no array, Python objects, a header that does not fit its file, or claims above
            :data:`ARCHIVE_LIMIT`.
    """
    if not path.is_dir():
        refuse_no_file(path)
    arrays = [_of_file(file) for file in sorted(path.glob("*.npy"))] if path.is_dir() else list(_of_archive(path))
    if not arrays:
        raise CorpusError(
            "an import of arrays needs at least one",
            expected="an .npz archive, or a folder of .npy files",
            found="none",
            where=str(path),
        )
    claimed = sum(prod(array.shape) * array.dtype.itemsize for array in arrays)
    if claimed > ARCHIVE_LIMIT:
        raise CorpusError(
            f"the arrays may claim at most {ARCHIVE_LIMIT >> 30} GiB together",
            found=f"{claimed / (1 << 30):,.0f} GiB",
            next_step="If that is their true size, split them into archives of fewer items",
            where=str(path),
        )
    return {array.name: array for array in arrays}


def _of_file(path: Path) -> StoredArray:
    refuse_no_file(path)
    refuse_torn_text(path.name, "the name of an array", CorpusError)
    with _reading(path, path.stem), path.open("rb") as file:
        shape, fortran, dtype = _header(file)
        left = path.stat().st_size - file.tell()
    return _checked(StoredArray(path.stem, path, shape, dtype, None, fortran), left)


def _of_archive(path: Path) -> Iterator[StoredArray]:
    with _reading(path), zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                continue
            name = info.filename.removesuffix(".npy")
            with _reading(path, name), archive.open(info) as file:
                shape, fortran, dtype = _header(file)
                left = info.file_size - file.tell()
            yield _checked(StoredArray(name, path, shape, dtype, info.filename, fortran), left)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    # Version 3 differs from 2 in the encoding of names of fields, which no plain array has.
    return np.lib.format.read_array_header_2_0(file)


def _checked(array: StoredArray, left: int) -> StoredArray:
    claimed = prod(array.shape) * array.dtype.itemsize
    if array.dtype.hasobject or array.dtype.names is not None:
        raise CorpusError(
            f"array '{array.name}' holds Python objects or fields, and nothing is unpickled",
            found=str(array.dtype)[:80],
            next_step="Save plain arrays: np.savez(FILE, names=names.astype(str))",
            where=str(array.path),
        )
    if claimed != left or any(axis < 0 for axis in array.shape):
        raise CorpusError(
            f"the header of array '{array.name}' must fit its data",
            expected=f"{claimed} bytes for shape {array.shape} of {array.dtype}"[:120],
            found=f"{left} bytes",
            next_step="The file is torn: copy or save it again",
            where=str(array.path),
        )
    return array
