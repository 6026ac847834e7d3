"""Verdicts over data sets: a bar for each pair of arms, divided by verdict."""

from __future__ import annotations

from collections import Counter

import pandas as pd
from matplotlib.figure import Figure as Drawing

from reports.figures.base import FigureBase
from reports.figures.marks import name_rows
from reports.figures.style import NEUTRAL, VERDICT_TINTS, legend_above, sheet, shortened
from reports.model.report import Summary

ORDER = {
    "better": VERDICT_TINTS["better"],
    "equivalent": VERDICT_TINTS["equivalent"],
    "undecided": NEUTRAL,
    "too few repeats": "#d9d9d9",
    "worse": VERDICT_TINTS["worse"],
}
"""Verdicts from left to right, with their tints."""
MOST = 40
"""Pairs that are drawn; the table has all."""


class VerdictsByPart(FigureBase):
    """How many data sets have which verdict, pair by pair."""

    name = "across"
    value = "count"

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self.title = f"Verdicts over {summary.part}s"

    @property
    def description(self) -> str:
        parts = len(self.summary.components)
        text = f"Number of {self.summary.part}s, of {parts}, by verdict, a bar for each arm against its reference."
        return text + (f" The first {MOST} pairs are drawn; the table has all." if len(self._names()) > MOST else "")

    def numbers(self) -> pd.DataFrame:
        """One row a pair and verdict: ``arm, reference, verdict, count``; empty where parts have no verdicts."""
        columns = ["arm", "reference", "verdict", "count"]
        if self.summary.across is None:
            return pd.DataFrame(columns=columns)
        counts = Counter((c.arm, c.reference, c.decision.side) for c in self.summary.comparisons if c.paired.n)
        rows = [(*pair, side, counts[(*pair, side)]) for pair in self._names() for side in ORDER]
        return pd.DataFrame(rows, columns=columns)

    def _names(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys((c.arm, c.reference) for c in self.summary.comparisons))

    def drawn(self) -> Drawing:
        """Pairs from top to bottom; numbers stand in the bars that have room for them."""
        pairs = self._names()[:MOST]
        wide = self.frame().pivot_table(index=["arm", "reference"], columns="verdict", values="count", sort=False)
        wide = wide.reindex(index=pd.MultiIndex.from_tuples(pairs), columns=[*ORDER]).fillna(0)
        figure, (axes,) = sheet(1.1 + 0.36 * max(len(pairs), 2))
        left = pd.Series(0.0, index=wide.index)
        for side, tint in ORDER.items():
            if not sum(wide[side]):
                continue
            bars = axes.barh(range(len(pairs)), wide[side], 0.7, left, color=tint, label=side)
            room = 0.03 * float(wide.sum(axis=1).max())
            labels = [f"{n:.0f}" if n >= room else "" for n in wide[side]]
            dark = side in ("better", "worse", "equivalent")
            axes.bar_label(bars, labels, label_type="center", fontsize=9, color="white" if dark else "black")
            left = left + wide[side]
        name_rows(axes, [f"{shortened(a, 24)} − {shortened(b, 18)}" for a, b in pairs])
        axes.set_xlabel(f"number of {self.summary.part}s")
        legend_above(axes)
        return figure
