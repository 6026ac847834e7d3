"""Studies from Python: run, loaded, checked; given by name, by file or as an object, with choices as keywords."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.checking import Findings, check
from experiments.choices import options_from
from experiments.driver import run_study
from experiments.home import Home
from experiments.loading import load
from experiments.outcome import Outcome
from experiments.planning.request import Options
from experiments.study_file import study_name
from mmcore.errors import RecordError, StudyError
from studies.repeats import Counted, Sequential
from studies.study import Study, catalogue, read_study

pytestmark = pytest.mark.usefixtures("no_mirror")

SHORT = 1000
LARGEST = 60_000


@pytest.fixture
def study(tiny_study_text: str) -> Study:
    return Study.model_validate(yaml.safe_load(tiny_study_text))


@pytest.fixture
def outcome(study: Study, tiny_corpus: Path, home: Home) -> Outcome:
    return run_study(study, home.root, corpus=tiny_corpus, repeats=1)


def test_a_study_object_is_run_loaded_checked_and_shown(
    outcome: Outcome, study: Study, tiny_corpus: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outcome.failed == 0
    assert len(outcome.results.runs) == 2
    assert outcome.summary.study.startswith("does_the_level_help-")
    # The file that the study became opens the same study.
    (file,) = (home.root / "studies").glob("*.yaml")
    assert file.stem == outcome.summary.study
    assert read_study(file)[0] == study

    before = {path: path.stat().st_mtime_ns for path in home.root.rglob("*") if path.suffix != ".lock"}
    loaded = load(home.root, study, corpus=tiny_corpus, repeats=1)
    assert loaded.summary == outcome.summary
    assert loaded.report == outcome.report
    by_file = load(home.root, file, corpus=str(tiny_corpus), repeats="1")
    assert by_file.summary.verdicts == outcome.summary.verdicts
    assert by_file.report == outcome.report
    assert {path: path.stat().st_mtime_ns for path in before} == before

    monkeypatch.chdir(home.root.parent)
    text, html = repr(outcome), outcome._repr_html_()
    assert text.startswith(f"Outcome of study '{outcome.summary.study}': Does the level help?")
    assert outcome.summary.verdicts[0].headline in text
    assert f"Report: home/reports/{outcome.report.parent.name}/report.html" in text
    assert len(text) < SHORT
    assert len(html.encode()) < LARGEST
    assert outcome.to_frame("scores")["arm"].nunique() == 2
    assert "forest" in outcome.figures

    # Once runs are finished their checks are told as well.
    found = check(study, home.root, corpus=tiny_corpus, repeats=1)
    assert found.ok
    assert found.plan is not None
    assert [run.state for run in found.plan.runs] == ["done", "done"]
    assert len(repr(found.plan.request)) < 200
    assert [repr(run) for run in found.plan.runs] == [f"<run of '{a}', repeat 0: done>" for a in ("both", "track")]
    assert "results of 2 finished runs" in found.read
    assert any(problem.rule.startswith("ABL004: ") for problem in found.warnings)


def test_what_is_not_finished_cannot_be_loaded(study: Study, tiny_corpus: Path, home: Home) -> None:
    with pytest.raises(RecordError, match=r"has no finished run yet.*Start it: mmstudy --home .* run "):
        load(home.root, study, corpus=tiny_corpus)
    # Runs with other options are others: whoever forgets one option sees them gone.
    with pytest.raises(RecordError, match=r"Give the options that it was run with.*Start it: mmstudy --home .* run "):
        load(home.root, study, study.reference, corpus=tiny_corpus)


def test_options_and_keywords_are_the_same(tiny_study: Path, tiny_corpus: Path, home: Home) -> None:
    changes = {"training.epochs": 1, "model.width": 16}
    keywords = options_from({"corpus": tiny_corpus, "repeats": 3, "changes": changes, "metric": None})
    assert keywords == Options(corpus=str(tiny_corpus), repeats=3, changes=tuple(changes.items()))
    assert options_from({}) == Options()
    assert options_from({"repeats": "6..30"}).repeats == Sequential(min=6, max=30)
    assert options_from({"repeats": Counted(count=2, first=9)}).repeats == Counted(count=2, first=9)
    given = Options(workers=2)
    assert options_from({"corpus": None}, given) is given


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"repeat": 3}, r"'repeat' is no keyword of this call\. Did you mean 'repeats'\? Valid: corpus, preset, "),
        ({"repeats": 0}, r"repeats: takes a number from 1, or MIN\.\.MAX .*found '0'"),
        ({"repeats": 2.5}, r"repeats takes a number or text such as '6\.\.30'; found 2\.5"),
        ({"repeats": True}, r"found True"),
        ({"workers": 0}, r"workers cannot have this value; expected a whole number from 1; found 0"),
        ({"threads": "two"}, r"threads cannot have this value; expected a whole number from 1; found 'two'"),
        ({"device": "tpu"}, r"device cannot have this value; expected auto or cpu or cuda or mps; found 'tpu'"),
        ({"match": "size"}, r"match cannot have this value; expected parameters or flops or none; found 'size'"),
        ({"metric": 3}, r"metric cannot have this value; expected text; found 3"),
        ({"corpus": 7}, r"corpus cannot have this value; expected a folder, a Corpus or simulated:SIZE; found 7"),
        (
            {"changes": ["training.epochs"]},
            r"expected a mapping of dotted path to value, .*found \['training\.epochs'\]",
        ),
    ],
)
def test_a_wrong_keyword_is_refused_before_anything_is_opened(choices: dict[str, Any], said: str) -> None:
    for call in (run_study, lambda study, **c: load(None, study, **c), check):
        with pytest.raises(StudyError, match=said):
            call("no_such_study", **choices)


def test_options_beside_keywords_are_refused() -> None:
    with pytest.raises(StudyError, match=r"options or keywords, not both; found repeats, workers\. Leave options out"):
        run_study("modalities", options=Options(), repeats=2, workers=1)


def test_a_study_is_a_name_a_file_or_an_object(home: Home, tiny_study: Path) -> None:
    assert study_name("modalities", home) == "modalities"
    assert study_name(tiny_study, home) == str(tiny_study)
    with pytest.raises(StudyError, match=r"a name of the catalogue, a file or a mmstudy\.Study; found dict"):
        run_study({"arms": {}})  # pyright: ignore[reportArgumentType]
    assert not home.root.exists()


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        (
            {"refrence": "a", "reference": None},
            r"unknown key 'refrence'\. Did you mean 'reference'\? Valid: question, ",
        ),
        ({"reference": None}, r"the required key 'reference' is missing"),
        ({"question": ""}, r"question: must have at least 1 character; found ''"),
        ({"arms": None}, r"a study needs arms, or a design that makes them"),
        ({"arms": {"a": 3}}, r"arms\.a: must be a mapping; found 3"),
        ({"design": {"kind": "factoral"}}, r"kind 'factoral' is unknown\. Did you mean 'factorial'\?"),
        ({"repeats": 0}, r"repeats.*found 0"),
        ({"alpha": 0.7}, r"alpha: must be less than 0\.5; found 0\.7"),
    ],
)
def test_a_study_object_says_what_is_wrong_as_a_file_does(keywords: dict[str, Any], said: str) -> None:
    whole: dict[str, Any] = {"question": "Does it?", "reference": "a", "arms": {"a": {}}} | keywords
    with pytest.raises(StudyError, match=said) as caught:
        Study(**{key: value for key, value in whole.items() if value is not None})
    assert caught.value.where is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_every_study_survives_being_written(name: str, home: Home) -> None:
    study, _ = read_study(catalogue()[name])
    path = Path(study_name(study, home))
    assert read_study(path)[0] == study
    stamp = path.stat().st_mtime_ns
    assert study_name(study.model_copy(), home) == str(path)
    assert path.stat().st_mtime_ns == stamp
    assert study_name(study.model_copy(update={"alpha": 0.01}), home) != str(path)


def test_a_value_that_yaml_cannot_hold_is_refused(home: Home) -> None:
    study = Study(question="?", reference="a", arms={"a": {"training.epochs": object()}})
    with pytest.raises(StudyError, match=r"a study's values must be plain.*found .*object.*float\(x\)"):
        run_study(study, home.root)
    assert list((home.root / "studies").glob("*")) == [] if (home.root / "studies").exists() else True


def test_a_corpus_is_checked_whole(tiny_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    found = check(tiny_corpus)
    assert found.ok
    assert found.plan is None
    assert "12 items, 24 tables read" in found.read
    broken = shutil.copytree(tiny_corpus, tmp_path / "broken")
    (broken / "audio" / "item00.parquet").write_bytes(b"nothing")
    (broken / "track" / "item03.parquet").unlink()
    monkeypatch.chdir(tmp_path)
    found = check("broken")
    assert not found.ok
    assert repr(found).startswith("Check of corpus broken: ")
    assert "item00.parquet" in repr(found)
    assert len(repr(found)) < SHORT
    frame = found.to_frame()
    assert list(frame["level"]) == sorted(frame["level"])
    assert len(frame) == len(found.problems) == len(found.errors) + len(found.warnings)
    assert "item00.parquet" in found._repr_html_()


def test_a_folder_without_a_corpus_is_a_finding(tmp_path: Path) -> None:
    found = check(tmp_path)
    assert not found.ok
    assert "corpus.yaml" in repr(found)


def test_what_stops_a_study_is_an_error_and_what_it_cannot_decide_a_warning(
    tiny_study: Path, tiny_corpus: Path, home: Home
) -> None:
    found = check(tiny_study, home.root, corpus=tiny_corpus)
    assert found.ok
    assert found.subject == "study 'level'"
    assert "2 repeats cannot show which arm is better" in found.warnings[0].rule
    assert "corpus with 12 items, 24 tables read" in found.read
    assert found.plan is not None
    assert repr(found.plan).startswith("Plan of study 'level': Does the level help?\n  4 runs to train, 0 done already")
    assert len(repr(found.plan)) < SHORT
    assert len(found.plan._repr_html_().encode()) < LARGEST
    assert not (home.root / "runs").exists()

    wrong = tiny_study.with_name("wrong.yaml")
    wrong.write_text(tiny_study.read_text().replace("model.modalities", "model.modality"))
    found = check(wrong, home.root, corpus=tiny_corpus)
    assert not found.ok
    assert found.plan is None
    assert f"{wrong}:11" in repr(found)
    assert "model.modality: unknown key 'modality'" in found.problems[0].message


def test_nothing_of_that_name_is_no_finding(home: Home) -> None:
    said = r"'{}' is no folder of a corpus, no study of the catalogue and no file\. Did you mean 'modalities'\?"
    for name in ("modalties", "modality.yaml"):
        with pytest.raises(StudyError, match=said.format(name)):
            check(name, home.root)
    with pytest.raises(StudyError, match=r"a name of the catalogue, a file or a mmstudy\.Study; found int"):
        check(3, home.root)  # pyright: ignore[reportArgumentType]


def test_findings_escape_what_they_quote() -> None:
    from mmcore.data.checking import Problem

    found = Findings("<script>", (Problem("error", "<script>x</script>", where="<b>", found="<i>"),), "<u>")
    html = found._repr_html_()
    for bad in ("<script", "<b>", "<i>", "<u>"):
        assert bad not in html
    assert "&lt;b&gt;: &lt;script&gt;x&lt;/script&gt;" in html
