"""Two nodes of a Ray cluster in network namespaces, whose network is cut for a minute: the table is the same.

Needs root and ``ip netns``; run with ``-m simulation``. Ray looks for an outside address when it connects: inside a
namespace there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories.launcher_contract import table, until

from experiments.driver import run_study
from experiments.home import Home
from experiments.planning.request import Options

pytestmark = pytest.mark.simulation

STUDY = """\
question: Does the level help?
preset: null
repeats: 3
reference: track
base:
  data.window: 20
  model: {width: 8, layers: 1, heads: 2, feed_forward: 8, dropout: 0.1}
  training: {epochs: 300, batch: 2}
arms:
  both: {}
  track: {model.modalities: [track]}
"""
HEAD, NODE = "10.77.0.1", "10.77.0.2"
RAY = [sys.executable, "-m", "ray.scripts.scripts"]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def within(space: str, *words: str) -> list[str]:
    return ["ip", "netns", "exec", space, *words]


def network(state: str) -> None:
    """Cut the node off, or join it again."""
    ip("-n", "mm-node", "link", "set", "mm-b", state)
    if state == "up":
        time.sleep(1)


@pytest.fixture(scope="module")
def spaces() -> Iterator[None]:
    if os.name == "nt" or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the command ip")
    for space in ("mm-head", "mm-node"):
        subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)
        ip("netns", "add", space)
        ip("-n", space, "link", "set", "lo", "up")
    ip("link", "add", "mm-a", "netns", "mm-head", "type", "veth", "peer", "name", "mm-b", "netns", "mm-node")
    for space, link, address in (("mm-head", "mm-a", HEAD), ("mm-node", "mm-b", NODE)):
        ip("-n", space, "addr", "add", f"{address}/24", "dev", link)
        ip("-n", space, "link", "set", link, "up")
    yield
    for space in ("mm-head", "mm-node"):
        ip("netns", "del", space)


@pytest.fixture
def nodes(spaces: None, tmp_path: Path) -> Iterator[None]:
    """A head with a core and a node with one, each with folders of its own."""
    common = os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    # Sockets lie there, whose paths may have 107 bytes.
    place = Path("/tmp/mm-ray-net")
    started: list[subprocess.Popen[bytes]] = []
    for space, address, words in (
        ("mm-head", HEAD, ["--head", "--port=6379", f"--temp-dir={place}", "--include-dashboard=false"]),
        ("mm-node", NODE, [f"--address={HEAD}:6379"]),
    ):
        home = tmp_path / space
        home.mkdir()
        own = common | {"HOME": str(home), "MMSTUDY_NODE_CACHE": str(home / "cache")}
        start = [*RAY, "start", f"--node-ip-address={address}", "--num-cpus=1", "--block", *words]
        with open(home / "ray.log", "wb") as log:
            started.append(
                subprocess.Popen(
                    within(space, *start), env=own, cwd=home, stdout=log, stderr=log, start_new_session=True
                )
            )
        assert until(lambda log=home / "ray.log": b"Ray runtime started" in log.read_bytes(), 120)
    yield
    for process in started:
        process.terminate()
    for process in started:
        process.wait(60)
    shutil.rmtree(place, ignore_errors=True)


def begin(home: Path, study: Path, corpus: Path) -> subprocess.Popen[str]:
    words = ["--home", str(home), "run", str(study), "--corpus", str(corpus), "--on", f"ray://{HEAD}:6379"]
    return subprocess.Popen(
        within("mm-head", sys.executable, "-m", "experiments.cli", *words),
        env=os.environ | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("seconds", [8, 60])
def test_a_network_that_is_cut_changes_no_table(seconds: float, nodes: None, tiny_corpus: Path, tmp_path: Path) -> None:
    study = tmp_path / "level.yaml"
    study.write_text(STUDY, encoding="utf-8")
    run_study(str(study), tmp_path / "here", Options(corpus=str(tiny_corpus), workers=1))
    home = tmp_path / "there"
    command = begin(home, study, tiny_corpus)
    try:
        # Some epoch of a run on the node has come back.
        assert until(lambda: any((tmp_path / "mm-node" / "cache").glob("runs/*/*/history.json")), 240)
        assert until(lambda: len(list(home.glob("runs/*/history.json"))) >= 2, 120)
        network("down")
        time.sleep(seconds)
        network("up")
        said, _ = command.communicate(timeout=400)
    finally:
        command.kill()
    print(said)
    assert command.returncode == 0, said
    assert table(Home(home)) == table(Home(tmp_path / "here"))
