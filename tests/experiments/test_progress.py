"""Progress on a pipe: a line for each finished run, with a count that adds up."""

from __future__ import annotations

import pytest

from experiments.progress import Screen, chosen_column


def test_more_runs_than_were_expected_raise_the_total(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen() as screen:
        screen.begin(1, 0.0)
        for name in ("a", "b"):
            screen.started(name)
        for name in ("a", "b"):
            screen.finished(name, "done", failed=False)
        screen.started("c")
        screen.finished("c", "no luck", failed=True)
    told = capsys.readouterr().err.splitlines()
    assert told == ["[1/2] a: done", "[2/2] b: done", "[3/3] c: no luck"]


def test_a_bar_shows_the_metric_that_chooses_the_epoch() -> None:
    row = {
        "epoch": 1,
        "train/loss": 2.0,
        "validation/loss": 1.0,
        "validation/skill": 0.1,
        "validation/skill/active": 0.2,
    }
    assert chosen_column(row) == "validation/skill"
    assert chosen_column({**row, "validation/accuracy": 0.7, "gate/audio": 0.5}) == "validation/accuracy"
