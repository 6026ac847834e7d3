"""A search ends with the same trials and the same winner, however many work on it, who is quick, and who is killed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories.pretend_pool import PretendPool
from factories.search_space import BASE, LAYERS, RATE
from optuna.storages.journal import JournalFileBackend

from experiments.home import Home
from experiments.launchers import choose
from experiments.opening import open_request
from experiments.owner import Owner
from experiments.planning.request import Options, Request
from experiments.progress import Silent
from experiments.tuning import ownership as search_claims
from experiments.tuning import tune as engine
from experiments.tuning import tuner as search_work
from experiments.tuning.notes import StoredStudy
from experiments.tuning.tune import tune
from mmcore.data.prepare import prepare
from studies.search.results import SearchResult, TrialResult

COUPLED = "model.dropout: {kind: uniform, low: 0.0, high: 0.5, role: scientific, when: {model.layers: [2, 3]}}"


class Killed(BaseException):
    """What a test raises where a process would be killed: nothing may be done any more."""


@pytest.fixture(autouse=True)
def pool(monkeypatch: pytest.MonkeyPatch) -> type[PretendPool]:
    class Pool(PretendPool):
        trained: list[tuple[str, int]] = []

    class NoMirror:
        def __init__(self, *_: Any) -> None: ...

        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *_, **__: None

    monkeypatch.setattr(choose, "LocalPool", Pool)
    monkeypatch.setattr(engine, "SearchMirror", NoMirror)
    monkeypatch.setattr(search_work, "_LOOK_SECONDS", 0.0)
    monkeypatch.delenv("MMSTUDY_STORAGE", raising=False)
    return Pool


def block(*knobs: str, **settings: str) -> str:
    lines = ["  space:", *(f"    {knob}" for knob in knobs)]
    return "\n".join([*lines, *(f"  {key}: {value}" for key, value in settings.items())]) + "\n"


SEARCHES = {
    "random": block(RATE, LAYERS, sampler="random", budget="{trials: 10}", repeats="2"),
    "grid": block(RATE, LAYERS, sampler="grid", budget="{trials: 99}", repeats="1"),
    "tpe": block(RATE, LAYERS, COUPLED, sampler="tpe", budget="{trials: 18}", repeats="1"),
    "cma_es": block(RATE, "model.dropout: {kind: uniform, low: 0.0, high: 0.5, role: scientific}", sampler="cma_es",
                    budget="{trials: 14}", repeats="1"),
    "nsga2": block(RATE, LAYERS, sampler="nsga2", budget="{trials: 40}", repeats="1",
                   objective="[validation/skill, validation/loss]"),
    "halving": block(RATE, LAYERS, sampler="random", pruner="halving", budget="{trials: 16}", repeats="2"),
    "median": block(RATE, LAYERS, sampler="tpe", pruner="median", budget="{trials: 16}", repeats="1"),
    "hyperband": block(RATE, LAYERS, sampler="tpe", pruner="hyperband", budget="{trials: 20}", repeats="2"),
    "wilcoxon": block(RATE, sampler="random", pruner="wilcoxon", budget="{trials: 12}", repeats="5"),
    "epochs": block(RATE, LAYERS, sampler="random", pruner="halving", budget="{epochs: 120}", repeats="2"),
    "one by one": block(RATE, LAYERS, sampler="tpe", budget="{trials: 13}", repeats="1", parallel="1"),
}  # fmt: skip


@pytest.fixture
def searching(tmp_path: Path, tiny_corpus: Path, pool: type[PretendPool]) -> Callable[..., SearchResult]:
    """Search in a home of its own: (name of the home, search block, workers, order of turns) to what was found."""

    def search(home: str, text: str, workers: int = 2, order: int | None = None) -> SearchResult:
        path = tmp_path / "rate.yaml"
        path.write_text(BASE + text, encoding="utf-8")
        place = Home(tmp_path / home).make()
        pool.order = None if order is None else random.Random(order)
        request: Request = open_request(str(path), place, Options(corpus=str(tiny_corpus), workers=workers))
        store = Home(tmp_path / "shared").prepared
        prepared = prepare(request.place.folder, request.study.arms[0].config.data, store).path
        (found,) = tune(request, place, Silent(), lambda: prepared)
        assert found.complete
        return found

    return search


def table(found: SearchResult) -> SearchResult:
    """What a search found, without how long it took."""
    confirmed = dict(zip(found.confirmed, _timeless(tuple(found.confirmed.values())), strict=True))
    return replace(found, trials=_timeless(found.trials), confirmed=confirmed)


def _timeless(trials: tuple[TrialResult, ...]) -> tuple[TrialResult, ...]:
    return tuple(replace(trial, seconds=None) for trial in trials)


@pytest.mark.parametrize("name", SEARCHES)
def test_neither_workers_nor_who_is_quick_change_a_search(searching: Callable[..., SearchResult], name: str) -> None:
    expected = table(searching("alone", SEARCHES[name], workers=1))
    assert expected.best
    if name in ("halving", "median", "hyperband", "wilcoxon", "epochs"):
        assert "pruned" in {trial.state for trial in expected.trials}
    for workers, order in ((2, 0), (4, 1), (4, 2), (7, 3)):
        assert table(searching(f"{workers} {order}", SEARCHES[name], workers, order)) == expected


class Fault:
    """Kills a process at the n-th of its writes to the storage, before it or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._writes, self._at, self._before, self._dead = 0, -1, False, 0
        write, me = JournalFileBackend.append_logs, Owner.me

        def append(backend: JournalFileBackend, logs: list[Mapping[str, object]]) -> None:
            self._writes += 1
            if self._writes == self._at and self._before:
                raise Killed
            write(backend, logs)
            if self._writes == self._at:
                raise Killed

        def hand_back(study: StoredStudy, number: int, why: Any) -> bool:
            # Who is killed hands nothing back.
            return self._writes != self._at and search_claims.hand_back(study, number, why)

        monkeypatch.setattr(JournalFileBackend, "append_logs", append)
        monkeypatch.setattr(search_work, "hand_back", hand_back)
        # A process that is gone: no process has such a number.
        monkeypatch.setattr(Owner, "me", lambda: Owner(me().host, 2**30 + self._dead, 0.0))

    def arm(self, at: int, before: bool) -> None:
        """Die at this write of those to come."""
        self._writes, self._at, self._before = 0, at, before

    def die(self) -> None:
        """Now."""
        self._at = self._writes
        raise Killed

    def disarm(self) -> None:
        """A new process, which lives; its predecessor is gone."""
        self._at = -1
        self._dead += 1


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Fault:
    return Fault(monkeypatch)


