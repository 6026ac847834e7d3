"""One worker of a cluster, seen from the driver's machine: its actor is started, given jobs and listened to.

Ray itself comes from the bridge, its only importer.
"""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path
from typing import Any, Protocol

from experiments.launchers.ray.orders import Dead, News, Open, Problem, Ready, Said, Send
from experiments.launchers.ray.parcels import pack, unpack
from experiments.launchers.ray.station import Station
from experiments.launchers.ray.store import Kept
from mmcore.atomic import FULL, NO_ROOM, disk_full
from mmcore.errors import LaunchError, MMStudyError

_GONE = 2.0
"""Seconds within which a node is gone whose worker has ended with it."""


class Cluster(Protocol):
    """What an attendant needs of the bridge."""

    ray: Any
    order: Open
    kept: Kept

    @property
    def station(self) -> type[Station]:
        """What is started on a node."""
        ...

    def say(self, news: News) -> None:
        """Tell the pool."""
        ...

    def avoid(self, node: str) -> None:
        """Start no worker on a node for a while."""
        ...

    def avoided(self) -> list[str]:
        """Nodes on which no worker is to be started now."""
        ...

    def is_alive(self, node: str) -> bool:
        """Whether a node is there."""
        ...


class Attendant:
    """Looks after one worker, in threads of its own.

    Args:
        number: the worker's.
        cluster: where it is started.
    """

    def __init__(self, number: int, cluster: Cluster) -> None:
        self._number, self._cluster, self._ray = number, cluster, cluster.ray
        self._orders: queue.SimpleQueue[Send | None] = queue.SimpleQueue()
        self._homes: dict[str, Path] = {}
        self._actor: Any = None
        self._node, self._host, self._ended = "", "", ""
        self._closing = False
        threading.Thread(target=self._attend, daemon=True).start()

    def send(self, order: Send) -> None:
        """Hand it an order, which it passes on when it can."""
        self._orders.put(order)

    def close(self) -> None:
        """End the worker and its actor."""
        self._closing = True
        if self._actor is not None:
            try:
                self._ray.get(self._actor.end.remote(), timeout=6)
            finally:
                self._ray.kill(self._actor)

    # Listening -------------------------------------------------------------------------------------------------------
    def _attend(self) -> None:
        try:
            dead = self._serve()
        except MMStudyError as error:
            self._cluster.say(Problem.of(error))
            return
        except OSError as error:
            dead = self._no_room(error)
        except Exception as error:
            dead = self._how(error)
        self._orders.put(None)
        if self._closing:
            return  # the actor still removes its files
        if self._actor is not None:
            self._ray.kill(self._actor)
        if dead is not None:
            self._cluster.say(dead)

    def _serve(self) -> Dead:
        ray = self._ray
        self._actor = actor = self._started()
        try:
            about = ray.get(actor.about.remote())
        except self._cluster.ray.exceptions.RayActorError as error:
            refuse_without_us(error)
            raise
        self._node, self._host = about["node"], about["host"]
        refuse_other(about, Station(0, False, "").about())
        ray.get(actor.begin.remote())
        self._cluster.say(Ready(self._number, self._host))
        threading.Thread(target=self._pass_on, daemon=True).start()
        while True:
            for said in ray.get(actor.said.remote()):
                if said is None:
                    code, log, last, why = ray.get(actor.death.remote())
                    if why:
                        self._cluster.avoid(self._node)
                    return Dead(self._number, code, log, last, not why, why)
                line, parcels = said
                for parcel in parcels:
                    unpack(parcel, self._homes[parcel.run])
                self._cluster.say(Said(self._number, line))

    def _started(self) -> Any:
        order, avoided = self._cluster.order, self._cluster.avoided()
        options: dict[str, Any] = {"num_cpus": order.cpus, "num_gpus": order.gpus}
        if order.memory_gib:
            options["memory"] = int(order.memory_gib * 2**30)
        if avoided:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(avoided)})"}
        # Other methods must be heard while one waits for what the worker says.
        made = self._ray.remote(self._cluster.station).options(max_restarts=0, max_concurrency=4, **options)
        return made.remote(order.threads, order.foreign, order.logs)

    # Passing on ------------------------------------------------------------------------------------------------------
    def _pass_on(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                self._hand(order)
            except OSError as error:
                dead = self._no_room(error)
                self._end(dead.why if dead is not None else "")
                return
            except Exception as error:
                self._end(f"node {self._host} could not be given its run ({str(error).splitlines()[0]})")
                return

    def _hand(self, order: Send) -> None:
        ray, actor, travel = self._ray, self._actor, order.travel
        if travel is None:
            ray.get(actor.tell.remote(order.line))
            return
        kept = {tree.folder: self._cluster.kept.bring(tree, actor, self._node) for tree in travel.trees}
        folders = [Path(folder) for folder in travel.runs]
        self._homes = {folder.name: folder for folder in folders}
        parcels = tuple(pack(folder) for folder in folders)
        ray.get(actor.take.remote(order.line, parcels, kept, str(folders[0].parent), travel.work))

    def _end(self, why: str) -> None:
        self._ended = why
        self._ray.kill(self._actor)

    # The end ---------------------------------------------------------------------------------------------------------
    def _no_room(self, error: OSError) -> Dead | None:
        """What an error of writing means: on the node the run goes elsewhere, here nothing can go on."""
        there = getattr(error, "cause", None)
        problem = there if isinstance(there, OSError) else error
        if there is None:
            said = disk_full(error, Path(str(error.filename))) if error.errno in FULL else _unwritten(error)
            self._cluster.say(Problem.of(said))
            return None
        self._cluster.avoid(self._node)
        what = f"{NO_ROOM} of node {self._host}" if problem.errno in FULL else f"node {self._host}: {problem.strerror}"
        return self._dead(f"{what} ({problem.filename})", blames_job=False)

    def _how(self, error: Exception) -> Dead:
        """How a worker ended that cannot say so itself."""
        if self._ended:
            return self._dead(self._ended, blames_job=False)
        end = time.monotonic() + _GONE
        alive = self._cluster.is_alive(self._node)
        while alive and time.monotonic() < end:
            time.sleep(0.2)
            alive = self._cluster.is_alive(self._node)
        if self._node and not alive:
            return self._dead(f"node {self._host} is gone", blames_job=False)
        last = " ".join(str(error).split())[:300]
        return Dead(self._number, None, self._host or "a node of the cluster", last, True, "")

    def _dead(self, why: str, blames_job: bool) -> Dead:
        return Dead(self._number, None, self._host, why, blames_job, why)


def refuse_other(there: dict[str, str], here: dict[str, str]) -> None:
    """Refuse a node whose results would not be ours.

    Raises:
        LaunchError: it has another version of mmstudy or of Python.
    """
    for name, words in {"mmstudy": "mmstudy", "numerics": "the numerics of mmstudy", "python": "Python"}.items():
        if there[name] != here[name]:
            raise LaunchError(
                f"all nodes must have the same version of {words} as this machine",
                expected=here[name],
                found=f"{there[name]} on node {there['host']}",
                next_step="Install the same version there, and start its node again",
            )


def refuse_without_us(error: Exception) -> None:
    """Refuse a node on which a worker could not even be made, since mmstudy is not there.

    Raises:
        LaunchError: so it is.
    """
    text = str(error)
    if "No module named" in text or "has no attribute" in text or "ImportError" in text:
        found = next((line for line in text.splitlines() if "No module" in line or "attribute" in line), text[:200])
        raise LaunchError(
            "every node must have mmstudy, in the same version as this machine",
            found=found.strip(),
            next_step="Run pip install 'mmstudy[ray]' in the Python that starts the node, and start it again",
        )


def _unwritten(error: OSError) -> MMStudyError:
    return LaunchError("a file of a run cannot be written", found=error.strerror, where=str(error.filename))
