"""The workers that train a study analyse it, too; a stage that needs others has its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from factories.workers import WarmPool

from experiments.driver import run_study
from experiments.home import Home
from experiments.launchers import choose, kept
from experiments.launchers.choose import Share
from experiments.launchers.engine import Engine, LocalEngine, SlurmEngine
from experiments.launchers.kept import KeptPool
from experiments.planning.request import Options

pytestmark = pytest.mark.usefixtures("no_mirror")


class Said:
    """A pool that says when it begins and ends."""

    def __init__(self, said: list[str], name: str) -> None:
        self._said, self._name = said, name

    def __enter__(self) -> Said:
        self._said.append(f"{self._name} begins")
        return self

    def __exit__(self, *_: object) -> None:
        self._said.append(f"{self._name} ends")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    monkeypatch.setattr(kept, "open_pool", lambda engine, share, *_: Said(heard, str(share.workers)))
    return heard


def pools(home: Home, engine: Engine | None = None) -> KeptPool:
    return KeptPool(engine or LocalEngine(), home, lambda name: False)


def test_a_stage_of_the_same_share_has_the_workers_of_the_one_before(home: Home, said: list[str]) -> None:
    with pools(home) as found:
        with found.opened(Share(2, 1)) as first:
            pass
        with found.opened(Share(2, 1)) as second:
            assert second is first
        assert said == ["2 begins"]
    assert said == ["2 begins", "2 ends"]


def test_a_stage_of_another_share_has_its_own(home: Home, said: list[str]) -> None:
    with pools(home) as found:
        for share in (Share(2, 1), Share(1, 1)):
            with found.opened(share):
                pass
    assert said == ["2 begins", "2 ends", "1 begins", "1 ends"]


def test_a_stage_that_goes_wrong_ends_its_workers_and_the_next_has_new_ones(home: Home, said: list[str]) -> None:
    with pools(home) as found:
        with pytest.raises(KeyboardInterrupt), found.opened(Share(2, 1)):
            raise KeyboardInterrupt
        assert said == ["2 begins", "2 ends"]
        with found.opened(Share(2, 1)):
            pass
    assert said == ["2 begins", "2 ends"] * 2


def test_workers_of_a_cluster_end_with_their_stage(home: Home, said: list[str]) -> None:
    with pools(home, SlurmEngine()) as found:
        for _ in range(2):
            with found.opened(Share(2, 1)):
                pass
            assert said[-1] == "2 ends"
    assert said == ["2 begins", "2 ends"] * 2


def test_a_study_with_analyses_starts_its_workers_once(
    tiny_study: Path, tiny_corpus: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    class Counted(WarmPool):
        def _start(self, number: int) -> Any:
            begun.append(number)
            return super()._start(number)

    monkeypatch.setattr(choose, "LocalPool", Counted)
    with open(tiny_study, "a", encoding="utf-8") as file:
        file.write("analyses: [errors]\n")
    outcome = run_study(str(tiny_study), home.root, Options(corpus=str(tiny_corpus), workers=2))
    assert (outcome.failed, outcome.unanswered) == (0, 0)
    assert len(list(home.runs.glob("*/analyses/errors-*.json"))) == 4
    assert sorted(begun) == [0, 1]
