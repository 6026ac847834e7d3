"""What the pool says when the process that speaks with Ray ends without a word. Needs no Ray."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.home import Home
from experiments.launchers.engine import RayEngine
from experiments.launchers.ray import pool
from experiments.launchers.ray.orders import Connected, Node, Nodes, news_line
from experiments.launchers.ray.pool import LOG, RayPool
from mmcore.errors import LaunchError

BRIDGE = """\
import os, sys
sys.stdin.readline()
sys.stdout.write({news!r})
sys.stdout.flush()
sys.stderr.write({said!r})
sys.stderr.flush()
os._exit(1)
"""


def problem_of(home: Home, monkeypatch: pytest.MonkeyPatch, news: str, said: str) -> LaunchError:
    """What a pool says whose bridge tells this and then ends.

    Args:
        said: what it prints.
    """

    def begin(self: RayPool) -> subprocess.Popen[str]:
        with open(home.logs / LOG, "a", encoding="utf-8") as log:
            return subprocess.Popen(
                [sys.executable, "-c", BRIDGE.format(news=news, said=said)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    monkeypatch.setattr(RayPool, "_begin", begin)
    monkeypatch.setattr(pool, "_GOING", 0.3)
    with RayPool(RayEngine(address="auto"), 1, 1, home) as opened, pytest.raises(LaunchError) as caught:
        opened.run([], lambda message: None, more=lambda: True)
    return caught.value


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.logs.mkdir(parents=True)
    return made


NODES = news_line(Nodes((Node("far", 2.0, 0.0, 1.0),)))


def test_a_head_that_takes_the_bridge_with_it_is_said_to_be_lost(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    found = problem_of(home, monkeypatch, news_line(Connected(address)) + NODES, "")
    assert found.rule == "the head of the Ray cluster does not answer any more"
    assert found.where == address
    assert found.found == "the process that speaks with Ray ended with exit code 1"
    assert "repeat the command: runs go on from their last checkpoint" in str(found)


@pytest.mark.parametrize(
    ("said", "found"), [("", ""), ("no plasma\n", ": no plasma")], ids=["says nothing", "says why"]
)
def test_a_bridge_that_ends_while_the_head_answers_is_told_with_its_own_words_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch, said: str, found: str
) -> None:
    (home.logs / LOG).write_text("what an earlier command met\n", encoding="utf-8")
    with socket.socket() as head:
        head.bind(("127.0.0.1", 0))
        head.listen()
        address = f"127.0.0.1:{head.getsockname()[1]}"
        error = problem_of(home, monkeypatch, news_line(Connected(address)) + NODES, said)
    assert error.rule == "the connection to the Ray cluster broke"
    assert error.found == f"the process that speaks with Ray ended with exit code 1{found}"
    assert error.where == str(home.logs / LOG)


def test_a_bridge_that_never_was_connected_is_told_of(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    error = problem_of(home, monkeypatch, "", "")
    assert error.rule == "the connection to the Ray cluster broke"
