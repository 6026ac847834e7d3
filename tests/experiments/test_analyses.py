"""Analyses of finished runs: asked once, kept beside the record, tried again where they failed, told in the report."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import torch
from factories.studies import sketching, unmirrored

from experiments.analyses import belonging, chosen, questions, remember, still_open
from experiments.driver import analyse_study, report_study, run_study
from experiments.examine import examine, read_answer
from experiments.home import Home
from experiments.opening import open_request
from experiments.planning.plan import plan
from experiments.planning.request import Options, Request
from experiments.records import answer_path
from mmcore.analyses import KINDS, CoalitionsAnalysis, ErrorsAnalysis, GatesAnalysis, applies, build_analysis, key
from mmcore.answers.answer import Failure
from mmcore.answers.error_analysis import ErrorsResult
from mmcore.config import RunConfig, build_config
from mmcore.data.prepared import Prepared, open_prepared, store_path
from mmcore.errors import CheckpointError, MMStudyError, RecordError, StudyError
from mmcore.events import Event, Note, ignore


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, tiny_corpus: Path, tiny_study_text: str
) -> tuple[Home, Path, Options]:
    """A study of two arms and two repeats, trained, without analyses."""
    folder = tmp_path_factory.mktemp("analyses")
    file = folder / "level.yaml"
    file.write_text(tiny_study_text, encoding="utf-8")
    home, options = Home(folder / "home"), Options(corpus=str(tiny_corpus), workers=1)
    with sketching(), unmirrored():
        run_study(str(file), home.root, options)
    return home, file, options


@pytest.fixture
def opened(trained: tuple[Home, Path, Options]) -> Request:
    home, file, options = trained
    return open_request(str(file), home, options)


def test_a_key_holds_every_setting_and_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key(GatesAnalysis())
    assert before != key(GatesAnalysis(timelines=7))
    assert before != key(ErrorsAnalysis())
    assert before == key(build_analysis({"kind": "gates"}))
    monkeypatch.setattr(GatesAnalysis, "version", GatesAnalysis.version + 1)
    assert key(GatesAnalysis()) != before


def test_an_analysis_is_asked_only_where_it_makes_sense() -> None:
    gated = build_config({"corpus": "c"})
    added = build_config({"corpus": "c", "model": {"fusion": {"kind": "add"}}})
    elsewhere = build_config({"corpus": "c", "evaluation": {"without": ["audio"]}})
    assert applies(GatesAnalysis(), gated, ("audio", "track"))
    assert not applies(GatesAnalysis(), gated, ("track",)), "one modality has no gates"
    assert not applies(GatesAnalysis(), added, ("audio", "track"))
    control = build_config({"corpus": "c", "data": {"placebo": ["audio"]}})
    assert applies(GatesAnalysis(), control, ("audio", "track"))
    assert applies(CoalitionsAnalysis(), gated, ("audio", "track"))
    assert not applies(CoalitionsAnalysis(), control, ("audio", "track")), "a placebo says nothing of the modality"
    for kind in KINDS:
        assert not applies(build_analysis({"kind": kind}), elsewhere, ("audio", "track")), "another run's model"


def test_kinds_are_chosen_by_name(opened: Request) -> None:
    assert [one.kind for one in chosen(["all"], opened.study)] == list(KINDS)
    assert [one.kind for one in chosen(["errors", "gates", "errors"], opened.study)] == ["errors", "gates"]
    with pytest.raises(StudyError, match=r"'gate' is unknown.*gates"):
        chosen(["gate"], opened.study)


@pytest.mark.rendered
def test_answers_are_made_once_and_kept(trained: tuple[Home, Path, Options], opened: Request) -> None:
    home = trained[0]
    outcome = analyse_study(opened, home, ["errors"])
    assert outcome.unanswered == 0
    todo = plan(opened, home)
    files = [q.path(home) for q in questions(todo, chosen(["errors"], opened.study))]
    assert len(files) == 4
    before = [file.stat().st_mtime_ns for file in files]
    assert not still_open(todo, home, chosen(["errors"], opened.study))
    analyse_study(opened, home, ["errors"])
    assert [file.stat().st_mtime_ns for file in files] == before
    found = outcome.results.answers(ErrorsResult)
    assert [(a.arm, a.repeat) for a in found] == [("both", 0), ("track", 0), ("both", 1), ("track", 1)]


def test_a_torn_answer_is_made_anew(trained: tuple[Home, Path, Options], opened: Request) -> None:
    home = trained[0]
    analyse_study(opened, home, ["errors"])
    question = questions(plan(opened, home), chosen(["errors"], opened.study))[0]
    torn = question.path(home)
    torn.write_text(torn.read_text(encoding="utf-8")[:40], encoding="utf-8")
    assert question.answer(home) is None
    analyse_study(opened, home, ["errors"])
    assert "result" in json.loads(torn.read_text(encoding="utf-8"))


def test_an_answer_with_a_wrong_type_is_made_anew_as_a_torn_one(
    trained: tuple[Home, Path, Options], opened: Request
) -> None:
    home = trained[0]
    analyse_study(opened, home, ["attention"])
    question = questions(plan(opened, home), chosen(["attention"], opened.study))[0]
    whole = question.path(home).read_text(encoding="utf-8")
    told = json.loads(whole)
    told["result"]["layers"][0]["entropy"] = "wide"
    question.path(home).write_text(json.dumps(told), encoding="utf-8")
    assert question.answer(home) is None
    assert [one.run.arm for one in still_open(plan(opened, home), home, [question.analysis])] == [question.run.arm]
    assert analyse_study(opened, home, ["attention"]).unanswered == 0
    made = json.loads(question.path(home).read_text(encoding="utf-8"))
    assert (made["format"], made["result"]) == (1, json.loads(whole)["result"])


def test_one_that_fails_is_told_and_tried_again(
    trained: tuple[Home, Path, Options], opened: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = trained[0]
    done = plan(opened, home).runs[0]
    assert done.fingerprint is not None
    folder = home.run(done.fingerprint)
    config = done.config
    prepared = open_prepared(store_path(opened.content or "", config.data, home.prepared))

    def broken(*_: object) -> NoReturn:
        raise RuntimeError("no such luck")

    monkeypatch.setattr("mmcore.analyse._probe", broken)
    attention = build_analysis({"kind": "attention"})
    remember(opened, home, [attention])
    answer_path(folder, attention).unlink(missing_ok=True)
    assert examine(config, [attention], folder, lambda: prepared, ignore) == ["attention"]
    told = read_answer(folder, attention)
    assert told is not None
    assert told.failure == Failure(error="RuntimeError", message="no such luck")
    assert "no such luck" in answer_path(folder, attention).with_suffix(".txt").read_text(encoding="utf-8")
    monkeypatch.undo()

    (section,) = [s for s in report_study(opened, home).summary.sections if s.key == "analyses_failed"]
    assert section.findings[0].text == "attention of 1 run failed."
    assert "no such luck" in section.findings[0].evidence
    assert any(q.run == done for q in still_open(plan(opened, home), home, [attention])), "failed ones are open"


def test_a_run_without_its_checkpoint_is_refused(trained: tuple[Home, Path, Options], opened: Request) -> None:
    home = trained[0]
    run = plan(opened, home).runs[-1]
    assert run.fingerprint is not None
    best = home.run(run.fingerprint) / "checkpoints" / "best.pt"
    kept = best.read_bytes()
    prepared = open_prepared(store_path(opened.content or "", run.config.data, home.prepared))
    best.unlink()
    try:
        with pytest.raises(CheckpointError):
            examine(run.config, [ErrorsAnalysis(cases=9)], best.parent.parent, lambda: prepared, ignore)
    finally:
        best.write_bytes(kept)


def test_a_study_that_asks_for_nothing_says_what_it_could(trained: tuple[Home, Path, Options], opened: Request) -> None:
    trained[0].request(opened.search_key).unlink(missing_ok=True)
    with pytest.raises(StudyError, match=r"asks for no analysis.*gates, attention"):
        analyse_study(opened, trained[0])


def second_study(trained: tuple[Home, Path, Options], text: str = "") -> Request:
    """Another study of the same runs, in the same home."""
    home, file, options = trained
    other = file.with_name("other.yaml")
    other.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")
    return open_request(str(other), home, options)


def kinds_of(opened: Request, home: Home) -> set[str]:
    from experiments.results import load_results

    return {answer.kind for answer in load_results(plan(opened, home), home).analyses}


def test_a_report_has_no_answers_that_another_study_asked_for(
    trained: tuple[Home, Path, Options], opened: Request
) -> None:
    home = trained[0]
    other = second_study(trained)
    analyse_study(opened, home, ["errors", "attention"])
    assert {"errors", "attention"} <= kinds_of(opened, home)
    assert kinds_of(other, home) == set()
    outcome = report_study(other, home)
    assert not [s for s in outcome.summary.sections if s.key in ("errors", "attention", "analyses_failed")]


def test_what_a_file_asks_for_is_in_its_report_whoever_had_it_computed(
    trained: tuple[Home, Path, Options], opened: Request
) -> None:
    home = trained[0]
    analyse_study(opened, home, ["errors"])
    assert kinds_of(second_study(trained, "analyses: [{kind: errors}]\n"), home) == {"errors"}


def test_what_is_asked_on_the_command_line_belongs_to_the_study_whatever_its_metric(
    trained: tuple[Home, Path, Options],
) -> None:
    home, file, options = trained
    other = second_study(trained)
    third = open_request(str(other.file), home, replace(options, metric="loss"))
    assert kinds_of(third, home) == set()
    home.request(other.search_key).unlink(missing_ok=True)
    try:
        analyse_study(other, home, ["errors"])
        assert kinds_of(other, home) == kinds_of(third, home) == {"errors"}
        assert [one.kind for one in belonging(third, home)] == ["errors"]
        remember(other, home, [GatesAnalysis(), ErrorsAnalysis()])
        assert [one.kind for one in belonging(other, home)] == ["errors", "gates"]
        # Without a kind: all that belongs to it.
        assert analyse_study(other, home).unanswered == 0
    finally:
        home.request(other.search_key).unlink()
    assert str(file) != str(other.file)


def test_what_the_home_remembers_must_be_readable(trained: tuple[Home, Path, Options]) -> None:
    home = trained[0]
    other = second_study(trained)
    path = home.request(other.search_key)
    path.parent.mkdir(exist_ok=True)
    path.write_text("{", encoding="utf-8")
    try:
        with pytest.raises(RecordError, match="mmstudy analyse STUDY KIND"):
            belonging(other, home)
        # A later version's kind says nothing here.
        path.write_text('{"analyses": ["errors", "of the future"]}', encoding="utf-8")
        assert [one.kind for one in belonging(other, home)] == ["errors"]
        # What cannot be read is no reason to delete it.
        path.unlink()
        path.mkdir()
        with pytest.raises(RecordError, match="Move the folder away") as caught:
            belonging(other, home)
        assert "Remove" not in str(caught.value)
    finally:
        path.rmdir()


def folder_and_store(trained: tuple[Home, Path, Options], opened: Request) -> tuple[RunConfig, Path, Prepared]:
    home = trained[0]
    run = plan(opened, home).runs[0]
    prepared = open_prepared(store_path(opened.content or "", run.config.data, home.prepared))
    return run.config.model_copy(update={"threads": 1}), home.run(run.fingerprint or ""), prepared


def test_a_run_whose_checkpoint_is_torn_is_trained_again_for_its_analyses(
    trained: tuple[Home, Path, Options], opened: Request
) -> None:
    config, folder, prepared = folder_and_store(trained, opened)
    record, best = (folder / "record.json").read_bytes(), folder / "checkpoints" / "best.pt"
    whole = {file.name: file.read_bytes() for file in best.parent.glob("*.pt")}
    best.write_bytes(whole["best.pt"][:500])
    told: list[Event] = []
    assert examine(config, [ErrorsAnalysis(cases=7)], folder, lambda: prepared, told.append) == []
    (kept,) = best.parent.glob("best.pt.broken-*")
    assert any(str(kept) in event.text for event in told if isinstance(event, Note))
    kept.unlink()
    assert (folder / "record.json").read_bytes() == record
    assert best.read_bytes() == whole["best.pt"]
    last = torch.load(best.with_name("last.pt"), weights_only=True)
    assert last["optimiser"]["state"] == {}


def test_an_answer_that_another_command_made_meanwhile_is_used(
    trained: tuple[Home, Path, Options], opened: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder, prepared = folder_and_store(trained, opened)
    asked = ErrorsAnalysis(cases=5)
    assert examine(config, [asked], folder, lambda: prepared, ignore) == []
    monkeypatch.setattr("mmcore.analyse.analyse", lambda *_: pytest.fail("it is there already"))
    assert examine(config, [asked], folder, lambda: prepared, ignore) == []


def test_a_full_disk_is_no_answer_and_what_a_failed_attempt_left_goes_with_the_next(
    trained: tuple[Home, Path, Options], opened: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, folder, prepared = folder_and_store(trained, opened)
    asked = ErrorsAnalysis(cases=6)
    path = answer_path(folder, asked)

    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("mmcore.analyse._probe", full)
        with pytest.raises(MMStudyError, match="no space left on the disk"):
            examine(config, [asked], folder, lambda: prepared, ignore)
    assert not path.exists()
    left = [path.with_suffix(".txt"), path.with_name(f".{path.name}.4711-0.tmp")]
    for file in left:
        file.write_text("of an attempt that failed", encoding="utf-8")
    assert examine(config, [asked], folder, lambda: prepared, ignore) == []
    assert path.exists()
    assert not any(file.exists() for file in left)


def test_a_report_removes_what_a_killed_command_left_half_written(
    trained: tuple[Home, Path, Options], opened: Request
) -> None:
    folder = trained[0].report(opened.key)
    left = [folder / ".report.html.4711-0.tmp", folder / "tables" / ".arms.csv.4711-1.tmp"]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("half", encoding="utf-8")
    report_study(opened, trained[0])
    assert not any(file.exists() for file in left)
    assert [file for file in folder.rglob("*") if file.name.endswith((".tmp", ".lock"))] == []
