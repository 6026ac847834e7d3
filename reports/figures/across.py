"""Verdicts over data sets: a bar for each pair of arms, divided by verdict."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from mmcore.language import say
from reports.figures.base import FigureBase
from reports.figures.marks import name_rows, sign
from reports.figures.style import INK, NEUTRAL, VERDICT_TINTS, legend_over_all, sheet, shortened
from reports.model.report import Summary
from reports.numbers import prose
from reports.records.origin import several

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
        self.title = say("Verdicts over {parts}", parts=several(summary.part))

    @property
    def description(self) -> str:
        text = say(
            "Number of {parts}, of {n}, by verdict, a bar for each arm against its reference.",
            parts=several(self.summary.part),
            n=len(self.summary.components),
        )
        first = say("The first {most} pairs are drawn; the table has all.", most=MOST)
        return prose(text, first if len(self._names()) > MOST else "")

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
        """Pairs from top to bottom."""
        pairs = self._names()[:MOST]
        rows = {pair: place for place, pair in enumerate(pairs)}
        table = self.frame()
        table = table.assign(row=[rows.get(pair) for pair in zip(table["arm"], table["reference"], strict=True)])
        table = table.dropna(subset=["row"])
        there = [side for side in ORDER if table.loc[table["verdict"] == side, "count"].sum()]
        figure, (axes,) = sheet(1.1 + 0.36 * max(len(pairs), 2))
        # Seaborn puts the last of an order first.
        sns.histplot(
            table.loc[table["verdict"].isin(there)], y="row", hue="verdict", hue_order=there[::-1], weights="count",
            multiple="stack", discrete=True, shrink=0.7, palette=ORDER, alpha=1, linewidth=0, legend=False, ax=axes,
        )  # fmt: skip
        for side in there:
            sign(axes, say(side), color=ORDER[side], linewidth=6)
        self._numbered(axes, table, there)
        references = {reference for _, reference in pairs}
        alone = len(references) == 1
        names = [arm if alone else f"{shortened(arm, 30)} − {shortened(reference, 18)}" for arm, reference in pairs]
        name_rows(axes, ["\n".join(textwrap.wrap(shortened(name, 52), 28)) for name in names])
        parts, against = several(self.summary.part), shortened(next(iter(references)), 24)
        label = (
            say("number of {parts}, against {reference}", parts=parts, reference=against)
            if alone
            else say("number of {parts}", parts=parts)
        )
        axes.set_xlabel(label)
        axes.set_ylabel("")
        legend_over_all(figure)
        return figure

    def _numbered(self, axes: Axes, table: pd.DataFrame, there: Sequence[str]) -> None:
        """Numbers in the bars that have room for them."""
        wide = table.pivot(index="row", columns="verdict", values="count")[list(there)]
        room = 0.03 * float(wide.sum(axis=1).max())
        middle = wide.cumsum(axis=1) - wide / 2
        for row, counts in zip(wide.index, wide.to_numpy(float), strict=True):
            for side, count, x in zip(there, counts, middle.loc[row], strict=True):
                if count >= room:
                    dark = side in ("better", "worse", "equivalent")
                    axes.text(
                        x, row, f"{count:.0f}", ha="center", va="center", fontsize=9, color="white" if dark else INK
                    )
