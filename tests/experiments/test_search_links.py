"""What a dashboard of Optuna says about a search: what its values are, what it belongs to, where MLflow shows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from factories.mirrors import heard
from factories.search_space import BASE, RATE
from mlflow.tracking import MlflowClient

import mmcore
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.request import Options, Request
from experiments.tuning import tune
from experiments.tuning.mirror import SearchMirror
from experiments.tuning.notes import MLFLOW_RUN, TrialNotes, notes_of
from experiments.tuning.storage import describe, open_storage

SEARCH = f"  space:\n    {RATE}\n  objective: [validation/skill, validation/position/mae]\n  budget: {{trials: 2}}\n"


@pytest.fixture
def home(tmp_path: Path, with_database: Callable[[Home], Home]) -> Home:
    return with_database(Home(tmp_path / "home"))


@pytest.fixture
def request_(home: Home, tmp_path: Path, tiny_corpus: Path) -> Request:
    path = tmp_path / "rate.yaml"
    path.write_text(BASE + SEARCH, encoding="utf-8")
    return open_request(str(path), home, Options(corpus=str(tiny_corpus)))


def test_a_search_names_its_objectives_and_what_it_belongs_to(request_: Request, home: Home) -> None:
    search = request_.study.search
    assert search is not None
    with open_storage(home, request_.search_key, None) as storage:
        for _ in range(2):
            study = tune._begin(storage, request_, search, search.searches[0])
            size = home.journal(request_.search_key).stat().st_size
        assert home.journal(request_.search_key).stat().st_size == size, "said once"
        assert study.metric_names == ["validation/skill", "validation/position/mae"]
        facts = {key: study.user_attrs[key] for key in ("study", "arm", "corpus_content", "mmstudy_version")}
        assert facts == {
            "study": "rate", "arm": search.searches[0].arm, "corpus_content": request_.content,
            "mmstudy_version": mmcore.__version__,
        }  # fmt: skip
        study.tell(study.ask(), [0.5, 100.0])
        describe(study, ["validation/skill", "validation/position/mae"], {"mmstudy_version": "99"})
        assert study.user_attrs["mmstudy_version"] == "99", "a later version writes its own"


def test_searches_and_trials_are_linked_with_their_runs_both_ways(request_: Request, home: Home) -> None:
    search = request_.study.search
    assert search is not None
    arm = search.searches[0].arm
    client = MlflowClient(home.mlflow_uri)
    with open_storage(home, request_.search_key, None) as storage:
        study = tune._begin(storage, request_, search, search.searches[0])
        trial, over = study.ask(), study.ask()
        study.tell(over, [0.5, 100.0])
        mirror = SearchMirror(home, request_, pytest.fail)
        mirror.begin(arm, search, [], study)
        for one in (trial, over):
            mirror.started(arm, one.number, TrialNotes(rank=one.number))
        done = heard(mirror)
        assert done.error is None
        page = study.trials[0].user_attrs[MLFLOW_RUN]
        run = client.get_run(page.rpartition("/")[2])
        assert run.data.tags["optuna.trial"] == "0"
        assert run.data.tags["mlflow.source.name"].endswith("rate.yaml")
        assert MLFLOW_RUN not in study.trials[1].user_attrs, "a trial that has ended takes no more attributes"
        parent = client.get_run(study.user_attrs[MLFLOW_RUN].rpartition("/")[2])
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert parent.data.tags["optuna.study"] == study.study_name
        assert notes_of(study.trials[0]) == TrialNotes()
        mirror.close()
