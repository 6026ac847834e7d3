"""What an Arrow or Feather file claims to hold, read from its headers before anything is decompressed.

A few kilobytes of compressed buffers can hold gigabytes: each begins with the size that comes out of it. The headers
are FlatBuffers; only the fields that are needed are read. Format: "Arrow columnar format", sections "IPC file format"
and "Record batch message" (https://arrow.apache.org/docs/format/Columnar.html), and the FlatBuffers internals.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mmcore.data.sources.table_files import unreadable
from mmcore.errors import CorpusError
from mmcore.files import open_file

MOST_CELLS = 1 << 31
"""Rows × columns of a table: 16 GiB of numbers."""
SMALL, RATIO = 1 << 30, 200
"""Bytes that are let pass in any case, and bytes that come out of one byte: measured numbers rarely reach 10."""
_MAGIC = b"ARROW1"
_LARGEST_HEADER = 1 << 28
_MOST_BLOCKS = 1 << 20


class _OddError(Exception):
    """The bytes are no Arrow file; what is wrong with them is left to the library that reads it."""


@dataclass(frozen=True)
class Claims:
    """What a file claims.

    Args:
        rows, columns: of all batches together, and of the widest.
        size: bytes once everything is decompressed; of a stream that of its largest batch, since one is read at a time.
    """

    rows: int
    columns: int
    size: int


def refuse_arrow_bomb(path: Path) -> None:
    """Let Arrow files, Feather files and Arrow streams pass that unpack to something a machine can hold.

    Whatever is no Arrow file, or a torn one, is left to its reader.

    Raises:
        CorpusError: it claims too many cells, or too many bytes by those that they are packed in.
    """
    try:
        with open_file(path) as file:
            packed = os.fstat(file.fileno()).st_size
            claims = claims_of(file, packed)
    except OSError as error:
        raise unreadable(path, "file", error) from None
    if claims is not None:
        refuse_claims(path, claims.rows, claims.columns, packed, claims.size)


def refuse_claims(path: Path, rows: int, columns: int, packed: int, size: int = 0) -> None:
    """Refuse a table that claims more than a machine holds, or much more than its bytes can hold.

    Args:
        rows, columns: that it claims.
        packed: bytes of the file.
        size: bytes once everything is decompressed, where it is known.

    Raises:
        CorpusError: names the limit.
    """
    if rows * columns > MOST_CELLS:
        raise CorpusError(
            f"a table may have at most {MOST_CELLS:,} cells",
            found=f"{rows:,} rows of {columns:,} columns",
            next_step="Divide the item, or write the file again",
            where=str(path),
        )
    if size > SMALL and size > RATIO * packed:
        raise CorpusError(
            f"a table may unpack to {SMALL >> 30} GiB, or to {RATIO} times its size where that is more",
            found=f"{size / 2**30:,.1f} GiB from {packed:,} bytes",
            next_step="If that is its true content, write it without compression",
            where=str(path),
        )


def claims_of(file: BinaryIO, size: int) -> Claims | None:
    """What the batches of a file claim; None where it is no Arrow file or stream."""
    try:
        if file.read(len(_MAGIC)) == _MAGIC:
            found = [_batch(file, at) for at in _blocks(file, size)]
            total = sum(one.size for one in found)
        else:
            found = [_batch(file, at) for at in _messages(file, size)]
            total = max((one.size for one in found), default=0)
    except (_OddError, struct.error, IndexError, OverflowError):
        return None
    return Claims(sum(one.rows for one in found), max((one.columns for one in found), default=0), total)


def _blocks(file: BinaryIO, size: int) -> Iterator[int]:
    """Where the messages of dictionaries and batches begin, by the footer: the same may be there twice."""
    file.seek(max(0, size - 10))
    end = file.read(10)
    if end[4:] != _MAGIC:
        raise _OddError
    (length,) = struct.unpack("<i", end[:4])
    if not 0 < length <= min(size, _LARGEST_HEADER):
        raise _OddError
    file.seek(size - 10 - length)
    footer = _Table.root(file.read(length))
    for place in (2, 3):
        start, count = footer.vector(place)
        if count > _MOST_BLOCKS:
            raise _OddError
        for at in range(count):
            yield footer.number("<q", start + 24 * at)


def _messages(file: BinaryIO, size: int) -> Iterator[int]:
    """Where the messages of a stream begin."""
    at = 0
    for _ in range(_MOST_BLOCKS):
        header, body, message = _message(file, at)
        if header == 0:
            return
        yield at
        length = message.number("<q", place) if (place := message.field(3)) else 0
        if length < 0 or body + length > size:
            raise _OddError
        at += header + length
    raise _OddError


def _message(file: BinaryIO, at: int) -> tuple[int, int, _Table]:
    """Bytes of a message's header, where its body begins, and its table; 0 at the end of a stream."""
    file.seek(at)
    start = file.read(8)
    if len(start) < 4:
        return 0, 0, _Table(b"", 0)
    begins, length = (8, start[4:]) if start[:4] == b"\xff\xff\xff\xff" else (4, start[:4])
    (size,) = struct.unpack("<i", length)
    if size == 0:
        return 0, 0, _Table(b"", 0)
    if not 0 < size <= _LARGEST_HEADER:
        raise _OddError
    file.seek(at + begins)
    text = file.read(size)
    if len(text) < size:
        raise _OddError
    return begins + size, at + begins + size, _Table.root(text)


