"""The glossary: every term that a table heads, and words that hold however p was made."""

import re

import pytest

from reports.output.glossary import TERMS, meaning_of
from reports.statistics.comparisons import sign_flip_p
from reports.statistics.floors import ENUMERATED, PATTERNS, floor

MEANINGS = {name: meaning_of(meaning) for name, meaning in TERMS}


@pytest.mark.parametrize(
    "term",
    [
        "bootstrap interval", "interquartile mean", "p of the interval", "sequential p", "standard deviation",
        "share of repeats won", "FLOPs", "average rank", "new items", "sign-flip p", "p of new items",
        "Pareto front", "interval", "p", "Holm",
        "floor", "effect size",
    ],
)  # fmt: skip
def test_what_tables_head_is_explained(term):
    assert MEANINGS[term].endswith(".")


def test_terms_are_told_once_and_can_be_linked_to():
    assert len(MEANINGS) == len(TERMS)
    anchors = {re.sub(r"[^a-z]+", "-", term.lower()) for term in MEANINGS}
    assert len(anchors) == len(TERMS)


def test_the_floor_in_words_is_the_floor():

    for n in (ENUMERATED, ENUMERATED + 1, 30):
        assert sign_flip_p([1.0] * n) == floor(n)
    assert floor(ENUMERATED) == 2 / 2**ENUMERATED
    assert floor(ENUMERATED + 1) == floor(30) == 1 / PATTERNS
    assert f"1/{PATTERNS:,}" in MEANINGS["floor"]
    assert f"exact up to {ENUMERATED} pairs" in MEANINGS["sign-flip p"]


def test_thresholds_for_d_are_not_told_as_thresholds_for_d_z():
    assert "do not hold for d_z" in MEANINGS["effect size"]
    assert "is usually called large" not in MEANINGS["effect size"]
