"""Worker processes that outlive their pool: starting one costs seconds, most of them for imports.

A pool of the same environment takes over the idle workers of an earlier one; a new one is forked from a process that
has the imports. Whether workers start and end as they should is proved by the tests that start :class:`LocalPool`
itself or ``mmstudy`` as a process.
"""

from __future__ import annotations

import os
import queue
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import patch

from benchmarks.faults.started import ADDRESS, Forked, Subprocess, Zygote
from experiments.launchers import local
from experiments.launchers.cards import dealt
from experiments.launchers.local import THREAD_VARIABLES, LocalPool, _Worker

Inbox = queue.SimpleQueue[tuple[_Worker, str | None]]


class Forking(Subprocess):
    """What a pool uses of :mod:`subprocess`, with forks of a process that has their imports."""

    _zygote: ClassVar[Zygote | None] = None
    _stack: ClassVar[ExitStack] = ExitStack()

    @classmethod
    def Popen(
        cls, words: Sequence[str], *, stdin: Any, stdout: Any, stderr: Any, env: Mapping[str, str], **options: Any
    ) -> Forked:
        env = {**env, ADDRESS: cls.address()}
        return super().Popen(words, stdin=stdin, stdout=stdout, stderr=stderr, env=env, **options)

    @classmethod
    def address(cls) -> str:
        """Where that process, which is started for the first worker, is asked for more."""
        if cls._zygote is None:
            folder = cls._stack.enter_context(tempfile.TemporaryDirectory())
            cls._zygote = cls._stack.enter_context(Zygote(Path(folder), "all"))
        return cls._zygote.environment()[ADDRESS]

    @classmethod
    def end(cls) -> None:
        cls._stack.close()
        cls._zygote = None


class WarmPool(LocalPool):
    """A pool that leaves its idle workers to the next one instead of ending them."""

    _idle: ClassVar[dict[Any, list[_Worker]]] = {}
    _served: ClassVar[dict[int, tuple[Inbox, _Worker]]] = {}
    """Process id to the pool that hears of it now, and its worker there."""

    def _start(self, number: int) -> _Worker:
        waiting = self._idle.setdefault(self._key(number), [])
        while waiting:
            process = waiting.pop().process
            if process.poll() is None:
                worker = _Worker(number, process, log=self._logs / f"worker-{number}.log")
                self._served[process.pid] = (self._inbox, worker)
                return worker
        if sys.platform != "linux" or self._cards or self._threads != 1:
            return super()._start(number)
        with patch.object(local, "subprocess", Forking):
            return super()._start(number)

    def close(self) -> None:
        for worker in list(self._workers):
            if worker.job is None and worker.process.poll() is None:
                self._idle.setdefault(self._key(worker.number), []).append(worker)
                self._workers.remove(worker)
        super().close()

    @classmethod
    def end(cls) -> None:
        """End all workers that wait."""
        for worker in [worker for waiting in cls._idle.values() for worker in waiting]:
            worker.process.terminate()
            worker.process.wait()
            assert worker.process.stdin is not None
            worker.process.stdin.close()
        cls._idle.clear()
        Forking.end()

    def _key(self, number: int) -> tuple[Any, ...]:
        """All that a worker takes from where it was started: its pool sets the threads, and it never opens MLflow."""
        ours = (*THREAD_VARIABLES, "PYTEST_CURRENT_TEST")
        environment = {
            name: value for name, value in os.environ.items() if name not in ours and not name.startswith("MLFLOW_")
        }
        device = dealt(self._cards, number, self._part) if self._cards else None
        return Path.cwd(), self._threads, self._foreign, device, tuple(sorted(environment.items()))

    def _read(self, worker: _Worker) -> None:
        process = worker.process
        self._served.setdefault(process.pid, (self._inbox, worker))
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                inbox, now = self._served[process.pid]
                inbox.put((now, line))
        inbox, now = self._served.pop(process.pid)
        inbox.put((now, None))