def _batch(file: BinaryIO, at: int) -> Claims:
    """What the message at a place claims; nothing where it is a schema."""
    _, body, message = _message(file, at)
    kind, header = message.field(1), message.field(2)
    if not kind or not header:
        return Claims(0, 0, 0)
    kind = message.text[kind]
    batch = message.table(header)
    if kind == 2 and (data := batch.field(1)):
        # Of a dictionary: a batch of its values.
        batch = batch.table(data)
    elif kind != 3:
        return Claims(0, 0, 0)
    rows = batch.number("<q", place) if (place := batch.field(0)) else 0
    if rows < 0:
        raise _OddError
    columns = batch.vector(1)[1]
    start, count = batch.vector(2)
    packed = batch.field(3) != 0
    size = 0
    for index in range(count):
        offset, length = (batch.number("<q", start + 16 * index + 8 * part) for part in (0, 1))
        size += _unpacked(file, body + offset, length) if packed and length > 0 else max(length, 0)
    return Claims(rows, columns, max(size, 4 * rows * columns))


def _unpacked(file: BinaryIO, at: int, length: int) -> int:
    file.seek(at)
    (size,) = struct.unpack("<q", file.read(8))
    return length if size < 0 else size


@dataclass(frozen=True)
class _Table:
    """A table of FlatBuffers: ``text`` with the table at ``at``."""

    text: bytes
    at: int

    @classmethod
    def root(cls, text: bytes) -> _Table:
        """The first table of a buffer."""
        return cls(text, struct.unpack_from("<I", text, 0)[0])

    def number(self, kind: str, at: int) -> int:
        """A number at a place of the buffer."""
        return struct.unpack_from(kind, self.text, at)[0]

    def field(self, index: int) -> int:
        """Where a field is; 0 where it is left out."""
        known = self.at - self.number("<i", self.at)
        if known < 0 or 4 + 2 * index + 2 > self.number("<H", known):
            return 0
        offset = self.number("<H", known + 4 + 2 * index)
        return self.at + offset if offset else 0

    def table(self, place: int) -> _Table:
        """The table that a field refers to."""
        return _Table(self.text, place + self.number("<I", place))

    def vector(self, index: int) -> tuple[int, int]:
        """Where the entries of a vector begin, and how many it has."""
        place = self.field(index)
        if not place:
            return 0, 0
        start = place + self.number("<I", place)
        return start + 4, self.number("<I", start)
