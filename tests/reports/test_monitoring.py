"""A study that adds repeats: what it decides depends on the records in order and on nothing beyond a look."""

import re
from dataclasses import replace

import pytest

from reports.output.render import write_report
from reports.output.text import as_json, as_text
from reports.records.frame import tidy
from reports.summary.build import summarise
from reports.verdicts.monitoring import compare_in_course, monitoring_of
from studies.repeats import Sequential

CLEAR, FAINT = {"active": 0.12, "scale": 0.12, "position": 0.12}, 0.0


@pytest.fixture
def sequential(study_of):
    """Three arms: one clearly better than the reference, one like it."""
    study = study_of(("track_only", "clear", "faint"), repeats=14)
    return replace(study, sequential=Sequential(min=6, max=14))


@pytest.fixture
def all_records(sequential, records_of):
    return records_of(sequential, {"clear": CLEAR, "faint": FAINT})


def trained(study, everything, kill_after=10**6):
    """Records of a study whose runs are trained as the rule asks for them, killed after some; and its course."""
    by_run = {(r.arm, r.repeat): r for r in everything}
    done = {}
    while True:
        monitoring = monitoring_of(tidy(study, list(done.values())))
        todo = sorted(monitoring.asked - done.keys())[: kill_after - len(done)]
        if not todo:
            return list(done.values()), monitoring
        done |= {run: by_run[run] for run in todo}


def test_a_clear_comparison_stops_early_and_the_other_goes_to_the_end(sequential, all_records):
    records, monitoring = trained(sequential, all_records)
    clear, faint = monitoring.looks["clear", "track_only"], monitoring.looks["faint", "track_only"]
    assert clear.stopped_at is not None
    assert clear.stopped_at < 14
    assert clear.done == tuple(range(6, clear.stopped_at + 1))
    assert (faint.stopped_at, faint.done) == (None, tuple(range(6, 15)))
    assert monitoring.waiting is None
    # Only the arms of an open comparison go on, and its reference with them.
    counts = {arm: sum(r.arm == arm for r in records) for arm in ("track_only", "clear", "faint")}
    assert counts == {"track_only": 14, "clear": clear.stopped_at, "faint": 14}
    assert [monitoring.repeats(arm) for arm in counts] == list(counts.values())


def test_where_everything_is_clear_the_study_ends_early(sequential, records_of):
    records, monitoring = trained(sequential, records_of(sequential, {"clear": CLEAR, "faint": CLEAR}))
    assert monitoring.waiting is None
    assert monitoring.open == ()
    assert len(records) < 3 * 14
    assert len(records) == len(monitoring.asked)


@pytest.mark.parametrize("killed", [5, 18, 19, 25])
def test_a_killed_study_goes_on_to_the_same_decisions(sequential, all_records, killed):
    records, part = trained(sequential, all_records, kill_after=killed)
    assert part.waiting is not None
    by_run = {(r.arm, r.repeat): r for r in all_records}
    while part.waiting is not None:
        # Now several workers, in another order.
        have = {(r.arm, r.repeat) for r in records}
        records += [by_run[run] for run in sorted(part.asked - have, key=lambda run: (-run[1], run[0]))]
        part = monitoring_of(tidy(sequential, records))
    assert part == trained(sequential, all_records)[1]


def test_runs_that_are_there_already_change_no_decision(sequential, all_records):
    _, monitoring = trained(sequential, all_records)
    surplus = monitoring_of(tidy(sequential, all_records))
    assert surplus.looks == monitoring.looks
    assert surplus.asked == monitoring.asked


def test_a_failed_run_is_a_missing_pair_and_no_look_waits_for_it(sequential, records_of):
    everything = records_of(sequential, {"clear": CLEAR}, failures=[("clear", 2), ("faint", 3)])
    records, monitoring = trained(sequential, everything)
    assert monitoring.waiting is None
    summary = summarise(tidy(sequential, records))
    row = summary.primary[0]
    assert row.looks.stopped_at is not None
    assert row.paired.n == row.looks.stopped_at - 1
    assert row.verdict == "better"
    assert next(arm for arm in summary.arms if arm.name == "clear").failed == 1
    assert all(arm.missing == 0 for arm in summary.arms)


def test_an_equivalence_stops_a_comparison_too(sequential, records_of):
    study = replace(sequential, margin=0.1)
    records, monitoring = trained(study, records_of(study, {"clear": CLEAR}, noise=0.01))
    assert monitoring.looks["faint", "track_only"].stopped_at is not None
    assert summarise(tidy(study, records)).primary[1].verdict == "equivalent"
    assert monitoring.waiting is None


