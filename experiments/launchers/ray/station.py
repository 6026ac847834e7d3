"""What stands on a node of a cluster: a worker process, its files, and the lines that it says. Imports no Ray."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import queue
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

import mmcore
from experiments.foreign.attempt import WORK
from experiments.launchers.local import start_worker
from experiments.launchers.messages import Finished, Job, Refused, Stopped, Told, decode, runs_of
from experiments.launchers.pool import tail
from experiments.launchers.ray.orders import Tree
from experiments.launchers.ray.parcels import Parcel, Seen, digest_of
from mmcore.atomic import NO_ROOM
from mmcore.events import EpochDone
from mmcore.fingerprint import NUMERICS

CACHE = "MMSTUDY_NODE_CACHE"
"""Environment variable of a node: the folder for what is sent to it. Else a folder of the user's beside temporary
files."""

_HELD = 8
"""Lines that wait for the driver at most; the worker waits when there are more."""


def cache_folder() -> Path:
    """The folder on this machine for what is sent to it."""
    own = f"mmstudy-{os.getuid()}" if hasattr(os, "getuid") else "mmstudy"
    return Path(os.environ.get(CACHE) or Path(tempfile.gettempdir(), own))


class Station:
    """One worker on a node.

    Args:
        threads, foreign: see :class:`experiments.launchers.local.LocalPool`.
        logs: folder for the worker's log where this node sees the home; empty: files are sent, and all that is written
            stays in :func:`cache_folder`.
    """

    def __init__(self, threads: int, foreign: bool, logs: str) -> None:
        self._threads, self._foreign, self._logs = threads, foreign, logs
        self._process: subprocess.Popen[str] | None = None
        self._said: queue.Queue[tuple[str, list[Parcel]] | None] = queue.Queue(_HELD)
        self._runs: dict[str, Seen] = {}
        self._job: set[str] = set()
        self._work = False
        self._paths: dict[str, str] = {}
        self._full = ""
        self._log = Path()
        self._place: Path | None = None
        self._lock: FileLock | None = None

    def about(self) -> dict[str, str]:
        """What must be the same on the driver's machine, and the node's name."""
        return {
            "host": platform.node(),
            "mmstudy": mmcore.__version__,
            "numerics": str(NUMERICS),
            "python": ".".join(platform.python_version_tuple()[:2]),
        }

    def begin(self) -> None:
        """Start the worker process.

        Raises:
            OSError: there is no room for its folder.
        """
        logs = Path(self._logs)
        if not self._logs:
            logs = cache_folder() / "logs"
            self._place = self._own_folder()
        logs.mkdir(parents=True, exist_ok=True)
        self._log = logs / f"worker-{platform.node()}-{os.getpid()}.log"
        self._process = start_worker(self._threads, self._log, self._foreign)
        threading.Thread(target=self._read, daemon=True).start()

    def _own_folder(self) -> Path:
        """A folder for the runs of this worker, locked as long as it lives; those of dead workers are removed."""
        runs = cache_folder() / "runs"
        runs.mkdir(parents=True, exist_ok=True)
        for left in runs.glob("*.lock"):
            lock = FileLock(left)
            with contextlib.suppress(Timeout, OSError):
                lock.acquire(timeout=0)
                shutil.rmtree(left.with_suffix(""), ignore_errors=True)
                left.unlink(missing_ok=True)
                lock.release()
        place = runs / uuid.uuid4().hex
        self._lock = FileLock(place.with_suffix(".lock"), thread_local=False)
        self._lock.acquire()
        place.mkdir()
        return place

    # Files that are only read ----------------------------------------------------------------------------------------
    def has(self, digest: str) -> bool:
        """Whether this node keeps the files of this content."""
        return self._kept(digest).is_dir()

    def keep(self, digest: str, name: str, content: Iterable[int], first: bool) -> None:
        """Write a part of a file that is to be kept.

        Args:
            content: bytes, or an array of them.
            first: whether the file begins with this part.
        """
        path = self._kept(digest, f".{os.getpid()}") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "wb" if first else "ab") as file:
            file.write(memoryview(content))  # type: ignore[arg-type]

    def kept(self, digest: str, names: tuple[str, ...]) -> None:
        """All parts are there: put the files in their place.

        Raises:
            ValueError: they are not what was sent.
        """
        partial, place = self._kept(digest, f".{os.getpid()}"), self._kept(digest)
        partial.mkdir(parents=True, exist_ok=True)
        found = digest_of(Tree(str(partial), names))
        if found != digest:
            shutil.rmtree(partial, ignore_errors=True)
            raise ValueError(f"{place}: the files that arrived are not those that were sent")
        try:
            partial.rename(place)
        except OSError:
            if not place.is_dir():
                raise
            shutil.rmtree(partial, ignore_errors=True)  # another command's worker was quicker

    @staticmethod
    def _kept(digest: str, ending: str = "") -> Path:
        return cache_folder() / "kept" / f"{digest}{ending}"

    # Orders ----------------------------------------------------------------------------------------------------------
    def take(self, line: str, runs: tuple[Parcel, ...], kept: Mapping[str, str], homes: str, work: bool) -> None:
        """Hand a job to the worker.

        Args:
            line: the job, with the paths of the driver's machine.
            runs: files of its runs, and of those whose training these may share.
            kept: folder on the driver's machine to the digest of what is kept here instead.
            homes: the folder of all runs on the driver's machine.
            work: whether the training code's own files are to be sent after each epoch.

        Raises:
            OSError: there is no room here; it names the file.
        """
        if self._place is not None:
            job = decode(line)
            assert isinstance(job, Job)
            self._job, self._work = {run.fingerprint for run in runs_of(job)}, work
            shutil.rmtree(self._place, ignore_errors=True)
            self._place.mkdir()
            self._runs = {parcel.run: Seen(self._place / parcel.run) for parcel in runs}
            for parcel in runs:
                self._runs[parcel.run].put(parcel)
            self._paths = {homes: str(self._place)} | {there: str(self._kept(digest)) for there, digest in kept.items()}
        self.tell(_exchanged(line, self._paths, in_json=True))

    def tell(self, line: str) -> None:
        """Hand a line to the worker as it is. One that is dead takes no notice."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    # What the worker says --------------------------------------------------------------------------------------------
    def said(self) -> list[tuple[str, list[Parcel]] | None]:
        """What the worker has said since, each with the files that belong to it; waits for the first. None: its end."""
        lines = [self._said.get()]
        while lines[-1] is not None:
            try:
                lines.append(self._said.get_nowait())
            except queue.Empty:
                break
        return lines

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                parcels = self._parcels(line)
                if not self._full:
                    self._said.put((self._back(line), parcels))
        self._said.put(None)

    def _parcels(self, line: str) -> list[Parcel]:
        if self._place is None or self._full:
            return []
        try:
            message = decode(line)
        except ValueError:
            return []
        match message:
            case Told(name, EpochDone()):
                without = "" if self._work else WORK
            case Finished(name) | Stopped(name):
                without = ""
            case Refused(_, error) if error.get("rule") == NO_ROOM:
                # This node's disk, not the driver's: the run goes on elsewhere.
                self._full = error.get("where") or str(self._place)
                self._end()
                return []
            case _:
                return []
        # The others of its pack bring theirs; to look for all each time would cost the square of their number.
        of_it = [seen for run, seen in self._runs.items() if run == name or run not in self._job]
        found = [seen.parcel(without=without) for seen in of_it]
        return [self._with_our_paths(parcel) for parcel in found if parcel is not None]

    def _with_our_paths(self, parcel: Parcel) -> Parcel:
        """With the paths of the driver's machine in what people and later commands read."""
        files = dict(parcel.files)
        for name, content in files.items():
            if "/" not in name and name.endswith((".json", ".txt")):
                text = content.decode("utf-8", "surrogateescape")
                files[name] = self._back(text, name.endswith(".json")).encode("utf-8", "surrogateescape")
        return Parcel(parcel.run, files, parcel.gone)

    def _back(self, text: str, in_json: bool = True) -> str:
        return _exchanged(text, {here: there for there, here in self._paths.items()}, in_json)

    # The end ---------------------------------------------------------------------------------------------------------
    def death(self) -> tuple[int | None, str, str, str]:
        """Its exit code, its log, the end of that, and why it had to end; empty: nobody knows."""
        assert self._process is not None
        why = f"{NO_ROOM} of node {platform.node()} ({self._full})" if self._full else ""
        return self._process.wait(), f"{platform.node()}:{self._log}", tail(self._log), why

    def end(self) -> None:
        """End the worker and remove what belongs to its runs."""
        self._end()
        if self._place is not None:
            shutil.rmtree(self._place, ignore_errors=True)
            if self._lock is not None:
                self._lock.release()
                Path(self._lock.lock_file).unlink(missing_ok=True)

    def _end(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _exchanged(text: str, paths: Mapping[str, str], in_json: bool) -> str:
    """A text with other paths; in JSON they may be written in two ways."""
    for old, new in sorted(paths.items(), key=lambda pair: -len(pair[0])):
        if not in_json:
            text = text.replace(old, new)
            continue
        for ascii_only in (True, False):
            text = text.replace(
                json.dumps(old, ensure_ascii=ascii_only)[1:-1], json.dumps(new, ensure_ascii=ascii_only)[1:-1]
            )
    return text
