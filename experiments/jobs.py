"""A planned run as others see it: a job for a worker, a record for the home, an entry of the tracking store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from experiments.environment import environment
from experiments.execute import failed_result, keep
from experiments.home import Home
from experiments.launchers.messages import Job
from experiments.mirror import Mirror
from experiments.planning.request import Asked, PlannedRun
from experiments.records import forget, read_record
from mmcore.fingerprint import training_fingerprint


def forget_failed(run: PlannedRun, asked: Asked, home: Home) -> None:
    """Forget a failed run; also the training that it shares, where it was that which failed."""
    assert run.fingerprint is not None
    assert asked.content is not None
    for name in {run.fingerprint, training_fingerprint(run.config, asked.content)}:
        record = read_record(home.run(name))
        if record is not None and record["status"] == "failed":
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


def give_up(run: PlannedRun, asked: Asked, home: Home, why: str) -> dict[str, Any]:
    """A failed record for a run whose workers died; the next call of the same command tries it again."""
    assert run.fingerprint is not None
    result = failed_result(run.config, run.fingerprint, "WorkerDied", why, 0.0)
    folder = home.run(run.fingerprint)
    folder.mkdir(parents=True, exist_ok=True)
    record = keep(result, folder, run.config, asked.study.name, run.arm, datetime.now(UTC))
    return {**record, **{key: value for key, value in stub_of(run, asked).items() if key == "corpus"}}


def stub_of(run: PlannedRun, asked: Asked) -> dict[str, Any]:
    """What is known of a run before it has a record: enough to open it in the tracking store."""
    return {
        "study": asked.study.name,
        "arm": run.arm,
        "repeat": run.repeat,
        "fingerprint": run.fingerprint,
        "config": run.config.model_dump(mode="json"),
        "corpus": {"name": asked.schema.name, "content": asked.content, "path": str(asked.place.folder)},
        "environment": environment(),
    }


def mirror_record(mirror: Mirror, home: Home, asked: Asked, run: PlannedRun) -> None:
    """Bring a finished run's record to the tracking store."""
    assert run.fingerprint is not None
    record = read_record(home.run(run.fingerprint))
    if record is not None:
        told = {**stub_of(run, asked), **{k: v for k, v in record.items() if k not in ("arm", "study", "corpus")}}
        mirror.finished(told, home.run(run.fingerprint), reused_from(record, asked))


def reused_from(record: dict[str, Any], asked: Asked) -> str | None:
    """The study that trained the run, where that is another one; else None."""
    return None if record["study"] == asked.study.name else str(record["study"])
