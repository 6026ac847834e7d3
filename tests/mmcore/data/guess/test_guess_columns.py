"""The kinds of columns, and what must not be guessed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmcore.data.guess.columns import ColumnGuess, guess_columns, in_order
from mmcore.data.guess.facts import Facts

RNG = np.random.default_rng(0)
ROWS = 200


def one(values: Any, name: str = "x", role: Any = "feature") -> ColumnGuess:
    (guess,) = guess_columns(pd.DataFrame({name: values}), role)
    return guess


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("energy", RNG.normal(size=ROWS), "continuous"),
        ("speaking", RNG.integers(0, 2, ROWS), "binary"),
        ("speaking", RNG.integers(0, 2, ROWS).astype(bool), "binary"),
        ("speaking", RNG.choice(["yes", "no"], ROWS), "binary"),
        ("scene", RNG.choice(["in", "out", "street"], ROWS), "categorical"),
        ("scene_class", RNG.integers(0, 5, ROWS), "categorical"),
        ("count", RNG.integers(0, 5, ROWS), "continuous"),
        ("pitch", RNG.integers(80, 400, ROWS), "continuous"),
        ("level", RNG.choice([0.0, 0.5, 1.0], ROWS), "continuous"),
    ],
)
def test_kinds_from_names_and_values(name: str, values: Any, kind: str) -> None:
    assert one(values, name).kind == kind


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("face_id", RNG.integers(0, 3, ROWS), "names things"),
        ("frame_index", np.arange(ROWS) * 2, "names things"),
        ("row", np.arange(1, ROWS + 1), "numbers rows"),
        ("unnamed", np.arange(5, ROWS + 5), "numbers rows"),
        ("confidence", np.ones(ROWS), "always 1"),
        ("comment", [f"said {at}" for at in range(ROWS)], "free text"),
        ("nothing", [None] * ROWS, "empty"),
        ("mixed", ["1.5", "2", "?", "3"] * 50, "not numbers ('?')"),
    ],
)
def test_ids_counters_constants_and_texts_are_no_features(name: str, values: Any, says: str) -> None:
    guess = one(values, name)
    assert guess.kind is None
    assert says in guess.reason


def test_cells_that_are_no_numbers_are_a_doubt() -> None:
    assert "'?'" in (one(["1.5", "2", "?", "3"] * 50).doubt or "")


def test_labels_of_targets() -> None:
    guess = one(RNG.choice(["sad", "happy", "calm"], ROWS), "label", "target")
    assert (guess.kind, guess.labels, guess.classes) == ("categorical", ("calm", "happy", "sad"), 3)
    guess = one(RNG.choice(["speech", "silence"], ROWS), "label", "target")
    assert (guess.kind, guess.labels) == ("binary", ("silence", "speech"))
    guess = one(RNG.integers(0, 4, ROWS), "label", "target")
    assert (guess.kind, guess.classes) == ("categorical", 4)


def test_whole_numbers_that_may_be_amounts_or_classes_are_asked_about() -> None:
    guess = one(RNG.integers(1, 6, ROWS), "rating", "target")
    assert guess.kind == "continuous"
    assert "If they are classes" in (guess.doubt or "")


def test_a_rare_class_may_be_a_misspelling() -> None:
    guess = one(["happy"] * 50 + ["sad"] * 50 + ["hapy"], "label", "target")
    assert guess.labels == ("happy", "hapy", "sad")
    assert "'hapy' is in 1 of 101 rows" in (guess.doubt or "")


def test_names_of_classes_have_their_usual_order() -> None:
    assert in_order(["yes", "no"]) == ("no", "yes")
    assert in_order(["high", "low", "medium"]) == ("low", "medium", "high")
    assert in_order(["b", "a"]) == ("a", "b")


def test_numbers_that_stand_for_nothing() -> None:
    values = RNG.normal(size=ROWS)
    values[3] = -99999
    assert one(values).missing_values == (-99999.0,)
    assert one(RNG.integers(-99999, 99999, ROWS)).missing_values == ()


# Numbered columns ----------------------------------------------------------------------------------------------------
def frame_of(values_TW: np.ndarray, form: str = "emb_{}") -> pd.DataFrame:
    return pd.DataFrame({form.format(at): values_TW[:, at] for at in range(values_TW.shape[1])})


def test_numbered_columns_are_one_range() -> None:
    wide = RNG.normal(size=(ROWS, 16))
    (guess,) = guess_columns(frame_of(wide / np.linalg.norm(wide, axis=1)[:, None], "v{}"))
    assert (guess.name, guess.kind, guess.width) == ("v{0..15}", "embedding", 16)
    (guess,) = guess_columns(frame_of(RNG.normal(size=(ROWS, 128)), "feature_{}"))
    assert (guess.name, guess.kind) == ("feature_{0..127}", "embedding")
    (guess,) = guess_columns(frame_of(RNG.normal(size=(ROWS, 13)) * np.arange(1, 14) ** 2, "mfcc_{}"))
    assert (guess.name, guess.kind) == ("mfcc_{0..12}", "continuous")
    (guess,) = guess_columns(frame_of(RNG.integers(0, 2, (ROWS, 5)), "on_{}"))
    assert (guess.name, guess.kind) == ("on_{0..4}", "binary")


def test_a_gap_in_the_numbers_is_no_range() -> None:
    frame = frame_of(RNG.normal(size=(ROWS, 5))).drop(columns="emb_2")
    assert [guess.name for guess in guess_columns(frame)] == ["emb_0", "emb_1", "emb_3", "emb_4"]


def test_padded_numbers_are_a_range_under_new_names() -> None:
    facts = Facts()
    facts.add(frame_of(RNG.normal(size=(ROWS, 12)), "emb_{:03d}"))
    (block,) = facts.ranges
    assert block.name == "emb_{0..11}"
    assert block.new_names["emb_007"] == "emb_7"


def test_kinds_are_those_of_all_tables_and_not_of_the_first() -> None:
    from mmcore.data.guess.columns import guess_all

    facts = Facts()
    facts.add(pd.DataFrame({"x": [0, 1, 0, 1], "label": ["a", "b", "a", "b"]}))
    facts.add(pd.DataFrame({"x": [0.5, 1, 0, 1], "label": ["a", "c", "c", "b"]}))
    x, label = guess_all(facts, "target")
    assert x.kind == "continuous"
    assert label.labels == ("a", "b", "c")


def test_an_empty_table_has_no_kinds() -> None:
    assert all(guess.kind is None for guess in guess_columns(pd.DataFrame({"x": [], "y": []})))
