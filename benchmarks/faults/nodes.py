"""A Ray cluster of one's own, on this machine, whose nodes can be lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from experiments.launchers.ray.station import CACHE


def installed() -> bool:
    """Whether this machine has Ray."""
    return find_spec("ray") is not None


class Cluster:
    """A running cluster: a head that serves no run, and one node at a time that does.

    Args:
        ray: Ray's own cluster of processes. folder: what its nodes keep of what is sent to them.
    """

    def __init__(self, ray: Any, folder: Path) -> None:
        self._ray, self._folder = ray, folder
        self._node = self._added()

    @property
    def address(self) -> str:
        """HOST:PORT of its head."""
        return str(self._ray.address)

    def lose_node(self) -> None:
        """SIGKILL of the node, and with it of all that it serves; another one takes its place."""
        lost, self._node = self._node, self._added()
        self._ray.remove_node(lost, allow_graceful=False)

    @property
    def workers(self) -> list[psutil.Process]:
        """Worker processes of all its nodes, the lost ones included."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if (
                    "experiments.launchers.worker" in process.cmdline()
                    and process.environ().get(CACHE) == str(self._folder)
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(process)
        return found

    def _added(self) -> Any:
        with _signals_kept():
            return self._ray.add_node(wait=False, num_cpus=2)


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray ends the process that starts a node at SIGTERM, whatever else that process has to do."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def served() -> Iterator[Cluster]:
    """A cluster that ends with this block. Its nodes have the environment of this process."""
    from ray.cluster_utils import Cluster as Processes

    folder = Path(tempfile.mkdtemp(prefix="mmstudy-nodes-"))
    os.environ.update({CACHE: str(folder), "RAY_USAGE_STATS_ENABLED": "0"})
    with _signals_kept():
        made = Processes(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        yield Cluster(made, folder)
    finally:
        made.shutdown()
        del os.environ[CACHE]
        shutil.rmtree(folder, ignore_errors=True)
