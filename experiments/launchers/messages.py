"""What driver and workers say to each other: one JSON object a line, so nothing is unpickled and all is readable."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from experiments.foreign.attempt import TrainingCode
from mmcore.analyses import Analysis
from mmcore.config import ForeignConfig, RunConfig
from mmcore.events import Event
from mmcore.language import sentence, sentence_of


@dataclass(frozen=True)
class Job:
    """One run to train, or one that is finished to be analysed.

    Args:
        fingerprint: names the run; jobs are told apart by it.
        arm, repeat, study: for the record and for people.
        config: the run's config.
        workdir: the run's folder.
        prepared: folder of the prepared store; empty where other code trains the run.
        analyses: what to ask of the finished run; empty: train it.
        code: the training code of the user's own; None: mmstudy trains.
        threads: that the worker was given.
        beside: other runs, to be trained with this one as one batch; they have none beside them.
        unpacked: why it is trained alone though runs were to be packed, for its record.
    """

    fingerprint: str
    study: str
    arm: str
    repeat: int
    config: RunConfig | ForeignConfig
    workdir: str
    prepared: str
    analyses: tuple[Analysis, ...] = ()
    code: TrainingCode | None = None
    threads: int = 1
    beside: tuple[Job, ...] = ()
    unpacked: str | None = None
    say: Literal["job"] = field(default="job", kw_only=True)


def runs_of(job: Job) -> tuple[Job, ...]:
    """The runs of a job, each as a job of its own."""
    return (replace(job, beside=()), *job.beside)


def as_pack(runs: Sequence[Job]) -> Job | None:
    """The runs as one job; None where there is none."""
    return replace(runs[0], beside=tuple(runs[1:])) if runs else None


@dataclass(frozen=True)
class Stop:
    """The driver does not want a job to go on. A worker that is not at this job any more takes no notice."""

    fingerprint: str
    say: Literal["stop"] = field(default="stop", kw_only=True)


@dataclass(frozen=True)
class Started:
    """A worker has begun a job."""

    fingerprint: str
    say: Literal["started"] = field(default="started", kw_only=True)


@dataclass(frozen=True)
class Told:
    """Something that a running job tells."""

    fingerprint: str
    event: Event
    say: Literal["told"] = field(default="told", kw_only=True)


@dataclass(frozen=True)
class Finished:
    """A job has left its record, or its answers. ``status``: done or failed."""

    fingerprint: str
    status: str
    say: Literal["finished"] = field(default="finished", kw_only=True)


@dataclass(frozen=True)
class Stopped:
    """A job ended because it was told to stop: it left its last checkpoint, and no record."""

    fingerprint: str
    say: Literal["stopped"] = field(default="stopped", kw_only=True)


@dataclass(frozen=True)
class Refused:
    """A job cannot be done as it was asked, e.g. on a device that is not there: the study stops, nothing is recorded.

    Args:
        error: the error's parts: ``rule, expected, found, next_step, where``.
    """

    fingerprint: str
    error: dict[str, str | None]
    say: Literal["refused"] = field(default="refused", kw_only=True)


@dataclass(frozen=True)
class Lost:
    """A worker died in the middle of a job, which goes back to the queue.

    Args:
        deaths: of workers at this job, as far as the job may be the cause.
        exit_code: of the worker; None where nobody knows.
        why: what ended the worker, where that is known and not the job: its node is gone.
    """

    fingerprint: str
    deaths: int
    exit_code: int | None
    why: str = ""

    @property
    def text(self) -> str:
        """For people; a :func:`mmcore.language.sentence`."""
        return self.why or sentence("its worker died (exit code {code}, time {n})", code=self.exit_code, n=self.deaths)


@dataclass(frozen=True)
class GivenUp:
    """A job took several workers down with it and is not tried again in this call; the driver records it as failed.

    Args:
        why: how the last one ended, where more is known than its exit code.
    """

    fingerprint: str
    deaths: int
    log: str
    why: str = ""

    @property
    def text(self) -> str:
        """What happened, for the user; a :func:`mmcore.language.sentence`, as a record keeps it too."""
        if not self.why:
            return sentence_of(
                self.deaths,
                "took 1 worker down with it; see {log}",
                "took {n} workers down with it; see {log}",
                log=self.log,
            )
        return sentence_of(
            self.deaths,
            "took 1 worker down with it ({why}); see {log}",
            "took {n} workers down with it ({why}); see {log}",
            why=self.why,
            log=self.log,
        )


Said = Started | Told | Finished | Stopped | Refused
"""What a worker says."""

Message = Started | Told | Finished | Stopped | Lost | GivenUp
"""What a pool reports of its jobs."""

_LINES: TypeAdapter[Job | Stop | Said] = TypeAdapter(Annotated[Job | Stop | Said, Field(discriminator="say")])


def encode(message: Job | Stop | Said) -> str:
    """One line, newline included."""
    return json.dumps(_LINES.dump_python(message)) + "\n"


def decode(line: str) -> Job | Stop | Said:
    """The message of a line.

    Raises:
        ValueError: the line is no message, e.g. something a library printed.
    """
    return _LINES.validate_python(json.loads(line))
