"""A study that adds repeats: trained as its rule asks, killed, started again, planned and reported."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
from factories.command import mmstudy
from factories.studies import sketching, unmirrored

from experiments import driver
from experiments.cli.plan_view import plan_json
from experiments.cli.text import plan_text, status_text
from experiments.driver import report_study, run_study
from experiments.home import Home
from experiments.launchers import choose
from experiments.launchers.messages import Finished
from experiments.opening import open_request
from experiments.planning.plan import Plan, plan
from experiments.planning.request import Options
from experiments.progress import Silent
from experiments.records import read_record, write_record
from mmcore.facts import Failure
from reports.output.text import as_json
from studies.repeats import Sequential

pytestmark = pytest.mark.usefixtures("no_mirror")


class Heard(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """A remark."""
        self.said.append(text)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path, tiny_study_text: str) -> Any:
    """A tiny sequential study, really trained: two repeats decide nothing, three are the most."""
    folder = tmp_path_factory.mktemp("sequential")
    study = folder / "level.yaml"
    study.write_text(tiny_study_text.replace("repeats: 2", "repeats: {min: 2, max: 3}"), encoding="utf-8")
    heard, home = Heard(), Home(folder / "home")
    with sketching(), unmirrored():
        outcome = run_study(str(study), home.root, Options(corpus=str(tiny_corpus)), display=heard)
    return outcome, heard.said, home, study


def test_an_undecided_study_goes_on_to_its_last_repeat(trained: Any) -> None:
    outcome, said, home, _ = trained
    assert outcome.failed == 0
    assert sum(read_record(folder) is not None for folder in home.runs.iterdir()) == 6
    assert "looked at 2 repeats: nothing new is decided, 1 comparison open; going on to 3 with both and track" in said
    assert any("3 repeats are the maximum" in text for text in said)
    assert outcome.summary.sequential.looks == (2, 3)
    assert "All 6 runs were needed" in outcome.report.read_text(encoding="utf-8")


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, trained: Any) -> Callable[..., list[tuple[str, int]]]:
    """Records in place of training: ``both`` is better by an effect; the process may be killed after some runs."""
    template = next(r for f in trained[2].runs.iterdir() if (r := read_record(f)) is not None and r.arm == "track")

    def install(effect: float, killed: int = 10**6, fail: tuple[str, int] | None = None) -> list[tuple[str, int]]:
        done: list[tuple[str, int]] = []

        class Pool:
            def __init__(self, *_: Any) -> None: ...

            def __enter__(self) -> Pool:
                return self

            def __exit__(self, *_: Any) -> None: ...

            def run(self, jobs: Any, on_message: Any) -> None:
                for job in jobs:
                    if len(done) == killed:
                        raise KeyboardInterrupt
                    noise = np.random.default_rng((job.repeat, len(job.arm))).normal(0, 0.01)
                    skill = 0.2 + noise + (effect if job.arm == "both" else 0.0)
                    scores = tuple(
                        replace(score, value=skill) if (score.metric, score.baseline) == ("skill", None) else score
                        for score in template.scores
                    )
                    record = replace(
                        template, arm=job.arm, repeat=job.repeat, fingerprint=job.fingerprint, scores=scores,
                        config=job.config,
                    )  # fmt: skip
                    if (job.arm, job.repeat) == fail:
                        record = replace(record, status="failed", failure=Failure("TrainingDiverged", "no"))
                    Path(job.workdir).mkdir(parents=True)
                    write_record(Path(job.workdir), record)
                    done.append((job.arm, job.repeat))
                    on_message(Finished(job.fingerprint, record.status))

        # What is at stake is which runs are asked for; pages and the tracking store would take most of the time.
        monkeypatch.setattr(choose, "LocalPool", Pool)
        monkeypatch.setattr(driver, "Mirror", lambda *_: MagicMock(error=None))
        monkeypatch.setattr(driver, "write_report", lambda summary, results, folder, begun: folder / "report.html")
        return done

    return install


@pytest.fixture
def study(tmp_path: Path, tiny_study_text: str) -> Path:
    path = tmp_path / "level.yaml"
    path.write_text(tiny_study_text.replace("repeats: 2", "repeats: {min: 6, max: 9, stop: decided}"), encoding="utf-8")
    return path


def options(corpus: Path, **more: Any) -> Options:
    return Options(corpus=str(corpus), **more)


def planned(study: Path, corpus: Path, home: Home) -> Plan:
    return plan(open_request(str(study), home, options(corpus)), home)


def test_a_decided_study_stops_early_and_says_what_it_saved(
    study: Path, tiny_corpus: Path, home: Home, stub: Any
) -> None:
    done = stub(0.5)
    outcome = run_study(str(study), home.root, options(tiny_corpus))
    (row,) = outcome.summary.primary
    stopped = row.looks.stopped_at
    assert row.verdict == "better"
    assert 6 <= stopped < 9
    assert sorted(done) == sorted((arm, r) for arm in ("both", "track") for r in range(stopped))
    facts = as_json(outcome.summary)["sequential"]
    assert (facts["runs"], facts["runs_at_most"]) == (2 * stopped, 18)
    assert facts["seconds_spared"] > 0
    after = planned(study, tiny_corpus, home)
    assert after.count("to do", "resume") == 0
    assert after.later == ()
    assert "nothing to train" in plan_text(after)
    assert "the study is over" in status_text(after, home)
    # A second call trains nothing and says the same.
    again = run_study(str(study), home.root, options(tiny_corpus))
    assert again.summary == outcome.summary
    assert len(done) == 2 * stopped


@pytest.mark.parametrize(("effect", "killed"), [(0.0, 3), (0.0, 13), (0.5, 12)])
def test_killed_and_started_again_decides_the_same(
    study: Path, tiny_corpus: Path, home: Home, tmp_path: Path, stub: Any, effect: float, killed: int
) -> None:
    done = stub(effect)
    whole = run_study(str(study), home.root, options(tiny_corpus))
    other = Home(tmp_path / "other")
    first = stub(effect, killed)
    if killed < len(done):
        with pytest.raises(KeyboardInterrupt):
            run_study(str(study), other.root, options(tiny_corpus))
        assert len(first) == killed
        part = report_study(open_request(str(study), other, options(tiny_corpus)), other)
        assert part.summary.sequential is not None
        assert part.summary.sequential.waiting is not None
    second = stub(effect)
    resumed = run_study(str(study), other.root, options(tiny_corpus))
    assert sorted(first + second) == sorted(done)
    assert resumed.summary.comparisons == whole.summary.comparisons
    assert resumed.summary.sequential == whole.summary.sequential


def test_a_failed_run_holds_nothing_up(study: Path, tiny_corpus: Path, home: Home, stub: Any) -> None:
    done = stub(0.5, fail=("both", 2))
    outcome = run_study(str(study), home.root, options(tiny_corpus))
    assert outcome.failed == 1
    assert len(done) == len(set(done))
    assert outcome.summary.primary[0].paired.n == outcome.summary.primary[0].looks.repeats - 1


def test_runs_beyond_the_rule_are_left_out(study: Path, tiny_corpus: Path, home: Home, stub: Any) -> None:
    stub(0.5)
    run_study(str(study), home.root, options(tiny_corpus, repeats=9))
    outcome = run_study(str(study), home.root, options(tiny_corpus))
    counts = {arm.name: (arm.n, arm.missing) for arm in outcome.summary.arms}
    assert set(counts.values()) == {(outcome.summary.primary[0].looks.stopped_at, 0)}


def test_a_plan_shows_a_range(study: Path, tiny_corpus: Path, home: Home) -> None:
    found = planned(study, tiny_corpus, home)
    assert found.count("to do") == 12
    assert len(found.later) == 6
    assert found.seconds < found.seconds_at_most
    text = plan_text(found)
    assert "6 to 9 paired repeats, until decided" in text
    assert "up to 18 runs: at most" in text
    told = json.loads(json.dumps(plan_json(found)))
    assert told["repeats"] == 9
    assert told["sequential"] == {
        "min": 6, "max": 9, "step": 1, "looks": [], "waiting": 6, "open": [["both", "track"]], "runs_at_most": 18,
        "seconds_at_most": told["sequential"]["seconds_at_most"],
    }  # fmt: skip
    assert told["sequential"]["seconds_at_most"] > told["seconds"]
    assert "takes its first look after 6 repeats" in status_text(found, home)


def test_the_rule_changes_no_run(study: Path, tiny_corpus: Path, tiny_study: Path, home: Home) -> None:
    ours = {(r.arm, r.repeat): r.fingerprint for r in planned(study, tiny_corpus, home).runs}
    fixed = plan(open_request(str(tiny_study), home, options(tiny_corpus)), home)
    assert plan_json(fixed)["sequential"] is None
    assert all(ours[r.arm, r.repeat] == r.fingerprint for r in fixed.runs)


def test_the_command_line_takes_a_range(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    def planned(repeats: str) -> subprocess.CompletedProcess[str]:
        words = ["--corpus", tiny_corpus, "--format", "json", "--repeats", repeats]
        return mmstudy(home, "plan", tiny_study, *words)

    found = json.loads(planned("6..10").stdout)
    assert (found["repeats"], found["sequential"]["min"], found["sequential"]["max"]) == (10, 6, 10)
    assert json.loads(planned("6..10/2").stdout)["sequential"]["step"] == 2
    assert json.loads(planned("3").stdout)["sequential"] is None
    for wrong in ("0", "six", "6..", "9..6"):
        refused = planned(wrong)
        assert refused.returncode == 2
        assert "--repeats" in refused.stderr


def test_a_rule_is_written_as_the_command_line_takes_it(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    from experiments.results import rebuild_command

    request = open_request(str(tiny_study), home, options(tiny_corpus, repeats=Sequential(min=6, max=30)))
    assert "--repeats 6..30" in rebuild_command(request, home)
    assert request.key != open_request(str(tiny_study), home, options(tiny_corpus, repeats=30)).key
