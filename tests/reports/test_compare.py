"""Two reports side by side: what is told, and which reports are refused."""

import json
from copy import deepcopy
from dataclasses import replace

import pytest
from factories.records import each

from mmcore.config import RunConfig, flat
from mmcore.errors import RecordError
from reports.compare import compare_reports, read_report, report_of
from reports.compare.changes import ALL
from reports.compare.source import Report
from reports.compare.text import compared_as_json, compared_as_markdown, compared_as_text
from reports.model.provenance import Splits
from reports.output.render import write_report
from reports.output.text import as_json
from reports.records.frame import tidy
from reports.summary.build import summarise


@pytest.fixture(scope="module")
def told(summary_of, study_of):
    """A report as plain data; eight repeats, in which 'multimodal' is better. No test changes it."""
    return as_json(summary_of(study_of(), items=6))


@pytest.fixture(scope="module")
def other(summary_of, study_of):
    """The same study with too few repeats, one arm more and a margin."""
    study = study_of(("track_only", "multimodal", "audio"), repeats=4, margin=0.01)
    return as_json(summary_of(study, items=6, effects={"multimodal": {"active": 0.12, "position": 0.15}}))


def report(data, source="x"):
    return Report.model_validate({**data, "source": source})


def compared(one, two):
    return compare_reports(report(one, "one"), report(two, "two"))


def changed(data, path, value):
    """A deep copy with one value replaced; the path's last step is a key or an index."""
    data = deepcopy(data)
    at = data
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return data


def test_a_report_equals_itself(told):
    same = compared(told, told)
    assert (same.study, same.config, same.provenance, same.changed) == ((), (), (), ())
    assert same.repeats == 8
    assert same.shared_runs == 16
    assert all(pair.a == pair.b for pair in same.verdicts)
    text = compared_as_text(same)
    assert "Nothing: the common arms are the same." in text
    assert "None of 4 common verdicts changed." in text


def test_reports_without_a_common_arm_are_told_so(told):
    other = json.loads(json.dumps(told).replace("track_only", "one").replace("multimodal", "two"))
    found = compared(told, other)
    text, markdown = compared_as_text(found), compared_as_markdown(found)
    for words in (text, markdown):
        assert "no arm in common" in words
        assert "Nothing: the arms" not in words
    assert "reference" in text.split("What changed in the settings")[1].split("Arms")[0]
    assert "no arm in common" not in compared_as_text(compared(told, told))


def test_settings_arms_and_verdicts_that_changed_are_told(told, other):
    found = compared(told, other)
    assert {(c.path, c.a, c.b) for c in found.study} == {("repeats", 8, 4), ("margin", None, 0.01)}
    assert [(p.name, p.a is None, p.b is None) for p in found.arms] == [
        ("track_only", False, False), ("multimodal", False, False), ("audio", True, False),
    ]  # fmt: skip
    pairs = {(p.arm, p.component): (p.a and p.a.verdict, p.b and p.b.verdict) for p in found.verdicts}
    assert pairs["multimodal", None] == ("better", "too few repeats")
    assert pairs["audio", None] == (None, "too few repeats")
    assert found.repeats == 4
    text = compared_as_text(found)
    assert "Only in B: audio." in text
    assert "Only in B: audio − track_only".replace("−", "-") in text
    assert "same split and targets in 4 common repeats" in text
    line = next(line for line in text.splitlines() if line.startswith("multimodal - track_only  "))
    assert "better" in line
    assert line.endswith("too few repeats" + line.split("too few repeats")[1])
    assert line.endswith("changed")


def test_configs_are_compared_by_dotted_path_and_common_changes_once(told):
    two = changed(told, ("provenance", "configs", "track_only", "training"), {"epochs": 7})
    two = changed(two, ("provenance", "configs", "multimodal", "training"), {"epochs": 7})
    two = changed(two, ("provenance", "configs", "multimodal", "model"), {"width": 16, "head": {"kind": "shared"}})
    one = changed(told, ("provenance", "configs", "multimodal", "corpus"), "/elsewhere")
    found = [(c.path, c.arm, c.a, c.b) for c in compared(one, two).config]
    epochs, width = RunConfig(corpus="x").training.epochs, RunConfig(corpus="x").model.width
    assert found == [
        ("training.epochs", ALL, epochs, 7),
        ("model.width", "multimodal", width, 16),
        ("model.head.kind", "multimodal", "per_track", "shared"),
    ]
    text = compared_as_text(compared(one, two))
    assert any(
        line.split() == ["training.epochs", "all", "common", "arms", str(epochs), "7"] for line in text.split("\n")
    )


