"""Processes that a zygote forks, as the callers of :mod:`subprocess` know them."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal

import psutil

from experiments.launchers.start import worker_environment

ADDRESS = "MMSTUDY_FAULTS_ZYGOTE"
"""Variable that names the zygote's socket."""

Roles = Literal["workers", "foreign", "all"]
"""What a zygote forks: workers of our own models; drivers, servers and workers of foreign code; all of them."""


class Forked:
    """A process of the zygote.

    Args:
        role: ``driver``, ``worker``, ``server``, or ``code`` with the words ``-c`` and Python code before its own.
        words: its arguments. env: its whole environment.
        stdin, stdout, stderr: :data:`subprocess.PIPE`, or an open file.
    """

    def __init__(
        self, role: str, words: Sequence[str], env: Mapping[str, str], stdin: Any, stdout: Any, stderr: Any
    ) -> None:
        self.returncode: int | None = None
        self.stdin: IO[str] | None = None
        self.stdout: IO[str] | None = None
        with ExitStack() as mine:
            files = []
            for given, own in ((stdin, 0), (stdout, 1), (stderr, 1)):
                if given != subprocess.PIPE:
                    files.append(given.fileno())
                    continue
                ends = os.pipe()
                files.append(ends[own])
                mine.callback(os.close, ends[own])
                if own:
                    self.stdout = open(ends[0], encoding="utf-8")  # noqa: SIM115
                else:
                    self.stdin = open(ends[1], "w", encoding="utf-8")  # noqa: SIM115
            self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._connection.connect(env[ADDRESS])
            asked = {"role": role, "words": list(words), "env": dict(env), "folder": os.getcwd()}
            socket.send_fds(self._connection, [json.dumps(asked).encode()], files)
        self.pid: int = json.loads(self._connection.recv(4096))["pid"]

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            text = self._connection.recv(4096)
            # The zygote itself is gone, and with it all that it forked.
            self.returncode = json.loads(text)["code"] if text else -int(signal.SIGKILL)
            self._connection.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code once it has ended.

        Raises:
            subprocess.TimeoutExpired: it runs for longer.
        """
        if self.returncode is None and not select.select([self._connection], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("forked", timeout or 0.0)
        code = self.poll()
        assert code is not None
        return code

    def signal(self, number: int) -> None:
        """Send it a signal, if it is still there."""
        if self.poll() is None:
            # It may have ended since: the zygote has taken its exit code and is about to tell it.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it without a chance to say anything."""
        self.signal(signal.SIGKILL)


class Subprocess:
    """What the pool of workers uses of :mod:`subprocess`, with forks in place of new interpreters."""

    PIPE, TimeoutExpired, SubprocessError, run = (
        subprocess.PIPE, subprocess.TimeoutExpired, subprocess.SubprocessError, subprocess.run,
    )  # fmt: skip

    @staticmethod
    def Popen(
        words: Sequence[str], *, stdin: Any, stdout: Any, stderr: Any, env: Mapping[str, str], **_: Any
    ) -> Forked:
        """A worker; ``words`` begin with the interpreter and the module."""
        at = list(words).index("experiments.launchers.worker")
        return Forked("worker", words[at:], env, stdin, stdout, stderr)


class Zygote:
    """The process that forks the processes of a campaign's cases, and adopts what they leave behind.

    Args:
        folder: takes its socket and its log.
        roles: what it forks.
    """

    def __init__(self, folder: Path, roles: Roles) -> None:
        # Addresses of sockets are short: 108 bytes at most.
        self._short = tempfile.TemporaryDirectory(prefix="mmf-")
        self.address = f"{self._short.name}/z"
        root = Path(__file__).resolve().parents[2]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._log = open(folder / "zygote.log", "wb")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.faults.zygote", self.address, roles],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # Workers train in it, with the memory that theirs would have.
            env=worker_environment(os.environ | threads, foreign=roles == "foreign"),
            cwd=root,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._ready = False

    def environment(self) -> dict[str, str]:
        """That of a process to be forked; waits until the imports are done."""
        if not self._ready:
            assert self._process.stdout is not None
            assert self._process.stdout.readline().strip() == b"ready", Path(self._log.name).read_text()
            self._ready = True
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "MMSTUDY_"))}
        return kept | {ADDRESS: self.address}

    @property
    def descendants(self) -> list[psutil.Process]:
        """All processes that were forked and still live, and what they started."""
        found = []
        for process in psutil.Process(self._process.pid).children(recursive=True):
            try:
                if process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    def end_all(self) -> None:
        """Kill what was forked, so that the next case starts alone."""
        end = time.monotonic() + 30
        while (left := self.descendants) and time.monotonic() < end:
            for process in left:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            time.sleep(0.01)

    @property
    def seconds(self) -> float:
        """CPU time of all that it forked and that has ended, and of its own imports."""
        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.NoSuchProcess:
            return 0.0
        return times.user + times.system + times.children_user + times.children_system

    def __enter__(self) -> Zygote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_all()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()
        self._short.cleanup()
