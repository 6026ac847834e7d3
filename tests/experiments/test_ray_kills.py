"""Workers, actors, nodes and the command itself killed at random moments: the same command ends with the same table.

Run with ``-m simulation``; ``MMSTUDY_KILLS=20`` sets the number of cases.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from factories.launcher_contract import table, until

from experiments.driver import run_study
from experiments.home import Home
from experiments.launchers.ray.station import CACHE
from experiments.planning.request import Options
from experiments.records import is_locked

pytestmark = pytest.mark.simulation

STUDY = """\
question: Does the level help?
preset: null
repeats: 2
reference: track
base:
  data.window: 20
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8, dropout: 0.1}
  training: {epochs: 400, batch: 4}
arms:
  both: {}
  track: {model.modalities: [track]}
"""
SECONDS_TO_END = 15
"""A worker ends within a few seconds when its driver is gone; a busy machine needs longer."""
VICTIMS = ("worker", "actor", "bridge", "node", "command")


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


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    cluster_utils = pytest.importorskip("ray.cluster_utils")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE, str(tmp_path_factory.mktemp("nodes")))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        yield made
        made.shutdown()


def processes(what: str) -> list[psutil.Process]:
    """All of a kind that this test has started, also those whose parents are gone: they have its folder of nodes.

    A worker of this very process is none of them: it trained what is expected, and waits for other tests.
    """
    word = {
        "worker": "experiments.launchers.worker",
        "actor": "ray::NodeStation",
        "bridge": "experiments.launchers.ray",
    }
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(one.startswith(word[what]) for one in process.cmdline()[-3:]):
                ours = process.environ().get(CACHE) == os.environ[CACHE]
                if ours and process.ppid() != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
    return found


@pytest.mark.parametrize("seed", range(int(os.environ.get("MMSTUDY_KILLS", "3"))))
def test_whatever_is_killed_the_table_is_the_same(
    seed: int, cluster: Any, study: Path, tiny_corpus: Path, tmp_path: Path, expected: str
) -> None:
    chance, home = random.Random(seed), tmp_path / "home"
    words = ["--home", str(home), "run", str(study), "--corpus", str(tiny_corpus), "--on", f"ray://{cluster.address}"]
    nodes = [cluster.add_node(wait=False, num_cpus=2)]
    log = tmp_path / "said.log"
    done: list[str] = []
    for victim in [*chance.choices(VICTIMS, k=2), ""]:
        with open(log, "ab") as said:
            command = subprocess.Popen([sys.executable, "-m", "experiments.cli", *words], stdout=said, stderr=said)
        try:
            if victim:
                wait_for(command, home, chance.randrange(1, 5))
                time.sleep(chance.random())
                done.append(f"{victim}, with {len(_heard(home))} runs begun")
                if victim == "node":
                    nodes.append(cluster.add_node(wait=False, num_cpus=2))
                    cluster.remove_node(nodes.pop(0), allow_graceful=False)
                elif victim == "command":
                    command.kill()
                elif found := processes(victim):
                    with contextlib.suppress(psutil.Error):
                        chance.choice(found).kill()
            code = command.wait(300)
            gone = until(lambda: not processes("worker"), SECONDS_TO_END)
            assert gone, (done, [_family(process) for process in processes("worker")])
        finally:
            command.kill()
            command.wait()
        assert victim in ("bridge", "command") or code == 0, (done, log.read_text())
    print(done)
    assert table(Home(home)) == expected, done
    assert b"Traceback" not in log.read_bytes(), log.read_text()
    assert not [folder for folder in (home / "runs").iterdir() if is_locked(folder)]
    assert not list(home.rglob("*.tmp"))
    assert not processes("bridge")
    for node in nodes:
        cluster.remove_node(node)
    shutil.rmtree(home)


def wait_for(command: subprocess.Popen[bytes], home: Path, checkpoints: int) -> None:
    """Until the home has so many more checkpoints, or the command has ended."""
    seen = _heard(home)
    wanted = len(seen) + checkpoints

    def enough() -> bool:
        seen.update(_heard(home))
        return command.poll() is not None or len(seen) >= wanted

    until(enough, 240)


def _heard(home: Path) -> set[tuple[str, int]]:
    """The last checkpoint of each run that the home has one of, by when it came."""
    found: set[tuple[str, int]] = set()
    for path in home.glob("runs/*/checkpoints/last.pt"):
        with contextlib.suppress(FileNotFoundError):
            found.add((path.parents[1].name, path.stat().st_mtime_ns))
    return found


def _family(process: psutil.Process) -> list[str]:
    """A process and its parents, each with its age in seconds and the end of its words."""
    now = time.time()
    return [
        f"{one.pid} {one.status()} {now - one.create_time():.0f} s {' '.join(one.cmdline())[-60:]}"
        for one in (process, *process.parents())
    ]