def test_a_config_of_another_version_is_compared_as_it_was_written(told):
    two = changed(told, ("provenance", "configs", "multimodal", "model"), {"warp": 9})
    found = [(c.path, c.arm, c.a, c.b) for c in compared(told, two).config]
    assert found == [("model.warp", "multimodal", None, 9)]
    assert any("default" in line and "model.warp" in line for line in compared_as_text(compared(told, two)).split("\n"))


def test_nested_settings_become_dotted_paths():
    assert flat({}) == {}
    assert flat({"a": {"b": {"c": [1, {"d": 2}]}}, "e": None}) == {"a.b.c": [1, {"d": 2}], "e": None}


def test_reports_from_before_test_sides_could_be_drawn_once_are_read(told):
    for given, drawn in ((False, "each_repeat"), (True, "corpus")):
        old = deepcopy(told)
        del old["provenance"]["splits"]["drawn"]
        old["provenance"]["splits"]["given"] = given
        assert Report.model_validate({**old, "source": "old"}).provenance.splits.drawn == drawn


def test_where_they_were_made_is_told(told):
    two = changed(told, ("provenance", "environment", "commit"), ["abc", "def"])
    two = changed(two, ("provenance", "environment", "packages"), [{"numpy": "2.4.0", "torch": "9.9"}])
    found = {c.path: (c.a, c.b) for c in compared(told, two).provenance}
    assert found["commit"][1] == ("abc", "def")
    assert found["torch"] == (["2.13.0"], ["9.9"])
    assert set(found) == {"commit", "torch"}


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("provenance", "corpus", "content"), "deadbeef", ["corpora differ", "deadbeef", "--corpus"]),
        (("provenance", "corpus", "task"), "reconstruct", ["tasks differ", "forecast 1 step ahead", "reconstruct"]),
        (("provenance", "configs", "track_only", "task"), {"kind": "forecast", "horizon": 3},
         ["tasks differ", "3 steps"]),
        (("provenance", "configs", "track_only", "split"), {"test": 0.4}, ["splits differ", "split.test = 0.4"]),
        (("provenance", "splits", "drawn"), "corpus", ["splits differ", "given by the corpus"]),
        (("provenance", "splits", "repeats", 3, "test_groups"), 9, ["splits differ", "9 to test in repeat 3"]),
        (("provenance", "splits", "repeats", 2, "targets"), "0" * 16, ["test items differ", "in repeat 2"]),
        (("provenance", "splits", "repeats", 1, "naive_loss"), 7.5, ["targets differ", "7.5 in repeat 1"]),
    ],
)  # fmt: skip
def test_what_was_scored_on_other_things_is_refused(told, path, value, says):
    with pytest.raises(RecordError) as refusal:
        compared(told, changed(told, path, value))
    error = refusal.value
    assert all((error.expected, error.found, error.next_step, error.where))
    assert all(words in error.message for words in says)
    assert "one and two" in error.message


def test_repeats_that_only_one_has_are_no_reason_to_refuse(told):
    two = changed(told, ("provenance", "splits", "repeats"), told["provenance"]["splits"]["repeats"][:3])
    assert compared(told, two).repeats == 3
    none = changed(told, ("provenance", "splits", "repeats"), [])
    assert compared(told, none).repeats == 0
    assert "could not be compared" in compared_as_text(compared(told, none)).replace("\n  ", " ")


def test_rounding_of_naive_losses_is_no_difference(told):
    loss = told["provenance"]["splits"]["repeats"][0]["naive_loss"]
    compared(told, changed(told, ("provenance", "splits", "repeats", 0, "naive_loss"), loss * (1 + 1e-9)))


