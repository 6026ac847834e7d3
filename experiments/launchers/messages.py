"""What driver and workers say to each other: one JSON object a line, so nothing is unpickled and all is readable."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from mmcore.events import EpochDone, Event, Note, Progress


@dataclass(frozen=True)
class Job:
    """One run to train, or one that is finished to be analysed.

    Args:
        fingerprint: names the run; jobs are told apart by it.
        arm, repeat, study: for the record and for people.
        config: the run's config as plain data.
        workdir: the run's folder.
        prepared: folder of the prepared store.
        analyses: what to ask of the finished run, as plain data; empty: train it.
    """

    fingerprint: str
    study: str
    arm: str
    repeat: int
    config: dict[str, Any]
    workdir: str
    prepared: str
    analyses: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Stop:
    """The driver does not want a job to go on. A worker that is not at this job any more takes no notice."""

    fingerprint: str


@dataclass(frozen=True)
class Started:
    """A worker has begun a job."""

    fingerprint: str


@dataclass(frozen=True)
class Told:
    """Something that a running job tells."""

    fingerprint: str
    event: Event


@dataclass(frozen=True)
class Finished:
    """A job has left its record, or its answers. ``status``: done or failed."""

    fingerprint: str
    status: str


@dataclass(frozen=True)
class Stopped:
    """A job ended because it was told to stop: it left its last checkpoint, and no record."""

    fingerprint: str


@dataclass(frozen=True)
class Refused:
    """A job cannot be done as it was asked, e.g. on a device that is not there: the study stops, nothing is recorded.

    Args:
        error: the error's parts: ``rule, expected, found, next_step, where``.
    """

    fingerprint: str
    error: dict[str, str | None]


@dataclass(frozen=True)
class Lost:
    """A worker died in the middle of a job, which goes back to the queue. ``deaths`` counts for this job."""

    fingerprint: str
    deaths: int
    exit_code: int | None


@dataclass(frozen=True)
class GivenUp:
    """A job took several workers down with it and is not tried again in this call; the driver records it as failed."""

    fingerprint: str
    deaths: int
    log: str


Said = Started | Told | Finished | Stopped | Refused
"""What a worker says."""

Message = Started | Told | Finished | Stopped | Lost | GivenUp
"""What a pool reports of its jobs."""

_EVENTS = {"progress": Progress, "epoch": EpochDone, "note": Note}


def encode(message: Job | Stop | Said) -> str:
    """One line, newline included."""
    match message:
        case Job():
            body = {"say": "job", **asdict(message)}
        case Stop():
            body = {"say": "stop", **asdict(message)}
        case Started():
            body = {"say": "started", **asdict(message)}
        case Finished():
            body = {"say": "finished", **asdict(message)}
        case Stopped():
            body = {"say": "stopped", **asdict(message)}
        case Refused():
            body = {"say": "refused", **asdict(message)}
        case Told(fingerprint, event):
            kind = next(name for name, cls in _EVENTS.items() if isinstance(event, cls))
            body = {"say": "told", "fingerprint": fingerprint, "kind": kind, "event": asdict(event)}
    return json.dumps(body) + "\n"


def decode(line: str) -> Job | Stop | Said:
    """The message of a line.

    Raises:
        ValueError: the line is no message, e.g. something a library printed.
    """
    body = json.loads(line)
    if not isinstance(body, dict):
        raise ValueError("not a message")
    match body.pop("say", None):
        case "job":
            return Job(**body)
        case "stop":
            return Stop(**body)
        case "started":
            return Started(**body)
        case "finished":
            return Finished(**body)
        case "stopped":
            return Stopped(**body)
        case "refused":
            return Refused(**body)
        case "told":
            return Told(body["fingerprint"], _EVENTS[body["kind"]](**body["event"]))
        case other:
            raise ValueError(f"unknown message {other!r}")
