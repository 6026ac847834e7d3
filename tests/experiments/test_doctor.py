"""``mmstudy doctor`` says what a bug report needs, and what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from factories.command import mmstudy

from experiments.doctor import examine_machine, version_text
from experiments.environment import environment
from experiments.home import Home
from mmcore.facts import Environment

TOPICS = ["mmstudy", "Python", "packages", "cores", "bf16", "GPU", "home", "MLflow", "Optuna storage"]


def test_every_topic_is_there_in_text_and_json(home: Home, with_database: Callable[[Home], Home]) -> None:
    with_database(home)
    text, data = mmstudy(home, "doctor"), mmstudy(home, "doctor", "--format", "json")
    assert text.returncode == data.returncode == 0, text.stderr + data.stderr
    found = json.loads(data.stdout)
    assert [one["topic"] for one in found] == TOPICS
    assert [line[:15].strip() for line in text.stdout.splitlines()] == TOPICS
    assert all(one["fine"] and one["text"] for one in found)


def test_a_store_or_a_storage_that_does_not_answer_is_named_without_its_password(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MMSTUDY_STORAGE", "sqlite:////nowhere/at/all.db?password=hidden")
    found = {one.topic: one for one in examine_machine(home, None)}
    assert not found["MLflow"].fine
    assert "http://127.0.0.1:9" in found["MLflow"].text
    assert not found["Optuna storage"].fine
    assert "hidden" not in found["Optuna storage"].text
    assert mmstudy(home, "doctor").returncode == 1


def test_the_version_says_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "experiments.doctor.environment", lambda: Environment(mmstudy="1.2.3", commit="a" * 40, dirty=True)
    )
    assert version_text() == "1.2.3 (commit aaaaaaaaaaaa, with uncommitted changes)"
    monkeypatch.setattr("experiments.doctor.environment", lambda: Environment(mmstudy="1.2.3"))
    assert version_text() == "1.2.3"
    assert environment().mmstudy
