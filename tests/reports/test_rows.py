"""Rows of a table by their values: the same ones that ``DataFrame.query`` finds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reports.records.rows import among, chosen

FRAME = pd.DataFrame(
    {
        "word": ["a", "b", None, "a", "c"],
        "kind": pd.Categorical(["x", "y", "x", None, "y"], categories=["x", "y", "z"]),
        "number": [1.0, 2.0, np.nan, 2.0, 1.0],
        "flag": [True, False, True, False, True],
        "mixed": pd.Series(["a", 1, None, True, "b"], dtype=object),
    },
    index=[7, 3, 3, 0, 9],
)


@pytest.mark.parametrize(
    ("query", "equals"),
    [
        ("word == 'a'", {"word": "a"}),
        ("kind == 'y'", {"kind": "y"}),
        ("kind == 'z'", {"kind": "z"}),
        ("number == 2", {"number": 2}),
        ("flag", {"flag": True}),
        ("not flag", {"flag": False}),
        ("mixed == 'a'", {"mixed": "a"}),
        ("word == 'a' and number == 2 and not flag", {"word": "a", "number": 2, "flag": False}),
        ("kind == 'no such'", {"kind": "no such"}),
        ("word == 'no such'", {"word": "no such"}),
    ],
)
def test_rows_with_these_values(query: str, equals: dict[str, object]) -> None:
    for frame in (FRAME, FRAME.iloc[:0]):
        pd.testing.assert_frame_equal(chosen(frame, **equals), frame.query(query))


def test_a_table_without_rows_and_types_has_none() -> None:
    empty = pd.DataFrame([], columns=["word", "flag"])
    for found in (chosen(empty, word="a", flag=False), among(empty, word=["a"])):
        assert (len(found), [*found.columns]) == (0, ["word", "flag"])


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("word in ['a', 'c']", {"word": ("a", "c")}),
        ("kind in ['x', 'no such']", {"kind": ["x", "no such"]}),
        ("word in ['a', 'b'] and number in [2]", {"word": {"a", "b"}, "number": [2]}),
        ("word in []", {"word": []}),
    ],
)
def test_rows_with_any_of_these_values(query: str, values: dict[str, list[object]]) -> None:
    pd.testing.assert_frame_equal(among(FRAME, **values), FRAME.query(query))
