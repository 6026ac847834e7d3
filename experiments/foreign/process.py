"""One process of foreign training code, from its start to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import experiments
from experiments.foreign import supervise

CODE = Path(experiments.__file__).resolve().parent.parent
"""The folder that holds our packages."""

_SHORTEST, _LONGEST = 0.01, 0.2
"""Seconds between looks at a process: short for scripts that end at once, long enough to cost nothing."""


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Args:
        code: its exit code; negative: the signal that killed it; None: it could not be started, or nobody knows.
        late: whether it was killed because its time was up.
        problem: why it could not be started.
    """

    code: int | None
    late: bool = False
    problem: str | None = None


def run_process(
    words: Sequence[str],
    folder: Path,
    log: Path,
    *,
    env: Mapping[str, str],
    seconds: float | None,
    look: Callable[[], None],
) -> Ended:
    """Run a process to its end; it and all that it started are dead when this returns or raises, or when we die.

    Args:
        words: the command, divided into words; no shell reads them.
        folder: where it starts.
        log: the file that takes its output and errors.
        env: variables beside those of :func:`environment`.
        seconds: after which it is killed; None: never.
        look: called several times a second while it runs; an exception raised here kills it.
    """
    supervisor = subprocess.Popen(
        [sys.executable, "-I", "-S", supervise.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment() | dict(env),
        text=True,
        encoding="utf-8",
    )
    assert supervisor.stdin is not None
    assert supervisor.stdout is not None
    request = {"words": list(words), "folder": str(folder), "log": str(log), "seconds": seconds}
    with supervisor.stdout as answers:
        try:
            supervisor.stdin.write(json.dumps(request) + "\n")
            supervisor.stdin.flush()
            pause = _SHORTEST
            while supervisor.poll() is None:
                time.sleep(pause)
                pause = min(_LONGEST, pause * 1.5)
                look()
        finally:
            # Its end tells the supervisor that nobody waits any more: whatever still runs is killed.
            supervisor.stdin.close()
            supervisor.wait()
        answer = answers.readline()
    if not answer:
        return Ended(None, problem=f"the process that watches it ended with code {supervisor.returncode}")
    ended = json.loads(answer)
    return Ended(ended["code"], ended["late"], ended.get("problem"))


def environment() -> dict[str, str]:
    """This process's environment without our packages on ``PYTHONPATH``: the user's may have the same names."""
    own = dict(os.environ)
    entries = [entry for entry in own.pop("PYTHONPATH", "").split(os.pathsep) if entry and Path(entry) != CODE]
    return own | ({"PYTHONPATH": os.pathsep.join(entries)} if entries else {})


def in_words(ended: Ended, words: Sequence[str], seconds: float | None) -> str | None:
    """Why a process failed, in words; None where it ended well."""
    match ended:
        case Ended(problem=str(problem), code=None):
            return f"'{words[0]}' cannot be run: {problem}"
        case Ended(late=True):
            return f"it was killed after its timeout of {seconds:g} seconds"
        case Ended(code=0):
            return None
        case Ended(code=int(code)) if code < 0:
            name = _name(-code)
            return f"killed by signal {-code}" + (f" ({name})" if name else "")
        case _:
            return f"it ended with exit code {ended.code}"


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def last_lines(log: Path, lines: int = 5, most: int = 600) -> str:
    """The last lines of a process's output, for a message; empty where it said nothing."""
    try:
        with open(log, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 20_000))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    kept = [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]
    return "\n".join(kept)[-most:]
