"""Differences by comparison and component at one glance: shade for size, sign and mark for what is decided."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from mmcore.language import say
from reports.figures.base import FigureBase
from reports.figures.marks import cells, dots, shades
from reports.figures.style import INK, VERDICT_MARKS, VERDICT_TINTS, legend_over_all, sheet, shortened
from reports.model.report import ComparisonRow, Summary
from reports.model.verdict import measure_words
from reports.numbers import prose

ROW = 0.35
"""Inches per line: a number with its mark in the corner above it."""
NUMBERS = 7
"""Columns that have room for numbers; with more, cells show shade and mark alone."""
MOST_ROWS, MOST_COLUMNS = 60, 16
SHADES = shades(VERDICT_TINTS["worse"], VERDICT_TINTS["better"])


class DifferencesByComponent(FigureBase):
    """Every comparison on the metric and on each component, as a grid."""

    name = "heatmap"
    value = "difference"

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self.title = say("Differences by {part}", part=say(summary.part))

    @property
    def description(self) -> str:
        metric, rows, columns = self.summary.metric, self._rows(), self._columns()
        words = {
            "measure": measure_words(metric.measure), "part": say(self.summary.part), "direction": metric.direction
        }  # fmt: skip
        text = (
            say(
                "Mean paired difference in {measure}, a row for each comparison and a column for each {part} "
                "({direction}).",
                **words,
            )
            if self.summary.paired
            else say(
                "Difference of means in {measure}, a row for each comparison and a column for each {part} "
                "({direction}).",
                **words,
            )
        )
        colours = (
            say("Green means better, red worse; deeper colours mean larger differences.")
            if self._common()
            else say("Green means better, red worse; deeper colours mean larger differences within the column.")
        )
        cut = len(rows) > MOST_ROWS or len(columns) > MOST_COLUMNS
        return prose(
            text,
            colours,
            say(
                "Marks are verdicts: circle better, triangle worse, square equivalent. An open mark holds for the "
                "tested items alone; without a mark nothing is decided. Empty cells have no score."
            ),
            say("Numbers are in the table.") if len(columns) > NUMBERS else "",
            say(
                "At most {rows} rows and {columns} columns are drawn; the table has all.",
                rows=MOST_ROWS,
                columns=MOST_COLUMNS,
            )
            if cut
            else "",
        )

    def numbers(self) -> pd.DataFrame:
        """One row a cell: ``arm, reference, component, difference, verdict``.

        Empty with fewer than two comparisons or without components: then the forest plot says it all.
        """
        shown = len(self._rows()) > 1 and len(self._columns()) > 1
        rows = [
            (c.arm, c.reference, self._column(c), c.paired.difference.mean, c.verdict) for c in self._cells() if shown
        ]
        return pd.DataFrame(rows, columns=["arm", "reference", "component", "difference", "verdict"])

    def _cells(self) -> list[ComparisonRow]:
        return [c for c in self.summary.comparisons if c.paired.n]

    def _column(self, row: ComparisonRow) -> str:
        return self.summary.metric.title if row.component is None else row.component

    def _rows(self) -> list[tuple[str, str]]:
        return list(dict.fromkeys((c.arm, c.reference) for c in self._cells()))

    def _columns(self) -> list[str]:
        return list(dict.fromkeys(self._column(c) for c in self._cells()))

    def _common(self) -> bool:
        """Whether one scale of shades serves all columns: only where scores of components are one another's like."""
        return self.summary.metric.whole == "mean"

    def drawn(self) -> Drawing:
        """Comparisons from top to bottom, the metric left of the components."""
        rows, columns = self._rows()[:MOST_ROWS], self._columns()[:MOST_COLUMNS]
        drawn = [c for c in self._cells() if self._column(c) in columns and (c.arm, c.reference) in rows]
        numbers = len(columns) <= NUMBERS
        references = {reference for _, reference in rows}
        # Slanted names of narrow columns would run into one another.
        upright = max((len(shortened(c, 20)) for c in columns), default=0) if not numbers else 0
        figure, (axes,) = sheet(1.25 + ROW * max(len(rows), 2) + 0.07 * upright)
        grid = pd.DataFrame(np.nan, index=range(len(rows)), columns=range(len(columns)))
        for c in drawn:
            grid.iloc[rows.index((c.arm, c.reference)), columns.index(self._column(c))] = c.paired.difference.mean
        if drawn:
            gains = grid if self.summary.metric.higher_is_better else -grid
            cells(axes, gains / self._largest(grid), SHADES, grid if numbers else None)
        slant = sum(len(shortened(c, 14)) + 2 for c in columns) > 40
        turned = {"rotation": 90 if upright else 30, "ha": "left", "rotation_mode": "anchor"} if slant else {}
        names = [shortened(c, 20 if slant else 14) for c in columns]
        axes.set_xticks([i + 0.5 for i in range(len(columns))], names, **turned)
        labels = [a if len(references) == 1 else f"{shortened(a, 12)} − {shortened(b, 12)}" for a, b in rows]
        axes.set_yticks([i + 0.5 for i in range(len(rows))], [shortened(label, 24) for label in labels])
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        found = {c.verdict: c.decision for c in drawn if c.decision.side in VERDICT_MARKS}
        for verdict, decision in sorted(found.items()):
            mine = [c for c in drawn if c.verdict == verdict]
            at = [(columns.index(self._column(c)), rows.index((c.arm, c.reference))) for c in mine]
            corner = (0.86, 0.23) if numbers else (0.5, 0.5)
            dots(
                axes, pd.DataFrame(np.add(at, corner), columns=["x", "y"]), "x", "y", tint=INK, size=5, linewidth=1.0,
                shape=VERDICT_MARKS[decision.side], filled=not decision.only_these_items, label=say(verdict),
            )  # fmt: skip
        if columns[:1] == [self.summary.metric.title]:
            axes.get_xticklabels()[0].set_fontweight("bold")
        if len(references) == 1:
            reference = shortened(next(iter(references)))
            axes.set_xlabel(say("difference from {reference}", reference=reference))
        legend_over_all(figure, loc="outside lower center", handletextpad=0.1)
        return figure

    def _largest(self, grid: pd.DataFrame) -> pd.Series:
        """The largest difference of each column's scale; 1 where all are zero or unknown."""
        sizes = grid.abs().replace(np.inf, np.nan).max()
        return (sizes * 0 + sizes.max() if self._common() else sizes).replace(0, np.nan).fillna(1.0)
