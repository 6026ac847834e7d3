"""A pool of workers on a Ray cluster. Talks to the cluster through a process of its own, the bridge."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from experiments.home import Home
from experiments.launchers.engine import RayEngine
from experiments.launchers.local import code_root, cores
from experiments.launchers.messages import Job, Message, Stop, encode, runs_of
from experiments.launchers.pool import Death, Pool, tail
from experiments.launchers.ray.head import is_lost, lost_head
from experiments.launchers.ray.orders import (
    Connected,
    Dead,
    News,
    Node,
    Nodes,
    Open,
    Order,
    Problem,
    Ready,
    Said,
    Send,
    Start,
    order_line,
    read_news,
)
from experiments.launchers.ray.travel import travel_of, with_checkout, writes
from experiments.records import LOCK
from mmcore.errors import LaunchError
from mmcore.language import say, sentence
from reports.numbers import counted

_CLOSING = 12.0
"""Seconds that the bridge has to end its workers."""
_GOING = 2.0
"""Seconds in which a head that took the bridge with it is gone too."""
_AT_FIRST = 5.0
"""Seconds within which all nodes of a cluster are known once one of them is."""
LOG = "ray.log"
"""What Ray prints, in the home's folder of logs."""


@dataclass(eq=False)
class _Worker:
    number: int
    name: int
    pass_on: Callable[[_Worker, Job | Stop], None]
    job: Job | None = None
    served: bool = False
    ready: bool = False
    how: Death = field(default_factory=lambda: Death(None, "", "none"))

    def send(self, message: Job | Stop) -> None:
        """Through the bridge."""
        self.pass_on(self, message)

    def death(self) -> Death:
        """As the bridge has it."""
        return self.how


