"""One of a thing is told of in the singular: in what is said, in errors, and in sentences that files keep."""

from __future__ import annotations

import pytest

from mmcore.language import counted, number_of, say_of, sentence_of, shown, speaking
from reports import numbers

ONE, MANY = "1 row has no time and is left out", "{n} rows have no time and are left out"


def test_a_noun_follows_its_number() -> None:
    with speaking("en"):
        assert [counted(n, "run") for n in (0, 1, 2, 2000)] == ["0 runs", "1 run", "2 runs", "2000 runs"]
        assert counted(1, "class", "classes") == "1 class"
    assert [number_of(n, "process", "processes") for n in (1, 1200)] == ["1 process", "1,200 processes"]
    assert numbers.counted is counted


@pytest.mark.parametrize(("n", "english"), [(1, ONE), (3, "3 rows have no time and are left out")])
def test_a_sentence_follows_its_number_and_other_languages_have_one_form(n: int, english: str) -> None:
    kept = sentence_of(n, ONE, MANY)
    assert kept == english
    with speaking("en"):
        assert say_of(n, ONE, MANY) == shown(kept) == english
    with speaking("ja"):
        assert say_of(n, ONE, MANY) == shown(kept) == f"{n} 行に時刻がなく、除かれます"


def test_an_error_keeps_english_in_every_language() -> None:
    with speaking("ja"):
        assert number_of(1, "item") == "1 item"
        assert counted(1, "item") == "項目 1 件"
