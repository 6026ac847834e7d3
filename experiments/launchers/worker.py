"""A worker process: reads jobs from standard input, trains them one after another, writes events to standard output.

Serves many runs, so that libraries and data are opened once. Ends at once when its driver is gone: the end of standard
input says so, also after the driver was killed. Everything it writes is atomic, so it may be killed at any moment.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from functools import partial
from typing import TextIO

from experiments.launchers.messages import Finished, Job, Refused, Started, Stop, Stopped, Told, decode, encode


def main() -> None:
    """Serve jobs until told to stop."""
    # Libraries may print: keep the channel to the driver to ourselves and send their words to the log.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    unwanted: set[str] = set()
    threading.Thread(target=_listen, args=(sys.stdin, jobs, unwanted), daemon=True).start()
    _serve(jobs, unwanted, channel)


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


def _serve(jobs: queue.SimpleQueue[Job], unwanted: set[str], channel: TextIO) -> None:
    # Heavy imports happen while the driver still prepares the data.
    from functools import cache
    from pathlib import Path

    import torch

    from experiments.examine import examine
    from experiments.execute import trial
    from mmcore.data.prepared import open_prepared
    from mmcore.errors import MMStudyError, RunStopped
    from mmcore.events import Event

    # Only possible before torch has computed anything; a run sets the threads within an operation itself.
    torch.set_num_interop_threads(1)
    torch.set_num_threads(1)
    opened = cache(open_prepared)

    while True:
        job = jobs.get()
        fingerprint = job.fingerprint
        channel.write(encode(Started(fingerprint)))
        config, workdir = job.config, Path(job.workdir)
        prepared = partial(opened, Path(job.prepared))

        def on_event(event: Event, name: str = fingerprint) -> None:
            _tell(channel, encode(Told(name, event)))
            if name in unwanted:
                raise RunStopped("the driver stopped this run")

        try:
            if job.analyses:
                status = "failed" if examine(config, job.analyses, workdir, prepared, on_event) else "done"
            else:
                status = trial(
                    config, workdir, prepared, study=job.study, arm=job.arm, fingerprint=fingerprint, on_event=on_event
                ).status
        except RunStopped:
            _tell(channel, encode(Stopped(fingerprint)))
        except MMStudyError as error:
            parts = {name: getattr(error, name) for name in ("rule", "expected", "found", "next_step", "where")}
            _tell(channel, encode(Refused(fingerprint, parts)))
        else:
            _tell(channel, encode(Finished(fingerprint, status)))


def _tell(channel: TextIO, line: str) -> None:
    channel.write(line)


if __name__ == "__main__":
    main()
