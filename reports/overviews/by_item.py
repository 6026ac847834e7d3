"""On which test items an arm gains and on which it loses, as a section."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.frame import StudyResults
from reports.items import item_overall, together, whole_differences
from reports.numerals import counted, interval, number, percent
from reports.sections import Finding, Section, SectionTable, plain_table

Row = dict[str, Any]
"""A row of a table by column, None for what is not known."""

NAMED = 3
"""Items that are named on either side."""
MOST_PAIRS = 8
"""Comparisons that are told in words; the table has all."""


def by_item(results: StudyResults) -> Section | None:
    """Differences of loss by test item; None where no pair has losses by item, or fewer than two items."""
    items: dict[tuple[str, str], list[Row]] = {}
    for row in _rows(results.once(whole_differences)):
        items.setdefault((row["arm"], row["reference"]), []).append(row)
    if max(map(len, items.values()), default=0) < 2:
        return None
    overall = _rows(results.once(item_overall))
    told: dict[tuple[str, str], Row] = {}
    for row in overall:
        # The sum over components comes first, where there is one.
        told.setdefault((row["arm"], row["reference"]), row)
    level = 1 - results.study.alpha
    findings = [_finding(row, items[pair], level) for pair, row in told.items()][:MOST_PAIRS]
    columns = ("arm", "against", "on", "difference", "low", "high", "items", "groups", "repeats", "items gained")
    left = len(told) - MOST_PAIRS
    return Section(
        key="by_item",
        title="Gains and losses by item",
        question="On which test items does an arm do better, and on which worse?",
        lead=(
            f"The arm's loss minus the reference's on each test item, mean over the repeats that tested it, "
            f"{together(results)}: below 0 the arm is better. The interval of the mean is for other items and other "
            "repeats alike (two-level bootstrap over groups of items and repeats)."
        ),
        findings=tuple(findings),
        figures=("item_differences",),
        tables=(
            SectionTable(
                "overall",
                "Mean difference in loss over items, by comparison and component",
                plain_table(columns, [tuple({**r, "component": r["component"] or "all"}.values()) for r in overall]),
            ),
        ),
        limits=(
            (f"{counted(left, 'more comparison')} in the table. " if left > 0 else "")
            + "Intervals of single items are not corrected for the number of items: they point at items to look at, "
            "and are no verdicts. Every item and component is in tables/item_differences.csv."
        ),
    )  # fmt: skip


def _rows(frame: pd.DataFrame) -> list[Row]:
    """Plain rows, None for what is not known."""
    return [{str(k): None if pd.isna(v) else v for k, v in row.items()} for row in frame.to_dict("records")]


def _finding(row: Row, items: list[Row], level: float) -> Finding:
    low, high = row["low"], row["high"]
    text = (
        f"'{row['arm']}' has the lower loss on {row['items_won']} of {row['items']} items against '{row['reference']}'."
    )
    evidence = f"Mean difference {number(row['difference'], True)}"
    if low is not None:
        evidence += f", {percent(level)} interval {interval(low, high)}"
    ordered = sorted(items, key=lambda item: item["difference"])
    best = [_item(item) for item in ordered[:NAMED] if item["difference"] < 0]
    worst = [_item(item) for item in ordered[: -NAMED - 1 : -1] if item["difference"] > 0]
    evidence += f"; gains most on {', '.join(best)}" if best else ""
    evidence += f"; loses most on {', '.join(worst)}" if worst else ""
    if low is not None and high < 0:
        return Finding(text, "gains", "good", evidence + ".")
    if low is not None and low > 0:
        return Finding(text, "loses", "bad", evidence + ".")
    return Finding(text, "mixed", "open", evidence + ".")


def _item(row: Row) -> str:
    return f"{row['item']} ({number(row['difference'], True)})"
