"""A process that computes files of footage: reads jobs from standard input, says on standard output how far it is.

Ends at once when its driver is gone: the end of standard input says so. What it writes is moved into place when it is
whole, so it may be killed at any moment.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.footage.features import Part, choose
from experiments.footage.messages import Broken, Extracted, Job, Progress, Start, line_of
from experiments.footage.store import FootageStore
from mmcore.atomic import FULL
from mmcore.errors import MMStudyError
from mmcore.frozen import Frozen


def main() -> None:
    """Serve jobs until standard input ends."""
    # Libraries may print: keep the channel to the driver to ourselves and send their words to the log.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    start = Start.model_validate_json(sys.stdin.readline())
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    parts = choose(start.features).parts
    store = FootageStore(start.root)

    def say(message: Frozen) -> None:
        channel.write(line_of(message))

    while True:
        say(_compute(jobs.get().path, parts, store, start.threads, lambda share: say(Progress(share=share))))


def _listen(jobs: queue.SimpleQueue[Job]) -> None:
    for line in sys.stdin:
        jobs.put(Job.model_validate_json(line))
    os._exit(0)


def _compute(
    path: Path, parts: Sequence[Part], store: FootageStore, threads: int, on_share: Callable[[float], None]
) -> Extracted | Broken:
    from experiments.footage.extract import extract

    try:
        return extract(path, parts, store, threads, on_share)
    except MMStudyError as error:
        return Broken(reason=f"{error.rule}; found {error.found}" if error.found else error.rule)
    except OSError as error:
        return Broken(reason=f"{type(error).__name__}: {error}"[:200], full=error.errno in FULL)
    except Exception as error:
        # A library that fails on one file must not end the others; the file is named with what it said.
        return Broken(reason=f"{type(error).__name__}: {error}"[:200])


if __name__ == "__main__":
    main()
