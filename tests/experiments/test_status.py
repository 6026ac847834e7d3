"""Watching a study: a new text whenever it has changed, until it is done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from factories.command import mmstudy

from experiments.cli.status import EVERY, is_over, watching
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import AnyPlan, plan
from experiments.planning.request import Options

pytestmark = pytest.mark.usefixtures("no_mirror")


def standing(name: str, over: bool) -> AnyPlan:
    """A plan of which only its name and whether it is over matter."""
    request = SimpleNamespace(tunes=False)
    runs = () if over else (SimpleNamespace(failed_before=False, state="to do"),)
    return cast(AnyPlan, SimpleNamespace(name=name, request=request, runs=runs))


def test_a_pipe_hears_of_every_change_once_and_of_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    looks: Iterator[AnyPlan] = iter(
        [standing("0 of 2", False)] * 3 + [standing("1 of 2", False), standing("2 of 2", True)]
    )
    slept: list[float] = []
    watching(lambda: next(looks), lambda found: cast(Any, found).name, slept.append)
    assert capsys.readouterr().out == "0 of 2\n\n1 of 2\n\n2 of 2\n"
    assert slept == [EVERY] * 4


def test_a_study_that_takes_long_to_look_at_is_looked_at_less_often(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    looks = iter([standing("a", False), standing("b", True)])

    def look() -> AnyPlan:
        now[0] += 3.0
        return next(looks)

    slept: list[float] = []
    watching(look, lambda found: cast(Any, found).name, slept.append, lambda: now[0])
    assert slept == [pytest.approx(30.0)]


def test_runs_to_do_and_searches_keep_a_study_from_being_over(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    found = plan(open_request(str(tiny_study), home, Options(corpus=str(tiny_corpus))), home)
    assert not is_over(found)
    for state, over in (("done", True), ("failed", True), ("running", False), ("resume", False)):
        changed = replace(found, runs=tuple(replace(run, state=state) for run in found.runs))
        assert is_over(changed) is over, state
    failed = replace(found, runs=tuple(replace(run, failure="no memory") for run in found.runs))
    assert is_over(failed), "nothing goes on until a command tries again"
    assert not is_over(replace(failed, runs=(*failed.runs[:-1], replace(failed.runs[-1], state="running"))))
    assert not is_over(replace(failed, runs=(*failed.runs[:-1], found.runs[-1])))


def test_ctrl_c_ends_the_watching_with_its_usual_exit_code(
    tiny_study: Path, tiny_corpus: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.cli.status.time.sleep", interrupted)
    monkeypatch.setattr("experiments.cli.status.watching.__defaults__", (interrupted, lambda: 0.0))
    ended = mmstudy(home, "status", tiny_study, "--corpus", tiny_corpus, "--watch")
    assert ended.returncode == 130
    assert "to do" in ended.stdout


def test_watching_in_json_is_refused(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    ended = mmstudy(home, "status", tiny_study, "--corpus", tiny_corpus, "--watch", "--format", "json")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "--watch shows text; found --format json. Leave out one of them" in ended.stderr


@pytest.mark.parametrize("verb", ["run", "analyse", "sync"])
def test_quiet_and_verbose_exclude_each_other(tiny_study: Path, tiny_corpus: Path, home: Home, verb: str) -> None:
    ended = mmstudy(home, verb, tiny_study, "--corpus", tiny_corpus, "--quiet", "--verbose")
    assert ended.returncode == 2
    assert "--quiet and --verbose exclude each other" in ended.stderr


def test_a_plan_refuses_what_a_run_refuses_in_the_same_words(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    large = tiny_study.read_text().replace("width: 8, layers: 1", "width: 65536, layers: 900")
    tiny_study.write_text(large)
    ends = [mmstudy(home, verb, tiny_study, "--corpus", tiny_corpus) for verb in ("plan", "run")]
    assert [end.returncode for end in ends] == [2, 2]
    assert ends[0].stderr == ends[1].stderr
    assert "does not fit into the memory of this machine" in ends[0].stderr


def test_a_plan_refuses_a_corpus_that_no_split_can_be_drawn_from(
    tiny_study: Path, tiny_corpus: Path, home: Home, tmp_path: Path
) -> None:
    corpus = tmp_path / "two"
    shutil.copytree(tiny_corpus, corpus)
    items = (corpus / "items.csv").read_text().splitlines()
    (corpus / "items.csv").write_text("\n".join(items[:3]) + "\n")
    ends = [mmstudy(home, verb, tiny_study, "--corpus", corpus) for verb in ("plan", "run")]
    assert [end.returncode for end in ends] == [2, 2]
    assert "train, validation and test need at least one group each" in ends[0].stderr
    assert ends[0].stderr == ends[1].stderr
