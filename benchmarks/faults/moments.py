"""When a process meets its fault: at its n-th write, counted in the process itself, so that a case can be repeated.

Writes are files opened for writing, renamed or removed below the home, and statements and commits of a database. What
is to happen is told by variables that only processes of :mod:`benchmarks.faults.zygote` read.
"""

from __future__ import annotations

import datetime
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

VARIABLE = "MMSTUDY_FAULTS_MOMENT"

Deed = Literal["nothing", "note", "SIGKILL", "SIGTERM", "SIGINT", "SIGSTOP", "clock"]


@dataclass(frozen=True)
class Moment:
    """What happens to a process, and when.

    Args:
        who: the driver, or the first worker that gets so far.
        write: the number of the write before which it happens, from 1 on.
        deed: a signal that the process sends itself, a jump of its clock, a note that it has come so far, or nothing.
        home: writes below it count.
        folder: takes the process id of whom it happened to (``met``), and each process's count of writes.
        jump: seconds by which the clock jumps.
    """

    who: str
    write: int
    deed: Deed
    home: str
    folder: str
    jump: float = 0.0

    @property
    def variable(self) -> dict[str, str]:
        """The environment that hands it to a process and to those that this one starts."""
        return {VARIABLE: json.dumps(asdict(self))}

    @property
    def met(self) -> int | None:
        """The process to which it happened; None: it has not come so far."""
        try:
            return int((Path(self.folder) / "met").read_text(encoding="utf-8") or 0) or None
        except FileNotFoundError:
            return None


def writes(folder: Path, who: str) -> int:
    """The most writes of a process of this kind."""
    return max((int(file.read_text(encoding="utf-8") or 0) for file in folder.glob(f"{who}-*")), default=0)


def watch(role: str) -> None:
    """In a process: count its writes, and do the deed of its moment when it comes."""
    text = os.environ.get(VARIABLE)
    if text is None:
        return
    moment = Moment(**json.loads(text))
    counts = os.open(Path(moment.folder) / f"{role}-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    count = 0

    def write() -> None:
        nonlocal count
        count += 1
        os.pwrite(counts, b"%d" % count, 0)
        if count == moment.write and role == moment.who and moment.deed != "nothing":
            _meet(moment)

    _listen(Path(moment.home), write)


def _meet(moment: Moment) -> None:
    try:
        file = os.open(Path(moment.folder) / "met", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return
    os.write(file, b"%d" % os.getpid())
    os.close(file)
    if moment.deed == "clock":
        turn_clock(moment.jump)
    elif moment.deed != "note":
        os.kill(os.getpid(), getattr(signal, moment.deed))


def _listen(home: Path, write: Callable[[], None]) -> None:
    below = (f"{home}{os.sep}", os.fsencode(f"{home}{os.sep}"))
    asked = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def hear(event: str, words: tuple[Any, ...]) -> None:
        match event:
            case "open":
                path, _, flags = words
                counts = isinstance(flags, int) and flags & asked
            case "os.rename" | "os.remove" | "os.mkdir" | "os.truncate":
                path, counts = words[0], True
            case _:
                return
        if counts and isinstance(path, str | bytes | os.PathLike):
            name = os.fspath(path)
            if name.startswith(below[isinstance(name, bytes)]):  # type: ignore[arg-type]
                write()

    sys.addaudithook(hear)

    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    changes = ("INSERT", "UPDATE", "DELETE")
    event.listen(Engine, "commit", lambda connection: write())
    event.listen(
        Engine,
        "before_cursor_execute",
        lambda connection, cursor, statement, *_: statement.startswith(changes) and write(),
    )


# Clocks ------------------------------------------------------------------------------------------------------------
def turn_clock(seconds: float) -> None:
    """Let the time of day of this process jump; the steady clock goes on, as after a change of the real one."""
    now, now_ns, real = time.time, time.time_ns, datetime.datetime

    class Turned(real):
        """The time of day as the turned clock has it."""

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return real.now(tz) + datetime.timedelta(seconds=seconds)

        @classmethod
        def utcnow(cls) -> Any:
            return real.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(seconds=seconds)

    time.time = lambda: now() + seconds
    time.time_ns = lambda: now_ns() + int(seconds * 1e9)
    ours = ("experiments", "mmcore", "reports", "studies", "mlflow", "optuna")
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ours and module.__dict__.get("datetime") is real:
            module.__dict__["datetime"] = Turned
