"""A planned run as others see it: a job for a worker, a record for the home, an entry of the tracking store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from experiments.environment import environment, environment_of
from experiments.execute import failed_record, write_result
from experiments.foreign.attempt import TrainingCode
from experiments.home import Home
from experiments.launchers.messages import Job
from experiments.mirror import Mirror
from experiments.planning.request import AnyConfig, AnyRequest, PlannedRun, Request, has_runner, trains_itself
from experiments.records import Begun, delete_run, read_record
from experiments.relocation import shown
from mmcore.config import ForeignConfig, RunConfig
from mmcore.facts import Environment
from mmcore.fingerprint import training_fingerprint
from mmcore.record import Record
from studies.runner import max_epochs
from studies.study import CATALOGUE


def delete_failed(run: PlannedRun[AnyConfig], request: AnyRequest, home: Home) -> None:
    """Forget a failed run; also the training that it shares, where it was that which failed."""
    assert run.fingerprint is not None
    assert request.content is not None
    names = {run.fingerprint}
    if isinstance(run.config, RunConfig):
        names.add(training_fingerprint(run.config, request.content))
    for name in names:
        record = read_record(home.run(name))
        if record is not None and not record.done:
            delete_run(home.run(name))


def job_of(
    run: PlannedRun, request: Request, home: Home, threads: int, prepared: Path, unpacked: str | None = None
) -> Job:
    """What a worker is asked to do; ``unpacked`` as in :class:`Job`."""
    assert run.fingerprint is not None
    return Job(
        fingerprint=run.fingerprint,
        study=request.study.name,
        arm=run.arm,
        repeat=run.repeat,
        config=run.config.model_copy(update={"threads": threads}),
        workdir=str(home.run(run.fingerprint)),
        prepared=str(prepared),
        unpacked=unpacked,
    )


def foreign_job_of(run: PlannedRun[ForeignConfig], request: Request[ForeignConfig], home: Home, threads: int) -> Job:
    """What a worker is asked to do with training code of the user's own."""
    assert run.fingerprint is not None
    return Job(
        fingerprint=run.fingerprint,
        study=request.study.name,
        arm=run.arm,
        repeat=run.repeat,
        config=run.config,
        workdir=str(home.run(run.fingerprint)),
        prepared="",
        code=code_of(request, run.config),
        threads=threads,
    )


def code_of(request: Request[ForeignConfig], config: ForeignConfig) -> TrainingCode:
    """The training code of a study, as it trains with these settings."""
    training = request.training
    epochs = max_epochs(training.runner, config.settings)
    source = training.source
    return TrainingCode(training.runner, str(source.folder), source.files, request.study.metric.name, epochs)


def give_up(run: PlannedRun[AnyConfig], request: AnyRequest, home: Home, why: str) -> Record:
    """A failed record for a run whose workers died; the next call of the same command tries it again."""
    assert run.fingerprint is not None
    result = failed_record(run.config, run.fingerprint, "WorkerDied", why, 0.0, run.repeat)
    folder = home.run(run.fingerprint)
    folder.mkdir(parents=True, exist_ok=True)
    # Its workers may have been on another machine.
    options = request.options
    about = replace(_environment(request), device=options.device, threads=options.threads or 1, processor=None)
    return write_result(result, folder, request.study.name, run.arm, datetime.now(UTC), about)


def _environment(request: AnyRequest) -> Environment:
    """With the commit of the code that trains."""
    if not has_runner(request):
        return environment()
    source = request.training.source
    return environment_of(source.folder, source.files)


def begun_of(run: PlannedRun[AnyConfig], request: AnyRequest) -> Begun:
    """What is known of a planned run before it has a record."""
    assert run.fingerprint is not None
    assert request.content is not None
    if trains_itself(request):
        corpus, path = request.schema.name, str(request.place.folder)
    else:
        corpus, path = "training code", str(request.training.source.folder)
    return Begun(
        study=request.study.name,
        arm=run.arm,
        repeat=run.repeat,
        fingerprint=run.fingerprint,
        config=run.config,
        corpus=corpus,
        content=request.content,
        path=path,
        environment=_environment(request),
        source=source_of(request),
    )


def source_of(request: AnyRequest) -> str:
    """The study's file, as people know it."""
    return request.file.name if request.file.parent == CATALOGUE else shown(request.file)


def mirror_record(mirror: Mirror, home: Home, request: AnyRequest, run: PlannedRun[AnyConfig]) -> None:
    """Bring a finished run's record to the tracking store."""
    assert run.fingerprint is not None
    record = read_record(home.run(run.fingerprint))
    if record is not None:
        begun = replace(begun_of(run, request), config=record.config, environment=record.environment)
        mirror.finished(begun, record, home.run(run.fingerprint), record.reused_from(request.study.name))
