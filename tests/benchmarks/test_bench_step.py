"""The benchmark of steps compares what it says, and refuses two codes that do not compute the same."""

import json
from pathlib import Path

import pytest

from benchmarks import bench_step


def test_ratios_are_taken_round_by_round():
    found = bench_step.compared("x", [(2.0, 1.0), (9.0, 3.0), (4.0, 1.0)])
    assert (found.before, found.after, found.ratio) == (4000.0, 1000.0, 3.0)


def test_each_size_is_stepped_in_both_precisions(monkeypatch, capsys):
    monkeypatch.setattr(bench_step, "SIZES", ((16, 1, 2, 6, 1),))
    bench_step.main(["--rounds", "2", "--format", "json"])
    (row,) = json.loads(capsys.readouterr().out)
    assert row["what"] == "width 16, 1 layers, 2 × 6"
    assert min(row["before"], row["after"], row["ratio"]) > 0


def test_codes_with_other_scores_are_not_compared(monkeypatch):
    told = iter([(1.0, "0.5"), (1.0, "0.6")])
    monkeypatch.setattr(bench_step, "_child", lambda *given: next(told))
    with pytest.raises(SystemExit, match=r"the two do not compute the same: scores 0\.5, 0\.6"):
        bench_step.against(Path(), 1)


def test_whole_studies_are_compared_by_cpu_time_and_by_the_clock(monkeypatch, tmp_path):
    told = iter([(80.0, 60.0), (40.0, 40.0)])
    monkeypatch.setattr(bench_step, "_whole_study", lambda code: next(told))
    cpu, clock = bench_step.studies(tmp_path, 1)
    assert (cpu.before, cpu.after, cpu.ratio) == (80_000.0, 40_000.0, 2.0)
    assert (clock.before, clock.after, clock.ratio) == (60_000.0, 40_000.0, 1.5)


def test_a_study_that_fails_is_not_compared(tmp_path):
    (tmp_path / "experiments" / "cli").mkdir(parents=True)
    for package in ("experiments", "experiments/cli"):
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "experiments" / "cli" / "main.py").write_text("def main():\n    raise SystemExit('no such study')\n")
    with pytest.raises(SystemExit, match="no such study"):
        bench_step.studies(tmp_path, 1)
