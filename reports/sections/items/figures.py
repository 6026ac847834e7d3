"""Differences by test item, sorted: which items gain from an arm and which lose."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.figures.style import INK, NEUTRAL, PAPER, WIDTH, house_style, shortened
from reports.records.frame import StudyResults
from reports.sections.items.estimates import together, whole_differences

MOST_PAIRS = 3
"""Comparisons that are drawn, in the study's order."""
ENDS = 6
"""Items at either end that have a row and a name of their own."""
ENDS_OF_MANY = 4
"""The same where several comparisons are drawn."""
BETWEEN = 5.0
"""Rows into which all items between the ends are pressed."""
ROW = 0.2
"""Inches per row."""


class ItemDifferences:
    """The arm's loss minus the reference's on each test item."""

    name = "item_differences"
    title = "Differences by item"
    value = "difference"

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        self._frame: pd.DataFrame | None = None

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        pairs = len(self._pairs())
        left_out = f" The first {MOST_PAIRS} of {pairs} comparisons are drawn." if pairs > MOST_PAIRS else ""
        return (
            "The arm's loss minus the reference's on each test item, mean over the repeats that tested it, "
            f"{together(self.results)}, the largest gain first; left of 0 the arm is better. The {self._ends()} items "
            "at either end have names and t intervals. Filled marks have an interval that leaves out 0; it is not "
            "corrected for the number of items."
            f"{left_out}"
        )

    def frame(self) -> pd.DataFrame:
        """One row per comparison and item, sorted within the comparison: ``arm, reference, item, n, difference, low,
        high, won``; all components together."""
        if self._frame is None:
            columns = ["arm", "reference", "item", "n", "difference", "low", "high", "won"]
            order = {pair: i for i, pair in enumerate(self.results.study.pairs)}
            rows = self.results.once(whole_differences).to_dict("records")
            rows.sort(key=lambda row: (order[row["arm"], row["reference"]], row["difference"], row["item"]))
            self._frame = pd.DataFrame([[row[c] for c in columns] for row in rows], columns=columns)
        return self._frame

    def _pairs(self) -> list[tuple[str, str]]:
        frame = self.frame()
        return list(dict.fromkeys(zip(frame["arm"], frame["reference"], strict=True)))

    def _ends(self) -> int:
        return ENDS if len(self._pairs()) < 2 else ENDS_OF_MANY

    def draw(self) -> Drawing:
        """A plot a comparison, one below the other, with a common axis of differences."""
        pairs = self._pairs()[:MOST_PAIRS]
        frame = self.frame()
        parts = [frame.query("arm == @arm and reference == @reference") for arm, reference in pairs]
        ends = self._ends()
        rows = [_places(len(part), ends)[-1] + 1 if len(part) else 1.0 for part in parts] or [1.0]
        with house_style():
            height = 0.7 + sum(0.45 + ROW * r for r in rows)
            figure = Drawing(figsize=(WIDTH, height), layout="constrained")
            plots = figure.subplots(max(1, len(pairs)), 1, sharex=True, squeeze=False, height_ratios=rows).flatten()
            for axes, part, (arm, reference) in zip(plots, parts, pairs, strict=False):
                _plot(axes, part, ends)
                axes.set_title(f"{shortened(arm, 24)} − {shortened(reference, 24)}", loc="left")
            if pairs:
                plots[-1].set_xlabel("difference in loss (left of 0 better, right worse)")
        return figure


def _places(items: int, ends: int) -> np.ndarray:
    """The row of each item: of its own at the ends, pressed together between them."""
    if items <= 2 * ends + BETWEEN:
        return np.arange(items, dtype=float)
    between = np.linspace(ends, ends + BETWEEN - 1, items - 2 * ends)
    return np.concatenate([np.arange(ends), between, np.arange(ends) + ends + BETWEEN])


def _plot(axes: Axes, part: pd.DataFrame, ends: int) -> None:
    y, named = _places(len(part), ends), []
    crowded = len(part) > 2 * ends + BETWEEN
    axes.axvline(0, color=INK, linewidth=0.9)
    if crowded:
        axes.plot(part["difference"][ends:-ends], y[ends:-ends], color=INK, linewidth=1.6)
    for i, row in enumerate(part.to_dict("records")):
        if crowded and ends <= i < len(part) - ends:
            continue
        named.append((y[i], shortened(str(row["item"]), 24)))
        low, high, middle = row["low"], row["high"], row["difference"]
        clear = not math.isnan(low) and (low > 0 or high < 0)
        # No colour of a verdict: a single item is none.
        tint = INK if clear else NEUTRAL
        if not math.isnan(low):
            axes.plot([low, high], [y[i], y[i]], color=tint, linewidth=1.4)
        axes.plot(
            [middle], [y[i]], marker="o" if middle < 0 else "v", markersize=5.5, color=tint, linestyle="none",
            markerfacecolor=tint if clear else PAPER, markeredgewidth=1.3,
        )  # fmt: skip
    if crowded:
        named.insert(ends, (ends + (BETWEEN - 1) / 2, f"{len(part) - 2 * ends} between"))
    axes.set_yticks([place for place, _ in named], [name for _, name in named])
    axes.set_ylim(y[-1] + 0.7, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
