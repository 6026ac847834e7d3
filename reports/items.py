"""On which items an arm is better: paired differences of loss by test item, as tidy tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

import pandas as pd

from reports.frame import StudyResults
from reports.statistics.items import per_item, two_level

DIFFERENCE_COLUMNS = (
    "arm", "reference", "component", "item", "group", "n", "difference", "low", "high", "deviation", "won",
)  # fmt: skip
OVERALL_COLUMNS = (
    "arm", "reference", "component", "difference", "low", "high", "items", "groups", "repeats", "items_won",
)  # fmt: skip


def item_differences(results: StudyResults) -> pd.DataFrame:
    """One row per comparison of the study, component and item; columns :data:`DIFFERENCE_COLUMNS`.

    ``difference`` is the arm's loss − the reference's, mean over the ``n`` repeats that tested the item: below 0 the
    arm is better. ``low`` and ``high`` are its t interval at 1 − alpha, widened where splits overlap and not corrected
    for the number of items; ``won`` counts repeats in which the arm's loss is the lower one. Component None is the sum
    over components, of items that have targets in all of them.
    """
    level, group = 1 - results.study.alpha, _groups(results)
    rows = []
    for arm, reference, component, difference in _differences(results):
        estimates = per_item(difference.to_numpy(float), level, results.overlap)
        won = (difference < 0).sum()
        rows += [
            (arm, reference, component, item, group[item], e.n, e.mean, e.low, e.high, e.deviation, won[item])
            for item, e in zip(difference.columns, estimates, strict=True)
            if e.n
        ]
    return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))


def item_overall(results: StudyResults) -> pd.DataFrame:
    """One row per comparison of the study and component; columns :data:`OVERALL_COLUMNS`.

    ``difference`` is the mean over all tests of an item in a repeat, below 0 where the arm is better; ``low`` and
    ``high`` are the two-level bootstrap interval at 1 − alpha. ``items_won`` counts items on which the arm's mean loss
    is the lower one.
    """
    level, group = 1 - results.study.alpha, _groups(results)
    rows = []
    for arm, reference, component, difference in _differences(results):
        found = two_level(difference.to_numpy(float), [group[item] for item in difference.columns], level)
        sizes = (found.items, found.groups, found.repeats)
        won = int((difference.mean() < 0).sum())
        rows.append((arm, reference, component, found.mean, found.low, found.high, *sizes, won))
    return pd.DataFrame(rows, columns=list(OVERALL_COLUMNS))


def _groups(results: StudyResults) -> dict[str, str]:
    return dict(zip(results.items["item"], results.items["group"], strict=True))


def _differences(results: StudyResults) -> Iterator[tuple[str, str, str | None, pd.DataFrame]]:
    """Arm, reference, component and loss differences by repeat (rows) and item (columns), NaN where not tested."""
    by_component = {
        str(component): {str(arm): of_arm for arm, of_arm in _by_arm(rows)}
        for component, rows in results.items.dropna(subset=["loss"]).groupby("component", sort=False)
    }
    for arm, reference in results.study.pairs:
        parts = {
            component: losses[arm] - losses[reference]
            for component, losses in by_component.items()
            if arm in losses and reference in losses
        }
        if len(parts) > 1:
            # A sum is NaN where any part is: no item is compared on fewer components than the others.
            yield arm, reference, None, reduce(pd.DataFrame.add, parts.values())
        for component, difference in parts.items():
            yield arm, reference, component, difference


def _by_arm(rows: pd.DataFrame) -> Iterator[tuple[object, pd.DataFrame]]:
    for arm, of_arm in rows.groupby("arm", sort=False):
        yield arm, of_arm.pivot(index="repeat", columns="item", values="loss")
