"""What may happen to a Ray cluster while it trains: its head is lost, the disk of a node is full, a node is another.

The command says so in one plain line, nothing is lost, and the next command goes on, also on this machine.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from factories.launcher_contract import table, until

import mmcore
from benchmarks.faults import disks
from experiments.driver import run_study
from experiments.home import Home
from experiments.launchers.ray.attendant import refuse_without_us
from experiments.launchers.ray.bridge import _refused
from experiments.launchers.ray.station import CACHE
from experiments.planning.request import Options
from experiments.records import is_locked
from mmcore.errors import LaunchError

pytest.importorskip("ray", reason="Ray is not installed; the extra mmstudy[ray] brings it")

pytestmark = pytest.mark.cluster

STUDY = """\
question: Does the level help?
preset: null
repeats: 1
reference: track
base:
  data.window: 20
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8, dropout: 0.1}
  training: {epochs: 400, batch: 4}
arms:
  both: {}
  track: {model.modalities: [track]}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "level.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def expected(study: Path, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("here")
    run_study(str(study), home, Options(corpus=str(tiny_corpus), workers=1))
    return table(Home(home))


@contextlib.contextmanager
def started(nodes: Path) -> Iterator[Any]:
    """A head that serves no run; nodes keep their files in the folder, unless they are told otherwise."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE, str(nodes))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with started(tmp_path_factory.mktemp("nodes")) as made:
        yield made


class Command:
    """``mmstudy run STUDY`` as a process.

    Args:
        study, corpus, home: as the command has them. on: the value of its option.
    """

    def __init__(self, study: Path, corpus: Path, home: Path, on: str) -> None:
        self._said = home.with_suffix(".said")
        words = ["--home", str(home), "run", str(study), "--corpus", str(corpus), "--on", on]
        with open(self._said, "wb") as said:
            self.process = subprocess.Popen([sys.executable, "-m", "experiments.cli", *words], stdout=said, stderr=said)

    @property
    def said(self) -> str:
        """So far."""
        return self._said.read_text(encoding="utf-8")

    def end(self) -> int:
        """Its exit code."""
        try:
            return self.process.wait(300)
        finally:
            self.process.kill()


def workers(folder: Path) -> list[psutil.Process]:
    """Those of nodes that keep their files there."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if "experiments.launchers.worker" in process.cmdline() and process.environ().get(CACHE) == str(folder):
                found.append(process)
    return [one for one in found if one.ppid() != os.getpid()]


def begun(home: Path) -> list[Path]:
    """Runs that can go on: the home has a checkpoint of theirs and no record."""
    found = [path.parents[1] for path in home.glob("runs/*/checkpoints/last.pt")]
    return [folder for folder in found if not (folder / "record.json").exists()]


def test_a_lost_head_ends_the_command_plainly_and_the_next_goes_on_here(
    study: Path, tiny_corpus: Path, tmp_path: Path, expected: str
) -> None:
    home, launcher = tmp_path / "home", tmp_path / "cluster.yaml"
    with started(tmp_path / "nodes") as cluster:
        cluster.add_node(wait=False, num_cpus=2)
        launcher.write_text(f"kind: ray\naddress: {cluster.address}\npatience: 3\n", encoding="utf-8")
        command, halted = Command(study, tiny_corpus, home, str(launcher)), []
        try:
            assert until(lambda: begun(home), 240), command.said
            # On a quick machine the workers would be done before anybody notices.
            halted = workers(tmp_path / "nodes")
            for worker in halted:
                worker.suspend()
            cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
            assert command.end() == 2
        finally:
            command.process.kill()
            for worker in halted:
                with contextlib.suppress(psutil.NoSuchProcess):
                    worker.resume()
        # A node that lost its head tries for a minute to reach it again, counted from when it noticed; then it ends.
        assert until(lambda: not workers(tmp_path / "nodes"), 120)
    last = command.said.strip().splitlines()[-1]
    assert "the head of the Ray cluster does not answer any more" in last
    assert "repeat the command: runs go on from their last checkpoint" in last
    assert "Traceback" not in command.said
    assert begun(home), "it was lost in the middle"
    assert not [folder for folder in (home / "runs").iterdir() if is_locked(folder)]
    again = Command(study, tiny_corpus, home, "local")
    assert again.end() == 0, again.said
    assert "resumed after epoch" in again.said
    assert table(Home(home)) == expected


@pytest.mark.skipif(not disks.allowed(), reason="mounting a disk needs root")
def test_a_node_whose_disk_is_full_is_named_and_its_runs_go_elsewhere(
    cluster: Any, study: Path, tiny_corpus: Path, tmp_path: Path, expected: str
) -> None:
    small = tmp_path / "small"
    with disks.small(small, 64 * 1024):
        full = cluster.add_node(wait=False, num_cpus=1, env_vars={CACHE: str(small)})
        good = cluster.add_node(wait=False, num_cpus=1)
        command = Command(study, tiny_corpus, tmp_path / "home", f"ray://{cluster.address}")
        assert command.end() == 0, command.said
        for node in (full, good):
            cluster.remove_node(node)
    assert "no space left on the disk" in command.said
    assert str(small) in command.said
    assert "Traceback" not in command.said
    assert table(Home(tmp_path / "home")) == expected


def test_a_node_with_another_version_is_refused_in_one_line(
    cluster: Any, study: Path, tiny_corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import mmcore\nmmcore.__version__ = '0.0.1'\n", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    node = cluster.add_node(wait=False, num_cpus=1, env_vars={"PYTHONPATH": path})
    command = Command(study, tiny_corpus, tmp_path / "home", f"ray://{cluster.address}")
    assert command.end() == 2, command.said
    cluster.remove_node(node)
    last = command.said.strip().splitlines()[-1]
    assert last.startswith("error: all nodes must have the same version of mmstudy as this machine")
    assert f"expected {mmcore.__version__}; found 0.0.1 on node" in last
    assert "Traceback" not in command.said


@pytest.mark.parametrize("theirs", [("1.0.0", "3.11.2"), (None, "3.9.1")], ids=["Ray", "Python"])
def test_a_cluster_of_another_ray_or_python_is_refused_in_one_line(theirs: tuple[str | None, str]) -> None:
    """With Ray's own words for it."""
    import ray
    from ray._private.utils import check_version_info

    there = {"ray_version": theirs[0] or ray.__version__, "python_version": theirs[1]}
    with pytest.raises(RuntimeError) as caught:
        check_version_info(there, "this process")
    said = _refused(caught.value, "head:6379")
    assert said.rule == "the cluster must have the same versions of Ray and Python as this machine"
    assert there["ray_version"] in str(said.found)
    assert there["python_version"] in str(said.found)
    assert "\n" not in str(said)


def test_a_node_without_mmstudy_is_refused_in_one_line() -> None:
    with pytest.raises(LaunchError) as caught:
        refuse_without_us(RuntimeError("The actor died\nModuleNotFoundError: No module named 'experiments'\nat 1"))
    assert caught.value.found == "ModuleNotFoundError: No module named 'experiments'"
    assert "\n" not in str(caught.value)
