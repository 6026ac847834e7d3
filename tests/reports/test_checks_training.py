"""How training went: each check fires on the history that it is about and is silent on a clean one."""

import math
from dataclasses import replace

import numpy as np
import pytest
from factories.records import each

from mmcore.facts import Failure
from reports.checks.training import courses, late_gain
from reports.records.frame import tidy
from reports.summary.build import summarise


@pytest.fixture
def check(study_of, records_of):
    """A check's outcome and text, after every epoch of some runs was changed by a function of its number."""

    def look(code, change, arm="multimodal", repeats=range(8), epochs=12, **record):
        study = study_of()
        records = records_of(study, effects={"multimodal": 0.1}, epochs=epochs)
        for at, one in enumerate(records):
            if one.arm == arm and one.repeat in repeats:
                records[at] = each(replace(one, **record), "history", lambda row: row | change(row["epoch"]))
        found = next(c for c in summarise(tidy(study, records)).checks if c.code == code)
        return found.outcome, found.text

    return look


def test_divergence_is_told_by_arm(study_of, records_of):
    study = study_of()
    summary = summarise(tidy(study, records_of(study, failures=[("multimodal", 1), ("multimodal", 2)])))
    codes = {c.code: c.text for c in summary.warnings}
    assert "2 of 'multimodal'" in codes["ABL016"]
    records = records_of(study, failures=[("multimodal", 1)])
    records = [r if r.done else replace(r, failure=Failure("OSError", "no space left")) for r in records]
    assert "ABL016" not in {c.code for c in summarise(tidy(study, records)).warnings}


@pytest.mark.parametrize(
    ("share", "repeats", "outcome"), [(0.5, 8, "passed"), (0.51, 8, "warning"), (1.0, 3, "passed")]
)
def test_clipping_in_most_steps(check, share, repeats, outcome):
    got, text = check("ABL017", lambda e: {"clipped": share, "gradient_norm": 3.5}, repeats=range(repeats))
    assert got == outcome
    if outcome == "warning":
        assert "51 % in 'multimodal' (mean norm 3.500, limit 1)" in text
        assert "track_only" not in text


def test_without_a_limit_there_is_no_clipping(study_of, results_of):
    study = study_of()
    unlimited = [
        a.config.model_copy(update={"training": a.config.training.model_copy(update={"clip_norm": None})})
        for a in study.arms
    ]
    for arm, config in zip(study.arms, unlimited, strict=True):
        object.__setattr__(arm, "config", config)
    outcomes = {c.code: c.outcome for c in summarise(results_of(study)).checks}
    assert outcomes["ABL017"] == "not applicable"


@pytest.mark.parametrize(
    ("rate", "outcome"),
    [
        (lambda e: 1e-4, "passed"),
        (lambda e: 1e-4 * (13 - e), "passed"),
        (lambda e: 1e-4 * e, "warning"),
        (lambda e: 1e-6 + 5e-5 * (1 + math.cos(math.pi * (e - 1) / 8)), "warning"),  # a cosine of period 16 epochs
        (lambda e: 1e-4 * (e if e < 6 else 13 - e), "passed"),  # a warm-up is no rise at the end
    ],
)
def test_a_learning_rate_that_rises_at_the_end(check, rate, outcome):
    assert check("ABL018", lambda e: {"learning_rate": rate(e)})[0] == outcome


def test_one_run_with_a_rising_rate_is_enough(check):
    outcome, text = check("ABL018", lambda e: {"learning_rate": 1e-4 * e}, repeats=[3])
    assert outcome == "warning"
    assert "from 0.0011 to 0.0012 in 1 of 8 runs of 'multimodal'" in text


def skill(value_of):
    return lambda e: {"validation/skill": value_of(e)}


@pytest.mark.parametrize(
    ("curve", "outcome"),
    [
        (lambda e: 0.04 * e, "warning"),  # straight up
        (lambda e: 0.4 * (1 - 0.5**e), "passed"),  # flat long before the end
        (lambda e: 0.4 * (1 - math.exp(-e / 4)), "warning"),  # three time constants: 6 % in the last quarter
        (lambda e: 0.4 * (1 - math.exp(-e / 3)), "passed"),
        (lambda e: 0.4 - 0.01 * e, "passed"),  # best at the start
        (lambda e: 0.0003 * e, "passed"),  # rises throughout, but by nothing
        (lambda e: math.nan, "passed"),  # unknown in this arm; the other one passes
    ],
)
def test_still_improving(check, curve, outcome):
    assert check("ABL019", skill(curve))[0] == outcome


def test_a_few_runs_that_still_improve_or_were_stopped_are_no_warning(check):
    rising = skill(lambda e: 0.04 * e)
    assert check("ABL019", rising, repeats=range(4))[0] == "passed"
    outcome, text = check("ABL019", rising, repeats=range(5))
    assert outcome == "warning"
    assert "'multimodal' in 5 of 8 runs (skill +0.120 on average)" in text
    assert check("ABL019", rising, stopped_early=True)[0] == "passed"


def test_too_few_epochs_have_no_last_quarter(study_of, results_of):
    outcomes = {c.code: c.outcome for c in summarise(results_of(study_of(), epochs=3)).checks}
    assert outcomes["ABL019"] == "not run"


def test_late_gain_against_its_definition():
    skill_E = np.array([0.0, 0.1, 0.3, 0.2, 0.25, 0.3, 0.35, 0.4])
    assert late_gain(skill_E) == pytest.approx((0.1, 0.25))


