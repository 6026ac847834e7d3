"""What is compared with what: factors, sizes, budgets. Each check fires where it should and is silent elsewhere."""

import dataclasses
from dataclasses import replace

import pytest

from mmcore.config import build_config, override
from reports.checks.factors import factors, settings
from reports.records.frame import tidy
from reports.summary.build import summarise
from studies.matching import Match


def config_of(overrides):
    return build_config(override({"corpus": "c"}, overrides))


def varied(study, **arms):
    """The study with these overrides for its arms."""
    return dataclasses.replace(
        study,
        arms=tuple(
            dataclasses.replace(arm, config=config_of(arms[arm.name])) if arm.name in arms else arm
            for arm in study.arms
        ),
    )


def found(study, records, code):
    check = next(c for c in summarise(tidy(study, records)).checks if c.code == code)
    return check.outcome, check.text


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, ()),
        ({"model.modalities": ["track"]}, ("model.modalities",)),
        ({"model.fusion": {"kind": "low_rank", "rank": 3}}, ("model.fusion",)),
        ({"evaluation.without": ["audio"]}, ("evaluation.without",)),
        ({"loss.weights": {"active": 2.0, "scale": 0.5}}, ("loss.weights",)),
        ({"model.width": 64, "model.feed_forward": 128, "model.layers": 2}, None),
        ({"model.layers_before": 2, "model.layers": 0}, None),
        ({"model.norm": "pre", "model.layers": 2}, ("model.norm", "model.layers")),
        ({"augmentation.jitter": {}, "augmentation.noise": {}}, ("augmentation.jitter", "augmentation.noise")),
        ({"device": "cuda", "threads": 4, "repeat": 3}, ()),
    ],
)
def test_factors_count_ideas_not_lines(study_of, overrides, expected):
    study = varied(study_of(("a", "b")), a={}, b=overrides)
    told = factors(study, "b", "a")
    if expected is None:
        assert len(told) == 1
    else:
        assert told == expected
    assert factors(study, "a", "b") == told


def test_settings_of_one_part_are_told_apart():
    one, other = (
        config_of({"model.fusion": {"kind": "low_rank", "rank": 3}}),
        config_of({"model.fusion": {"kind": "low_rank"}}),
    )
    assert settings(one, other) == {"model.fusion.rank"}


def test_what_matching_changed_is_no_factor(study_of):
    change = {"model.fusion": {"kind": "concat"}, "model.width": 128, "model.feed_forward": 500, "model.layers": 5}
    study = varied(study_of(("a", "b")), a={}, b=change)
    assert len(factors(study, "b", "a")) == 2
    assert factors(dataclasses.replace(study, match=Match(by="parameters")), "b", "a") == ("model.fusion",)


def test_more_than_one_factor_warns_and_names_them(study_of, records_of):
    study = varied(
        study_of(("a", "b", "c")), a={}, b={"model.norm": "pre"}, c={"model.norm": "pre", "model.dropout": 0.3}
    )
    outcome, text = found(study, records_of(study), "ABL013")
    assert outcome == "warning"
    assert "1 of 2 comparisons: 'c' against 'a' differ in 2 (model.dropout and model.norm)" in text
    one = varied(study_of(("a", "b")), a={}, b={"model.norm": "pre"})
    assert found(one, records_of(one), "ABL013") == ("passed", "")


def with_size(records, sizes):
    return [replace(record, parameters={"total": sizes[record.arm]}) for record in records]


@pytest.mark.parametrize(
    ("overrides", "sizes", "match", "outcome"),
    [
        ({"model.norm": "pre"}, (100_000, 125_000), None, "passed"),
        ({"model.norm": "pre"}, (100_000, 125_100), None, "warning"),
        ({"model.norm": "pre"}, (125_100, 100_000), None, "warning"),
        ({"model.layers": 2}, (100_000, 300_000), None, "not applicable"),
        ({"model.layers_before": 2, "model.layers": 0}, (100_000, 300_000), None, "warning"),
        ({"model.norm": "pre"}, (100_000, 300_000), Match(by="flops"), "not applicable"),
    ],
)
def test_unequal_size(study_of, records_of, overrides, sizes, match, outcome):
    study = varied(study_of(("a", "b"), match=match), a={}, b=overrides)
    got, text = found(study, with_size(records_of(study), dict(zip("ab", sizes, strict=True))), "ABL014")
    assert got == outcome
    if outcome == "warning":
        assert f"'b' has {sizes[1] / sizes[0]:.2f} times the parameters of 'a'" in text


def test_without_sizes_nothing_is_said_of_them(study_of, records_of):
    study = varied(study_of(("a", "b")), a={}, b={"model.norm": "pre"})
    records = [replace(r, parameters={}) for r in records_of(study)]
    assert found(study, records, "ABL014")[0] == "not run"


