"""Forest plot: every paired difference with its interval, the study's metric first, then the components."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure as Drawing

from mmcore.language import say
from reports.figures.base import FigureBase
from reports.figures.marks import dots, name_rows
from reports.figures.style import INK, NEUTRAL, VERDICT_MARKS, VERDICT_TINTS, sheet, shortened
from reports.model.report import ComparisonRow, Summary
from reports.numbers import number, percent, prose

ROW = 0.27
"""Inches per line."""
MOST = 60
"""Comparisons that are drawn; beyond, those by component are left out. The table has them all."""
AT_ONCE = 14
"""Lines of a forest plot that stand beside the verdicts on the first screen; beyond, :class:`Verdicts` does."""
AT_MOST = 24
"""Comparisons that :class:`Verdicts` draws."""


class Forest(FigureBase):
    """Paired differences of a study."""

    name = "forest"
    value = "difference"
    row = ROW

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self.title = say("Paired differences") if summary.paired else say("Differences")

    @property
    def description(self) -> str:
        metric = self.summary.metric
        words = {"metric": metric.title, "level": percent(self.summary.level), "direction": metric.direction}
        text = (
            say(
                "Mean paired difference in {metric} with its {level} interval for each comparison ({direction}).",
                **words,
            )
            if self.summary.paired
            else say(
                "Difference of means in {metric} with its {level} interval for each comparison ({direction}).", **words
            )
        )
        marks = say(
            "Filled marks are decided: circle better, triangle worse, square equivalent; open grey marks are not."
        )
        return prose(text, marks, self._band(), self._shared(), self._left_out())

    def _band(self) -> str:
        """What the grey band is, where there is one."""
        margins = {c.margin for c in self._drawn() if c.margin is not None}
        if not margins:
            return ""
        margin = number(max(margins))
        return say("The grey band is the margin: differences within ±{margin} count as none.", margin=margin)

    def _shared(self) -> str:
        """What the two lines of an interval mean, where all repeats tested the same items."""
        tested = next((c.tested for c in self._rows() if c.tested), "")
        if not tested:
            return ""
        return say(
            "Thin lines are intervals for new items of the corpus, thick ones for these {tested} alone. An open "
            "coloured mark is decided for these alone.",
            tested=tested,
        )

    def _left_out(self) -> str:
        rows, drawn = self._rows(), self._drawn()
        if len(drawn) == len(rows):
            return ""
        if len(drawn) < MOST:
            return say("Those by {part} are not drawn; the table has all.", part=say(self.summary.part))
        return _first(MOST)

    def _drawn(self) -> tuple[ComparisonRow, ...]:
        rows = self._rows()
        return rows if len(rows) <= MOST else tuple(c for c in rows if c.component is None)[:MOST]

    def _rows(self) -> tuple[ComparisonRow, ...]:
        return tuple(c for c in self.summary.comparisons if c.paired.n)

    def numbers(self) -> pd.DataFrame:
        """One row a comparison: names, difference, interval, verdict; none where too many data sets have verdicts."""
        return pd.DataFrame(
            [
                {
                    "arm": c.arm, "reference": c.reference, "component": c.component,
                    "difference": c.paired.difference.mean, "low": c.paired.claimed.low,
                    "high": c.paired.claimed.high, "these_items_low": c.paired.difference.low,
                    "these_items_high": c.paired.difference.high, "n": c.paired.n, "verdict": c.decision.verdict,
                }
                for c in self._rows()
                if self._drawn()
            ],
            columns=[
                "arm", "reference", "component", "difference", "low", "high", "these_items_low", "these_items_high",
                "n", "verdict",
            ],
        )  # fmt: skip

    def drawn(self) -> Drawing:
        """Comparisons from top to bottom, each with its components indented below."""
        lines = self._lines()
        figure, (axes,) = sheet(0.95 + self.row * max(len(lines), 3))
        axes.axvline(0, color=INK, linewidth=0.9)
        marks = pd.DataFrame([(y, *_look(c)) for y, (_, c) in enumerate(lines) if c is not None], columns=LOOK)
        bands = marks.dropna(subset=["margin"])
        axes.barh(bands["row"], 2 * bands["margin"], 1, -bands["margin"], color=NEUTRAL, alpha=0.16, linewidth=0)
        axes.hlines(marks["row"], marks["new_low"], marks["new_high"], color=marks["tint"], linewidth=0.9)
        axes.hlines(marks["row"], marks["low"], marks["high"], color=marks["tint"], linewidth=marks["line"])
        look = {column: marks[column].tolist() for column in ("tint", "shape", "size", "filled")}
        dots(axes, marks, "difference", "row", **look)
        name_rows(axes, [shortened(label, 46) for label, _ in lines])
        for label, (_, row) in zip(axes.get_yticklabels(), lines, strict=True):
            label.set_fontweight("bold" if row is None or row.component is None else "normal")
        axes.set_xlabel(say("difference in {metric}", metric=shortened(self.summary.metric.title)))
        better, worse = say("better"), say("worse")
        left, right = (worse, better) if self.summary.metric.higher_is_better else (better, worse)
        for x, side, text in ((0, "left", f"← {left}"), (1, "right", f"{right} →")):
            axes.text(x, 1.01, text, transform=axes.transAxes, ha=side, va="bottom", fontsize=9.5)
        return figure

    def _lines(self) -> list[tuple[str, ComparisonRow | None]]:
        """The name of each line and the comparison on it; none where a line heads the components below it."""
        lines: list[tuple[str, ComparisonRow | None]] = []
        drawn = self._drawn()
        whole = all(c.component is None for c in drawn)
        for arm, reference in dict.fromkeys((c.arm, c.reference) for c in drawn):
            between = f"{shortened(arm, 22)} − {shortened(reference, 22)}"
            mine = [c for c in drawn if (c.arm, c.reference) == (arm, reference)]
            if whole:
                lines += [(between, c) for c in mine]
            else:
                lines += [(between, None), *((c.component or self.summary.metric.title, c) for c in mine)]
        return lines


class Verdicts(Forest):
    """The comparisons on the metric alone, of a study whose forest plot is too tall to be seen at once."""

    name = "verdicts"
    row = 0.21

    def __init__(self, summary: Summary) -> None:
        super().__init__(summary)
        self._tall = len(Forest(summary)._lines()) > AT_ONCE
        metric = summary.metric.title
        self.title = (
            say("Paired differences in {metric}", metric=metric)
            if summary.paired
            else say("Differences in {metric}", metric=metric)
        )

    def _rows(self) -> tuple[ComparisonRow, ...]:
        return tuple(c for c in super()._rows() if c.component is None) if self._tall else ()

    def _drawn(self) -> tuple[ComparisonRow, ...]:
        return self._rows()[:AT_MOST]

    def _left_out(self) -> str:
        return _first(AT_MOST) if len(self._rows()) > AT_MOST else ""


def _first(most: int) -> str:
    return say("The first {most} are drawn; the table has all.", most=most)


LOOK = ["row", "margin", "new_low", "new_high", "low", "high", "difference", "tint", "shape", "size", "line", "filled"]


def _look(c: ComparisonRow) -> tuple[float | str | bool, ...]:
    """What is drawn of a comparison: :data:`LOOK` without its row; NaN is not drawn."""
    side, found, heavy = c.decision.side, c.paired.difference, c.component is None
    new = (c.paired.claimed.low, c.paired.claimed.high) if c.paired.shared else (math.nan, math.nan)
    return (
        math.nan if c.margin is None else c.margin, *new, found.low, found.high, found.mean,
        VERDICT_TINTS.get(side, NEUTRAL), VERDICT_MARKS.get(side, "o"), 8 if heavy else 6.5, 2.6 if heavy else 1.5,
        side in VERDICT_MARKS and not c.decision.only_these_items,
    )  # fmt: skip
