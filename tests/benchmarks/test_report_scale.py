"""The benchmark of large reports measures a report of records such as runs write."""

import json
from pathlib import Path

import pytest

from benchmarks.report_scale import main


@pytest.mark.slow
def test_a_small_study_is_made_up_and_its_report_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--arms", "3", "--repeats", "4", "--epochs", "5", "--items", "4", "--home", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["report_scale", *words, "--format", "json"])
    # The report is written and measured in a process of its own.
    main()
    told = json.loads(capsys.readouterr().out)
    assert (told["runs"], told["epochs"], told["items"]) == (12, 5, 4)
    assert told["seconds"] > 0
    assert told["peak_mib"] > 50
    assert 0 < told["page_mib"] < 10
    report = json.loads((Path(told["report"]).parent / "report.json").read_text(encoding="utf-8"))
    assert [arm["n"] for arm in report["arms"]] == [4, 4, 4]
    assert len(report["comparisons"]) == 2 * 7
