"""What a task of the job array runs on its node: starts the usual worker process, and carries lines between it and the
files that the driver reads and writes.

Ends the worker when the driver is gone, and says how the worker ended. Imports no heavy library.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from experiments.launchers.slurm.spool import IN, LOG, NODE, OUT, STALE_SECONDS, Pulse, Reader, Sender
from experiments.launchers.start import FOREIGN, worker_command, worker_environment

_LOOK_SECONDS = 0.2
"""How often an idle worker looks for a job; one that has a job looks less often."""


class _Node:
    """One start of one worker."""

    def __init__(self, call: Path, number: str, stale: float, words: list[str]) -> None:
        # Slurm counts how often it has started a job again.
        start = f"{os.environ.get('SLURM_JOB_ID', os.getpid())}-{os.environ.get('SLURM_RESTART_COUNT', '0')}"
        self._folder = call / f"worker-{number}" / start
        self._folder.mkdir(parents=True, exist_ok=True)
        self._stale = stale
        self._pulse = Pulse(call, stale)
        self._reason = ""
        self._writing = threading.Lock()
        (self._folder / IN).touch()
        self._out = Sender(self._folder / OUT)
        with open(self._folder / LOG, "a", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                worker_command(*words),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=worker_environment(os.environ, FOREIGN in words),
                text=True,
                encoding="utf-8",
            )

    def serve(self) -> int:
        """Carry lines until the worker ends; its exit code."""
        signal.signal(signal.SIGTERM, self._terminated)
        self._say({"host": socket.gethostname(), "pid": os.getpid()})
        threading.Thread(target=self._orders, daemon=True).start()
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._send(line)
        code = self._process.wait()
        reason = self._reason or ("SIGTERM" if code == -signal.SIGTERM else "")
        self._say({"code": code, "reason": reason})
        return 0 if reason else code

    def _terminated(self, number: int, frame: FrameType | None) -> None:
        self._end("SIGTERM")

    def _end(self, why: str) -> None:
        """End the worker: what it was doing is resumed from its last checkpoint."""
        self._reason = self._reason or why
        with contextlib.suppress(OSError):
            self._process.terminate()
        threading.Timer(5.0, self._process.kill).start()

    def _orders(self) -> None:
        """Hand on what the driver writes; end when it is gone."""
        reader, looked = Reader(self._folder / IN), 0.0
        assert self._process.stdin is not None
        while self._process.poll() is None:
            for line in reader.lines():
                if line.startswith(NODE):
                    self._end(str(json.loads(line)["node"]))
                    return
                with contextlib.suppress(OSError):
                    self._process.stdin.write(line)
                    self._process.stdin.flush()
            if time.monotonic() - looked > min(1.0, self._stale / 4):
                looked = time.monotonic()
                why = self._pulse.gone()
                if why is not None:
                    self._end(why)
                    return
            time.sleep(_LOOK_SECONDS)

    def _say(self, what: dict[str, object]) -> None:
        self._send(json.dumps({"node": what}) + "\n")

    def _send(self, line: str) -> None:
        """Write a line for the driver; tries for as long as a driver may be silent, e.g. while the disk is full."""
        end = time.monotonic() + self._stale
        with self._writing:
            while True:
                try:
                    self._out.send(line)
                    return
                except OSError:
                    if time.monotonic() > end:
                        self._process.kill()
                        raise
                    time.sleep(1.0)


def main(words: list[str]) -> int:
    """Serve as one worker.

    Args:
        words: the folder of the driver's call, seconds without a sign of life after which the driver is gone, words for
            the worker process, and the worker's number last.
    """
    call, stale, *rest, number = words
    return _Node(Path(call), number, float(stale or STALE_SECONDS), rest).serve()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # The thread that listens to the driver has nothing to say any more.
    os._exit(code if code >= 0 else 128 - code)
