"""Forest plot: every paired difference with its interval, the study's metric first, then the components."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.figures.style import INK, NEUTRAL, PAPER, VERDICT_MARKS, VERDICT_TINTS, WIDTH, house_style, shortened
from reports.model.report import ComparisonRow, Summary
from reports.numbers import percent

ROW = 0.27
"""Inches per line."""
MOST = 60
"""Comparisons that are drawn; beyond, those by component are left out. The table has them all."""


class Forest:
    """Paired differences of a study."""

    name = "forest"
    title = "Paired differences"
    value = "difference"

    def __init__(self, summary: Summary) -> None:
        self.summary = summary

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        metric = self.summary.metric
        drawn = self._left_out()
        return (
            f"Mean paired difference in {metric.title} with its {percent(self.summary.level)} interval for each "
            f"comparison ({metric.direction}). Filled marks are decided: circle better, triangle worse, square "
            f"equivalent; open grey marks are not.{self._shared()}{drawn}"
        )

    def _shared(self) -> str:
        """What the two lines of an interval mean, where all repeats tested the same items."""
        tested = next((c.tested for c in self._rows() if c.tested), "")
        if not tested:
            return ""
        return (
            f" Thin lines are intervals for new items of the corpus, thick ones for these {tested} alone; an open "
            "coloured mark is decided for these alone."
        )

    def _left_out(self) -> str:
        rows, drawn = self._rows(), self._drawn()
        if len(drawn) == len(rows):
            return ""
        what = "Those by component are not drawn" if len(drawn) < MOST else f"The first {MOST} are drawn"
        return f" {what}; the table has all."

    def _drawn(self) -> tuple[ComparisonRow, ...]:
        rows = self._rows()
        return rows if len(rows) <= MOST else tuple(c for c in rows if c.component is None)[:MOST]

    def _rows(self) -> tuple[ComparisonRow, ...]:
        return tuple(c for c in self.summary.comparisons if c.paired.n)

    def frame(self) -> pd.DataFrame:
        """One row a comparison: names, difference, interval, verdict."""
        return pd.DataFrame(
            [
                {
                    "arm": c.arm, "reference": c.reference, "component": c.component,
                    "difference": c.paired.difference.mean, "low": c.paired.claimed.low,
                    "high": c.paired.claimed.high, "these_items_low": c.paired.difference.low,
                    "these_items_high": c.paired.difference.high, "n": c.paired.n, "verdict": c.decision.verdict,
                }
                for c in self._rows()
            ],
            columns=[
                "arm", "reference", "component", "difference", "low", "high", "these_items_low", "these_items_high",
                "n", "verdict",
            ],
        )  # fmt: skip

    def draw(self) -> Drawing:
        """Comparisons from top to bottom, each with its components indented below."""
        lines: list[tuple[str, ComparisonRow | None]] = []
        drawn = self._drawn()
        whole = all(c.component is None for c in drawn)
        for arm, reference in dict.fromkeys((c.arm, c.reference) for c in drawn):
            between = f"{shortened(arm, 22)} − {shortened(reference, 22)}"
            if whole:
                lines += [(between, c) for c in drawn if (c.arm, c.reference) == (arm, reference)]
                continue
            lines.append((between, None))
            for c in drawn:
                if (c.arm, c.reference) == (arm, reference):
                    lines.append((self.summary.metric.title if c.component is None else c.component, c))
        with house_style():
            figure = Drawing(figsize=(WIDTH, 0.95 + ROW * max(len(lines), 3)), layout="constrained")
            axes = figure.add_subplot()
            axes.axvline(0, color=INK, linewidth=0.9)
            for y, (_, row) in enumerate(lines):
                if row is not None:
                    if row.margin is not None:
                        axes.barh(y, 2 * row.margin, 1, -row.margin, color=NEUTRAL, alpha=0.16, linewidth=0)
                    _mark(axes, y, row)
            axes.set_ylim(len(lines) - 0.4, -0.6)
            axes.set_yticks(range(len(lines)), [shortened(label, 46) for label, _ in lines])
            for label, (_, row) in zip(axes.get_yticklabels(), lines, strict=True):
                label.set_fontweight("bold" if row is None or row.component is None else "normal")
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.grid(axis="x")
            axes.set_xlabel(f"difference in {shortened(self.summary.metric.title)}")
            left, right = ("worse", "better") if self.summary.metric.higher_is_better else ("better", "worse")
            for x, side, text in ((0, "left", f"← {left}"), (1, "right", f"{right} →")):
                axes.text(x, 1.01, text, transform=axes.transAxes, ha=side, va="bottom", fontsize=9.5)
        return figure


def _mark(axes: Axes, y: int, row: ComparisonRow) -> None:
    difference, claimed, side = row.paired.difference, row.paired.claimed, row.decision.side
    decided = side in VERDICT_MARKS and not row.decision.only_these_items
    shape, tint = VERDICT_MARKS.get(side, "o"), VERDICT_TINTS.get(side, NEUTRAL)
    heavy = row.component is None
    if row.paired.shared and not math.isnan(claimed.low):
        axes.plot([claimed.low, claimed.high], [y, y], color=tint, linewidth=0.9)
    if not math.isnan(difference.low):
        axes.plot([difference.low, difference.high], [y, y], color=tint, linewidth=2.6 if heavy else 1.5)
    axes.plot(
        [difference.mean], [y], marker=shape, markersize=8 if heavy else 6.5, color=tint, linestyle="none",
        markerfacecolor=tint if decided else PAPER, markeredgewidth=1.5,
    )  # fmt: skip
