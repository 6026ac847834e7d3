"""Columns of items.csv in a report: a truth is found, and many repeats of few items are no evidence about a genre."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmcore.analyses import ErrorsAnalysis
from mmcore.answers.answer import Answered
from mmcore.answers.error_analysis import ErrorCondition, ErrorGroup, ErrorsResult, ItemEnds, SpanEnds
from reports.output.render import as_html
from reports.output.tables import tables
from reports.records.frame import StudyResults
from reports.sections.error_analysis.between_items import LEAST_GROUPS
from reports.sections.error_analysis.estimates import gains, item_groups, ratios
from reports.sections.error_analysis.section import section
from reports.summary.build import summarise

Made = Callable[..., StudyResults]
COMPONENT = "active"


@pytest.fixture(scope="module")
def made(results_of: Callable[..., StudyResults]) -> Made:
    """Results whose items have losses by genre; every repeat tests all of them."""
    plain = results_of(components=(COMPONENT,), drawn="once")

    def build(
        genres: Sequence[str],
        factor: dict[str, float],
        *,
        groups: Sequence[str] | None = None,
        spread: float = 0.1,
        seed: int = 0,
    ) -> StudyResults:
        rng = np.random.default_rng(seed)
        own = np.exp(spread * rng.standard_normal(len(genres)))
        rows, answers = [], []
        for arm in plain.study.arms:
            for repeat in range(plain.study.repeats):
                losses = [
                    0.5 * factor.get(genre, 1.0) * own[at] * np.exp(0.02 * rng.standard_normal())
                    for at, genre in enumerate(genres)
                ]
                for at, loss in enumerate(losses):
                    group = f"v{at}" if groups is None else groups[at]
                    rows.append((arm.name, repeat, f"v{at}", group, True, COMPONENT, loss, 40, 1.0))
                told = []
                for genre in dict.fromkeys(genres):
                    mine = [at for at, one in enumerate(genres) if one == genre]
                    told.append(
                        ErrorGroup(
                            group=genre or None,
                            count={COMPONENT: 40 * len(mine)},
                            loss={COMPONENT: float(np.mean([losses[at] for at in mine]))},
                            naive={COMPONENT: 1.0},
                            items=tuple(f"v{at}" for at in mine),
                        )
                    )
                result = ErrorsResult(
                    naive={COMPONENT: "constant"},
                    conditions=(ErrorCondition(name="genre", of_items=True, groups=tuple(told)),),
                    items={COMPONENT: ItemEnds(worst=(), best=())},
                    spans={COMPONENT: SpanEnds(hardest=(), worst=(), best=())},
                    cases=(),
                )
                run = f"{arm.name}{repeat}"
                answers.append(Answered(arm.name, repeat, run, ErrorsAnalysis(cases=2), result))
        return replace(plain, items=pd.DataFrame(rows, columns=plain.items.columns), analyses=tuple(answers))

    return build


def test_a_genre_of_twice_the_error_is_found_with_its_items_and_groups(made: Made) -> None:
    results = made(["B"] * 12 + ["A"] * 10, {"A": 2.0})
    found = {r.arm: r for r in ratios(results)}
    ratio = found["multimodal"]
    assert (ratio.place.condition, ratio.place.group, ratio.place.base) == ("genre", "A", "B")
    assert ratio.ratio == pytest.approx(2.0, rel=0.1)
    assert (ratio.outcome, ratio.sign) == ("above", 1)
    told: Any = section(results)
    assert told.findings[0].text.startswith("Where “genre: A”, the loss of 'multimodal' is ")
    assert told.findings[0].evidence.endswith("10 items in 10 groups against 12 items in 12 groups.")
    assert "according to what items.csv says about the item (genre)" in told.lead
    assert f"at least {LEAST_GROUPS} groups on each side" in told.limits
    table = next(t.table for t in told.tables if t.name == "item_conditions")
    rows = {(row[0], row[3]): dict(zip(table.columns, row, strict=True)) for row in table.rows}
    a, b = rows["multimodal", "A"], rows["multimodal", "B"]
    assert (a["items"], a["groups"], a["against"], a["verdict"]) == (10, 10, "B", "harder")
    assert (b["items"], b["groups"], b["against"], b["verdict"]) == (12, 12, None, None)
    assert a["loss"] / b["loss"] == pytest.approx(2.0, rel=0.1)
    assert b["skill"] == pytest.approx(1 - b["loss"], rel=1e-6)


def test_few_items_are_no_genre_however_many_repeats(made: Made) -> None:
    results = made(["B"] * 12 + ["A"] * (LEAST_GROUPS - 1), {"A": 2.0})
    ratio = ratios(results)[0]
    assert ratio.ratio == pytest.approx(2.0, rel=0.2)
    assert ratio.test.side == 1, "the repeats alone would have said so"
    assert (ratio.outcome, ratio.sign) == ("too few groups", 0)
    told: Any = section(results)
    assert told.findings == ()
    table = next(t.table for t in told.tables if t.name == "item_conditions")
    assert {row[-1] for row in table.rows} == {None, "too few groups"}


def test_many_items_of_one_speaker_are_one_observation(made: Made) -> None:
    groups = [f"s{at}" for at in range(12)] + [f"t{at % 2}" for at in range(20)]
    results = made(["B"] * 12 + ["A"] * 20, {"A": 2.0}, groups=groups)
    ratio = ratios(results)[0]
    assert ratio.between is not None
    assert (ratio.between.items, ratio.between.groups) == (20, 2)
    assert ratio.outcome == "too few groups"
    assert {(g.group, g.items, g.groups) for g in item_groups(results)} == {("B", 12, 12), ("A", 20, 2)}


def test_genres_that_are_alike_are_hardly_ever_called_different(made: Made) -> None:
    """Items differ much, genres not at all; every repeat tests the same items, so repeats alone are sure of it."""
    sure, false = 0, 0
    for seed in range(60):
        found = ratios(made(["B"] * 7 + ["A"] * 7, {}, spread=0.6, seed=seed))
        sure += any(r.test.estimate.low > 0 or r.test.estimate.high < 0 for r in found)
        false += any(r.sign for r in found)
    assert sure > 40
    # Two arms on the same items ask nearly one question: 60 × 5 % and two standard errors are 6.4.
    assert false <= 6


def test_equal_needs_items_that_are_alike(made: Made) -> None:
    alike = ratios(made(["B"] * 30 + ["A"] * 30, {}, spread=0.02))[0]
    assert alike.outcome == "none"
    unlike = ratios(made(["B"] * 30 + ["A"] * 30, {}, spread=0.6, seed=3))[0]
    assert unlike.outcome == "open"


def test_gains_of_arms_are_asked_of_items_too(made: Made) -> None:
    results = made(["B"] * 8 + ["A"] * 8, {"A": 2.0})
    gain = gains(results)[0]
    assert gain.between is not None
    assert (gain.between.groups, gain.between.base_groups) == (8, 8)
    assert gain.sign == 0
    assert gains(made(["B"] * 8 + ["A"] * 3, {}))[0].outcome == "too few groups"


def test_items_without_a_value_belong_to_no_group(made: Made) -> None:
    results = made(["B"] * 6 + [""] * 5 + ["A"] * 6, {"A": 2.0, "": 9.0})
    assert {r.place.group for r in ratios(results)} == {"A"}
    assert {g.group for g in item_groups(results)} == {"A", "B"}


def test_the_page_and_the_tables_hold_the_genres(made: Made) -> None:
    results = made(["B"] * 12 + ["A"] * 10, {"A": 2.0})
    summary = summarise(results)
    assert "genre: A" in as_html(summary)
    assert len(tables(summary, results)["errors_item_conditions"]) == 4