def test_splits_are_told_by_repeat_and_follow_the_targets(study_of, records_of):
    study = study_of(repeats=3)
    records = records_of(study, items=6, failures=[("track_only", 1)])
    splits = summarise(tidy(study, records)).provenance.splits
    assert [r.repeat for r in splits.repeats] == [0, 1, 2]
    assert [r.items for r in splits.repeats] == [4, 4, 4]
    # The same items in every third repeat; other items, another digest.
    assert len({r.targets for r in splits.repeats}) == 3
    again = summarise(tidy(study, records[::-1])).provenance.splits
    assert again == splits
    records = [each(r, "items", lambda row: replace(row, count=row.count + (row.item == "video_2"))) for r in records]
    other = summarise(tidy(study, records)).provenance.splits
    differs = [one.targets != two.targets for one, two in zip(splits.repeats, other.repeats, strict=True)]
    assert differs == [True, False, True]


def test_a_study_without_a_finished_run_has_no_splits(study_of, records_of):
    study = study_of(repeats=1)
    records = records_of(study, failures=[(a.name, 0) for a in study.arms])
    assert summarise(tidy(study, records)).provenance.splits == Splits("each_repeat", ())


def test_a_written_report_reads_back_as_the_same(results_of, tmp_path):
    results = results_of(items=6)
    summary = summarise(results)
    page = write_report(summary, results, tmp_path / "r")
    for path in (page.parent, page.parent / "report.json"):
        assert read_report(path).model_copy(update={"source": "s"}) == report_of(summary, "s")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, ["must be there", "No such file", "mmstudy report"]),
        ('{"study": "x",\n "question": "wh', ["report.json:2", "whole JSON", "mmstudy report"]),
        ("", ["report.json:1", "whole JSON"]),
        ("[1, 2]", ["no report of mmstudy", "list"]),
        ('{"format": 1, "arm": "x"}', ["no report of mmstudy", "format, arm"]),
        ('{"study": "x", "comparisons": []}', ["lacks 'question'", "another version"]),
    ],
)
def test_a_file_that_is_no_report_is_refused_with_its_place(tmp_path, text, says):
    if text is not None:
        (tmp_path / "report.json").write_text(text)
    with pytest.raises(RecordError) as refusal:
        read_report(tmp_path if text is not None else tmp_path / "report.json")
    assert all(words in refusal.value.message for words in says), refusal.value.message


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "report.json").write_bytes(b'{"study": "\xff"}')
    with pytest.raises(RecordError, match="UTF-8"):
        read_report(tmp_path)


def test_a_report_with_a_part_of_the_wrong_kind_is_refused(told, tmp_path):
    for path, value, place in (
        (("comparisons",), 7, "comparisons"),
        (("arms", 0, "mean"), "high", "arms.0.mean"),
        (("provenance", "configs", "track_only"), 3, "provenance.configs.track_only"),
    ):
        (tmp_path / "report.json").write_text(json.dumps(changed(told, path, value)))
        with pytest.raises(RecordError) as refusal:
            read_report(tmp_path)
        assert f"'{place}'" in refusal.value.message


def test_a_report_of_before_splits_were_told_must_be_written_again(told):
    before = changed(told, ("provenance",), {k: v for k, v in told["provenance"].items() if k != "splits"})
    with pytest.raises(ValueError, match="splits"):
        report(before)


def test_json_has_every_comparison_and_both_sides(told, other):
    data = compared_as_json(compared(told, other))
    json.dumps(data, allow_nan=False)
    assert list(data) == [
        "a", "b", "corpus", "task", "common_repeats", "shared_runs", "study_changes", "config_changes", "arms",
        "comparisons", "provenance_changes",
    ]  # fmt: skip
    assert data["task"] == "forecast 1 step ahead"
    assert len(data["comparisons"]) == 8
    first = data["comparisons"][0]
    assert (first["arm"], first["reference"], first["component"], first["changed"]) == (
        "multimodal", "track_only", None, True,
    )  # fmt: skip
    assert first["a"]["verdict"] == "better"
    assert first["a"]["n"] == 8
    assert set(first["a"]) == {"n", "difference", "interval", "p_holm", "verdict"}
    assert data["arms"][2]["a"] is None


def test_other_metrics_stand_side_by_side_with_a_word_of_warning(told, summary_of, study_of):
    two = as_json(summary_of(study_of(metric="active/f1"), items=6))
    text = compared_as_text(compared(told, two))
    assert "A is measured by skill, B by active/f1" in text


def test_markdown_takes_names_literally(summary_of, study_of):
    hostile = "<b>|`x`"
    one = as_json(summary_of(study_of(("track_only", hostile)), items=6))
    text = compared_as_markdown(compared(one, one))
    assert hostile not in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 2
    for table in tables:
        assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1
