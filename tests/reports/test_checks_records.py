"""The runs and what they scored: failures, machines, naive predictions."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from factories.records import changed, each

from experiments.cli.main import app
from mmcore.config import RunConfig
from mmcore.facts import Hardware
from reports.checks.evidence import some
from reports.checks.page import page
from reports.checks.rules import RULES
from reports.output.text import as_text
from reports.records.frame import tidy
from reports.summary.build import summarise


def look(summary, code):
    return next((c.outcome, c.text) for c in summary.checks if c.code == code)


@pytest.mark.parametrize(
    ("failures", "outcome"),
    [
        ([], "passed"),
        ([("multimodal", 1)], "passed"),
        ([("multimodal", 1), ("track_only", 2)], "passed"),
        ([("multimodal", 1), ("multimodal", 2)], "warning"),
        ([("multimodal", r) for r in range(4)] + [("track_only", r) for r in range(3)], "passed"),
    ],
)
def test_failures_that_are_unequal(summary_of, failures, outcome):
    got, text = look(summary_of(failures=failures), "ABL021")
    assert got == outcome
    assert text == ("2 runs of 'multimodal' failed, none of 'track_only'." if outcome == "warning" else "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, ""),
        ({"device": "cuda NVIDIA"}, "Devices differ: cuda NVIDIA (1 run) and cpu (15 runs)"),
        ({"precision": "float32, high in products"}, "Precision differs: float32, high in products (1 run)"),
        ({"platform": "Darwin arm64"}, "Platforms differ: Darwin arm64 (1 run)"),
        ({"processor": "AMD EPYC"}, "Processors differ: AMD EPYC (1 run) and Intel Xeon (15 runs)"),
        (
            {"threads": 4},
            "Numbers of threads differ: 4 (1 run) and 1 (15 runs); different from most: 'track_only' repeat 0.",
        ),
    ],
)
def test_machines(study_of, records_of, change, words):
    study = study_of()
    records = records_of(study)
    part = "hardware" if {*change} & {"device", "precision"} else "environment"
    for name, value in change.items():
        records[0] = changed(records[0], f"{part}.{name}", value)
    outcome, text = look(summarise(tidy(study, records)), "ABL023")
    assert outcome == ("warning" if words else "passed")
    assert words in text


def test_a_run_that_failed_in_a_pack_is_not_taken_for_one_that_was_trained_alone(study_of, records_of):
    """Its record does not say how it was trained, and it has no score that could be mixed with others."""
    study = study_of()
    packed = [
        changed(record, "hardware.packed", 8) if record.done else record
        for record in records_of(study, failures=[("multimodal", 2)])
    ]
    assert look(summarise(tidy(study, packed)), "ABL023") == ("passed", "")
    packed[0] = changed(packed[0], "hardware.packed", None)
    text = look(summarise(tidy(study, packed)), "ABL023")[1]
    assert "one by one (1 run) and several runs as one batch (14 runs)" in text


def test_of_older_records_the_device_is_the_one_that_was_asked_for(study_of, records_of):
    study = study_of()
    records = [replace(record, hardware=Hardware()) for record in records_of(study)]
    assert look(summarise(tidy(study, records)), "ABL023") == ("passed", "")
    records[0] = changed(records[0], "environment.device", "cuda")
    assert "Devices differ: cuda (1 run) and cpu (15 runs)" in look(summarise(tidy(study, records)), "ABL023")[1]


def test_an_arm_that_is_not_shown_to_beat_a_naive_prediction(summary_of):
    assert look(summary_of(), "ABL022") == ("passed", "")
    outcome, text = look(summary_of(effects={"multimodal": -0.3}), "ABL022")
    assert outcome == "warning"
    assert "'multimodal' is not shown to beat a naive prediction: the interval" in text
    assert "track_only" not in text


def test_a_component_counts_as_hopeless_where_no_arm_beats_a_naive_prediction(summary_of):
    hopeless = {"scale": -0.32}
    outcome, text = look(summary_of(effects={"multimodal": hopeless, "track_only": hopeless}), "ABL022")
    assert outcome == "warning"
    assert text.endswith("On scale no arm is shown to have any skill.")
    assert look(summary_of(effects={"multimodal": hopeless}), "ABL022")[0] == "passed"


def test_one_repeat_has_no_interval_and_so_no_answer(summary_of, study_of):
    assert look(summary_of(study_of(repeats=1)), "ABL022")[0] == "not run"


def test_long_listings_end_in_a_count(summary_of, study_of):
    assert (some(["a"]), some(["a", "b", "c"], 2), some([])) == ("a", "a, b and 1 more", "")
    arms = [f"arm {i}" for i in range(12)]
    text = look(summary_of(study_of(arms, heads=dict.fromkeys(arms, "shared"))), "ABL005")[1]
    assert "'arm 4' and 7 more" in text
    assert "arm 5" not in text


def test_codes_run_without_a_gap_and_every_rule_is_whole():
    assert [rule.code for rule in RULES] == [f"ABL{i:03}" for i in range(1, len(RULES) + 1)]
    assert len({rule.title for rule in RULES}) == len({rule.look for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert all(text.endswith(".") for text in (rule.how, rule.reason, rule.advice))
        assert not rule.title.endswith(".")


def test_every_setting_and_option_that_an_advice_names_exists():
    groups = [typer.main.get_command(app)]
    groups += [command for command in groups[0].commands.values() if hasattr(command, "commands")]
    commands = [command for group in groups for command in group.commands.values()]
    options = {option for command in commands for parameter in command.params for option in parameter.opts}
    for rule in RULES:
        for option in re.findall(r"--[a-z-]+", rule.advice):
            assert option in options, (rule.code, option)
        for path in re.findall(r"\b(?:model|training|data|augmentation|loss)\.[a-z_.]*[a-z]", rule.advice):
            place = RunConfig.model_validate({"corpus": "c"})
            for step in path.split("."):
                place = getattr(place, step)


def test_the_page_of_checks_is_the_one_that_the_rules_make():
    path = Path(__file__).parents[2] / "docs" / "checks.md"
    assert path.read_text(encoding="utf-8") == page(), "python -m reports.checks.page > docs/checks.md"


def without_scores(record, value=math.nan, arm="multimodal", repeats=(1, 4, 6)):
    def without(score):
        whole = (score.metric, score.component, score.baseline) == ("skill", None, None)
        return replace(score, value=value) if whole else score

    return each(record, "scores", without) if record.arm == arm and record.repeat in repeats else record


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_finished_run_without_a_score_counts_for_no_mean_and_is_told(study_of, records_of, value):
    study = study_of()
    records = records_of(study)
    records = [without_scores(record, value) for record in records]
    summary = summarise(tidy(study, records))
    arms = {arm.name: arm for arm in summary.arms}
    assert (arms["track_only"].n, arms["multimodal"].n) == (8, 5)
    assert arms["multimodal"].n == arms["multimodal"].score.n
    assert look(summary, "ABL030") == (
        "warning",
        "Finished, but skill is NaN or infinite: 3 runs of 'multimodal' (5 of 8 have a score).",
    )
    # They did finish, and none failed.
    assert look(summary, "ABL002") == look(summary, "ABL003") == ("passed", "")
    lines = {line.split()[0]: line for line in as_text(summary).splitlines() if line}
    assert lines["multimodal"].endswith("5 of 8 have a score")
    assert lines["track_only"].endswith("8 of 8")


def test_where_every_finished_run_has_a_score_there_is_nothing_to_tell(summary_of):
    assert look(summary_of(failures=[("multimodal", 1)]), "ABL030") == ("passed", "")
    failures = [(arm, r) for arm in ("track_only", "multimodal") for r in range(8)]
    assert look(summary_of(failures=failures), "ABL030")[0] == "not run"


def test_missing_repeats_are_told_by_what_finished_not_by_what_has_a_score(study_of, records_of):
    study = study_of()
    records = records_of(study, absent=[("multimodal", 7)])
    records = [without_scores(record) for record in records]
    outcome, text = look(summarise(tidy(study, records)), "ABL003")
    assert outcome == "warning"
    assert "finished runs: 8 of 'track_only' and 7 of 'multimodal'" in text
