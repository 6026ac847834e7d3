"""Differences by test item, sorted: which items gain from an arm and which lose."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.marks import curve, dots, name_rows
from reports.figures.style import INK, NEUTRAL, sheet, shortened
from reports.numbers import prose
from reports.records.frame import StudyResults
from reports.records.rows import chosen
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


class ItemDifferences(FigureBase):
    """The arm's loss minus the reference's on each test item."""

    name = "item_differences"
    title = later("Differences by item")
    value = "difference"

    def __init__(self, results: StudyResults) -> None:
        self.results = results

    @property
    def description(self) -> str:
        pairs = len(self._pairs())
        left_out = (
            say("The first {most} of {pairs} comparisons are drawn.", most=MOST_PAIRS, pairs=pairs)
            if pairs > MOST_PAIRS
            else ""
        )
        said = say(
            "The arm's loss minus the reference's on each test item, mean over the repeats that tested it, "
            "{together}, the largest gain first; left of 0 the arm is better. The {ends} items "
            "at either end have names and t intervals. The interval of a filled mark leaves out 0; it is not "
            "corrected for the number of items.",
            together=together(self.results),
            ends=self._ends(),
        )
        return prose(said, left_out)

    def numbers(self) -> pd.DataFrame:
        """One row per comparison and item, sorted within the comparison: ``arm, reference, item, n, difference, low,
        high, won``; all components together."""
        columns = ["arm", "reference", "item", "n", "difference", "low", "high", "won"]
        order = {pair: i for i, pair in enumerate(self.results.study.pairs)}
        rows = self.results.once(whole_differences).to_dict("records")
        rows.sort(key=lambda row: (order[row["arm"], row["reference"]], row["difference"], row["item"]))
        return pd.DataFrame([[row[c] for c in columns] for row in rows], columns=columns)

    def _pairs(self) -> list[tuple[str, str]]:
        frame = self.frame()
        return list(dict.fromkeys(zip(frame["arm"], frame["reference"], strict=True)))

    def _ends(self) -> int:
        return ENDS if len(self._pairs()) < 2 else ENDS_OF_MANY

    def drawn(self) -> Drawing:
        """A plot a comparison, one below the other, with a common axis of differences."""
        pairs = self._pairs()[:MOST_PAIRS]
        frame = self.frame()
        parts = [chosen(frame, arm=arm, reference=reference) for arm, reference in pairs]
        ends = self._ends()
        heights = [_places(len(part), ends)[-1] + 1 for part in parts] or [1.0]
        figure, plots = sheet(
            0.7 + sum(0.45 + ROW * h for h in heights), len(pairs), sharex=True, height_ratios=heights
        )
        for axes, part, (arm, reference) in zip(plots, parts, pairs, strict=False):
            _plot(axes, part, ends)
            axes.set_title(f"{shortened(arm, 24)} − {shortened(reference, 24)}", loc="left")
        if pairs:
            plots[-1].set_xlabel(say("difference in loss (left of 0 better, right worse)"))
        return figure


def _places(items: int, ends: int) -> np.ndarray:
    """The row of each item: of its own at the ends, pressed together between them."""
    if items <= 2 * ends + BETWEEN:
        return np.arange(items, dtype=float)
    between = np.linspace(ends, ends + BETWEEN - 1, items - 2 * ends)
    return np.concatenate([np.arange(ends), between, np.arange(ends) + ends + BETWEEN])


def _plot(axes: Axes, part: pd.DataFrame, ends: int) -> None:
    part = part.assign(row=_places(len(part), ends))
    crowded = len(part) > 2 * ends + BETWEEN
    between = part.iloc[ends:-ends] if crowded else part.iloc[:0]
    named = part.drop(index=between.index)
    # No colour of a verdict: a single item is none.
    clear = (named["low"] > 0) | (named["high"] < 0)
    tints = np.where(clear, INK, NEUTRAL).tolist()
    axes.axvline(0, color=INK, linewidth=0.9)
    curve(axes, between, "difference", "row", color=INK, linewidth=1.6)
    axes.hlines(named["row"], named["low"], named["high"], color=tints, linewidth=1.4)
    dots(
        axes, named, "difference", "row", tint=tints, shape=np.where(named["difference"] < 0, "o", "v").tolist(),
        size=5.5, linewidth=1.3, filled=clear.tolist(),
    )  # fmt: skip
    names = [shortened(str(item), 24) for item in named["item"]]
    places = named["row"].tolist()
    if crowded:
        places.insert(ends, ends + (BETWEEN - 1) / 2)
        names.insert(ends, say("{n} between", n=len(between)))
    name_rows(axes, names, places)
    axes.set_ylim(max(part["row"]) + 0.7, -0.7)