def test_the_report_says_what_held_at_the_look_where_a_comparison_stopped(sequential, all_records):
    records, _ = trained(sequential, all_records)
    summary = summarise(tidy(sequential, records))
    clear, faint = summary.primary
    assert (clear.verdict, faint.verdict) == ("better", "undecided")
    assert clear.paired.n == clear.looks.stopped_at
    assert faint.paired.n == 14
    assert clear.paired.difference.low > 0
    assert all(row.paired.n == row.looks.repeats for row in summary.by_component)
    # Whatever else is there, also in the part of the report that has no family of its own.
    told = summary.verdicts[0].evidence
    assert f"Over {clear.paired.n} paired repeats, the mean" in told
    assert "adjusted for up to 9 looks" in told
    assert "sequential p" in told
    assert "more repeats need a new study" in summary.verdicts[1].not_shown
    facts = summary.sequential
    assert (facts.least, facts.most, facts.waiting) == (6, 14, None)
    assert facts.runs == len(records)
    assert facts.runs_at_most == 42
    assert facts.seconds_spared == pytest.approx((42 - facts.runs) * (12.5 + (clear.looks.stopped_at - 1) / 2))
    assert f"'clear' against 'track_only' at {clear.looks.stopped_at} (better)" in facts.text
    assert f"{facts.runs} runs were trained; 14 repeats of every arm would have been 42." in facts.text


def test_a_finished_sequential_study_warns_of_no_missing_repeats(sequential, all_records):
    records, _ = trained(sequential, all_records)
    outcomes = {c.title: c.outcome for c in summarise(tidy(sequential, records)).checks}
    assert outcomes["Fewer repeats than requested"] == "passed"
    assert outcomes["Too few repeats for any claim"] == "passed"


@pytest.mark.parametrize("killed", [1, 17, 18, 21])
def test_a_report_of_a_part_says_when_the_next_look_is(sequential, all_records, killed):
    records, monitoring = trained(sequential, all_records, kill_after=killed)
    summary = summarise(tidy(sequential, records))
    assert f"next look is at {monitoring.waiting}" in summary.verdicts[1].not_shown or killed < 18
    assert killed >= 18 or "Nothing can be said before the first look, at 6 repeats." in summary.verdicts[1].not_shown
    assert not {c.verdict for c in summary.primary} & {"better", "worse"} or killed > 18
    assert "the next look is at" in summary.sequential.text
    outcomes = {c.title: c.outcome for c in summary.checks}
    assert outcomes["Fewer repeats than requested"] == "warning"
    assert outcomes["Too few repeats for any claim"] == "passed"
    assert as_text(summary)


def test_json_has_looks_and_keeps_its_keys(sequential, all_records, study_of, results_of):
    records, _ = trained(sequential, all_records)
    told = as_json(summarise(tidy(sequential, records)))
    first = told["comparisons"][0]
    assert first["looks"] == list(range(6, first["stopped_at"] + 1))
    assert first["p_sequential"] == first["p"]
    assert told["sequential"]["looks"] == list(range(6, 15))
    assert told["sequential"]["runs"] == len(records)
    plain = as_json(summarise(results_of(study_of())))
    assert plain["sequential"] is None
    assert {plain["comparisons"][0][key] for key in ("looks", "stopped_at", "p_sequential")} == {None}


def test_a_fixed_study_has_no_course(results_of, study_of):
    assert monitoring_of(results_of(study_of())) is None


def test_what_is_compared_before_the_first_look_claims_nothing(sequential, all_records):
    _, monitoring = trained(sequential, all_records, kill_after=12)
    found = compare_in_course(
        monitoring, ("clear", "track_only"), [1.0] * 4, [0.0] * 4, alpha=0.05, higher_is_better=True, comparisons=2
    )
    assert (found.n, found.p, found.difference.mean) == (4, 1.0, 1.0)


@pytest.mark.parametrize("killed", [14, 19])
def test_a_part_of_a_study_has_a_whole_report(sequential, all_records, killed, tmp_path):
    records, _ = trained(sequential, all_records, kill_after=killed)
    results = tidy(sequential, records)
    summary = summarise(results)
    page = write_report(summary, results, tmp_path / "report")
    for name in ("report.html", "report.md"):
        text = (page.parent / name).read_text(encoding="utf-8")
        assert "Repeats were added only where a comparison was undecided" in text
        assert not re.search(r"\bnan\b", text)
    assert "\n\nRepeats were added" in (page.parent / "report.md").read_text(encoding="utf-8")
    assert "adjusted for the looks" in (page.parent / "report.tex").read_text(encoding="utf-8")
    assert "Repeats were added" in as_text(summary)
