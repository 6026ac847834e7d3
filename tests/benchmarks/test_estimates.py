"""The benchmark of estimates holds what was told against what was really taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import estimates

TINY = {
    "arms": {"deep": {}, "flat": {"model.layers": 0}},
    "reference": "flat",
    "repeats": 2,
    "base": {"training.epochs": 1, "training.steps_per_epoch": 2, "model.width": 16},
}


def test_every_study_is_planned_run_and_asked_in_the_middle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "STUDIES", {"tiny": TINY})
    home = tmp_path / "home"
    estimates.main(["--home", str(home), "--workers", "1", "--format", "json"])
    (told,) = json.loads(capsys.readouterr().out)
    assert told["study"] == "tiny"
    assert "roughly" in told["basis"]
    assert told["low"] < told["before"] < told["high"]
    assert told["ratio"] == pytest.approx(told["before"] / told["actual"])
    assert 0 < told["half_actual"] < told["actual"]
    assert told["half_ratio"] == pytest.approx(told["half_estimated"] / told["half_actual"])
    lines = [json.loads(line) for line in (home / "timings.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines].count("train") == 4
    assert [line["kind"] for line in lines][-1] == "report"
    seconds = sum(line["seconds"] for line in lines if line["kind"] == "train")
    assert 0 < seconds < told["actual"]


def test_unknown_studies_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        estimates.main(["nonsense"])
    assert "no such study: nonsense" in capsys.readouterr().err


def test_the_table_has_a_line_a_study_and_says_what_estimates_rest_on() -> None:
    told = estimates.Measured("two arms", "the size of the models", 30.0, 15.0, 60.0, 20.0, None, None)
    lines = estimates.as_text([told]).splitlines()
    assert lines[1].split("  ")[0] == "two arms"
    assert "1.50" in lines[1]
    assert lines[-1] == "  two arms: the size of the models"
