"""Progress on a pipe: a line for each finished run, with a count that adds up."""

from __future__ import annotations

import pytest

from experiments.progress import Screen


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
