"""What was computed of each file, kept under the hash of its content: a second import computes only what is missing.

``<home>/footage/<hash of the file>/<part>-<key>.f32`` holds the rows of a part as plain numbers, and the file of the
same name with ``.json``, written last, says what they are. The key hashes the extractors: their names, versions,
weights and settings.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import psutil
from pydantic import ValidationError

from experiments.footage.features import Part
from experiments.footage.grid import STEP
from mmcore.atomic import write_atomically
from mmcore.files import read_bytes
from mmcore.frozen import Frozen

BUFFER = 1 << 20
"""Bytes of rows that are written at once."""


class Header(Frozen):
    """What a kept table holds."""

    rows: int
    """Steps; 0: the file has nothing that this part is computed from."""
    width: int
    """Columns."""
    notes: tuple[str, ...] = ()
    """What was left out of the file, for people."""
    failed: str | None = None
    """Why nothing of the stream can be decoded; None: it can, or the file has no such stream."""


class FootageStore:
    """The kept tables of all files.

    Args:
        root: its folder; made when something is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def header(self, content: str, part: Part) -> Header | None:
        """What is kept of a part; None where it is to be computed, also where its files do not fit each other."""
        path = self.path(content, part)
        try:
            header = Header.model_validate_json(read_bytes(path.with_suffix(".json")))
            size = path.stat().st_size if header.rows else 0
        except (OSError, ValidationError):
            return None
        return header if header.width == part.width and size == header.rows * header.width * 4 else None

    def rows(self, content: str, part: Part) -> np.ndarray:
        """The rows (S, F) float32 of a part that is kept, read from the disk where they are used."""
        header = self.header(content, part)
        assert header is not None
        if not header.rows:
            return np.empty((0, part.width), np.float32)
        return np.memmap(self.path(content, part), np.float32, "r", shape=(header.rows, header.width))

    def path(self, content: str, part: Part) -> Path:
        """Where the rows of a part lie."""
        said = repr((STEP, part.width, [one.identity for one in part.extractors])).encode()
        return self.root / content / f"{part.kind}-{hashlib.sha256(said).hexdigest()[:16]}.f32"

    def remove_leftovers(self) -> None:
        """Remove what killed processes left half-written; what living ones are writing stays."""
        for path in self.root.glob("*/.*.part"):
            pid = path.name.split(".")[-2]
            if not (pid.isdigit() and psutil.pid_exists(int(pid))):
                with contextlib.suppress(OSError):
                    path.unlink()


class Writing:
    """Rows of one part on their way to the store; nothing is kept before :meth:`keep`."""

    def __init__(self, store: FootageStore, content: str, part: Part) -> None:
        self.part, self._path, self.steps = part, store.path(content, part), 0
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._partial = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        self._file = self._partial.open("wb", buffering=BUFFER)

    def add(self, row_F: np.ndarray) -> None:
        """One more step."""
        assert row_F.shape == (self.part.width,)
        self._file.write(row_F.astype("<f4").tobytes())
        self.steps += 1

    def keep(self, notes: Iterable[str] = (), failed: str | None = None) -> None:
        """All steps are there, or as many as there are before a failure."""
        self._file.close()
        if self.steps:
            os.replace(self._partial, self._path)
        else:
            self._partial.unlink()
        header = Header(rows=self.steps, width=self.part.width, notes=tuple(notes), failed=failed)
        text = header.model_dump_json(indent=1).encode()
        write_atomically(self._path.with_suffix(".json"), lambda file: file.write(text), flush=False)

    def drop(self) -> None:
        """Nothing is kept."""
        self._file.close()
        with contextlib.suppress(OSError):
            self._partial.unlink()


def content_of(path: Path) -> str:
    """The hash of a file's content, 32 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
