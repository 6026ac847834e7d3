"""Workers on a Ray cluster keep what every launcher promises, and what a cluster adds: nodes that come and go."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from factories.launcher_contract import PackContract, table, worker_of
from filelock import FileLock

from experiments.driver import run_study
from experiments.foreign.attempt import TrainingCode
from experiments.home import Home
from experiments.launchers.choose import AnyPool, open_pool, share
from experiments.launchers.engine import Engine, LocalEngine, RayEngine, Resources
from experiments.launchers.messages import Finished, Lost, Message, Started, Stopped, Told, as_pack
from experiments.launchers.ray.attendant import refuse_other
from experiments.launchers.ray.pool import RayPool
from experiments.launchers.ray.station import Station
from experiments.planning.request import Options
from experiments.records import LOCK, is_locked, read_record
from mmcore.errors import LaunchError
from mmcore.events import EpochDone, Load

if find_spec("ray") is None and not os.environ.get("MMSTUDY_REQUIRE_RAY"):
    pytest.skip("Ray is not installed; the extra mmstudy[ray] brings it", allow_module_level=True)

pytestmark = pytest.mark.cluster

SEARCH = """\
question: Does a tuned learning rate help?
preset: null
repeats: 2
reference: track
base:
  data.window: 20
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8}
  training: {epochs: 2, batch: 8}
arms:
  track: {model.modalities: [track]}
search:
  space:
    training.optimiser.learning_rate: {kind: log_uniform, low: 1e-4, high: 1e-1, role: scientific}
  sampler: tpe
  pruner: halving
  budget: {trials: 4}
  repeats: 1
  parallel: 2
