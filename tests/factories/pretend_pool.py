"""A pool that only pretends to train: a run's score is a function of its config, and who is quick is drawn."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from factories.records import a_record
from factories.records import failed as diverged

from experiments.launchers.messages import Finished, Job, Message, Started, Stopped, Told
from experiments.records import epochs_trained, write_record
from mmcore.config import RunConfig
from mmcore.events import EpochDone
from mmcore.facts import Failure
from mmcore.scores import Score


def skill(config: RunConfig) -> float:
    """Best at a learning rate of 1e-3 and three layers; the second repeat is easier."""
    return 0.5 - 0.1 * abs(math.log10(config.training.optimiser.learning_rate) + 3) + 0.02 * config.model.layers


class PretendPool:
    """Advances one of the jobs that its workers are at by an epoch at a time; what it did is told in the class's lists.

    ``trained`` are all epochs, ``interrupts`` is the epoch at which Ctrl-C is pressed, ``fails`` says whose training
    diverges, ``order`` draws whose turn it is; None: the first's, until it is done.
    """

    trained: list[tuple[str, int]] = []
    fails: Callable[[RunConfig], bool] = lambda config: False
    interrupts: int = -1
    order: random.Random | None = None

    def __init__(self, workers: int = 2, *_: Any) -> None:
        self.workers = workers
        self.waiting: list[Job] = []
        self.going: dict[str, tuple[RunConfig, Path, int]] = {}
        self.stopped: set[str] = set()

    def __enter__(self) -> PretendPool:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @property
    def idle(self) -> int:
        return max(0, self.workers - len(self.going) - len(self.waiting))

    def add(self, *jobs: Job) -> None:
        self.waiting.extend(jobs)

    def stop(self, name: str) -> None:
        self.stopped.add(name)

    def run(self, jobs: Iterable[Job], hear: Callable[[Message], None], more: Callable[[], bool]) -> None:
        self.add(*jobs)
        while more() or self.waiting or self.going:
            while self.waiting and len(self.going) < self.workers:
                job = self.waiting.pop(0)
                folder = Path(job.workdir)
                folder.mkdir(parents=True, exist_ok=True)
                config = job.config
                assert not config.evaluation.test
                self.stopped.discard(job.fingerprint)
                self.going[job.fingerprint] = (config, folder, epochs_trained(folder))
                hear(Started(job.fingerprint))
            if self.going:
                names = list(self.going)
                self._step(names[0] if self.order is None else self.order.choice(names), hear)

    def _step(self, name: str, hear: Callable[[Message], None]) -> None:
        kind = type(self)
        config, folder, done = self.going[name]
        value, epochs = skill(config) + 0.1 * config.repeat, config.training.epochs
        if name in self.stopped and done:
            del self.going[name]
            hear(Stopped(name))
            return
        done = min(done + 1, epochs)  # one that was killed after its last epoch has its record to write
        history = [
            {"epoch": e, "validation/skill": value * e / epochs, "validation/loss": -value} for e in range(1, done + 1)
        ]
        (folder / "checkpoints").mkdir(exist_ok=True)
        (folder / "checkpoints" / "last.pt").touch()
        (folder / "history.json").write_text(json.dumps(history), encoding="utf-8")
        self.going[name] = (config, folder, done)
        kind.trained.append((name, done))
        if len(kind.trained) == kind.interrupts:
            raise KeyboardInterrupt
        hear(Told(name, EpochDone(done, epochs, history[-1])))
        if done < epochs:
            return
        del self.going[name]
        failed = kind.fails(config)
        scores = (
            Score("validation", "all", "skill", None, value),
            Score("validation", "all", "skill", "position", value),
            Score("validation", "all", "loss", None, float(config.model.layers)),
        )
        made = diverged if failed else a_record
        told: dict[str, Any] = {"failure": Failure("TrainingDiverged", "NaN")} if failed else {"scores": scores}
        record = made(fingerprint=name, config=config, history=tuple(history), epochs=epochs, **told)
        write_record(folder, record)
        hear(Finished(name, record.status))
