"""What goes from verdicts back to the tracking store."""

import math

import pytest

from experiments.evidence import aggregates


def test_aggregates_are_over_the_repeats_that_have_a_value() -> None:
    found = aggregates("test/skill", [1.0, math.nan, 3.0])
    assert found == {"test/skill/mean": 2.0, "test/skill/sd": pytest.approx(math.sqrt(2))}


def test_one_value_has_no_deviation_and_none_has_nothing() -> None:
    assert aggregates("a", [1.0]) == {"a/mean": 1.0}
    assert aggregates("a", [math.nan]) == {}
