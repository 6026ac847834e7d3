import dataclasses
import html
from dataclasses import replace

import pytest
from factories.records import changed, each

from mmcore.facts import Leakage
from reports.checks.rules import RULES
from reports.output.render import as_html, as_markdown
from reports.records.frame import tidy
from reports.summary.build import summarise
from studies.matching import Match, Size


def warned(summary):
    return {c.code for c in summary.warnings}


def test_a_clean_study_warns_of_nothing(summary_of):
    summary = summary_of()
    assert warned(summary) == set()
    assert {c.code for c in summary.checks if c.outcome != "passed"} == {
        "ABL010",
        "ABL028",
        "ABL029",
        "ABL031",
        "ABL033",
        "ABL040",
        "ABL042",
        "ABL043",
        "ABL044",
        "ABL047",
    }  # nothing matched or searched, no shared test items, no validation scores, a target for each step, our own runs,
    # no margin
    assert [c.code for c in summary.checks] == [f"ABL{i:03}" for i in range(1, len(RULES) + 1)]


def test_checks_and_verdicts_need_no_sections(results_of):
    results = results_of(items=6)
    whole, short = summarise(results), summarise(results, with_sections=False)
    assert whole.sections
    assert short.sections == ()
    assert repr(replace(whole, sections=())) == repr(short)


def test_leaky_task(summary_of):
    assert warned(summary_of(leaky=True)) == {"ABL001"}


def test_a_leaky_task_is_told_with_what_a_copy_scores(study_of, records_of):
    study = study_of()
    records = records_of(study, leaky=True)
    records[0] = replace(records[0], leakage=Leakage(forbidden_gradient=None, copy_skill=1.0, windows=8))
    assert "Measured: copying the input has a skill of up to 1.00" in summarise(tidy(study, records)).warnings[0].text


def test_shared_head_with_several_tracks(summary_of, study_of):
    summary = summary_of(study_of(heads={"multimodal": "shared"}))
    assert warned(summary) == {"ABL005"}
    assert "'multimodal' gives all 3 tracks" in summary.warnings[0].text


def test_pages_open_with_reason_and_advice_and_fold_every_check_below(summary_of):
    summary = summary_of(leaky=True)
    page = html.unescape(as_html(summary)).replace("\N{NO-BREAK SPACE}", " ")
    head = page[page.index('id="warnings"') : page.index('id="arms"')]
    below = page[page.index('id="details-checks"') : page.index('id="words"')]
    for text in (summary.warnings[0].text, summary.warnings[0].reason, summary.warnings[0].advice):
        assert text in head
    assert "ABL002" not in head
    for c in summary.checks:
        assert c.code in below
        assert c.reason in below
        assert c.advice in below
    assert "The study does not match arms." in below
    markdown = as_markdown(summary)
    assert summary.warnings[0].advice in markdown
    assert all(f"| {c.code} | {c.outcome} | {c.title} |" in markdown for c in summary.checks)


def environments(study, records, changes):
    for at, change in enumerate(changes):
        records[at] = replace(records[at], environment=replace(records[at].environment, **change))
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
    found = outcomes(summarise(tidy(study_of(), [])))
    assert {code for code, outcome in found.items() if outcome == "warning"} == {"ABL003", "ABL004"}
    assert {code for code, outcome in found.items() if outcome == "not applicable"} == {
        "ABL010",
        "ABL015",
        "ABL028",
        "ABL029",
        "ABL031",
        "ABL033",
        "ABL043",
        "ABL044",
        "ABL047",
    }
    assert [code for code, outcome in found.items() if outcome == "passed"] == ["ABL013", "ABL045"]


def test_an_outcome_that_is_not_passed_says_why(study_of, summary_of):
    for summary in (summarise(tidy(study_of(), [])), summary_of(leaky=True, failures=[("multimodal", 1)])):
        assert all(bool(c.text) == (c.outcome != "passed") for c in summary.checks)


def outcomes(summary):
    return {c.code: c.outcome for c in summary.checks}


def sized(study, records, sizes):
    """Records whose models have these parameters and FLOPs."""
    made = []
    for record in records:
        parameters, flops = sizes[record.arm]
        made.append(replace(record, parameters={"total": parameters}, flops={"total": flops}))
    return summarise(tidy(study, made))


