"""A worker process: reads jobs from standard input, trains them one after another, writes events to standard output.

Serves many runs, so that libraries and data are opened once. Ends at once when its driver is gone: the end of standard
input says so, also after the driver was killed. Everything it writes is atomic, so it may be killed at any moment.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TextIO, TypeAlias

from experiments.launchers.load import Gauge
from experiments.launchers.messages import Finished, Job, Refused, Started, Stop, Stopped, Told, decode, encode
from mmcore.config import ForeignConfig, RunConfig
from mmcore.errors import MMStudyError, RunStopped
from mmcore.events import Event, OnEvent

FOREIGN = "foreign"
"""The argument of a worker that serves foreign training code alone, and so needs no torch."""

Do: TypeAlias = Callable[[Job, OnEvent], str]
"""Does a job; returns its status."""


def main() -> None:
    """Serve jobs until told to stop."""
    # Libraries may print: keep the channel to the driver to ourselves and send their words to the log.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    unwanted: set[str] = set()
    threading.Thread(target=_listen, args=(sys.stdin, jobs, unwanted), daemon=True).start()
    _serve(jobs, unwanted, channel, _foreign_training() if FOREIGN in sys.argv[1:] else _training())


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


def _serve(jobs: queue.SimpleQueue[Job], unwanted: set[str], channel: TextIO, do: Do) -> None:
    gauge = Gauge(with_children=FOREIGN in sys.argv[1:])
    while True:
        job = jobs.get()
        fingerprint = job.fingerprint
        channel.write(encode(Started(fingerprint)))

        def on_event(event: Event, name: str = fingerprint) -> None:
            _tell(channel, encode(Told(name, event)))
            if name in unwanted:
                raise RunStopped("the driver stopped this run")

        try:
            status = do(job, gauge.watched(on_event))
        except RunStopped:
            _tell(channel, encode(Stopped(fingerprint)))
        except MMStudyError as error:
            parts = {name: getattr(error, name) for name in ("rule", "expected", "found", "next_step", "where")}
            _tell(channel, encode(Refused(fingerprint, parts)))
        else:
            _tell(channel, encode(Finished(fingerprint, status)))


def _training() -> Do:
    """Runs and analyses of mmstudy's own models."""
    # Heavy imports happen while the driver still prepares the data.
    from functools import cache

    import torch

    from experiments.examine import examine
    from experiments.execute import trial
    from mmcore.data.prepared import open_prepared

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
        return trial(
            config, workdir, prepared, study=job.study, arm=job.arm, fingerprint=job.fingerprint, on_event=on_event
        ).status

    return do


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