"""


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


class TestRayPool(PackContract):
    """Over nodes that see nothing of the home."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, cluster: Any) -> Engine:
        return RayEngine(address=cluster.address)

    def test_a_worker_opens_nothing_of_the_home_or_the_corpus(
        self, models: AnyPool, place: Home, tiny_corpus: Path, cache: Path
    ) -> None:
        job = self.model_job(place, tiny_corpus, 20, epochs=3000)
        opened: set[Path] = set()

        def look(message: Message) -> None:
            if isinstance(message, Told) and isinstance(message.event, EpochDone) and message.event.epoch == 1:
                worker = worker_of(job.fingerprint)
                assert worker is not None
                opened.update(Path(one.path) for one in (*worker.open_files(), *worker.memory_maps()))
                models.stop(job.fingerprint)

        models.run([job], look)
        assert not [path for path in opened if path.is_relative_to(place.root) or path.is_relative_to(tiny_corpus)]
        # The prepared store reached the node once, for both workers and all jobs.
        stores = {path.parent for path in opened if path.name == "target.npy"}
        assert stores == {path.parent for path in cache.glob("kept/*/target.npy")}
        assert len(stores) == 1

    def test_the_runs_of_a_pack_are_locked_here_each_until_its_own_end(
        self, models: AnyPool, place: Home, tiny_corpus: Path
    ) -> None:
        runs = [self.model_job(place, tiny_corpus, repeat, epochs=3000) for repeat in (30, 31)]
        short, long = (run.fingerprint for run in runs)
        locked: dict[str, tuple[bool, bool]] = {}
        ended: list[str] = []

        def look(message: Message) -> None:
            match message:
                case Told(name, EpochDone(epoch=1)) if name == long:
                    locked["both train"] = is_locked(place.run(short)), is_locked(place.run(long))
                    models.stop(short)
                case Told(name, EpochDone()) if name == long and ended == [short]:
                    locked["one goes on"] = is_locked(place.run(short)), is_locked(place.run(long))
                    models.stop(long)
                case Stopped(name):
                    ended.append(name)
                case _:
                    pass

        pack = as_pack(runs)
        assert pack is not None
        models.run([pack], look)
        assert locked == {"both train": (True, True), "one goes on": (False, True)}
        assert ended == [short, long]
        assert not is_locked(place.run(long))

    def test_a_pack_waits_for_another_command_that_is_at_one_of_its_runs(
        self, models: AnyPool, place: Home, tiny_corpus: Path
    ) -> None:
        runs = [self.model_job(place, tiny_corpus, repeat) for repeat in (32, 33)]
        alone = self.model_job(place, tiny_corpus, 34)
        folder = place.run(runs[1].fingerprint)
        folder.mkdir(parents=True)
        theirs, ended = FileLock(folder / LOCK), []

        def hear(message: Message) -> None:
            if isinstance(message, Finished):
                ended.append(message.fingerprint)
                theirs.release()

        pack = as_pack(runs)
        assert pack is not None
        with theirs:
            models.run([pack, alone], hear)
        assert ended[0] == alone.fingerprint, "what was free came first"
        assert sorted(ended[1:]) == sorted(run.fingerprint for run in runs)

    def test_nothing_is_left_on_a_node_but_what_later_runs_read(
        self, engine: Engine, place: Home, code: TrainingCode, cache: Path
    ) -> None:
        before = set(cache.glob("runs/*"))
        with self.opened(engine, place, 1, set(), True) as pool:
            pool.run([self.runner_job(place, code, 80)], lambda message: None)
            assert set(cache.glob("runs/*")) - before
        assert set(cache.glob("runs/*")) <= before
        assert not list(cache.rglob("*.tmp"))

    def test_a_node_that_joins_takes_runs_and_a_lost_one_costs_no_run(
        self, cluster: Any, place: Home, code: TrainingCode
    ) -> None:
        """Only nodes with a graphics card serve these runs: first one, then two, then the other one, then none."""
        engine = RayEngine(address=cluster.address, grace=3, resources=Resources(gpus=1))
        jobs = [self.runner_job(place, code, 90, "waits"), self.runner_job(place, code, 91)]
        nodes = [cluster.add_node(wait=False, num_cpus=1, num_gpus=1)]
        heard: list[Message] = []
        said: list[str] = []

        def remove() -> None:
            cluster.remove_node(nodes.pop(0), allow_graceful=False)

        def hear(message: Message) -> None:
            match message:
                case Told(_, Load()):
                    return
                case Told() if len(heard) == 1:
                    nodes.append(cluster.add_node(wait=False, num_cpus=1, num_gpus=1))
                case Finished():
                    remove()
                case _:
                    pass
            heard.append(message)
            remove_the_last()

        def note(text: str) -> None:
            said.append(text)
            remove_the_last()

        def remove_the_last() -> None:
            """Once the lost run has begun again there, and the pool has seen that it is the last."""
            if sum(isinstance(message, Told) for message in heard) == 2 and len(said) == 3 and nodes:
                remove()

        with RayPool(engine, 8, 1, place, gpus=1, foreign=True) as pool:
            pool.say = note
            with pytest.raises(LaunchError) as caught:
                pool.run(jobs, hear)
        assert "no node of the Ray cluster can serve a run, for 3 seconds" in caught.value.message
        assert "a node with 1 CPU, 1 GPU;" in caught.value.message
        assert said == [
            "the Ray cluster has room for 1 worker on 1 node",
            "the Ray cluster has room for 2 workers on 2 nodes",
            "the Ray cluster has room for 1 worker on 1 node",
            "no node is left that can serve a run; waiting 3 s for one",
        ]
        assert not nodes
        first, second = (job.fingerprint for job in jobs)
        kinds = [(type(message), message.fingerprint) for message in heard]
        assert kinds == [
            (Started, first), (Told, first), (Started, second), (Finished, second),
            (Lost, first), (Started, first), (Told, first), (Lost, first),
        ]  # fmt: skip
        lost = [message for message in heard if isinstance(message, Lost)]
        assert [message.deaths for message in lost] == [0, 0]
        assert all(re.fullmatch(r"its worker ended: node \S+ is gone", message.text) for message in lost)

    @pytest.mark.parametrize(
        ("resources", "says"),
        [
            (Resources(cpus=64), "a node with 64 CPUs"),
            (Resources(gpus=0.5), "a node with 1 CPU, 0.5 GPUs"),
            (Resources(memory_gib=9999), "9999 GiB of memory"),
        ],
    )
    def test_what_no_node_can_serve_is_said_within_seconds(
        self, cluster: Any, place: Home, code: TrainingCode, resources: Resources, says: str
    ) -> None:
        engine = RayEngine(address=cluster.address, resources=resources)
        share_of = share(engine, 4, None, "cpu", None)
        with (
            open_pool(engine, share_of, place, foreign=True) as pool,
            pytest.raises(LaunchError, match="no node of the Ray cluster can serve a run") as caught,
        ):
            pool.run([self.runner_job(place, code, 95)], lambda message: None)
        assert says in caught.value.message
        assert "4 CPUs" in str(caught.value.found)

    def test_a_record_says_of_which_commit_its_training_code_is(
        self, runners: AnyPool, place: Home, code: TrainingCode, tmp_path: Path
    ) -> None:
        folder = tmp_path / "theirs"
        shutil.copytree(code.folder, folder)
        for words in (
            ["init", "-q"],
            ["add", "."],
            ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"],
        ):
            subprocess.run(["git", "-C", str(folder), *words], check=True)
        head = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
        job = self.runner_job(place, replace(code, folder=str(folder)), 85)
        runners.run([job], lambda message: None)
        record = read_record(place.run(job.fingerprint))
        assert record is not None
        assert record.environment is not None
        assert (record.environment.commit, record.environment.dirty) == (head.stdout.strip(), False)

    def test_a_search_has_the_same_trials_as_on_this_machine(
        self, engine: Engine, tiny_corpus: Path, tmp_path: Path
    ) -> None:
        study = tmp_path / "rate.yaml"
        study.write_text(SEARCH, encoding="utf-8")
        for where, on in (("here", LocalEngine()), ("there", engine)):
            options = Options(corpus=str(tiny_corpus), workers=2, engine=on)
            run_study(str(study), tmp_path / where, options)
        here, there = (table(Home(tmp_path / where)) for where in ("here", "there"))
        assert there == here
        assert '"trials"' in here


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no.such.host.invalid:6379"])
def test_a_cluster_that_does_not_answer_is_named(address: str, home: Home) -> None:
    engine = RayEngine(address=address)
    with RayPool(engine, 1, 1, home) as pool, pytest.raises(LaunchError) as caught:
        pool.run([], lambda message: None, more=lambda: True)
    assert caught.value.rule == "no Ray cluster answers at this address"
    assert caught.value.where == address


@pytest.mark.parametrize(("name", "words"), [("mmstudy", "mmstudy"), ("numerics", "numerics"), ("python", "Python")])
def test_a_node_of_another_version_is_refused(name: str, words: str) -> None:
    here = Station(1, False, "").about()
    refuse_other(here, here)
    with pytest.raises(LaunchError, match=words) as caught:
        refuse_other(here | {name: "0.0", "host": "far"}, here)
    assert caught.value.found == "0.0 on node far"
