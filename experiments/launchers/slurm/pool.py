"""A pool of workers on a Slurm cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from experiments.launchers.engine import SlurmEngine
from experiments.launchers.messages import Job, Message
from experiments.launchers.pool import Pool
from experiments.launchers.slurm import calls
from experiments.launchers.slurm.places import Place, Places, Worker
from experiments.launchers.slurm.spool import BEAT_SECONDS, STALE_SECONDS
from experiments.launchers.slurm.status import cancel, longest_array
from experiments.launchers.slurm.submission import check_settings, submit
from experiments.launchers.start import FOREIGN
from mmcore.errors import LaunchError
from mmcore.language import counted, say

_IDLE_SECONDS = 60.0
"""A worker that had nothing to do for so long gives its place on the cluster back."""

_FIRST_REMARK_SECONDS, _REMARK_SECONDS = 2.0, 15.0
"""When it is first said how many workers run, and the least time between two such remarks."""

_RETRY_SECONDS = 30.0
"""After Slurm refused more workers while others run, it is asked again so much later."""

_END_SECONDS = 3.0
"""How long workers have to end by themselves before they are cancelled."""


class SlurmPool(Pool[Worker]):
    """Workers that are tasks of a Slurm job array. They join when Slurm starts them, and may leave at any time.

    Args:
        engine: how they are asked for.
        workers: how many at most.
        threads: CPU threads of each.
        gpus: graphics cards of each.
        logs: folder for logs in the home; all nodes must see it under the same path.
        busy, foreign: see :class:`experiments.launchers.local.LocalPool`.
        stale: seconds without a sign of life from here after which a worker ends.

    Raises:
        LaunchError: Slurm is not here, does not answer, or refuses the request.
    """

    def __init__(
        self,
        engine: SlurmEngine,
        workers: int,
        threads: int,
        gpus: float,
        logs: Path,
        busy: Callable[[str], bool] = lambda name: False,
        foreign: bool = False,
        stale: float = STALE_SECONDS,
    ) -> None:
        super().__init__(0, busy)
        self._engine, self._threads, self._gpus, self._wanted = engine, threads, gpus, workers
        self._words = [f"{stale:g}", *([FOREIGN] if foreign else [])]
        self._searching = False
        self._submit_at = 0.0
        self._busy_at = time.monotonic()
        self._remark_at = time.monotonic() + _FIRST_REMARK_SECONDS
        self._said = ""
        check_settings(engine, gpus)
        self._longest = longest_array()
        calls.end_those_without_driver(logs / "slurm")
        self._folder = calls.begin(logs / "slurm")
        self._places = Places(self._folder, self._inbox, engine.minutes, min(BEAT_SECONDS, stale / 4))
        try:
            self._submit(workers)
            self._places.start()
        except BaseException:
            self.close()
            raise

    def run(
        self, jobs: Iterable[Job], on_message: Callable[[Message], None], more: Callable[[], bool] | None = None
    ) -> None:
        """See :meth:`experiments.launchers.pool.Pool.run`."""
        self._searching = more is not None
        try:
            super().run(jobs, on_message, more)
        finally:
            self._searching = False

    def close(self) -> None:
        """Stop all workers now, and take those that wait out of the queue."""
        waiting = [place.task for place in self._places.open if place.worker is None]
        if waiting:
            cancel(waiting)
        self._places.close(_END_SECONDS)
        left = [place.task for place in self._places.open if place.task not in waiting]
        if left:
            cancel(left)
        self._workers = []

    def _start(self, number: int) -> Worker:
        raise AssertionError("workers join when Slurm starts them")

    def _watch(self) -> None:
        places = self._places
        if places.error is not None:
            raise places.error
        while not places.joined.empty():
            worker = places.joined.get()
            if worker.fate is None:
                self._workers.append(worker)
        self._replace_those_put_back(places.open)
        needed = [place for place in places.open if not place.released]
        self._refill(needed)
        self._give_back(needed)
        self._remark(needed)

    def _lost(self, worker: Worker, deaths: dict[str, int], on_message: Callable[[Message], None]) -> None:
        # Another one joins in its place once Slurm has started it.
        if worker in self._workers:
            self._workers.remove(worker)
        super()._lost(worker, deaths, on_message)

    def _replace_those_put_back(self, places: list[Place]) -> None:
        """Slurm lets a task that it has put back into the queue wait for two minutes; a new one can start at once."""
        back = [
            place
            for place in places
            if place.starts and place.worker is None and place.state.waits and not place.released
        ]
        for place in back:
            place.released = True
        if back:
            cancel([place.task for place in back])

    def _refill(self, places: list[Place]) -> None:
        """Submit workers in the place of those that are gone, while there is work for them."""
        if not self._open_jobs and not self._searching:
            return
        allowed = self._wanted - sum(place.cancelled for place in self._places.all)
        if allowed <= 0 and not places:
            raise LaunchError(
                "the workers were cancelled",
                found="scancel, by a person or a script",
                next_step="The same command goes on from the last checkpoints",
            )
        missing = allowed - len(places)
        if not self._searching:
            free = sum(place.worker is None or place.worker.job is None for place in places)
            missing = min(missing, len(self._waiting) - free)
        if missing > 0 and time.monotonic() >= self._submit_at:
            try:
                self._submit(missing)
            except LaunchError as error:
                if not places:
                    raise
                self._submit_at = time.monotonic() + _RETRY_SECONDS
                self.say(say("Slurm starts no more workers now: {why}", why=error.found))

    def _give_back(self, places: list[Place]) -> None:
        """Let go of workers that nothing waits for."""
        now = time.monotonic()
        if self._waiting or self._searching:
            self._busy_at = now
        for place in places:
            worker = place.worker
            if worker is None:
                if now - self._busy_at > _IDLE_SECONDS and not place.released:
                    place.released = True
                    cancel([place.task])
            elif worker.job is not None:
                worker.idle_since = now
            elif now - max(self._busy_at, worker.idle_since) > _IDLE_SECONDS and worker in self._workers:
                place.released = True
                self._workers.remove(worker)
                worker.release()

    def _remark(self, places: list[Place]) -> None:
        """Say how many workers run, while jobs wait for more of them."""
        now = time.monotonic()
        remark, self._places.remark = self._places.remark, None
        waiting = [place for place in places if place.worker is None]
        if remark is None and self._waiting and waiting and now >= self._remark_at:
            reasons = sorted({place.state.reason for place in waiting} - {"None"})
            remark = say(
                "waiting for Slurm: {n} of {workers} at work",
                n=len(places) - len(waiting),
                workers=counted(len(places), "worker"),
            )
            if reasons:
                remark = say("{text} (Slurm's reason: {reasons})", text=remark, reasons="; ".join(reasons))
        if remark is not None and remark != self._said and now >= self._remark_at:
            self._said, self._remark_at = remark, now + _REMARK_SECONDS
            self.say(remark)

    def _submit(self, count: int) -> None:
        """Submit workers as arrays that are not longer than the cluster allows."""
        first = len(self._places.all)
        numbers = list(range(first, first + count))
        for at in range(0, count, self._longest):
            some = numbers[at : at + self._longest]
            words = [self._words[0], *self._words[1:]]
            tasks = submit(self._engine, self._folder, self._threads, self._gpus, words, some)
            calls.note_jobs(self._folder, tasks)
            self._places.add(tasks, some)
