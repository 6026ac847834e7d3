"""Workers on Slurm, on a cluster of this one machine."""

from __future__ import annotations

import pytest
from factories.launcher_contract import PackContract
from factories.slurm_cluster import SlurmCluster, slurm_cluster

from experiments.launchers.engine import Engine, SlurmEngine

__all__ = ["slurm_cluster"]


@pytest.mark.cluster
class TestSlurm(PackContract):
    """What every launcher promises."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, slurm_cluster: SlurmCluster) -> Engine:
        return SlurmEngine(workers=2)
