"""Searches at their edges: a grid under every pruner, fronts, and a database that fails or has a password."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import optuna
import psutil
import pytest
from factories.search_space import BASE, LAYERS, RATE
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.trial import create_trial
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from experiments.home import Home
from experiments.opening import open_request
from experiments.owner import Owner
from experiments.planning.request import Options, Request
from experiments.tuning.notes import StoredStudy, TrialNotes, note, notes_of
from experiments.tuning.ownership import TWIN, UNUSED, close, hand_back, is_twin, proposals, reap, trials_of
from experiments.tuning.results import search_result, winners
from experiments.tuning.samplers import suggest
from experiments.tuning.storage import hide_password, open_storage, open_study
from experiments.tuning.view import again, is_complete, next_rank, propose
from mmcore.errors import StoreError, StudyError
from studies.search.block import Budget
from studies.search.resolved import ArmSearch, ResolvedSearch

pytestmark = pytest.mark.usefixtures("no_mirror")


@pytest.fixture
def asking(tmp_path: Path, tiny_corpus: Path, home: Home) -> Callable[..., Request]:
    def build(*knobs: str, **settings: str) -> Request:
        path = tmp_path / "rate.yaml"
        lines = ["  space:", *(f"    {knob}" for knob in knobs), *(f"  {k}: {v}" for k, v in settings.items())]
        path.write_text(BASE + "\n".join(lines) + "\n", encoding="utf-8")
        return open_request(str(path), home.make(), Options(corpus=str(tiny_corpus)))

    return build


def in_memory(*directions: Literal["minimize", "maximize"]) -> StoredStudy:
    return open_study(InMemoryStorage(), "made up", {}, directions)


@pytest.mark.parametrize("pruner", ["none", "median", "halving", "hyperband", "wilcoxon"])
def test_a_grid_visits_every_cell_once_under_every_pruner(asking: Callable[..., Request], pruner: str) -> None:
    search = asking(RATE, LAYERS, sampler="grid", pruner=pruner, budget="{trials: 99}", repeats="5").study.search
    assert search is not None
    (arm,) = search.searches
    study = in_memory("maximize")
    for rank, _ in enumerate(arm.cells()):
        propose(study, search, arm, rank)
        trial = study.ask()
        settings = arm.settings(lambda axis, trial=trial: suggest(trial, axis))
        note(trial, TrialNotes(settings=settings))
        seen = again(search, arm, trials_of(study)[rank], trials_of(study))
        for one in (trial, seen):
            one.report(0.1 * settings["model.layers"], 1)
        seen.should_prune()
        study.tell(trial, 0.1 * settings["model.layers"])
    found = [trial.params for trial in trials_of(study)]
    assert found == arm.cells()


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'search.db'}"


def lose_a_table(home: Home, place: str) -> None:
    with open_storage(home, "made_up", place) as storage:
        assert isinstance(storage, RDBStorage)
        with storage.engine.begin() as connection:
            connection.execute(text("DROP TABLE studies"))
        optuna.create_study(storage=storage, study_name="made_up/tuned")


def test_a_database_that_fails_during_a_search_is_told_as_such(home: Home, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"stopped answering.*no such table") as caught:
        lose_a_table(home, url(tmp_path))
    assert "search.db" in (caught.value.where or "")


@pytest.mark.parametrize(
    "problem", [optuna.exceptions.StorageInternalError("gone"), OperationalError("SELECT 1", None, Exception("gone"))]
)
def test_whatever_the_database_raises_is_told(home: Home, tmp_path: Path, problem: Exception) -> None:
    with pytest.raises(StoreError, match="gone"), open_storage(home, "made_up", url(tmp_path)):
        raise problem


@pytest.mark.parametrize("problem", [ValueError("mine"), StudyError("mine"), KeyboardInterrupt("mine")])
def test_what_is_not_the_database_s_passes(home: Home, tmp_path: Path, problem: BaseException) -> None:
    with pytest.raises(type(problem), match="mine") as caught, open_storage(home, "made_up", url(tmp_path)):
        raise problem
    assert caught.value is problem


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://ann:secret@host:5432/db", "postgresql://ann:***@host:5432/db"),
        ("postgresql://ann:se@cret@host/db", "postgresql://ann:***@host/db"),
        ("postgresql://ann@host/db?password=secret", "postgresql://ann@host/db?password=***"),
        ("postgresql://host/db?password=secret&sslmode=require", "postgresql://host/db?password=***&sslmode=require"),
        ("postgresql://host/db?sslpassword=secret", "postgresql://host/db?sslpassword=***"),
        ("mysql+pymysql://ann@host/db?passwd=secret", "mysql+pymysql://ann@host/db?passwd=***"),
        ("mssql+pyodbc:///?odbc_connect=UID%3Dann%3BPWD%3Dsecret", "mssql+pyodbc:///?odbc_connect=***"),
        ("postgresql:/ann:secret@host/db", "postgresql:***"),
        ("sqlite:////a folder/search.db", "sqlite:////a folder/search.db"),
        ("postgresql://ann@host/db?sslmode=require", "postgresql://ann@host/db?sslmode=require"),
        ("nonsense", "nonsense"),
    ],
)
def test_no_password_of_a_database_is_shown(address: str, shown: str) -> None:
    assert hide_password(address) == shown


def test_of_a_front_each_setting_is_confirmed_once(asking: Callable[..., Request]) -> None:
    request = asking(
        LAYERS, budget="{trials: 9}", objective="[validation/skill, validation/loss]", confirm="{best: 3}", repeats="1"
    )
    search = request.study.search
    assert search is not None
    (arm,) = search.searches
    study = in_memory("maximize", "minimize")
    for rank, layers in enumerate((3, 3, 3, 2, 1)):
        notes = TrialNotes(settings={"model.layers": layers}, rank=rank)
        study.add_trial(create_trial(values=[0.1 * layers, layers], user_attrs=notes.attributes()))
    found = winners(search, arm, trials_of(study), request.schema)
    assert [(name, notes_of(trial).settings["model.layers"]) for name, trial in found] == [
        ("tuned", 3), ("tuned 2", 2), ("tuned 3", 1),
    ]  # fmt: skip
    told = search_result(study, search, arm, request.schema)
    assert told.search.names(told.setup) == ["tuned", "tuned 2", "tuned 3"]


def made(asking: Callable[..., Request]) -> tuple[ResolvedSearch, ArmSearch, StoredStudy]:
    search = asking(RATE, sampler="tpe", budget="{trials: 9}", repeats="1", parallel="2").study.search
    assert search is not None
    return search, search.searches[0], in_memory("maximize")


def test_of_two_machines_with_one_proposal_the_later_one_gives_way(asking: Callable[..., Request]) -> None:
    search, arm, study = made(asking)
    propose(study, search, arm, 0)
    propose(study, search, arm, 0)
    first, second = study.ask(), study.ask()
    seen = trials_of(study)
    assert seen[0].params == seen[1].params, "a proposal follows from its rank"
    assert not is_twin(seen[first.number], seen)
    assert is_twin(seen[second.number], seen)
    close(study, second.number, TWIN)
    assert {rank: trial.number for rank, trial in proposals(trials_of(study)).items()} == {0: first.number}
    # Somebody who asked while nothing was waiting has a trial without a rank, which is none.
    study.ask()
    assert list(proposals(trials_of(study))) == [0]
    # Where the first died before the second was closed, one of them goes on all the same.
    assert hand_back(study, first.number, "died")
    retry = study.ask()
    assert not is_twin(trials_of(study)[retry.number], trials_of(study))
    assert proposals(trials_of(study))[0].number == retry.number


def test_a_proposal_waits_for_those_that_it_may_know(asking: Callable[..., Request]) -> None:
    search, arm, study = made(asking)
    for rank in (0, 1):
        assert next_rank(search, arm, trials_of(study)) == rank
        propose(study, search, arm, rank)
    assert next_rank(search, arm, trials_of(study)) is None, "two go on"
    first, second = study.ask(), study.ask()
    study.tell(second, 0.5)
    assert next_rank(search, arm, trials_of(study)) is None, "a quick one does not let the third know it"
    study.tell(first, 0.4)
    assert next_rank(search, arm, trials_of(study)) == 2
    propose(study, search, arm, 2)
    assert next_rank(search, arm, trials_of(study)) == 3, "the second, which it may know, has ended"


def test_a_budget_that_was_lowered_and_raised_again_leaves_no_gap(asking: Callable[..., Request]) -> None:
    search, arm, study = made(asking)
    propose(study, search, arm, 0)
    study.tell(study.ask(), 0.5)
    propose(study, search, arm, 1)
    close(study, study.ask().number, UNUSED)
    smaller = replace(search, budget=Budget(trials=1))
    assert is_complete(smaller, arm, trials_of(study))
    assert next_rank(search, arm, trials_of(study)) == 1


def test_a_process_that_dies_as_it_takes_a_trial_is_known_at_once_where_all_take_turns(
    asking: Callable[..., Request], tmp_path: Path
) -> None:
    search, arm, study = made(asking)
    propose(study, search, arm, 0)
    taken = study.ask()
    assert reap(study, tmp_path / "lock", alone=False) == [], "another machine may be about to sign it"
    assert [trial.number for trial in reap(study, tmp_path / "lock", alone=True)] == [taken.number]
    retry = study.ask()
    assert notes_of(retry).rank == 0
    assert notes_of(retry).retry_of == taken.number


def test_a_clock_that_is_set_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    me = Owner.me()
    assert me.alive
    for step in (3600.0, -3600.0):
        with monkeypatch.context() as patch:
            # The system tells when a process began by the clock of today.
            created, boot = psutil.Process.create_time, psutil.boot_time()
            patch.setattr(psutil.Process, "create_time", lambda self, created=created, step=step: created(self) + step)
            patch.setattr(psutil, "boot_time", lambda boot=boot, step=step: boot + step)
            assert me.alive
            assert me.is_me
    assert not replace(me, created=me.created - 5.0, since_boot=me.since_boot - 5.0).alive
    assert not replace(me, created=me.created - 5.0, since_boot=me.since_boot - 5.0).is_me
    # As earlier versions wrote it.
    assert replace(me, since_boot=None).alive
    assert not Owner(me.host, me.pid, 1.5).alive


def test_trials_of_earlier_versions_and_foreign_attributes_are_read() -> None:
    bare = notes_of(create_trial(value=0.5))
    assert (bare.rank, bare.closed, bare.settings, bare.process, bare.epochs_full) == (None, None, {}, None, None)
    told = {"rank": 3, "process": {"host": "h", "pid": 7, "created": 1.5}, "note": "mine", "fingerprints": ["a", "b"]}
    notes = notes_of(create_trial(value=0.5, user_attrs=told))
    assert (notes.rank, notes.process, notes.fingerprints) == (3, Owner("h", 7, 1.5), ("a", "b"))
    process = {"host": "h", "pid": 7, "created": 1.5, "since_boot": None}
    assert notes.attributes() == {key: value for key, value in told.items() if key != "note"} | {"process": process}


@pytest.mark.parametrize("database", [False, True])
def test_a_trial_that_another_process_took_is_closed_with_the_reason(
    home: Home, tmp_path: Path, database: bool
) -> None:
    place = url(tmp_path) if database else None
    with open_storage(home, "made_up", place) as one, open_storage(home, "made_up", place) as two:
        theirs = open_study(one, "made_up/tuned", {}, ["maximize"])
        theirs.ask()
        taken = theirs.ask()
        ours = open_study(two, "made_up/tuned", {}, ["maximize"])
        assert close(ours, taken.number, TWIN)
        assert not close(ours, taken.number, UNUSED), "it has ended"
        assert [notes_of(trial).closed for trial in trials_of(theirs)] == [None, TWIN]


def test_optuna_is_used_by_its_public_names_alone() -> None:
    root = Path(__file__).parents[2]
    private = re.compile(r"\b_(?:storage|trial_id|study_id)\b|optuna(?:\.\w+)*\._\w")
    for path in (
        path for room in ("experiments", "reports", "benchmarks", "tests") for path in root.glob(f"{room}/**/*.py")
    ):
        text = path.read_text(encoding="utf-8")
        if "optuna" in text and path != Path(__file__):
            assert not private.search(text), path
