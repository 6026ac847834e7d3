"""Repeats that start elsewhere: planned, trained, looked at and reported under their own numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.cli.plan_view import plan_json
from experiments.cli.text import plan_text
from experiments.driver import run_study
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options
from experiments.progress import Silent
from experiments.records import read_record
from experiments.results import rebuild_command
from mmcore.record import Record
from reports.output.text import as_json
from studies.repeats import parse_repeats

pytestmark = pytest.mark.usefixtures("no_mirror")


def records_of(home: Home) -> list[Record]:
    return [record for folder in home.runs.iterdir() if (record := read_record(folder)) is not None]


def test_a_study_from_repeat_100_trains_and_reports_those(home: Home, tiny_study: Path, tiny_corpus: Path) -> None:
    options = Options(corpus=str(tiny_corpus), repeats=parse_repeats("2@100"), workers=1)
    planned = plan(open_request(str(tiny_study), home, options), home)
    assert [run.repeat for run in planned.runs] == [100, 100, 101, 101]
    assert "2 paired repeats (100 to 101)" in plan_text(planned)
    assert plan_json(planned)["first_repeat"] == 100
    outcome = run_study(str(tiny_study), home.root, options, display=Silent())
    assert outcome.failed == 0
    assert sorted(record.repeat for record in records_of(home)) == [100, 100, 101, 101]
    told = as_json(outcome.summary)
    assert (told["repeats"], told["first_repeat"]) == (2, 100)
    assert [row["repeat"] for row in told["provenance"]["splits"]["repeats"]] == [100, 101]
    assert {arm["n"] for arm in told["arms"]} == {2}
    assert all(one["difference"] is not None for one in told["comparisons"] if one["component"] is None)
    assert ("Repeats", "100 to 101") in outcome.summary.facts
    assert "--repeats 2@100" in rebuild_command(open_request(str(tiny_study), home, options), home)
    written = json.loads((outcome.report.parent / "report.json").read_text(encoding="utf-8"))
    assert written["first_repeat"] == 100

    # The same study from 0 on shares no run, and their splits differ.
    plain = Options(corpus=str(tiny_corpus), repeats=2, workers=1)
    ordinary = plan(open_request(str(tiny_study), home, plain), home)
    assert ordinary.count("to do") == 4
    assert {r.fingerprint for r in ordinary.runs}.isdisjoint({r.fingerprint for r in planned.runs})
    assert "2 paired repeats\n" in plan_text(ordinary)
    first = run_study(str(tiny_study), home.root, plain, display=Silent())
    assert as_json(first.summary)["first_repeat"] == 0
    assert not [fact for fact in first.summary.facts if fact[0] == "Repeats"]
    targets = {row["targets"] for row in as_json(first.summary)["provenance"]["splits"]["repeats"]}
    assert targets.isdisjoint({row["targets"] for row in told["provenance"]["splits"]["repeats"]})


def test_looks_of_a_rule_count_from_its_first_repeat(home: Home, tiny_study: Path, tiny_corpus: Path) -> None:
    options = Options(corpus=str(tiny_corpus), repeats=parse_repeats("2..3@100"), workers=1)
    text = plan_text(plan(open_request(str(tiny_study), home, options), home))
    assert "2 to 3 paired repeats from repeat 100 on, until decided" in text
    outcome = run_study(str(tiny_study), home.root, options, display=Silent())
    assert outcome.failed == 0
    assert sorted({record.repeat for record in records_of(home)}) == [100, 101, 102]
    assert outcome.summary.sequential is not None
    assert outcome.summary.sequential.looks == (2, 3)
    assert as_json(outcome.summary)["first_repeat"] == 100
