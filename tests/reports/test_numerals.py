import math

import pytest

from reports.numerals import counted, duration, interval, listing, number, percent, probability, quantity


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.41234, "0.412"), (-0.5, "−0.500"), (12.345, "12.35"), (123.45, "123.5"), (15198.9, "15,199"), (0.0, "0.000"),
        (0.00042, "0.00042"), (0.00001234, "1.2e−05"), (math.nan, "–"), (None, "–"), (math.inf, "∞"), (-math.inf, "−∞"),
    ],
)  # fmt: skip
def test_number(value, text):
    assert number(value) == text


def test_signed_number():
    assert (number(0.1, signed=True), number(-0.1, signed=True), number(0.0, signed=True)) == (
        "+0.100",
        "−0.100",
        "0.000",
    )


def test_the_rest():
    assert [probability(p) for p in (0.0078125, 0.125, 0.05, 1.0, 1e-5, None)] == [
        "0.0078", "0.125", "0.05", "1", "below 0.0001", "–",
    ]  # fmt: skip
    assert (percent(0.95), percent(0.995)) == ("95 %", "99.5 %")
    assert [duration(s) for s in (4.2, 59.96, 93, 7260, None)] == ["4.2 s", "1 min 0 s", "1 min 33 s", "2 h 1 min", "–"]
    assert [quantity(v) for v in (950, 5_209_366, 1.3e9, None)] == ["950", "5.21 M", "1.30 G", "–"]
    assert [listing(tuple(names)) for names in ("a", "ab", "abc", "")] == ["a", "a and b", "a, b and c", ""]
    assert (counted(1, "repeat"), counted(2, "repeat")) == ("1 repeat", "2 repeats")
    assert interval(math.nan, math.nan) == "–"
