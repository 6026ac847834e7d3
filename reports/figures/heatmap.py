"""Differences by comparison and component at one glance: shade for size, sign and mark for what is decided."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from mmcore.measures import MEASURES
from reports.figures.style import INK, PAPER, VERDICT_MARKS, VERDICT_TINTS, WIDTH, house_style, shortened
from reports.model.report import ComparisonRow, Summary

ROW = 0.35
"""Inches per line: a number with its mark in the corner above it."""
NUMBERS = 7
"""Columns that have room for numbers; with more, cells show shade and mark alone."""
MOST_ROWS, MOST_COLUMNS = 60, 16
DEEPEST = 0.5
"""Opacity of the largest difference: text on it stays legible on a light and on a dark page."""


class DifferencesByComponent:
    """Every comparison on the metric and on each component, as a grid."""

    name = "heatmap"
    title = "Differences by component"
    value = "difference"

    def __init__(self, summary: Summary) -> None:
        self.summary = summary

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        metric, rows, columns = self.summary.metric, self._rows(), self._columns()
        measure = metric.measure.replace("_", " ")
        text = (
            f"Mean paired difference in {measure}, a line for each comparison and a column for each component "
            f"({metric.direction}). Green is a difference for the better, red for the worse; the deeper, the larger"
            f"{'' if self._common() else ' in its column'}. Marks are verdicts: circle better, triangle worse, square "
            "equivalent; open where it holds for the tested items alone; without a mark nothing is decided. Empty "
            "cells have no score."
        )
        if len(columns) > NUMBERS:
            text += " Numbers are in the table."
        if len(rows) > MOST_ROWS or len(columns) > MOST_COLUMNS:
            text += f" At most {MOST_ROWS} lines and {MOST_COLUMNS} columns are drawn; the table has all."
        return text

    def frame(self) -> pd.DataFrame:
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
        return MEASURES[self.summary.metric.measure].whole == "mean"

    def draw(self) -> Drawing:
        """Comparisons from top to bottom, the metric left of the components."""
        rows, columns = self._rows()[:MOST_ROWS], self._columns()[:MOST_COLUMNS]
        cells = [c for c in self._cells() if self._column(c) in columns and (c.arm, c.reference) in rows]
        largest = _largest([(None if self._common() else self._column(c), c) for c in cells])
        numbers = len(columns) <= NUMBERS
        references = {reference for _, reference in rows}
        room = 24
        # Slanted names of narrow columns would run into one another.
        upright = max((len(shortened(c, 20)) for c in columns), default=0) if not numbers else 0
        with house_style():
            height = 1.25 + ROW * max(len(rows), 2) + 0.07 * upright
            figure = Drawing(figsize=(WIDTH, height), layout="constrained")
            axes = figure.add_subplot()
            for c in cells:
                x, y = columns.index(self._column(c)), rows.index((c.arm, c.reference))
                difference = c.paired.difference.mean
                share = abs(difference) / largest[None if self._common() else self._column(c)]
                better = (difference > 0) == self.summary.metric.higher_is_better
                tint = VERDICT_TINTS["better" if better else "worse"]
                place = (x - 0.48, y - 0.46)
                axes.add_patch(Rectangle(place, 0.96, 0.92, color=tint, alpha=DEEPEST * share, linewidth=0))
                if numbers:
                    axes.text(x, y + 0.1, _short(difference), ha="center", va="center_baseline", fontsize=9.0)
                if c.decision.side in VERDICT_MARKS:
                    at = (x + 0.36, y - 0.27) if numbers else (x, y)
                    inside = PAPER if c.decision.only_these_items else INK
                    mark = VERDICT_MARKS[c.decision.side]
                    axes.plot(*at, marker=mark, color=INK, markerfacecolor=inside, markersize=5, linestyle="none")
            slant = sum(len(shortened(c, 14)) + 2 for c in columns) > 40
            turned = {"rotation": 90 if upright else 30, "ha": "left", "rotation_mode": "anchor"} if slant else {}
            axes.set_xticks(range(len(columns)), [shortened(c, 20 if slant else 14) for c in columns], **turned)
            labels = [
                a if len(references) == 1 else f"{shortened(a, room // 2)} − {shortened(b, room // 2)}" for a, b in rows
            ]
            axes.set_yticks(range(len(rows)), [shortened(label, room) for label in labels])
            axes.tick_params(length=0, labeltop=True, labelbottom=False)
            axes.set_xlim(-0.5, max(len(columns), 1) - 0.5)
            axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
            if columns and columns[0] == self.summary.metric.title:
                axes.get_xticklabels()[0].set_fontweight("bold")
            for side in axes.spines.values():
                side.set_visible(False)
            if len(references) == 1:
                axes.set_xlabel(f"difference from {shortened(next(iter(references)))}")
            found = {c.verdict: c.decision for c in cells if c.decision.side in VERDICT_MARKS}
            for verdict, decision in sorted(found.items()):
                inside = PAPER if decision.only_these_items else INK
                mark = VERDICT_MARKS[decision.side]
                axes.add_line(
                    Line2D([], [], color=INK, marker=mark, markerfacecolor=inside, linestyle="none", label=verdict)
                )
            if found:
                figure.legend(loc="outside lower center", ncols=3, handletextpad=0.1, columnspacing=1.4)
        return figure


def _largest(cells: list[tuple[str | None, ComparisonRow]]) -> dict[str | None, float]:
    """The largest difference of each scale; 1 where all are zero or unknown."""
    largest: dict[str | None, float] = {}
    for scale, c in cells:
        size = abs(c.paired.difference.mean)
        largest[scale] = max(largest.get(scale, 0.0), size if math.isfinite(size) else 0.0)
    return {scale: size or 1.0 for scale, size in largest.items()}


def _short(value: float) -> str:
    """Signed, in five characters or fewer for differences below ten thousand."""
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    text = f"{value:+.{digits}f}" if abs(value) < 99999.5 else f"{value:+.0e}"
    return text.lstrip("+-") if not float(text) else text.replace("-", "−")
