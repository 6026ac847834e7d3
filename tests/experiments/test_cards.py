"""How runs share processors and graphics cards; the cards are made up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from experiments.launchers import choose, local
from experiments.launchers.cards import Card, cards, dealt, runs_on
from experiments.launchers.choose import Share, share
from experiments.launchers.engine import LocalEngine, RayEngine, Resources
from mmcore.errors import LaunchError

GIB = 2**30
SMI = """\
#!/bin/sh
echo '0, GPU-aa, 16384'
echo '1, GPU-bb, 81920'
"""


@pytest.fixture
def two_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A driver's tool that knows of two cards, and eight cores."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(SMI, encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(local.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.usefixtures("two_cards")
@pytest.mark.parametrize(
    ("visible", "found"),
    [
        (None, (Card("0", 16 * GIB), Card("1", 80 * GIB))),
        ("1", (Card("1", 80 * GIB),)),
        ("GPU-bb,0", (Card("GPU-bb", 80 * GIB), Card("0", 16 * GIB))),
        ("MIG-7", (Card("MIG-7", None),)),
        ("", ()),
        ("-1", ()),
    ],
)
def test_cards_are_those_that_this_process_may_use(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, found: tuple[Card, ...]
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert cards() == found


def test_runs_share_a_card_as_its_memory_allows() -> None:
    assert runs_on(Card("0", 16 * GIB), needed=100 * 2**20) == 15
    assert runs_on(Card("0", 16 * GIB), needed=6 * GIB) == 1
    assert runs_on(Card("0", 16 * GIB), needed=60 * GIB) == 1
    assert runs_on(Card("0", None), needed=1.0) == 1
    assert runs_on(Card("0", 16 * GIB), needed=0.0) == 1


@pytest.mark.usefixtures("two_cards")
@pytest.mark.parametrize(
    ("resources", "needed", "workers", "part"),
    [
        (Resources(), 2 * GIB, 6, 1 / 3),
        (Resources(), 0.01 * GIB, 8, 1 / 18),  # no more than there are cores
        (Resources(), 0.0, 2, 1.0),
        (Resources(gpus=0.25), 2 * GIB, 8, 0.25),
        (Resources(gpus=2), 2 * GIB, 1, 2.0),
        (Resources(gpus=0), 2 * GIB, 8, 0.0),
        (Resources(cpus=4, gpus=0), 2 * GIB, 2, 0.0),
    ],
)
def test_several_small_runs_share_the_cards_by_default(
    resources: Resources, needed: float, workers: int, part: float
) -> None:
    got = share(LocalEngine(resources=resources), 100, None, "cuda", None, lambda: needed)
    assert (got.workers, got.part) == (workers, pytest.approx(part))
    assert len(got.cards) == (2 if part else 0)


@pytest.mark.usefixtures("two_cards")
def test_more_cards_than_there_are_is_refused() -> None:
    with pytest.raises(LaunchError, match=r"at most 2; found resources\.gpus: 3"):
        share(LocalEngine(resources=Resources(gpus=3)), 4, None, "cuda")


@pytest.mark.usefixtures("two_cards")
def test_on_the_cpu_no_card_is_dealt_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "cards", lambda: pytest.fail("nobody needs cards"))
    assert share(LocalEngine(), 100, None, "cpu") == Share(8, 1)
    assert share(LocalEngine(resources=Resources(cpus=3)), 100, None, "cpu") == Share(2, 1)
    assert share(LocalEngine(resources=Resources(memory_gib=10_000)), 100, None, "cpu") == Share(1, 1)
    assert share(LocalEngine(), 100, 3, "cpu") == Share(3, 1)


def test_workers_see_the_cards_that_this_process_may_use() -> None:
    """A process that may use cards 2 and 5 gave its workers 0 and 1."""
    there = (Card("2", None), Card("5", None))
    assert [dealt(there, worker, 1) for worker in range(3)] == ["2", "5", "2"]
    assert [dealt(there, worker, 0.5) for worker in range(3)] == ["2", "5", "2"]
    assert dealt(there, 0, 2) == "2,5"


def test_a_cluster_has_a_worker_for_each_run_and_this_machine_alone_one_for_each_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(local.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert share(RayEngine(address="head:1"), 100, None, "cpu") == Share(100, 1)
    assert share(RayEngine(address="head:1"), 100, 7, "cuda") == Share(7, 1, part=1.0)
    assert share(RayEngine(resources=Resources(cpus=4)), 100, None, "cpu") == Share(2, 1)