@pytest.mark.parametrize(
    ("overrides", "steps", "stopped", "outcome"),
    [
        ({"model.norm": "pre"}, 36, False, "passed"),
        ({"model.norm": "pre"}, 45, False, "passed"),
        ({"model.norm": "pre"}, 46, False, "warning"),
        ({"model.norm": "pre"}, 20, False, "warning"),
        ({"model.norm": "pre", "training.batch": 32}, 36, False, "warning"),  # the same steps on twice the windows
        ({"model.norm": "pre", "training.batch": 32}, 18, False, "warning"),  # the same windows in half the steps
        ({"training.epochs": 20}, 72, False, "not applicable"),  # the study asks about that
        ({"model.norm": "pre"}, 12, True, "not applicable"),  # patience is the same rule for all
    ],
)
def test_unequal_training(study_of, records_of, overrides, steps, stopped, outcome):
    study = varied(study_of(("a", "b")), a={}, b=overrides)
    records = records_of(study)
    records = [replace(r, steps=steps, stopped_early=stopped) if r.arm == "b" else r for r in records]
    got, text = found(study, records, "ABL015")
    assert got == outcome
    if outcome == "warning":
        assert f"'b' took {steps / 36:.2f} times the steps of 'a'" in text


def test_an_arm_that_trained_for_longer_in_some_repeats_alone_is_not_blamed_for_the_corpus(study_of, records_of):
    study = varied(study_of(("a", "b")), a={}, b={"model.norm": "pre"})
    records = records_of(study)
    # Splits differ in size, alike for both arms.
    records = [replace(record, steps=36 + 10 * record.repeat) for record in records]
    assert found(study, records, "ABL015")[0] == "passed"


def test_one_comparison_needs_and_several_need_repeats(study_of, records_of):
    few = study_of(repeats=5)
    outcome, text = found(few, records_of(few, components=("active",)), "ABL004")
    assert outcome == "warning"
    assert "1 comparison on the study's metric at 0.05 needs at least 6 repeats." in text
    more = study_of(("a", "b", "c"), repeats=5)
    text = found(more, records_of(more, components=("active",)), "ABL004")[1]
    assert "2 comparisons on the study's metric at 0.05 need at least 7 repeats." in text


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"failures": [("b", r) for r in range(8)]}, "of these arms' runs 8 failed."),
        ({"failures": [("b", r) for r in range(2)], "absent": [("b", 7)]}, "2 failed and 1 is missing."),
    ],
)
def test_a_study_of_enough_repeats_is_not_told_to_ask_for_more(study_of, records_of, options, what):
    study = study_of(("a", "b"))
    outcome, text = found(study, records_of(study, components=("active",), **options), "ABL004")
    assert outcome == "warning"
    assert "The study's 8 repeats would be enough, but" in text
    assert text.endswith(what)


def test_too_few_repeats_are_asked_for_whatever_failed(study_of, records_of):
    study = study_of(("a", "b"), repeats=4)
    records = records_of(study, components=("active",), failures=[("b", 1)])
    text = found(study, records, "ABL004")[1]
    assert "would be enough" not in text
    assert "needs at least 6 repeats." in text


@pytest.mark.parametrize(
    ("drawn", "outcome", "words"),
    [
        ("each_repeat", "passed", ""),
        ("once", "not applicable", "drawn once (split.test_drawn)"),
        ("corpus", "not applicable", "The corpus fixes its test items"),
    ],
)
def test_shared_test_items_are_no_passed_check(study_of, records_of, drawn, outcome, words):
    study = study_of(("a", "b"))
    got, text = found(study, records_of(study, drawn=drawn), "ABL012")
    assert got == outcome
    assert words in text
    single = study_of(("a", "b"), repeats=1)
    assert found(single, records_of(single, drawn=drawn), "ABL012")[0] == "warning"


def test_a_placebo_takes_its_modality_away_and_no_other(study_of, records_of):
    """What is compared differs in what can be learned, though both arms read the same."""
    base = {"model.modalities": ["track", "audio"]}
    study = varied(study_of(("a", "b")), a={**base, "data.placebo": ["audio"]}, b=base)
    assert found(study, records_of(study), "ABL013") == ("passed", "")
    both = {"model.modalities": None, "data.placebo": ["audio", "visual"]}
    study = varied(study_of(("a", "b")), a=both, b={})
    outcome, text = found(study, records_of(study), "ABL013")
    assert outcome == "passed"
    assert "audio and visual change together between 'b' and 'a'" in text


def chosen(**arms):
    """Overrides by arm, from the names of its modalities; None: all."""
    return {arm: {} if names is None else {"model.modalities": names.split()} for arm, names in arms.items()}


@pytest.mark.parametrize(
    ("arms", "pairs", "words"),
    [
        # Two come together, and nothing tells them apart: the set is what the study asks about, but it must be said.
        (
            {"a": "track", "b": None},
            None,
            "audio and visual change together between 'b' and 'a', which cannot tell them",
        ),
        ({"a": "audio", "b": "visual"}, None, "audio and visual change together between 'b' and 'a'"),
        ({"a": "track", "b": "audio track"}, None, ""),
        ({"a": None, "b": None}, None, ""),
        # Others change each of them by itself.
        (
            {"a": "track", "b": None, "c": "track audio", "d": "track visual"},
            [("b", "a"), ("c", "a"), ("d", "a")],
            "",
        ),
        # … or only one of the two.
        ({"a": "track", "b": None, "c": "track audio"}, [("b", "a"), ("c", "a")], "audio and visual change together"),
    ],
)
def test_modalities_that_change_together_are_one_factor_and_told(study_of, records_of, arms, pairs, words):
    study = varied(study_of(tuple(arms), pairs=pairs), **chosen(**arms))
    outcome, text = found(study, records_of(study), "ABL013")
    assert outcome == "passed"
    assert words in text
    assert bool(text) == bool(words)
