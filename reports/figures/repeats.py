"""Scores by repeat: a plot for each comparison, a line for each repeat, since arms are compared repeat by repeat."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.figures.base import FigureBase
from reports.figures.marks import curve, own_names, sign
from reports.figures.style import INK, MOST_ARMS, NEUTRAL, VERDICT_TINTS, legend_over_all, only_first, sheet, shortened
from reports.model.report import Summary

MOST = 24
"""Comparisons that are drawn; the table has all."""
AHEAD, BEHIND = "arm ahead", "arm behind"
STROKES = {AHEAD: (VERDICT_TINTS["better"], "-"), BEHIND: (VERDICT_TINTS["worse"], "--")}
"""Tint and dash of a repeat, by the arm that is ahead."""
EQUAL = (NEUTRAL, ":")


class ScoresByRepeat(FigureBase):
    """The study's metric of every finished run, the arms of each comparison side by side."""

    name = "repeats"
    title = "Scores by repeat"
    value = "score"

    def __init__(self, summary: Summary) -> None:
        self.summary = summary

    @property
    def description(self) -> str:
        metric, plots = self.summary.metric, self._plots()
        text = f"{metric.title[:1].upper()}{metric.title[1:]} of every finished run ({metric.direction}). "
        if not self.summary.paired:
            return (
                text
                + "Dots are repeats, bars are means. Repeats of different arms have nothing in common."
                + (
                    f" The first {MOST} of {len(self.summary.primary)} comparisons are drawn; the table has all runs."
                    * (len(plots) < len(self.summary.primary))
                )
            )
        if self.summary.native:
            text += "A line is one repeat: the same split and initialisation for both arms. "
        else:
            text += "A line is one repeat, which is the same for both arms. "
        if not self.summary.primary:
            return (
                text + "The study lists no comparison, so arms are in its order." + only_first(len(self.summary.arms))
            )
        text += (
            "Solid lines are repeats in which the arm is ahead of what it is compared with, dashed lines those in "
            "which it is behind; the number of repeats in which it is ahead is written below. Bars are means. If all "
            "lines rise or all fall, p is small; lines that cross show that the split decides more than the arm."
        )
        if len(plots) < len(self.summary.primary):
            text += f" The first {MOST} of {len(self.summary.primary)} comparisons are drawn; the table has all runs."
        return text

    def numbers(self) -> pd.DataFrame:
        """One row per finished run: ``arm, repeat, score``."""
        rows = [(r.arm, r.repeat, r.score) for r in self.summary.runs if math.isfinite(r.score)]
        order = {arm.name: i for i, arm in enumerate(self.summary.arms)}
        return pd.DataFrame(sorted(rows, key=lambda row: (order[row[0]], row[1])), columns=["arm", "repeat", "score"])

    def _plots(self) -> list[tuple[str, ...]]:
        """The arms of each plot from left to right: the reference of the comparison, then the arm."""
        pairs: list[tuple[str, ...]] = [(c.reference, c.arm) for c in self.summary.primary][:MOST]
        return pairs or [tuple(arm.name for arm in self.summary.arms)[:MOST_ARMS]]

    def drawn(self) -> Drawing:
        """Plots with a common axis of scores, up to four abreast."""
        plots = self._plots()
        across = min(len(plots), 4)
        height = 3.4 if len(plots) == 1 else 0.9 + 1.75 * -(-len(plots) // across)
        figure, grid = sheet(height, len(plots), across, sharey=True)
        for label, (tint, dash) in STROKES.items() if self.summary.primary and self.summary.paired else ():
            sign(grid[0], label, color=tint, linestyle=dash, linewidth=1.4)
        for axes, arms in zip(grid, plots, strict=True):
            self._plot(axes, arms, alone=len(plots) == 1)
        figure.supylabel(f"{'test ' * self.summary.native}{shortened(self.summary.metric.title)}", fontsize=10)
        if self.summary.primary:
            if self.summary.paired:
                legend_over_all(figure, handlelength=2.6)
            references = {c.reference for c in self.summary.primary}
            if len(references) == 1 and len(plots) > 1:
                figure.supxlabel(f"left: {shortened(next(iter(references)))}, right: the arm above", fontsize=10)
        return figure

    def _plot(self, axes: Axes, arms: Sequence[str], alone: bool) -> None:
        pair = bool(self.summary.primary)
        scores = self.frame().pivot(index="repeat", columns="arm", values="score").reindex(columns=list(arms))
        scores.columns = range(len(arms))
        gain = (scores.diff(axis=1) * (1 if self.summary.metric.higher_is_better else -1)).iloc[:, -1]
        strokes = [((INK, "-"), scores.notna().any(axis=1))]
        if pair:
            strokes = [(STROKES[AHEAD], gain > 0), (STROKES[BEHIND], gain < 0), (EQUAL, gain == 0)]
        for (tint, dash), which in strokes if self.summary.paired else ():
            lines = scores[which].melt(ignore_index=False, var_name="place").reset_index()
            curve(axes, lines, "place", "value", "repeat", color=tint, linestyle=dash, linewidth=1.2, alpha=0.75)
        with own_names(axes):
            sns.stripplot(scores, jitter=False, size=4.4, color=INK, alpha=0.55, ax=axes)
        axes.hlines(scores.mean(), scores.columns - 0.26, scores.columns + 0.26, color=INK, linewidth=2.6, label="mean")
        axes.set_xlim(-0.5, len(arms) - 0.5)
        axes.grid(axis="y")
        axes.tick_params(axis="x", length=0)
        if pair and not alone:
            axes.set_xticks([])
            axes.set_title(self._title(arms), fontsize=9.5, loc="left", pad=4)
        else:
            # Beside one another few names have room; slanted, more do.
            slant = sum(len(shortened(name)) for name in arms) > 60
            labels = [shortened(name, 22 if slant else 64 // len(arms)) for name in arms]
            turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if slant else {}
            axes.set_xticks(range(len(arms)), labels, **turned)
        if pair:
            c = next(c for c in self.summary.primary if (c.reference, c.arm) == tuple(arms))
            axes.set_xlabel(f"{c.paired.won} of {c.paired.couples}", fontsize=9)

    def _title(self, arms: Sequence[str]) -> str:
        """The arm, and below it the reference of the comparison unless it is the same in all plots."""
        against, arm = arms
        if len({c.reference for c in self.summary.primary}) > 1:
            return f"{shortened(arm, 14)}\n− {shortened(against, 12)}"
        lines = textwrap.wrap(shortened(arm, 28), 14)
        return "\n".join(lines[:2] if len(lines) < 3 else [lines[0], shortened("".join(lines[1:]), 14)])
