"""A worker process: reads jobs from standard input, trains them one after another, writes events to standard output.

Serves many runs, so that libraries and data are opened once. Ends at once when its driver is gone: the end of standard
input says so, also after the driver was killed. Everything it writes is atomic, so it may be killed at any moment.
"""

from __future__ import annotations

import gc
import math
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TextIO, TypeAlias

from experiments.launchers.load import Gauge
from experiments.launchers.messages import (
    Finished,
    Job,
    Refused,
    Said,
    Started,
    Stop,
    Stopped,
    Told,
    decode,
    encode,
    runs_of,
)
from experiments.launchers.start import FOREIGN, spare_children
from mmcore.config import ForeignConfig, RunConfig
from mmcore.errors import MMStudyError, RunStopped
from mmcore.events import EpochDone, Event, OnEvent, Progress

SECONDS_FOR_AN_EPOCH = 1.0
"""A run that is to stop ends its epoch first where that takes no longer. Longer epochs have a checkpoint each."""

Do: TypeAlias = Callable[[Job, OnEvent], str]
"""Does a job; returns its status."""

DoPack: TypeAlias = Callable[[tuple[Job, ...], Mapping[str, OnEvent]], Iterator[tuple[str, str | MMStudyError]]]
"""Does the runs of a pack, each with its own listener; yields a run's fingerprint with its status, or with what ended
it, once it is over."""


def main() -> None:
    """Serve jobs until told to stop."""
    spare_children(os.environ)
    # Libraries may print: keep the channel to the driver to ourselves and send their words to the log.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    unwanted: set[str] = set()
    threading.Thread(target=_listen, args=(sys.stdin, jobs, unwanted), daemon=True).start()
    if FOREIGN in sys.argv[1:]:
        _serve(jobs, unwanted, channel, _foreign_training(), None)
    else:
        _serve(jobs, unwanted, channel, *_training())


def _listen(source: TextIO, jobs: queue.SimpleQueue[Job], unwanted: set[str]) -> None:
    for line in source:
        match decode(line):
            case Stop(fingerprint):
                unwanted.add(fingerprint)
            case Job() as job:
                unwanted.discard(job.fingerprint)
                jobs.put(job)
            case other:
                raise AssertionError(other)
    # No driver, no work: what was not finished is resumed from its last checkpoint.
    os._exit(0)


def _serve(jobs: queue.SimpleQueue[Job], unwanted: set[str], channel: TextIO, do: Do, do_pack: DoPack | None) -> None:
    gauge = Gauge(with_children=FOREIGN in sys.argv[1:])

    def listener(name: str) -> OnEvent:
        ended = -math.inf

        def on_event(event: Event) -> None:
            nonlocal ended
            _tell(channel, encode(Told(name, event)))
            if isinstance(event, EpochDone):
                ended = time.monotonic()
            # In the middle of an epoch the epochs since the last checkpoint would be lost: a short one may end first.
            in_short = isinstance(event, Progress) and time.monotonic() - ended < SECONDS_FOR_AN_EPOCH
            if name in unwanted and not in_short:
                raise RunStopped("the driver stopped this run")

        return gauge.watched(on_event)

    while True:
        job = jobs.get()
        runs = runs_of(job)
        for run in runs:
            channel.write(encode(Started(run.fingerprint)))
        if do_pack is not None and len(runs) > 1:
            hear = {run.fingerprint: listener(run.fingerprint) for run in runs}
            for name, ended in do_pack(runs, hear):
                _tell(channel, encode(_said_of(name, ended)))
            continue
        try:
            ended = do(job, listener(job.fingerprint))
        except MMStudyError as error:
            ended = error
        _tell(channel, encode(_said_of(job.fingerprint, ended)))


def _said_of(name: str, ended: str | MMStudyError) -> Said:
    """How a job ended, in a message."""
    match ended:
        case RunStopped():
            return Stopped(name)
        case MMStudyError():
            parts = {part: getattr(ended, part) for part in ("rule", "expected", "found", "next_step", "where")}
            return Refused(name, parts)
        case status:
            return Finished(name, status)


def _training() -> tuple[Do, DoPack]:
    """Runs and analyses of mmstudy's own models."""
    # Heavy imports happen while the driver still prepares the data. What they make stays: nobody need look through it.
    gc.disable()
    from functools import cache

    import torch

    from experiments.examine import examine
    from experiments.execute import trial
    from experiments.execute_pack import InPack, trial_pack
    from mmcore.data.prepared import open_prepared

    gc.freeze()
    gc.enable()
    # Only possible before torch has computed anything; a run sets the threads within an operation itself.
    torch.set_num_interop_threads(1)
    torch.set_num_threads(1)
    opened = cache(open_prepared)

    def do(job: Job, on_event: OnEvent) -> str:
        config, workdir = job.config, Path(job.workdir)
        assert isinstance(config, RunConfig)
        prepared = partial(opened, Path(job.prepared))
        if job.analyses:
            return "failed" if examine(config, job.analyses, workdir, prepared, on_event) else "done"
        about = {"study": job.study, "arm": job.arm, "fingerprint": job.fingerprint, "unpacked": job.unpacked}
        return trial(config, workdir, prepared, on_event=on_event, **about).status

    def do_pack(runs: tuple[Job, ...], on_event: Mapping[str, OnEvent]) -> Iterator[tuple[str, str | MMStudyError]]:
        members: list[InPack] = []
        for run in runs:
            assert isinstance(run.config, RunConfig)
            hear = on_event[run.fingerprint]
            members.append(InPack(run.config, Path(run.workdir), run.study, run.arm, run.fingerprint, hear))
        yield from trial_pack(members, partial(opened, Path(runs[0].prepared)))

    return do, do_pack


def _foreign_training() -> Do:
    """Runs of training code of the user's own."""
    from experiments.foreign.execute import foreign_trial

    def do(job: Job, on_event: OnEvent) -> str:
        assert isinstance(job.config, ForeignConfig)
        assert job.code is not None
        return foreign_trial(
            job.config,
            job.code,
            job.repeat,
            Path(job.workdir),
            study=job.study,
            arm=job.arm,
            fingerprint=job.fingerprint,
            threads=job.threads,
            on_event=on_event,
        ).status

    return do


def _tell(channel: TextIO, line: str) -> None:
    channel.write(line)


if __name__ == "__main__":
    main()
