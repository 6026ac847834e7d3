"""Computes the features of many files in several processes; a file that breaks its process ends nothing but itself."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from experiments.footage.listing import Clip
from experiments.footage.messages import SAID, Broken, Extracted, Job, Progress, Start, line_of
from experiments.footage.store import FootageStore
from experiments.launchers.local import THREAD_VARIABLES, code_root, cores
from mmcore.atomic import disk_full

WORKER = (sys.executable, "-P", "-m", "experiments.footage.worker")
"""The command of a worker."""
PATIENCE = 5.0
"""Seconds that a process gets to end."""


class Display(Protocol):
    """Shows how far the work is."""

    def advance(self, clip: Clip, share: float) -> None:
        """Another part of a file is done."""
        ...

    def finished(self, clip: Clip, outcome: Extracted | Broken) -> None:
        """A file is done, or left out."""
        ...


def extract_all(
    clips: Sequence[Clip], features: str, store: FootageStore, workers: int, display: Display
) -> list[Extracted | Broken]:
    """What each file gave, in the order of ``clips``.

    Each worker computes one file after another. One that dies, as a decoder may on a broken file, is replaced, and the
    file that it had is left out. On an error or Ctrl-C all workers end; finished files are kept.

    Args:
        features: as in ``--features``. workers: processes, at least 1; no more than there are files are started.

    Raises:
        MMStudyError: the disk is full.
    """
    store.remove_leftovers()
    found: dict[int, Extracted | Broken] = {}
    waiting = list(range(len(clips)))[::-1]
    count = max(1, min(workers, len(clips)))
    start = Start(features=features, root=store.root.resolve(), threads=max(1, cores() // count))
    heard: queue.SimpleQueue[tuple[_Worker, str | None]] = queue.SimpleQueue()
    crew: list[_Worker] = []
    try:
        for _ in range(count):
            crew.append(_Worker(start, heard))
            crew[-1].give(waiting[-1], clips[waiting.pop()].path)
        while len(found) < len(clips):
            worker, line = heard.get()
            if worker.at is None:
                continue
            said = SAID.validate_json(line) if line else Broken(reason=f"its process ended ({worker.end()})")
            if isinstance(said, Progress):
                display.advance(clips[worker.at], said.share)
                continue
            if isinstance(said, Broken) and said.full:
                raise disk_full(OSError(said.reason), store.root)
            found[worker.at] = said
            display.finished(clips[worker.at], said)
            worker.at = None
            if line is None:
                worker.stop()
                crew.remove(worker)
            if waiting:
                if line is None:
                    worker = _Worker(start, heard)
                    crew.append(worker)
                worker.give(waiting[-1], clips[waiting.pop()].path)
    finally:
        for worker in crew:
            worker.stop()
        store.remove_leftovers()
    return [found[at] for at in range(len(clips))]


class _Worker:
    """A process that computes files; what it says goes into a queue, and None after its end.

    Args:
        start: what to compute. heard: the queue.
    """

    def __init__(self, start: Start, heard: queue.SimpleQueue[tuple[_Worker, str | None]]) -> None:
        self.at: int | None = None
        # What libraries print belongs to nobody's results; its last line may say why a process ended.
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        environment = os.environ | {
            # Threads that wait for one another burn the cores that the other workers need.
            **dict.fromkeys(THREAD_VARIABLES, "1"),
            "PYTHONPATH": os.pathsep.join([str(code_root()), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }
        windows = sys.platform == "win32"
        self._process = subprocess.Popen(
            WORKER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            text=True,
            encoding="utf-8",
            # Ctrl-C is for the command that the user sees, which ends its workers.
            start_new_session=not windows,
        )
        self._send(line_of(start))
        self._thread = threading.Thread(target=self._listen, args=(heard,), daemon=True)
        self._thread.start()

    def give(self, at: int, path: Path) -> None:
        """Let it compute the file of a number."""
        self.at = at
        self._send(line_of(Job(path=path.resolve())))

    def end(self) -> str:
        """How a process that is dead ended: the signal, or the last line that it wrote."""
        code = self._process.wait(PATIENCE)
        if code < 0:
            return signal.Signals(-code).name
        self._log.seek(0)
        last = [line.strip() for line in self._log if line.strip()][-1:]
        return " ".join([f"exit code {code}", *last])[:200]

    def stop(self) -> None:
        """End it, whatever it does."""
        assert self._process.stdin is not None
        self._process.kill()
        self._process.wait()
        self._thread.join(PATIENCE)
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._log.close()

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        # If it is dead, the thread that listens says so.
        with contextlib.suppress(OSError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def _listen(self, heard: queue.SimpleQueue[tuple[_Worker, str | None]]) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                heard.put((self, line))
        heard.put((self, None))
