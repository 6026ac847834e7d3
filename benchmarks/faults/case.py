"""One case: a study in a folder of its own, its commands, and what went wrong with them."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.moments import Deed, Moment, writes
from benchmarks.faults.nodes import Cluster
from benchmarks.faults.postgres import Server
from benchmarks.faults.started import Forked, Zygote
from benchmarks.faults.studies import Made
from mmcore.atomic import write_atomically

PATIENCE = 120.0
"""Seconds after which a command hangs."""


@dataclass(frozen=True)
class Undisturbed:
    """What a study leaves without any fault, and how it came about.

    Args:
        home: its home. seconds: of the command. driver, worker: their most writes. bytes: of the home.
    """

    home: Path
    seconds: float
    driver: int
    worker: int
    bytes: int


@dataclass
class Case:
    """A study and its commands.

    Args:
        folder: of the case alone. made: the study. zygote: forks its processes. rng: what is drawn.
        expected: what it must come to. database: a migrated tracking store, to be copied.
        postgres, cluster: the campaign's server and its Ray cluster, if it has one.
        extra: variables of every call. options: before the verb. words: of the command.
        notes: what was done. problems: what did not hold. calls: so far.
        missed: whether the fault came too late for every command.
        servers: processes that are no part of the command. stack: what ends with the case.
        project: the folder of the study's file. home: where it is now.
        tracked: the database of a tracking server; None: that of the home.
    """

    folder: Path
    made: Made
    zygote: Zygote
    rng: random.Random
    expected: Undisturbed
    database: Path
    postgres: Server | None = None
    cluster: Cluster | None = None
    extra: dict[str, str] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    servers: list[int] = field(default_factory=list)
    calls: int = 0
    missed: bool = False
    stack: ExitStack = field(default_factory=ExitStack)
    project: Path = Path()
    home: Path = Path()
    tracked: Path | None = None

    def prepare(self) -> None:
        """Make the study and the home."""
        self.folder.mkdir(parents=True)
        self.project = self.folder / "project"
        self.words = self.made.write(self.project)
        self.home = self.project / "mlruns"
        self.home.mkdir()
        self.give_database(self.home)

    def give_database(self, home: Path) -> None:
        """A tracking store that is there already: creating one takes seconds."""
        shutil.copy(self.database, home / "mlflow.db")

    # Commands --------------------------------------------------------------------------------------------------
    def begin(self, moment: Moment | None = None, env: Mapping[str, str] | None = None) -> Forked:
        """Start the command; what it says goes to files of the case."""
        self.calls += 1
        words = ["mmstudy", "--home", str(self.home), *self.options, *self.words]
        whole = self.zygote.environment() | self.extra | dict(env or {})
        whole |= {} if moment is None else moment.variable
        paths = self._said("out", self.calls), self._said("err", self.calls)
        with open(os.devnull, "rb") as nothing, open(paths[0], "wb") as out, open(paths[1], "wb") as err:
            return Forked("driver", words, whole, nothing, out, err)

    def end(self, process: Forked, *codes: int) -> int:
        """Wait for the command's end.

        Args:
            codes: with which it may end.
        """
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.problems.append(f"call {self.calls} hangs: {self.last_line()}")
            self.zygote.end_all()
            code = process.wait()
        if code not in codes:
            self.problems.append(f"call {self.calls} ends with code {code}: {self.last_line()}")
        return code

    def call(self, *codes: int, moment: Moment | None = None, env: Mapping[str, str] | None = None) -> int:
        """The command to its end, within :meth:`end`'s codes."""
        return self.end(self.begin(moment, env), *codes)

    def said(self, call: int | None = None) -> str:
        """Everything that a call, the last one by default, has said."""
        number = call or self.calls
        return "".join(
            self._said(name, number).read_text(encoding="utf-8", errors="replace") for name in ("out", "err")
        )

    def last_line(self) -> str:
        """The last line of the last call."""
        lines = self._said("err", self.calls).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][:400] if lines else "it says nothing"

    def _said(self, stream: str, call: int) -> Path:
        return self.folder / f"{stream}-{call}.txt"

    # Moments ---------------------------------------------------------------------------------------------------
    def moment(self, who: str, deed: Deed, jump: float = 0.0) -> Moment:
        """A write of a process at which its fault comes, drawn from those of an undisturbed run."""
        most = self.expected.driver if who == "driver" else self.expected.worker
        write = self.rng.randint(1, max(1, most))
        what = "it happens" if deed == "note" else f"{deed} of the {who}"
        self.notes.append(f"{what} at write {write} of about {most}" + (f" of the {who}" if deed == "note" else ""))
        folder = self.folder / f"writes-{self.calls + 1}"
        folder.mkdir(exist_ok=True)
        return Moment(who, write, deed, str(self.home), str(folder), jump)

    def delay(self) -> float:
        """Seconds after the command's start, drawn from the time that an undisturbed run takes."""
        seconds = self.rng.uniform(0.0, self.expected.seconds)
        self.notes.append(f"after {seconds:.2f} s of about {self.expected.seconds:.2f} s")
        return seconds

    def wait_for(self, moment: Moment, process: Forked) -> int | None:
        """The process that has met its moment; None: the command has ended before."""
        end = time.monotonic() + PATIENCE
        while (pid := moment.met) is None and process.poll() is None and time.monotonic() < end:
            time.sleep(0.005)
        return pid

    def wait_until(self, seconds: float, process: Forked) -> bool:
        """Sleep for so long; whether the command still runs."""
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False


def signal_all(case: Case, number: int) -> None:
    """Send a signal to every process of the case, at once."""
    for process in case.zygote.descendants:
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            continue


def train_undisturbed(made: Made, folder: Path, zygote: Zygote, database: Path) -> Undisturbed:
    """What a study leaves without any fault; trained once, and kept in the folder."""
    kept = folder / "undisturbed.json"
    if not kept.exists():
        shutil.rmtree(folder, ignore_errors=True)
        case = Case(folder, made, zygote, random.Random(0), Undisturbed(Path(), 1.0, 1, 1, 1), database)
        case.prepare()
        zygote.environment()
        moment = case.moment("driver", "nothing")
        began = time.monotonic()
        case.call(0, moment=moment)
        seconds = time.monotonic() - began
        if case.problems:
            raise AssertionError(f"{made.kind}: {case.problems} {case.said()}")
        counts = Path(moment.folder)
        size = sum(-(-file.stat().st_size // 4096) * 4096 for file in case.home.rglob("*") if file.is_file())
        found = Undisturbed(case.home, seconds, writes(counts, "driver"), writes(counts, "worker"), size)
        content = json.dumps({**vars(found), "home": str(case.home)}).encode()
        write_atomically(kept, lambda file: file.write(content))
    read = json.loads(kept.read_text(encoding="utf-8"))
    return Undisturbed(**{**read, "home": Path(read["home"])})


SIGNALS = {"SIGKILL": (-signal.SIGKILL,), "SIGTERM": (130, 0), "SIGINT": (130, 0)}
"""The exit codes of a driver that gets a signal; it may have ended before."""
