import pytest

from reports.frame import tidy
from reports.summary import summarise


def warned(summary):
    return {c.code for c in summary.warnings}


def test_a_clean_study_warns_of_nothing(summary_of):
    summary = summary_of()
    assert warned(summary) == set()
    assert {c.outcome for c in summary.checks} == {"passed"}
    assert [c.code for c in summary.checks] == [f"ABL00{i}" for i in range(1, 10)]


def test_leaky_task(summary_of):
    assert warned(summary_of(leaky=True)) == {"ABL001"}


def test_shared_head_with_several_tracks(summary_of, study_of):
    summary = summary_of(study_of(heads={"multimodal": "shared"}))
    assert warned(summary) == {"ABL005"}
    assert "'multimodal' gives all 3 tracks" in summary.warnings[0].text


def environments(study, records, changes):
    for record, change in zip(records, changes, strict=False):
        record["environment"] = {**record["environment"], **change}
    return summarise(tidy(study, records))


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"dirty": True}, "ABL006", "1 run came from code with uncommitted changes"),
        ({"commit": "f" * 40}, "ABL007", "2 commits"),
        ({"packages": {"numpy": "2.3.0", "torch": "2.13.0"}}, "ABL008", "numpy 2.3.0 (1 run) and 2.4.0 (15 runs)"),
        ({"python": "3.12.0"}, "ABL008", "python 3.12.0"),
    ],
)
def test_where_the_code_came_from(study_of, records_of, change, code, words):
    study = study_of()
    summary = environments(study, records_of(study), [change])
    assert warned(summary) == {code}
    assert words in summary.warnings[0].text


def test_outside_a_checkout_the_commit_is_not_judged(study_of, records_of):
    study = study_of()
    records = records_of(study)
    summary = environments(study, records, [{"commit": None, "dirty": None}] * len(records))
    outcomes = {c.code: c.outcome for c in summary.checks}
    assert (outcomes["ABL006"], outcomes["ABL007"]) == ("not run", "not run")


def test_nothing_is_judged_without_runs(study_of):
    outcomes = {c.code: c.outcome for c in summarise(tidy(study_of(), [])).checks}
    assert outcomes["ABL001"] == "not run"
    assert outcomes["ABL003"] == "warning"
    assert outcomes["ABL005"] == "not applicable"
