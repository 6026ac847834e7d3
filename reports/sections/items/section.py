"""On which test items an arm gains and on which it loses, as a section."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from mmcore.language import say
from reports.model.section import Finding, Section, SectionTable, plain_table
from reports.numbers import counted, interval, number, percent, probability, prose
from reports.records.frame import StudyResults
from reports.sections.items.estimates import item_overall, together, whole_differences
from reports.sections.joining import clauses, commas
from reports.sections.yardstick import ALL
from reports.statistics.floors import family_floors, needed

Row = dict[str, Any]
"""A row of a table by column, None for what is not known."""

NAMED = 3
"""Items that are named on either side."""
MOST_PAIRS = 8
"""Comparisons that are described in words; the table has all."""


def by_item(results: StudyResults) -> Section | None:
    """Differences of loss by test item; None where no pair has losses by item, or fewer than two items."""
    items: dict[tuple[str, str], list[Row]] = {}
    for row in _rows(results.once(whole_differences)):
        items.setdefault((row["arm"], row["reference"]), []).append(row)
    if max(map(len, items.values()), default=0) < 2:
        return None
    overall = _rows(results.once(item_overall))
    by_pair: dict[tuple[str, str], Row] = {}
    for row in overall:
        # The sum over components comes first, where there is one.
        by_pair.setdefault((row["arm"], row["reference"]), row)
    alpha = results.study.alpha
    floors = family_floors([row["repeats"] for row in by_pair.values()])
    findings = [
        _finding(row, items[pair], alpha, floor, results.shared)
        for (pair, row), floor in zip(by_pair.items(), floors, strict=True)
    ][:MOST_PAIRS]
    columns = (
        "arm", "against", "on", "difference", "low", "high", "p", "p after Holm", "items", "groups", "repeats",
        "items gained",
    )  # fmt: skip
    left = len(by_pair) - MOST_PAIRS
    return Section(
        key="by_item",
        title=say("Gains and losses by item"),
        question=say("On which test items does an arm do better, and on which worse?"),
        lead=say(
            "The arm's loss minus the reference's on each test item, mean over the repeats that tested it, "
            "{together}: below 0 the arm is better. The interval of the mean covers both other items and "
            "other repeats (t interval with the error of a two-level bootstrap over groups of items and repeats). A "
            "word before a comparison says whose loss is lower; “not told apart” where its p, after Holm over the "
            "comparisons, does not rule out chance.",
            together=together(results),
        ),
        findings=tuple(findings),
        figures=("item_differences",),
        tables=(
            SectionTable(
                "overall",
                say("Mean difference in loss over items, by comparison and component"),
                plain_table(columns, [tuple({**r, "component": r["component"] or ALL}.values()) for r in overall]),
            ),
        ),
        limits=prose(*_limits(results, left, len(by_pair), min(floors) > alpha)),
    )  # fmt: skip


def _rows(frame: pd.DataFrame) -> list[Row]:
    """Plain rows, None for what is not known."""
    return [{str(k): None if pd.isna(v) else v for k, v in row.items()} for row in frame.to_dict("records")]


def _limits(results: StudyResults, left: int, comparisons: int, too_few: bool) -> Iterator[str]:
    if left > 0:
        yield say("{comparisons} in the table.", comparisons=counted(left, "more comparison"))
    enough = needed(results.study.alpha, comparisons)
    if too_few and enough is not None:
        yield say(
            "Fewer than {enough} repeats: no comparison could be told from chance, so none gets a word.", enough=enough
        )
    yield say("The verdicts answer the question of the study; a word here is only about the loss of items.")
    if results.shared:
        yield say(
            "All repeats tested the same items, so no comparison gets a word here. The verdicts say what holds for "
            "other items; their intervals also include the luck of the training items."
        )
    if results.overlap > 0:
        yield say(
            "The interval does not account for training items that repeats share, so it may be too narrow; the "
            "intervals of the verdicts are corrected for it."
        )
    if results.study.sequential is not None:
        yield say("Nor does it account for the repeated looks of the study.")
    yield say(
        "Intervals of single items are not corrected for the number of items: they point out items worth a look and "
        "are not verdicts. Every item and component is in tables/item_differences.csv."
    )


def _finding(row: Row, items: list[Row], alpha: float, floor: float, shared: bool) -> Finding:
    """Neutral words: whether an arm is good or bad is for the verdicts to say.

    Args:
        floor: the smallest p after Holm that its number of repeats allows in the study; above alpha there is no word.
    """
    low, high, p = row["low"], row["high"], row["p_holm"]
    text = say(
        "'{arm}' has the lower loss on {won} of {items} items against '{reference}'.",
        arm=row["arm"],
        won=row["items_won"],
        items=row["items"],
        reference=row["reference"],
    )
    mean = number(row["difference"], True)
    if low is None:
        evidence = say("Mean difference {mean}", mean=mean)
    else:
        evidence = say(
            "Mean difference {mean}, {level} interval {edges}, p after Holm {p}",
            mean=mean, level=percent(1 - alpha), edges=interval(low, high), p=probability(p),
        )  # fmt: skip
    ordered = sorted(items, key=lambda item: item["difference"])
    best = [_item(item) for item in ordered[:NAMED] if item["difference"] < 0]
    worst = [_item(item) for item in ordered[: -NAMED - 1 : -1] if item["difference"] > 0]
    gains = say("gains most on {items}", items=commas(best)) if best else ""
    loses = say("loses most on {items}", items=commas(worst)) if worst else ""
    label = ""
    if p is not None and floor <= alpha and not shared:
        label = "not told apart" if p > alpha else "lower loss" if row["difference"] < 0 else "higher loss"
    return Finding(text, label, "plain", say("{text}.", text=clauses([evidence, gains, loses])))


def _item(row: Row) -> str:
    return say("{name} ({value})", name=row["item"], value=number(row["difference"], True))
