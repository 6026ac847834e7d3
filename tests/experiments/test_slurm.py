"""Workers on Slurm, on a cluster of this one machine."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from factories.launcher_contract import STUDY, LauncherContract, worker_of
from factories.slurm_cluster import SlurmCluster, slurm_cluster

from experiments.driver import run_study
from experiments.home import Home
from experiments.launchers.choose import AnyPool
from experiments.launchers.engine import Engine, SlurmEngine
from experiments.launchers.messages import Lost, Message, Told, as_pack
from experiments.planning.request import Options
from experiments.records import read_record
from mmcore.events import EpochDone
from mmcore.training.loop import SECONDS_BETWEEN_CHECKPOINTS

__all__ = ["slurm_cluster"]


@pytest.mark.cluster
class TestSlurm(LauncherContract):
    """What every launcher promises."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, slurm_cluster: SlurmCluster) -> Engine:
        return SlurmEngine(workers=2)

    def test_a_pack_is_one_job_and_goes_on_together_after_its_worker_died(
        self, models: AnyPool, place: Home, tiny_corpus: Path
    ) -> None:
        import torch

        runs = [self.model_job(place, tiny_corpus, repeat, epochs=3000) for repeat in (20, 21)]
        pack = as_pack(runs)
        assert pack is not None
        before: dict[str, list[int]] = {run.fingerprint: [] for run in runs}
        after: dict[str, list[int]] = {run.fingerprint: [] for run in runs}
        lost: list[str] = []
        times: list[float] = []

        def hear(message: Message) -> None:
            match message:
                case Lost(name):
                    lost.append(name)
                case Told(name, EpochDone(epoch)):
                    (after if lost else before)[name].append(epoch)
                    times.append(time.monotonic())
                    written = times[-1] - times[0] > 2.5 * SECONDS_BETWEEN_CHECKPOINTS
                    if not lost and written and all(before.values()):
                        worker = worker_of(name)
                        if worker is not None:
                            worker.kill()
                    if len(after[name]) == 2:
                        models.stop(name)
                case _:
                    pass

        models.run([pack], hear)
        assert sorted(lost) == sorted(before)
        for name in before:
            assert after[name][0] > 1, "it goes on from its checkpoint"
            saved = torch.load(place.run(name) / "checkpoints" / "last.pt", weights_only=True)
            assert saved["packed"] == 2
            assert saved["epoch"] >= after[name][1]

    def test_a_study_is_packed_on_a_cluster_as_on_this_machine(
        self, engine: Engine, tiny_corpus: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "level.yaml").write_text(STUDY, encoding="utf-8")
        home = Home(tmp_path / "home")
        run_study(str(tmp_path / "level.yaml"), home.root, Options(corpus=str(tiny_corpus), engine=engine, pack=2))
        records = [read_record(folder) for folder in home.runs.iterdir()]
        assert {record.hardware.packed for record in records if record is not None} == {2}