@pytest.mark.parametrize(
    ("by", "sizes", "words"),
    [
        ("parameters", (1020, 9000), None),
        ("parameters", (1021, 1000), "By parameters, 'b' is 2.1 % larger than the reference 'a'"),
        ("flops", (1500, 979), "By FLOPs, 'b' is 2.1 % smaller than"),
        ("flops", (9000, 1000), None),
    ],
)
def test_matched_arms_of_unlike_size(study_of, records_of, by, sizes, words):
    study = study_of(("a", "b"), match=Match(by=by))
    summary = sized(study, records_of(study), {"a": (1000, 1000), "b": sizes})
    assert warned(summary) == ({"ABL010"} if words else set())
    if words:
        assert words in summary.warnings[0].text
        assert "2 % at most" in summary.warnings[0].text


def test_an_arm_kept_as_written_beside_its_twin_may_have_any_size(study_of, records_of):
    study = study_of(("a", "b", "b, matched"), match=Match(by="parameters", unmatched=True))
    kept = dataclasses.replace(study.arms[1], size=Size(1500, 1.5, None))
    study = dataclasses.replace(study, arms=(study.arms[0], kept, study.arms[2]))
    sizes = {"a": (1000, 1000), "b": (1500, 1000), "b, matched": (1001, 1000)}
    assert warned(sized(study, records_of(study), sizes)) == set()
    sizes["b, matched"] = (1300, 1000)
    summary = sized(study, records_of(study), sizes)
    assert warned(summary) == {"ABL010"}
    assert "'b, matched' is 30 % larger" in summary.warnings[0].text
    assert "'b' is" not in summary.warnings[0].text


@pytest.mark.parametrize(
    ("leakage", "outcome"),
    [
        ({}, "not run"),
        ({"forbidden_gradient": None, "copy_skill": 1.0, "windows": 8}, "not applicable"),
        ({"forbidden_gradient": 0.0, "copy_skill": None, "windows": 8}, "passed"),
        ({"forbidden_gradient": 1e-30, "copy_skill": None, "windows": 8}, "warning"),
    ],
)
def test_what_predictions_may_not_know(study_of, records_of, leakage, outcome):
    study = study_of()
    records = [replace(record, leakage=Leakage(**leakage)) for record in records_of(study)]
    summary = summarise(tidy(study, records))
    assert outcomes(summary)["ABL011"] == outcome
    if outcome == "warning":
        assert "1e-30 in 'track_only' and 1e-30 in 'multimodal'" in summary.warnings[0].text


def test_one_leaking_run_is_enough_and_its_arm_is_named(study_of, records_of):
    study = study_of()
    records = records_of(study)
    records[-1] = changed(records[-1], "leakage.forbidden_gradient", 0.25)
    text = summarise(tidy(study, records)).warnings[0].text
    assert "0.25 in 'multimodal'" in text
    assert "track_only" not in text


@pytest.mark.parametrize(
    ("repeats", "drawn", "outcome"),
    [(1, "each_repeat", "warning"), (1, "corpus", "warning"), (1, "once", "warning"), (2, "each_repeat", "passed")],
)
def test_one_split(summary_of, study_of, repeats, drawn, outcome):
    assert outcomes(summary_of(study_of(repeats=repeats), drawn=drawn))["ABL012"] == outcome


def test_the_faults_of_the_seed_experiment_are_found(summary_of, study_of):
    study = study_of(heads={"track_only": "shared", "multimodal": "shared"}, repeats=1)
    assert {"ABL001", "ABL005", "ABL012"} <= warned(summary_of(study, leaky=True))


def test_the_faults_of_a_reported_training_are_found(study_of, records_of):
    """One run of each arm whose losses, rates and gradients are those that the seed experiment's log reports."""
    study = study_of(heads={"track_only": "shared", "multimodal": "shared"}, repeats=1)
    records = records_of(study, leaky=True, epochs=10)
    rates = {8: 1e-6, 9: 4.8e-6, 10: 1.55e-5}

    def reported(row):
        ahead = 10 - row["epoch"]
        # What is reported are the last losses; both sides began alike.
        row = row | {"train/loss": 12.0502 + ahead, "validation/loss": 15.1989 + 0.4 * ahead}
        row |= {"gradient_norm": 154.0, "gradient_norm_max": 620.0, "clipped": 1.0}
        return row | {"learning_rate": rates.get(row["epoch"], row["learning_rate"])}

    records = [each(record, "history", reported) for record in records]
    found = warned(summarise(tidy(study, records)))
    assert found == {"ABL001", "ABL004", "ABL005", "ABL012", "ABL017", "ABL018", "ABL020"}
