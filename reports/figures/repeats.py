"""Scores by repeat: a plot for each comparison, a line for each repeat, since arms are compared repeat by repeat."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.marks import own_names, sign, strands
from reports.figures.style import INK, MOST_ARMS, NEUTRAL, VERDICT_TINTS, legend_over_all, only_first, sheet, shortened
from reports.model.report import Summary
from reports.numbers import opened, prose

MOST = 24
"""Comparisons that are drawn; the table has all."""
AHEAD, BEHIND = later("arm ahead"), later("arm behind")
STROKES = {AHEAD: (VERDICT_TINTS["better"], "-"), BEHIND: (VERDICT_TINTS["worse"], "--")}
"""Tint and dash of a repeat, by the arm that is ahead."""
EQUAL = (NEUTRAL, ":")


class ScoresByRepeat(FigureBase):
    """The study's metric of every finished run, the arms of each comparison side by side."""

    name = "repeats"
    value = "score"

    def __init__(self, summary: Summary) -> None:
        self.title = say("Scores by repeat")
        self.summary = summary

    @property
    def description(self) -> str:
        metric, plots = self.summary.metric, self._plots()
        text = say(
            "{metric} of every finished run ({direction}).", metric=opened(metric.title), direction=metric.direction
        )
        compared = len(self.summary.primary)
        first = say("The first {most} of {n} comparisons are drawn; the table has all runs.", most=MOST, n=compared) * (
            len(plots) < compared
        )
        if not self.summary.paired:
            dots = say("Dots are repeats, bars are means. Repeats of different arms have nothing in common.")
            return prose(text, dots, first)
        one_line = (
            say("A line is one repeat: the same split and initialisation for both arms.")
            if self.summary.native
            else say("A line is one repeat, which is the same for both arms.")
        )
        if not self.summary.primary:
            order = say("The study lists no comparison, so arms are in its order.")
            return prose(text, one_line, order) + only_first(len(self.summary.arms))
        lines = say(
            "Solid lines are repeats in which the arm is ahead of what it is compared with, dashed lines those in "
            "which it is behind; the number of repeats in which it is ahead is written below. Bars are means. If all "
            "lines rise or all fall, p is small; lines that cross show that the split decides more than the arm."
        )
        return prose(text, one_line, lines, first)

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
            sign(grid[0], say(label), color=tint, linestyle=dash, linewidth=1.4)
        for axes, arms in zip(grid, plots, strict=True):
            self._plot(axes, arms, alone=len(plots) == 1)
        metric = shortened(self.summary.metric.title)
        figure.supylabel(say("test {metric}", metric=metric) if self.summary.native else metric, fontsize=10)
        if self.summary.primary:
            if self.summary.paired:
                legend_over_all(figure, handlelength=2.6)
            references = {c.reference for c in self.summary.primary}
            if len(references) == 1 and len(plots) > 1:
                reference = shortened(next(iter(references)))
                figure.supxlabel(say("left: {reference}, right: the arm above", reference=reference), fontsize=10)
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
            strands(axes, scores[which].to_numpy(float), color=tint, linestyle=dash, linewidth=1.2, alpha=0.75)
        with own_names(axes):
            sns.stripplot(scores, jitter=False, size=4.4, color=INK, alpha=0.55, ax=axes)
        axes.hlines(
            scores.mean(), scores.columns - 0.26, scores.columns + 0.26, color=INK, linewidth=2.6, label=say("mean")
        )
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
            axes.set_xlabel(say("{n} of {all}", n=c.paired.won, all=c.paired.couples), fontsize=9)

    def _title(self, arms: Sequence[str]) -> str:
        """The arm, and below it the reference of the comparison unless it is the same in all plots."""
        against, arm = arms
        if len({c.reference for c in self.summary.primary}) > 1:
            return f"{shortened(arm, 14)}\n− {shortened(against, 12)}"
        lines = textwrap.wrap(shortened(arm, 28), 14)
        return "\n".join(lines[:2] if len(lines) < 3 else [lines[0], shortened("".join(lines[1:]), 14)])
