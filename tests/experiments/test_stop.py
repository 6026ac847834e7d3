"""A worker that is told to stop a run: at the end of a short epoch, in the middle of a long one."""

from __future__ import annotations

import io
import queue
from collections.abc import Callable

import pytest

from experiments.launchers import worker
from experiments.launchers.messages import Job, Stopped, decode
from mmcore.config import ForeignConfig
from mmcore.events import EpochDone, OnEvent, Progress


class NoMoreJobs(Exception):
    """Ends the worker."""


class OneJob(queue.SimpleQueue[Job]):
    """Ends the worker where another one would wait."""

    def get(self, block: bool = True, timeout: float | None = None) -> Job:
        if self.empty():
            raise NoMoreJobs
        return super().get(block, timeout)


@pytest.fixture
def stopped_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], int]:
    """How many of an epoch, progress in the next one and that one's end an unwanted run tells, by the seconds between
    the first two."""

    def serve(seconds: float) -> int:
        now, told = [0.0], [0]
        monkeypatch.setattr(worker.time, "monotonic", lambda: now[0])
        jobs = OneJob()
        jobs.put(Job("run", "s", "a", 0, ForeignConfig(settings={}), "", ""))
        unwanted: set[str] = set()

        def do(job: Job, on_event: OnEvent) -> str:
            del job
            on_event(EpochDone(1, 3, {}))
            unwanted.add("run")
            now[0] += seconds
            for event in (Progress(2, 3, 1, 2), EpochDone(2, 3, {}), EpochDone(3, 3, {})):
                told[0] += 1
                on_event(event)
            return "done"

        channel = io.StringIO()
        with pytest.raises(NoMoreJobs):
            worker._serve(jobs, unwanted, channel, do, None)
        assert decode(channel.getvalue().splitlines()[-1]) == Stopped("run")
        return told[0]

    return serve


def test_a_short_epoch_ends_first(stopped_at: Callable[[float], int]) -> None:
    assert stopped_at(0.2) == 2


def test_a_long_epoch_does_not(stopped_at: Callable[[float], int]) -> None:
    assert stopped_at(worker.SECONDS_FOR_AN_EPOCH) == 1
