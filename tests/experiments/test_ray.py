"""Workers on a Ray cluster keep what every launcher promises, and what a cluster adds: nodes that come and go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from factories.launcher_contract import LauncherContract

from experiments.launchers.engine import Engine, RayEngine

if find_spec("ray") is None and not os.environ.get("MMSTUDY_REQUIRE_RAY"):
    pytest.skip("Ray is not installed; the extra mmstudy[ray] brings it", allow_module_level=True)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the nodes for what is sent to them."""
    return tmp_path_factory.mktemp("nodes") / "cache"


@pytest.fixture(scope="module")
def cluster(cache: Path) -> Iterator[Any]:
    """A head that serves no run, and one node with the room of four cores."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMSTUDY_NODE_CACHE", str(cache))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        made.add_node(wait=False, num_cpus=4)
        yield made
        made.shutdown()


class TestRayPool(LauncherContract):
    """Over nodes that see nothing of the home."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, cluster: Any) -> Engine:
        return RayEngine(address=cluster.address)
