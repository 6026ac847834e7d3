"""The glossary: every term that a table heads, and words that hold however p was made."""

import math
import re

import pytest
from factories import foreign

from reports.output.glossary import TERMS, meaning_of, terms_of
from reports.statistics.comparisons import sign_flip_p
from reports.statistics.floors import ENUMERATED, PATTERNS, floor, unpaired_floor
from reports.summary.build import summarise

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


@pytest.fixture(scope="module")
def unpaired():
    """The terms of a report on arms whose repeats have nothing in common."""
    return dict(terms_of(summarise(foreign.results(foreign.scores({"a": 0.1, "b": 0.2}), paired=False))))


def test_unpaired_arms_have_the_words_of_their_own_tests(unpaired):
    paired = dict(terms_of(summarise(foreign.results(foreign.scores({"a": 0.1, "b": 0.2}), paired=True))))
    assert "Hedges' g" in unpaired["effect size"]
    assert "Welch" in unpaired["interval"]
    assert "couples" in unpaired["share of repeats won"]
    for term in ("effect size", "interval", "floor", "share of repeats won"):
        assert paired[term] == MEANINGS[term] != unpaired[term]
        assert "d_z" not in unpaired[term]
        assert "Nadeau" not in unpaired[term]
    assert "sign-flip p" in paired
    assert "sign-flip p" not in unpaired
    assert "average rank" not in unpaired


def test_the_unpaired_floor_in_words_is_the_floor(unpaired):
    assert "2 divided by the number of ways to choose n of 2n" in unpaired["floor"]
    assert f"1/{PATTERNS:,}" in unpaired["floor"]
    assert unpaired_floor(5, 5) == 2 / math.comb(10, 5)
    assert unpaired_floor(15, 15) == 1 / PATTERNS
