"""Sentences of verdicts: each says what the numbers beside it say."""

import re

import numpy as np
import pytest

from reports.model.report import ComparisonRow, Looks
from reports.numbers import probability
from reports.output.latex import as_latex
from reports.statistics.comparisons import compare
from reports.statistics.verdicts import decide
from reports.summary.sentences import comparison_verdict
from reports.summary.undecided import BEFOREHAND, undecided_text


@pytest.mark.parametrize(("repeats", "exact"), [(16, True), (17, False), (20, False)])
def test_only_a_p_of_all_sign_patterns_is_called_exact(summary_of, study_of, repeats, exact):
    caption = re.search(r"\\caption\{(.*)\}\n", as_latex(summary_of(study_of(repeats=repeats))))
    assert caption is not None
    assert ("an exact sign-flip test, two-sided, at 0.05" in caption[1]) == exact
    assert ("test over 65,536 of the possible sign patterns, at 0.05" in caption[1]) != exact


def test_where_comparisons_have_unlike_numbers_of_pairs_the_caption_says_which_are_exact(summary_of, study_of):
    study = study_of(("a", "b", "c"), repeats=17)
    caption = re.search(r"\\caption\{(.*)\}\n", as_latex(summary_of(study, failures=[("b", 3)])))
    assert caption is not None
    assert "exact up to 16 pairs and over 65,536 of the possible sign patterns beyond" in caption[1]


def row_of(family, margin=None, looks=None, alpha=0.05):
    """The first comparison of a family, undecided."""
    decision = decide(family, margin=margin, alpha=alpha)[0]
    assert decision.verdict == "undecided"
    return ComparisonRow("a", "b", None, family[0], decision, margin, looks)


def pair(d, overlap=0.0):
    return compare(d, np.zeros(len(d)), overlap=overlap)


def spread(n, mean, deviation=1.0):
    x = np.linspace(-1, 1, n)
    return mean + x * deviation / x.std(ddof=1)


def test_where_the_t_test_alone_fails_shared_training_data_is_named_only_where_there_is_any():
    fixed = row_of([pair([0.1] * 5 + [5.0])])
    assert fixed.paired.p <= 0.05 < fixed.paired.p_t
    text = undecided_text(fixed, 0.05)
    assert text.startswith(
        "The sign-flip test speaks for a difference (p = 0.031), but the t-test of the interval does"
    )
    assert f"does not (p = {probability(fixed.paired.p_t)}); both must." in text
    assert "training data" not in text
    overlapping = undecided_text(row_of([pair(spread(10, 0.9), 1 / 3)]), 0.05)
    assert "interval, which accounts for the training data that repeats share, does not" in overlapping


def test_what_would_not_stand_alone_is_not_said_to():
    # Both hurdles are in the way: the t-test alone, and Holm on the sign flips.
    row = row_of([pair(spread(10, 0.75), 1 / 3)] + [pair(spread(10, 0.0), 1 / 3)] * 4)
    assert row.paired.p <= 0.05 < row.decision.p_holm
    assert row.paired.p_t > 0.05
    text = undecided_text(row, 0.05)
    assert "would show a difference" not in text
    assert f"(p = {probability(row.paired.p)}, and {probability(row.decision.p_flip)} after Holm's correction)" in text


def test_what_stands_alone_and_fails_after_holm_says_at_which_test():
    row = row_of([pair(spread(10, 0.75))] + [pair(spread(10, 0.0))] * 4)
    assert row.paired.difference.low > 0
    assert max(row.paired.p, row.paired.p_t) <= 0.05 < row.decision.p_holm
    text = undecided_text(row, 0.05)
    assert text.startswith("Alone, this comparison would show a difference (p = ")
    assert "not among the 5 comparisons" in text
    assert f"after Holm's correction p = {probability(row.decision.p_holm)}." in text
    # Where splits overlap, the t-test can be the only one that fails after Holm, beside an interval that leaves out 0.
    row = row_of([pair(spread(12, 1.0, 0.65), 1 / 3)] + [pair(spread(12, 0.0), 1 / 3)] * 2)
    assert row.paired.difference.low > 0
    assert row.decision.p_flip <= 0.05 < row.decision.p_t
    text = undecided_text(row, 0.05)
    told = f"correction p of the interval = {probability(row.decision.p_t)}, though p = "
    assert told + probability(row.decision.p_flip) in text
    assert "The interval is not corrected for them." in text
    assert "does not" not in text


def test_an_interval_that_leaves_out_0_beside_a_sign_flip_test_that_does_not_speak_is_explained():
    d = next(
        d
        for seed in range(500)
        for d in [np.random.default_rng(seed).normal(0.8, 1, 8)]
        if pair(d).p_t <= 0.05 < pair(d).p
    )
    text = undecided_text(row_of([pair(d)]), 0.05)
    assert text.startswith("The t-test of the interval speaks for a difference (p = 0.0")
    assert "sign-flip test, which assumes no shape of the scores, does not (p = 0.0" in text


def test_nothing_is_said_of_hurdles_where_neither_test_speaks():
    text = undecided_text(row_of([pair(spread(8, 0.2))]), 0.05)
    assert text.startswith(BEFOREHAND)


@pytest.mark.parametrize(("mean", "margin", "word"), [(0.2, None, "better"), (-0.2, None, "worse"), (0.2, 0.8, "equi")])
def test_the_number_says_which_verdict_it_would_give_and_that_it_is_to_be_fixed_beforehand(mean, margin, word):
    row = row_of([pair(spread(8, mean))], margin)
    assert row.decision.more is not None
    text = undecided_text(row, 0.05)
    assert f"About {row.decision.more} more repeat" in text
    assert f"would decide it as {word}" in text
    assert "Fix the number of repeats beforehand, or leave it to --repeats MIN..MAX" in text
    assert "docs/error_rates.md" in text
    assert comparison_verdict(row).startswith(f"undecided (about {row.decision.more} more repeat")
    assert f" for {word}" in comparison_verdict(row)


def test_a_study_whose_rule_is_over_is_told_of_that_instead():
    looks = Looks(done=(6, 7, 8), stopped_at=None, next=None, planned=3)
    text = undecided_text(row_of([pair(spread(8, 0.2))], looks=looks), 0.05)
    assert "The stopping rule ends here: more repeats need a new study." in text
    assert BEFOREHAND not in text


def test_where_no_number_helps_none_is_told():
    text = undecided_text(row_of([pair([0.0] * 8)]), 0.05)
    assert text == "More repeats cannot decide this at a difference of 0."
    overlapping = undecided_text(row_of([pair(spread(8, 0.1), 1 / 3)]), 0.05)
    assert overlapping.endswith(
        "If the difference and its standard deviation stay as observed, more repeats cannot decide this: the splits "
        "overlap too much; more groups could."
    )
    assert undecided_text(row_of([pair(spread(8, 0.001))]), 0.05) == "It would take over 1000 more repeats."