class RayPool(Pool[_Worker]):
    """Workers on the nodes of a Ray cluster: as many as these can serve, more when a node joins.

    Without a shared folder the files of a run are sent to its node, and come back after each epoch and at the end,
    before anything is heard of it. The lock on a run's folder is then held here, for as long as a node is at the run.

    Args:
        engine: which cluster, and what each run needs.
        workers: at most.
        threads, foreign, busy: see :class:`experiments.launchers.local.LocalPool`.
        gpus: graphics cards, or part of one, of each worker.
        home: where runs and logs are.
    """

    def __init__(
        self,
        engine: RayEngine,
        workers: int,
        threads: int,
        home: Home,
        gpus: float = 0.0,
        busy: Callable[[str], bool] = lambda name: False,
        foreign: bool = False,
    ) -> None:
        self._engine, self._most, self._home = engine, workers, home
        needs = engine.resources
        self._cpus, self._gpus = needs.cpus or float(threads), gpus
        self._nodes: tuple[Node, ...] | None = None
        self._known_since = self._served_at = time.monotonic()
        self._served_once, self._room = False, 0
        self._problem: LaunchError | None = None
        self._head, self._closed = "", False
        self._by_name: dict[int, _Worker] = {}
        self._names = itertools.count()
        self._locks: dict[str, list[FileLock]] = {}
        home.logs.mkdir(parents=True, exist_ok=True)
        self._log = home.logs / LOG
        self._log_begins = self._log.stat().st_size if self._log.exists() else 0
        self._bridge = self._begin()
        self._tell(
            Open(
                engine.address,
                cores(),
                self._cpus,
                gpus,
                needs.memory_gib or 0.0,
                threads,
                foreign,
                str(home.logs) if self._sees_home else "",
                engine.patience,
            )
        )
        threading.Thread(target=self._listen, daemon=True).start()
        super().__init__(0, busy)

    @property
    def _sees_home(self) -> bool:
        """Whether nodes see this machine's folders."""
        return self._engine.shared_folder or self._engine.address is None

    # The bridge ------------------------------------------------------------------------------------------------------
    def _begin(self) -> subprocess.Popen[str]:
        paths = [str(code_root()), *filter(None, [os.environ.get("PYTHONPATH")])]
        with open(self._log, "a", encoding="utf-8") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "experiments.launchers.ray"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "RAY_USAGE_STATS_ENABLED": "0"},
                text=True,
                encoding="utf-8",
                start_new_session=sys.platform != "win32",
            )

    def _tell(self, order: Order) -> None:
        assert self._bridge.stdin is not None
        with contextlib.suppress(OSError):  # it is dead; the end of its lines says so
            self._bridge.stdin.write(order_line(order))
            self._bridge.stdin.flush()

    def _listen(self) -> None:
        assert self._bridge.stdout is not None
        with self._bridge.stdout as lines:
            for line in lines:
                self._hear(read_news(line))
        if self._problem is None and not self._closed:
            self._problem = self._broken()

    def _broken(self) -> LaunchError:
        """Why the bridge ended without a word: Ray ends it when it loses the node here, often along with the head."""
        code = self._bridge.wait()
        how = f"the process that speaks with Ray ended with exit code {code}"
        if self._head and is_lost(self._head, _GOING):
            return lost_head(self._head, how)
        said = tail(self._log, self._log_begins)
        return LaunchError(
            "the connection to the Ray cluster broke",
            found=how if said == "none" else f"{how}: {said}",
            where=str(self._log),
            next_step="Repeat the command: runs go on from their last checkpoint",
        )

    def _hear(self, news: News) -> None:
        match news:
            case Connected(head):
                self._head = head
            case Nodes(nodes):
                if self._nodes is None:
                    self._known_since = time.monotonic()
                self._nodes = nodes
            case Ready(name):
                self._by_name[name].ready = True
            case Said(name, text):
                self._inbox.put((self._by_name[name], text))
            case Dead(name) as dead:
                worker = self._by_name.pop(name)
                worker.ready = False
                why = sentence("its worker ended: {reason}", reason=dead.why) if dead.why else ""
                worker.how = Death(dead.exit_code, dead.log, dead.last_lines, dead.blames_job, why)
                self._inbox.put((worker, None))
            case Problem(error):
                self._problem = LaunchError(error["rule"] or "", **{k: v for k, v in error.items() if k != "rule"})

    # Workers ---------------------------------------------------------------------------------------------------------
    def _start(self, number: int) -> _Worker:
        name = next(self._names)
        worker = _Worker(number, name, self._pass_on)
        self._by_name[name] = worker
        self._tell(Start(name))
        return worker

    def _pass_on(self, worker: _Worker, message: Job | Stop) -> None:
        travel = None
        if isinstance(message, Job) and not self._sees_home:
            message, travel = with_checkout(message), travel_of(message)
        self._tell(Send(worker.name, encode(message), travel))

    def _watch(self) -> None:
        if self._problem is not None:
            raise self._problem
        if self._nodes is None:
            return
        now, served = time.monotonic(), self._served_by(self._nodes)
        self._tell_of_nodes(self._nodes, served)
        if served:
            self._served_at, self._served_once = now, True
        elif not self._open_jobs:
            return
        elif now - self._served_at > self._engine.grace if self._served_once else now - self._known_since > _AT_FIRST:
            raise self._unservable(self._nodes)
        while len(self._workers) < min(served, self._most):
            self._workers.append(self._start(len(self._workers)))

    def _tell_of_nodes(self, nodes: tuple[Node, ...], served: int) -> None:
        """Say how much the nodes can serve whenever that changes; the size of this machine alone never does."""
        if self._engine.address is None or served == self._room:
            return
        of = sum(self._served_by((node,)) > 0 for node in nodes)
        if served:
            self.say(
                say(
                    "the Ray cluster has room for {workers} on {nodes}",
                    workers=counted(served, "worker"),
                    nodes=counted(of, "node"),
                )
            )
        elif self._served_once:
            grace = self._engine.grace
            self.say(say("no node is left that can serve a run; waiting {seconds:g} s for one", seconds=grace))
        self._room = served

    def _served_by(self, nodes: tuple[Node, ...]) -> int:
        """How many workers all nodes together have room for."""
        needs = self._engine.resources
        count = 0
        for node in nodes:
            has = [(node.cpus, self._cpus), (node.gpus, self._gpus), (node.memory_gib, needs.memory_gib or 0.0)]
            count += min(int(there / needed + 1e-9) for there, needed in has if needed)
        return count

    def _unservable(self, nodes: tuple[Node, ...]) -> LaunchError:
        needs = self._engine.resources
        wanted = [_parts(self._cpus, "CPU")] + ([_parts(self._gpus, "GPU")] if self._gpus else [])
        wanted += [f"{needs.memory_gib:g} GiB of memory"] if needs.memory_gib else []
        there = "; ".join(
            f"{node.name}: {_parts(node.cpus, 'CPU')}, {_parts(node.gpus, 'GPU')}, {node.memory_gib:.1f} GiB"
            for node in nodes[:5]
        )
        more = f" and {len(nodes) - 5} more" if len(nodes) > 5 else ""
        lost = f", for {self._engine.grace:g} seconds" if self._served_once else ""
        return LaunchError(
            f"no node of the Ray cluster can serve a run{lost}",
            expected=f"a node with {', '.join(wanted)}",
            found=f"{there}{more}" if there else "no node",
            next_step="Ask for less under resources in the launcher file, or add a node and repeat the command",
        )

    # Jobs ------------------------------------------------------------------------------------------------------------
    def _is_ready(self, worker: _Worker) -> bool:
        return worker.ready

    def _choose(self) -> Job | None:
        if self._sees_home:
            return super()._choose()
        # Nodes cannot see who else is at a run: what another command is at waits until that one is done with it.
        busy: list[Job] = []
        for job in self._waiting:
            if any(self._busy(run.fingerprint) for run in runs_of(job)):
                busy.append(job)
            elif self._lock(job):
                return job
        return next((job for job in busy if self._lock(job)), None)

    def _lock(self, job: Job) -> bool:
        """Take the locks of all folders that the runs of a job may write, if they are free."""
        taken: list[str] = []
        for run in runs_of(job):
            locks = _taken(writes(run))
            if locks is None:
                self._release(*taken)
                return False
            self._locks[run.fingerprint] = locks
            taken.append(run.fingerprint)
        return True

    def _release(self, *runs: str) -> None:
        """Let go of what these runs had locked."""
        for run in runs:
            _give_back(self._locks.pop(run, []))

    def _heard(self, worker: _Worker, line: str, on_message: Callable[[Message], None]) -> None:
        before = _names_of(worker.job)
        super()._heard(worker, line, on_message)
        self._release(*(before - _names_of(worker.job)))

    def _lost(self, worker: _Worker, deaths: dict[str, int], on_message: Callable[[Message], None]) -> None:
        self._release(*_names_of(worker.job))
        super()._lost(worker, deaths, on_message)

    def close(self) -> None:
        """End the bridge, and with it all workers; a cluster of this machine alone ends too."""
        assert self._bridge.stdin is not None
        self._closed = True
        with contextlib.suppress(OSError):
            self._bridge.stdin.close()
        try:
            self._bridge.wait(_CLOSING)
        except subprocess.TimeoutExpired:
            self._bridge.kill()
            self._bridge.wait()
        self._release(*list(self._locks))
        self._workers = []


def _names_of(job: Job | None) -> set[str]:
    """The fingerprints of a job's runs."""
    return {run.fingerprint for run in runs_of(job)} if job is not None else set()


def _taken(folders: tuple[Path, ...]) -> list[FileLock] | None:
    """The locks of these folders, each made if it is not there; None: another process has one of them."""
    locks: list[FileLock] = []
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _give_back(locks)
            return None
        locks.append(lock)
    return locks


def _give_back(locks: list[FileLock]) -> None:
    for lock in locks:
        lock.release()


def _parts(n: float, noun: str) -> str:
    """``1 CPU``, ``0.5 GPUs``."""
    return f"{n:g} {noun}{'' if n == 1 else 's'}"
