"""The process between a pool and a Ray cluster: the only importer of Ray.

Ray prints, and ends its process when the head of the cluster is lost. Here it can do neither harm to the command: its
output goes to a log, and the pool hears that this process has ended. The end of standard input ends all workers.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TextIO

from experiments.launchers.ray.attendant import Attendant
from experiments.launchers.ray.head import knock, lost_head
from experiments.launchers.ray.orders import (
    Connected,
    News,
    Node,
    Nodes,
    Open,
    Problem,
    Send,
    Start,
    news_line,
    read_order,
)
from experiments.launchers.ray.station import Station
from experiments.launchers.ray.store import Kept
from mmcore.errors import LaunchError, MMStudyError

_AVOIDED = 60.0
"""Seconds for which a node gets no new worker after its disk was full."""
_LOOK = 1.0
"""Seconds between two looks at the nodes, and at the head."""
_CLOSING = 8.0
"""Seconds that workers have to end."""


def main() -> None:
    """Connect as the first order says, serve orders until their end, then end all workers."""
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    order = read_order(sys.stdin.readline())
    assert isinstance(order, Open)
    bridge = Bridge(order, channel)
    try:
        bridge.connect()
        bridge.serve(sys.stdin)
    except MMStudyError as error:
        bridge.say(Problem.of(error))
    finally:
        # Ray may wait for ever for a head that is gone: then it is left behind.
        closing = threading.Thread(target=bridge.close, daemon=True)
        closing.start()
        closing.join(_CLOSING)
        bridge.remove()
        os._exit(0)


class NodeStation(Station):
    """A station that knows the name of its node in the cluster."""

    def about(self) -> dict[str, str]:
        """What must be the same on the driver's machine, and names of the node."""
        import ray

        return super().about() | {"node": ray.get_runtime_context().get_node_id()}


class Bridge:
    """One connection to a cluster.

    Args:
        order: what to connect to, and what each worker needs.
        channel: where the pool hears of it.
    """

    station = NodeStation

    def __init__(self, order: Open, channel: TextIO) -> None:
        self.order = order
        self.ray: Any = None
        self.failed_starts = 0
        self._channel = channel
        self._mouth = threading.Lock()
        self._attendants: dict[int, Attendant] = {}
        self._alive: dict[str, str] = {}
        self._avoided: dict[str, float] = {}
        self._folder: str | None = None

    def say(self, news: News) -> None:
        """Tell the pool."""
        with self._mouth:
            self._channel.write(news_line(news))

    def serve(self, orders: TextIO) -> None:
        """Do what the pool says; nothing here waits for the cluster."""
        for line in orders:
            match read_order(line):
                case Start(number):
                    self._attendants[number] = Attendant(number, self)
                case Send(number) as order:
                    self._attendants[number].send(order)
                case Open():
                    raise AssertionError("connected already")

    # The cluster -----------------------------------------------------------------------------------------------------
    def connect(self) -> None:
        """Connect to the cluster, or start one on this machine.

        Raises:
            LaunchError: Ray is not installed, the cluster does not answer, or does not take us.
        """
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        address = self.order.address
        if address is not None and address != "auto":
            knock(address)
        try:
            import ray
        except ImportError as error:
            raise LaunchError(
                "Ray is not installed here", found=str(error), next_step="Run pip install 'mmstudy[ray]'"
            ) from None
        quiet: Mapping[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": None}
        try:
            if address is None:
                # Sockets lie there, whose paths may have 107 bytes.
                self._folder = tempfile.mkdtemp(prefix="mmray-")
                quiet["include_dashboard"] = False
                ray.init("local", num_cpus=self.order.cores, _temp_dir=self._folder, **quiet)
            else:
                ray.init(address, **quiet)
        except Exception as error:
            raise _refused(error, address) from error
        self.ray, self.kept = ray, Kept(ray)
        head = str(ray.get_runtime_context().gcs_address)
        self.say(Connected(head))
        threading.Thread(target=self._watch_nodes, daemon=True).start()
        threading.Thread(target=self._watch_head, args=(head,), daemon=True).start()

    def _watch_nodes(self) -> None:
        last: tuple[Node, ...] | None = None
        while True:
            there = [node for node in self.ray.nodes() if node["Alive"]]
            self._alive = {n["NodeID"]: f"{n['NodeManagerAddress']}:{n['NodeManagerPort']}" for n in there}
            now = tuple(sorted(map(self._node, there), key=lambda node: (node.name, node.cpus)))
            if now != last:
                last = now
                self.say(Nodes(now))
            time.sleep(_LOOK)

    def _node(self, about: Mapping[str, Any]) -> Node:
        has = {} if about["NodeID"] in self.avoided() else about["Resources"]
        name = f"{about['NodeManagerHostname']} ({about['NodeManagerAddress']})"
        return Node(name, has.get("CPU", 0.0), has.get("GPU", 0.0), has.get("memory", 0.0) / 2**30)

    def _watch_head(self, address: str) -> None:
        """Ray itself would wait for a minute, and then end this process."""
        heard = time.monotonic()
        while time.monotonic() - heard < self.order.patience:
            time.sleep(_LOOK)
            try:
                knock(address)
            except LaunchError:
                continue
            heard = time.monotonic()
        self.say(Problem.of(lost_head(address, f"no answer for {self.order.patience:.0f} seconds")))

    def is_alive(self, node: str) -> bool:
        """Whether a node is there. The head learns of a lost one within half a minute; its port tells at once."""
        address = self._alive.get(node)
        if address is None:
            return False
        try:
            knock(address)
        except LaunchError:
            return False
        return True

    def avoid(self, node: str) -> None:
        """Start no worker on a node for a while."""
        self._avoided[node] = time.monotonic() + _AVOIDED

    def avoided(self) -> list[str]:
        """Nodes on which no worker is to be started now."""
        return [node for node, until in self._avoided.items() if until > time.monotonic()]

    # The end ---------------------------------------------------------------------------------------------------------
    def close(self) -> None:
        """End all workers, then the connection, and with it a cluster of this machine alone."""
        if self.ray is None:
            return
        workers = list(self._attendants.values())
        if workers:
            with ThreadPoolExecutor(min(len(workers), 64)) as threads:
                list(threads.map(Attendant.close, workers))
        self.ray.shutdown()

    def remove(self) -> None:
        """Remove the files of a cluster of this machine alone."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _refused(error: Exception, address: str | None) -> LaunchError:
    """Why Ray did not connect, as far as its words tell."""
    text = " ".join(str(error).split())
    if "Version mismatch" in text or "version mismatch" in text:
        return LaunchError(
            "the cluster must have the same versions of Ray and Python as this machine",
            where=address,
            found=text[:400],
            next_step="Install the same versions here and there",
        )
    if address is None:
        return LaunchError("Ray cannot be started on this machine", found=text[:400])
    if "auth" in text.lower() or "token" in text.lower():
        return LaunchError(
            "the cluster does not take this machine's token",
            where=address,
            found=text[:300],
            next_step="Copy ~/.ray/auth_token of the head to this machine, or set RAY_AUTH_TOKEN",
        )
    return LaunchError(
        "this machine must be a node of the Ray cluster",
        where=address,
        found=text[:400],
        next_step=f"Run ray start --address={address} --num-cpus=0 on this machine, then repeat the command",
    )
