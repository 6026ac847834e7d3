"""Optuna's own dashboard opens the storage of a search, while and after it is written."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend
from optuna_dashboard import wsgi

from experiments.home import Home
from experiments.tuning.storage import open_storage


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home").make()
    with open_storage(home, "made_up", None) as storage:
        study = optuna.create_study(storage=storage, study_name="made_up/tuned", direction="maximize")
        for value in (0.1, 0.4, 0.2):
            trial = study.ask()
            trial.suggest_float("training.optimiser.learning_rate", 1e-4, 1e-2, log=True)
            study.tell(trial, value)
    return home


def get(app: Any, path: str, query: str = "") -> tuple[str, bytes]:
    """A request without a server."""
    status: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query,
        "SERVER_NAME": "localhost", "SERVER_PORT": "80",
        "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(),
    }  # fmt: skip
    body = b"".join(app(environ, lambda code, headers, *_: status.append(code)))
    return status[0], body


@pytest.mark.filterwarnings("ignore")
def test_the_dashboard_opens_a_journal(home: Home) -> None:
    backend = JournalFileBackend(str(home.journal("made_up")))
    app = wsgi(optuna.storages.JournalStorage(backend))
    status, page = get(app, "/dashboard")
    assert status.startswith("200")
    assert b"<html" in page
    status, body = get(app, "/api/studies")
    assert status.startswith("200")
    (study,) = json.loads(body)["study_summaries"]
    assert study["study_name"] == "made_up/tuned"
    status, body = get(app, f"/api/studies/{study['study_id']}", "after=0")
    assert status.startswith("200")
    assert [t["values"] for t in json.loads(body)["trials"]] == [[0.1], [0.4], [0.2]]


def test_our_searches_go_on_while_it_is_open(home: Home) -> None:
    backend = JournalFileBackend(str(home.journal("made_up")))
    theirs = optuna.storages.JournalStorage(backend)
    assert len(theirs.get_all_studies()) == 1
    with open_storage(home, "made_up", None) as storage:
        study = optuna.load_study(storage=storage, study_name="made_up/tuned")
        study.tell(study.ask(), 0.9)
    assert len(theirs.get_all_trials(theirs.get_study_id_from_name("made_up/tuned"))) == 4
