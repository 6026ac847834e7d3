"""A planned run as others see it: a job for a worker, a record for the home, an entry of the tracking store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from experiments.environment import environment
from experiments.execute import failed_record, keep
from experiments.home import Home
from experiments.launchers.messages import Job
from experiments.mirror import Mirror
from experiments.planning.request import Asked, PlannedRun
from experiments.records import Begun, forget, read_record
from mmcore.fingerprint import training_fingerprint
from mmcore.record import Record


def forget_failed(run: PlannedRun, asked: Asked, home: Home) -> None:
    """Forget a failed run; also the training that it shares, where it was that which failed."""
    assert run.fingerprint is not None
    assert asked.content is not None
    for name in {run.fingerprint, training_fingerprint(run.config, asked.content)}:
        record = read_record(home.run(name))
        if record is not None and not record.done:
            forget(home.run(name))


def job_of(run: PlannedRun, asked: Asked, home: Home, threads: int, prepared: Path) -> Job:
    """What a worker is asked to do."""
    assert run.fingerprint is not None
    return Job(
        fingerprint=run.fingerprint,
        study=asked.study.name,
        arm=run.arm,
        repeat=run.repeat,
        config=run.config.model_copy(update={"threads": threads}).model_dump(mode="json"),
        workdir=str(home.run(run.fingerprint)),
        prepared=str(prepared),
    )


def give_up(run: PlannedRun, asked: Asked, home: Home, why: str) -> Record:
    """A failed record for a run whose workers died; the next call of the same command tries it again."""
    assert run.fingerprint is not None
    result = failed_record(run.config, run.fingerprint, "WorkerDied", why, 0.0)
    folder = home.run(run.fingerprint)
    folder.mkdir(parents=True, exist_ok=True)
    return keep(result, folder, run.config, asked.study.name, run.arm, datetime.now(UTC))


def begun_of(run: PlannedRun, asked: Asked) -> Begun:
    """What is known of a planned run before it has a record."""
    assert run.fingerprint is not None
    assert asked.content is not None
    return Begun(
        study=asked.study.name,
        arm=run.arm,
        repeat=run.repeat,
        fingerprint=run.fingerprint,
        config=run.config,
        corpus=asked.schema.name,
        content=asked.content,
        path=str(asked.place.folder),
        environment=environment(),
    )


def mirror_record(mirror: Mirror, home: Home, asked: Asked, run: PlannedRun) -> None:
    """Bring a finished run's record to the tracking store."""
    assert run.fingerprint is not None
    record = read_record(home.run(run.fingerprint))
    if record is not None:
        begun = replace(begun_of(run, asked), config=record.config, environment=record.environment)
        mirror.finished(begun, record, home.run(run.fingerprint), record.reused_from(asked.study.name))
