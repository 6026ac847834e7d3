"""How driver and workers speak over a shared folder: lines appended to files, and a sign of life of the driver.

Compute nodes often cannot reach the machine of the driver by network, but they share the home with it. Each file has
one writer. A reader takes whole lines only, and opens the file anew each time: NFS looks for news when one is opened.
Imports nothing but the standard library: a node starts with it.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

BEAT_SECONDS = 2.0
"""The driver gives a sign of life this often."""

STALE_SECONDS = 60.0
"""A worker that has seen no sign of life for so long ends: its driver is gone."""

IN, OUT, LOG, ALIVE = "in.jsonl", "out.jsonl", "worker.log", "alive"
NODE = '{"node":'
"""How a line of the node's own begins; all others are the worker's."""


class Sender:
    """Appends lines to a file that nobody else writes.

    What was written in part, because the disk was full for a moment, is written again in the same place: a reader never
    sees a line that is put together from two.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at = 0

    def send(self, line: str) -> None:
        """Append a line, its end included.

        Raises:
            OSError: it could not be written; the same call may be made again.
        """
        data = line.encode("utf-8")
        handle = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            done = 0
            while done < len(data):
                done += os.pwrite(handle, data[done:], self._at + done)
        finally:
            os.close(handle)
        self._at += len(data)


class Reader:
    """Reads the lines that were appended since it was last asked."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at = 0

    def lines(self) -> list[str]:
        """New whole lines, their ends included; none if there is no such file or it cannot be read now."""
        try:
            with open(self._file, "rb") as file:
                file.seek(self._at)
                data = file.read()
        except OSError:
            return []
        # NFS may know of a file's new length before it has the bytes: they read as zeros until then.
        whole = data[: data.rfind(b"\n", 0, _zero(data)) + 1]
        self._at += len(whole)
        return [line.decode("utf-8", "replace") + "\n" for line in whole.split(b"\n")[:-1]]


def _zero(data: bytes) -> int:
    at = data.find(b"\0")
    return len(data) if at < 0 else at


class Beat:
    """The driver's sign of life: a number that grows, and a word that says whether work goes on."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / ALIVE
        self._count = 0
        self._word = "open"
        self._lock = threading.Lock()

    def beat(self) -> None:
        """Give a sign of life; one that cannot be written is left out."""
        with self._lock, contextlib.suppress(OSError):
            self._count += 1
            handle = os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o666)
            try:
                os.pwrite(handle, f"{self._count:012} {self._word:6}\n".encode(), 0)
            finally:
                os.close(handle)

    def close(self) -> None:
        """Say that the work is over."""
        self._word = "closed"
        self.beat()


class Pulse:
    """Watches for the driver's sign of life. Compares what is written, never times: clocks of machines differ."""

    def __init__(self, folder: Path, stale: float = STALE_SECONDS) -> None:
        self._file = folder / ALIVE
        self._stale = stale
        self._last = b""
        self._changed = time.monotonic()

    def gone(self) -> str | None:
        """Why the driver is to be taken for gone; None: it is there."""
        with contextlib.suppress(OSError):
            written = self._file.read_bytes()
            if b"closed" in written:
                return "the driver ended"
            if written != self._last:
                self._last, self._changed = written, time.monotonic()
        if time.monotonic() - self._changed > self._stale:
            return f"no sign of life of the driver for {self._stale:.0f} s"
        return None


def is_closed(folder: Path) -> bool:
    """Whether the driver of a call's folder said that its work is over."""
    try:
        return b"closed" in (folder / ALIVE).read_bytes()
    except OSError:
        return False


def starts_in(place: Path) -> Iterator[Path]:
    """The folders of a worker's starts that are there by now: one, and another each time that Slurm starts it again."""
    with contextlib.suppress(OSError), os.scandir(place) as entries:
        yield from (Path(entry.path) for entry in entries)
