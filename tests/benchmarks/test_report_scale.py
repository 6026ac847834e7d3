"""The benchmark of large reports measures a report of records such as runs write."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_small_study_is_made_up_and_its_report_measured(tmp_path: Path) -> None:
    words = ["--arms", "3", "--repeats", "4", "--epochs", "5", "--items", "4", "--home", str(tmp_path)]
    command = [sys.executable, "-m", "benchmarks.report_scale", *words, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["runs"], told["epochs"], told["items"]) == (12, 5, 4)
    assert told["seconds"] > 0
    assert told["peak_mib"] > 50
    assert 0 < told["page_mib"] < 10
    report = json.loads((Path(told["report"]).parent / "report.json").read_text(encoding="utf-8"))
    assert [arm["n"] for arm in report["arms"]] == [4, 4, 4]
    assert len(report["comparisons"]) == 2 * 7
