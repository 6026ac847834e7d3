"""Stands between a worker and one process of foreign training code, so that the latter never outlives the former.

A program of its own that needs the standard library alone. Standard input gives one JSON object: ``words``, ``folder``,
``log`` and ``seconds`` (None: no limit). It then stays open as long as its worker lives: at its end the process and all
that it started are killed. Standard output gets one JSON object once the process has ended: ``code`` (negative: killed
by that signal) and ``late`` (whether its time was up).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, BinaryIO

GRACE = 3.0
"""Seconds between asking processes to end and killing them."""


def main() -> None:
    """Start the process, wait for its end, tell how it ended."""
    asked: Mapping[str, Any] = json.loads(sys.stdin.readline())
    with open(asked["log"], "wb") as log:
        try:
            process = _start(asked["words"], asked["folder"], log)
        except OSError as problem:
            _tell({"code": None, "late": False, "problem": problem.strerror or str(problem)})
            return
        threading.Thread(target=_until_worker_ends, args=(process,), daemon=True).start()
        late = False
        try:
            process.wait(asked["seconds"])
        except subprocess.TimeoutExpired:
            late = True
        # Also what it left running behind its back.
        end(process)
        _tell({"code": process.wait(), "late": late})


def _start(words: list[str], folder: str, log: BinaryIO) -> subprocess.Popen[bytes]:
    windows = sys.platform == "win32"
    return subprocess.Popen(
        words,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=not windows,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) if windows else 0,
    )


def _die_with_parent() -> None:
    """In the new process: Linux kills it if this program is killed and cannot do so itself."""
    import ctypes

    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def end(process: subprocess.Popen[bytes], grace: float = GRACE) -> None:
    """End the process and its group: ask first, kill after some seconds."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
        return
    if not _signal(process.pid, signal.SIGTERM):
        return
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace)
    _signal(process.pid, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Whether the group still has a process."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _until_worker_ends(process: subprocess.Popen[bytes]) -> None:
    sys.stdin.read()
    # At once: the next attempt at this run may begin at any moment.
    end(process, grace=0.0)
    os._exit(1)


def _tell(how: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(how) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
