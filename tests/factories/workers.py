"""Worker processes that outlive their pool: starting one costs seconds, most of them for imports.

A pool of the same environment takes over the idle workers of an earlier one. Whether workers start and end as they
should is proved by the tests that start :class:`LocalPool` itself or ``mmstudy`` as a process.
"""

from __future__ import annotations

import os
import queue
from pathlib import Path
from typing import Any, ClassVar

from experiments.launchers.cards import dealt
from experiments.launchers.local import THREAD_VARIABLES, LocalPool, _Worker

Inbox = queue.SimpleQueue[tuple[_Worker, str | None]]


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

    def _key(self, number: int) -> tuple[Any, ...]:
        """All that a worker takes from where it was started: its pool sets the threads, and it never opens MLflow."""
        ours = (*THREAD_VARIABLES, "PYTEST_CURRENT_TEST")
        environment = {
            name: value for name, value in os.environ.items() if name not in ours and not name.startswith("MLFLOW_")
        }
        device = dealt(self._cards, number, self._part) if self._cards else None
        return Path.cwd(), self._threads, device, tuple(sorted(environment.items()))

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