@pytest.mark.parametrize("name", ["random", "tpe", "hyperband", "epochs"])
def test_a_search_killed_at_any_moment_and_resumed_ends_with_the_same_trials(
    searching: Callable[..., SearchResult], fault: Fault, name: str
) -> None:
    expected = table(searching("undisturbed", SEARCHES[name], workers=1))
    moments = [3, 4, 5, 9, 14, 44, 87]
    killed = 0
    for at in moments:
        home = f"killed at {at}"
        fault.arm(at, before=at % 2 == 0)
        try:
            searching(home, SEARCHES[name], workers=2, order=at)
        except Killed:
            killed += 1
        fault.disarm()
        assert table(searching(home, SEARCHES[name], workers=2, order=at + 1)) == expected, f"killed at write {at}"
    assert killed > 4


def test_a_search_killed_again_and_again_ends_with_the_same_trials(
    searching: Callable[..., SearchResult], fault: Fault
) -> None:
    expected = table(searching("undisturbed", SEARCHES["median"]))
    for step in range(200):
        fault.arm(37 + step % 5, before=bool(step % 2))
        try:
            found = searching("killed", SEARCHES["median"], workers=1 + step % 2, order=step)
        except Killed:
            fault.disarm()
        else:
            assert step > 2
            assert table(found) == expected
            return
    pytest.fail("it never came to an end")


def test_what_another_study_left_in_the_home_changes_no_trial(
    searching: Callable[..., SearchResult], tmp_path: Path
) -> None:
    """A run that is there in full is cut off at the epoch at which it would have been pruned."""
    expected = table(searching("fresh", SEARCHES["halving"]))
    searching("used", SEARCHES["halving"].replace("pruner: halving", "pruner: none"))
    for journal in (tmp_path / "used" / "search").iterdir():
        journal.unlink()
    assert table(searching("used", SEARCHES["halving"])) == expected
    assert "pruned" in {trial.state for trial in expected.trials}


def test_a_budget_of_epochs_ends_where_nothing_new_is_proposed(searching: Callable[..., SearchResult]) -> None:
    """Three settings cost 54 epochs, and the 120 are never reached."""
    text = block(LAYERS, sampler="random", budget="{epochs: 120}", repeats="2")
    found = searching("home", text)
    assert found.epochs == 54
    assert len(found.trials) < 60
    assert table(searching("other", text, workers=4, order=1)) == table(found)


def test_a_trial_that_takes_its_processes_down_at_one_point_counts_as_failed(
    searching: Callable[..., SearchResult], fault: Fault, pool: type[PretendPool]
) -> None:
    """One that gets further each time is tried again for ever."""
    step = pool._step

    def deadly(self: PretendPool, name: str, hear: Callable[[Any], None]) -> None:
        if self.going[name][0].model.layers == 2 and self.going[name][2] == 4:
            fault.die()
        step(self, name, hear)

    pool._step = deadly
    for _ in range(20):
        try:
            found = searching("deadly", SEARCHES["random"], workers=1)
        except Killed:
            fault.disarm()
        else:
            break
    else:
        pytest.fail("it never came to an end")
    for trial in found.trials:
        failed = trial.settings["model.layers"] == 2
        assert trial.state == ("failed" if failed else "complete")
        assert trial.failure == ("took 3 processes down with it" if failed else None)


def test_a_run_that_diverges_after_it_should_have_ended_is_pruned_whoever_trained_it(
    searching: Callable[..., SearchResult], tmp_path: Path, pool: type[PretendPool]
) -> None:
    """The record of a failure that another study left must not be what a trial comes to."""
    pool.fails = staticmethod(lambda config: config.training.optimiser.learning_rate > 1e-2)
    expected = table(searching("fresh", SEARCHES["halving"]))
    searching("used", SEARCHES["halving"].replace("pruner: halving", "pruner: none"))
    for journal in (tmp_path / "used" / "search").iterdir():
        journal.unlink()
    assert table(searching("used", SEARCHES["halving"])) == expected
    assert {"pruned", "failed"} <= {trial.state for trial in expected.trials}
