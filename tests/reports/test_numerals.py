import math

import pytest

from reports.numbers import about, counted, duration, interval, listing, number, percent, probability, quantity


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


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.1, 0.025, 0.033, 0.2])
def test_a_p_is_never_printed_as_alpha_nor_on_its_other_side(alpha):
    for off in (1e-7, 1e-5, 1e-4, 1e-3, 1e-2, 0.1):
        assert float(probability(alpha * (1 - off), alpha)) < alpha
        assert float(probability(alpha * (1 + off), alpha)) > alpha
    assert probability(alpha, alpha) == f"{alpha:g}" == probability(alpha * (1 - 1e-12), alpha)


def test_a_p_near_a_usual_level_has_more_digits_and_others_do_not():
    assert [probability(p) for p in (0.0499, 0.0501, 0.04996, 0.0304, 0.0996, 0.1004)] == [
        "0.0499", "0.0501", "0.04996", "0.03", "0.0996", "0.1004",
    ]  # fmt: skip


def test_the_rest():
    assert [probability(p) for p in (0.0078125, 0.125, 0.05, 1.0, 1e-5, None)] == [
        "0.0078", "0.125", "0.05", "1", "below 0.0001", "–",
    ]  # fmt: skip
    assert (percent(0.95), percent(0.995)) == ("95 %", "99.5 %")
    said = [duration(s) for s in (4.2, 9.96, 42.4, 59.96, 93, 755, 7260, 200_000, None)]
    assert said == ["4.2 s", "10 s", "42 s", "1 min", "1 min 33 s", "12 min", "2 h 1 min", "2 days", "–"]
    assert [about(s) for s in (0.2, 3.4, 93.4, 200_000)] == ["0 s", "3 s", "1 min 33 s", "2 days"], (
        "one format for both"
    )
    assert [quantity(v) for v in (950, 5_209_366, 1.3e9, None)] == ["950", "5.21 M", "1.30 G", "–"]
    assert [listing(tuple(names)) for names in ("a", "ab", "abc", "")] == ["a", "a and b", "a, b and c", ""]
    assert (counted(1, "repeat"), counted(2, "repeat")) == ("1 repeat", "2 repeats")
    assert interval(math.nan, math.nan) == "–"
