"""One rule turns rank correlations of repeats into a word."""

import math

import pytest

from reports.sections.faithfulness import STRONG, WEAK, judge, rule


@pytest.mark.parametrize(
    ("rho", "label", "tone"),
    [
        ([0.70, 0.72, 0.69, 0.71], "faithful", "good"),
        ([STRONG, STRONG], "faithful", "good"),
        ([0.35, 0.45, 0.40, 0.42], "weakly faithful", "open"),
        ([0.55, 0.60, 0.30, 0.70, 0.45], "weakly faithful", "open"),
        ([0.0, 0.0, 0.0], "not faithful", "bad"),
        ([-0.6, -0.7, -0.65], "not faithful", "bad"),
        ([0.9, -0.5, 0.3], "not shown", "open"),
        ([0.9], "not shown", "open"),
        ([], "not shown", "open"),
        ([None, math.nan], "not shown", "open"),
    ],
)
def test_labels(rho, label, tone):
    found = judge(rho)
    assert (found.label, found.tone) == (label, tone)


def test_what_could_not_be_measured_is_left_out():
    assert judge([0.6, None, 0.7, math.nan]).correlation == judge([0.6, 0.7]).correlation


def test_overlapping_splits_ask_for_more():
    rho = [0.55, 0.6, 0.58, 0.62]
    assert judge(rho).label == "faithful"
    assert judge(rho, overlap=1.0).label == "weakly faithful"


def test_the_evidence_has_interval_and_number_of_repeats():
    assert judge([0.6, 0.7, 0.8]).evidence == "ρ = 0.710, 95 % interval 0.364 to 0.884, 3 repeats"
    assert judge([0.6]).evidence == "ρ = 0.600, 1 repeat"
    assert judge([]).evidence == "no run could be measured"
    assert "90 % interval" in judge([0.6, 0.7, 0.8], level=0.9).evidence


def test_the_rule_tells_the_thresholds():
    assert str(STRONG) in rule()
    assert str(WEAK) in rule()


@pytest.mark.parametrize("rho", [[-0.08, 1.0], [0.99, 0.2, 0.99], [-0.95, -0.2], [0.9, 1.0, 1.0]])
def test_the_interval_of_a_correlation_is_possible(rho):
    found = judge(rho).correlation
    assert -1 <= found.low <= found.mean <= found.high <= 1