def losses(train, validation):
    return lambda e: {"train/loss": train(e), "validation/loss": validation(e)}


@pytest.mark.parametrize(
    ("train", "validation", "outcome"),
    [
        (lambda e: 2 * 0.9**e, lambda e: 2.1 * 0.9**e, "passed"),
        (
            lambda e: 2 * 0.9**e,
            lambda e: 2 * 0.9 ** min(e, 11) * (1.3 if e == 12 else 1),
            "warning",
        ),  # rises at the end
        (lambda e: 2.0, lambda e: 2.0 + 0.1 * (e > 6), "passed"),  # 5 %: jitter
        (lambda e: 2.0 + e, lambda e: 2.0 + e, "passed"),  # both rise: something else, and not over-fitting
        (lambda e: 2 * 0.8**e, lambda e: 2 * 0.95**e, "warning"),  # a gap that grows, though validation still falls
        (lambda e: 12.05 + 12 - e, lambda e: 15.20 + 12 - e, "passed"),  # harder validation items from the start
        (lambda e: 2 * 0.9**e, lambda e: 6 * 0.9**e, "passed"),  # … by any factor
        (lambda e: 2.0, lambda e: math.nan, "passed"),  # unknown in this arm; the other one passes
        (lambda e: 0.01 * 0.5**e, lambda e: 0.03 * 0.5**e, "passed"),  # both as good as 0
    ],
)
def test_over_fitting(check, train, validation, outcome):
    best = min(range(1, 13), key=lambda e: validation(e))
    got, text = check("ABL020", losses(train, validation), best_epoch=best)
    assert got == outcome
    assert ("'multimodal'" in text) == (outcome == "warning")


def by_heart(e):
    return {"train/loss": 2 * 0.8**e, "validation/loss": 2 * 0.99**e}


def test_over_fitting_of_few_runs_is_no_warning(check):
    assert check("ABL020", by_heart, repeats=range(4), best_epoch=12)[0] == "passed"
    outcome, text = check("ABL020", by_heart, repeats=range(5), best_epoch=12)
    assert outcome == "warning"
    left = f"{round(100 * 0.8**11)} % against {round(100 * 0.99**11)} % in 'multimodal' (5 of 8 runs)"
    assert left in text.replace("\N{NO-BREAK SPACE}", " ")


def test_the_scored_epoch_counts_and_not_those_after_it(check):
    """Up to the third epoch both sides fall alike; the later gap is none of a score's."""

    def late(e):
        return {"train/loss": 2 * 0.9**e, "validation/loss": 2 * 0.9 ** min(e, 3)}

    assert check("ABL020", late, best_epoch=3)[0] == "passed"
    assert check("ABL020", late, best_epoch=12)[0] == "warning"


def with_components(**losses):
    """Losses by component, each a pair of functions of the epoch, and their sums."""

    def change(e):
        row = {f"{side}/loss/{c}": pair[i](e) for c, pair in losses.items() for i, side in enumerate(SIDES)}
        return row | {f"{side}/loss": sum(row[f"{side}/loss/{c}"] for c in losses) for side in SIDES}

    return change


SIDES = ("train", "validation")
LEARNED = (lambda e: 0.9**e, lambda e: 1.1 * 0.9**e)
OUTLIERS = (lambda e: 3 - 0.02 * e, lambda e: 11.0)  # pure noise; validation got the outliers
LARGE = (lambda e: 100 * 0.9**e, lambda e: 110 * 0.9**e)  # decides the sum, and is learned well
BY_HEART = (lambda e: 3 * 0.8**e, lambda e: 3 * 0.99**e)


@pytest.mark.parametrize(
    ("losses", "outcome"),
    [
        ({"x": LEARNED, "y": LEARNED, "noise": OUTLIERS}, "passed"),
        ({"noise": OUTLIERS}, "passed"),
        ({"x": BY_HEART, "y": BY_HEART, "large": LARGE}, "warning"),
        ({"x": BY_HEART, "y": BY_HEART, "noise": OUTLIERS}, "warning"),
        ({"x": BY_HEART, "y": (lambda e: 0.0, lambda e: 0.0)}, "warning"),  # a component without a loss is left out
    ],
)
def test_a_component_of_outliers_does_not_decide_on_over_fitting(check, losses, outcome):
    def both(e):
        return with_components(**losses)(e)

    got, text = check("ABL020", both, best_epoch=12)
    assert got == outcome
    assert ("'multimodal'" in text) == (outcome == "warning")


def test_courses_against_their_definition():
    losses = {
        "train/loss": [9.0, 9.0],
        "validation/loss": [9.0, 9.0],
        "train/loss/x": [2.0, 1.0],
        "validation/loss/x": [4.0, 3.0],
        "train/loss/y": [10.0, 1.0],
        "validation/loss/y": [1.0, 1.25],
    }
    run = {name: np.array(values) for name, values in losses.items()}
    train_E, validation_E = courses(run)
    assert train_E == pytest.approx([1, (0.5 + 0.1) / 2])
    assert validation_E == pytest.approx([1, (0.75 + 1.25) / 2])
    sums = {name: run[name] for name in ("train/loss", "validation/loss")}
    assert courses(sums)[1] == pytest.approx([1, 1])
    assert courses({"train/loss": np.array([math.nan]), "validation/loss": np.array([1.0])}) is None
