"""A planned run as others see it: a job for a worker, a record for the home, an entry of the tracking store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from experiments.environment import environment
from experiments.execute import failed_record, write_result
from experiments.home import Home
from experiments.launchers.messages import Job
from experiments.mirror import Mirror
from experiments.planning.request import PlannedRun, Request
from experiments.records import Begun, delete_run, read_record
from mmcore.fingerprint import training_fingerprint
from mmcore.record import Record


def delete_failed(run: PlannedRun, request: Request, home: Home) -> None:
    """Forget a failed run; also the training that it shares, where it was that which failed."""
    assert run.fingerprint is not None
    assert request.content is not None
    for name in {run.fingerprint, training_fingerprint(run.config, request.content)}:
        record = read_record(home.run(name))
        if record is not None and not record.done:
            delete_run(home.run(name))


def job_of(run: PlannedRun, request: Request, home: Home, threads: int, prepared: Path) -> Job:
    """What a worker is asked to do."""
    assert run.fingerprint is not None
    return Job(
        fingerprint=run.fingerprint,
        study=request.study.name,
        arm=run.arm,
        repeat=run.repeat,
        config=run.config.model_copy(update={"threads": threads}),
        workdir=str(home.run(run.fingerprint)),
        prepared=str(prepared),
    )


def give_up(run: PlannedRun, request: Request, home: Home, why: str) -> Record:
    """A failed record for a run whose workers died; the next call of the same command tries it again."""
    assert run.fingerprint is not None
    result = failed_record(run.config, run.fingerprint, "WorkerDied", why, 0.0)
    folder = home.run(run.fingerprint)
    folder.mkdir(parents=True, exist_ok=True)
    return write_result(result, folder, run.config, request.study.name, run.arm, datetime.now(UTC))


def begun_of(run: PlannedRun, request: Request) -> Begun:
    """What is known of a planned run before it has a record."""
    assert run.fingerprint is not None
    assert request.content is not None
    return Begun(
        study=request.study.name,
        arm=run.arm,
        repeat=run.repeat,
        fingerprint=run.fingerprint,
        config=run.config,
        corpus=request.schema.name,
        content=request.content,
        path=str(request.place.folder),
        environment=environment(),
    )


def mirror_record(mirror: Mirror, home: Home, request: Request, run: PlannedRun) -> None:
    """Bring a finished run's record to the tracking store."""
    assert run.fingerprint is not None
    record = read_record(home.run(run.fingerprint))
    if record is not None:
        begun = replace(begun_of(run, request), config=record.config, environment=record.environment)
        mirror.finished(begun, record, home.run(run.fingerprint), record.reused_from(request.study.name))
