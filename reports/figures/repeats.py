"""Scores by repeat: a plot for each comparison, a line for each repeat, since arms are compared repeat by repeat."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from statistics import fmean
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from reports.figures.style import INK, MOST_ARMS, NEUTRAL, VERDICT_TINTS, WIDTH, house_style, only_first, shortened
from reports.model.report import Summary

MOST = 24
"""Comparisons that are drawn; the table has all."""
Stroke = Literal["-", "--", ":"]
AHEAD, BEHIND = VERDICT_TINTS["better"], VERDICT_TINTS["worse"]


class ScoresByRepeat:
    """The study's metric of every finished run, the arms of each comparison side by side."""

    name = "repeats"
    title = "Scores by repeat"
    value = "score"

    def __init__(self, summary: Summary) -> None:
        self.summary = summary

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        metric, plots = self.summary.metric, self._plots()
        text = f"{metric.title[:1].upper()}{metric.title[1:]} of every finished run ({metric.direction}). "
        text += "A line is one repeat: the same split and initialisation for both arms. "
        if not self.summary.primary:
            return (
                text
                + "The study asks for no comparison, so arms stand in its order."
                + only_first(len(self.summary.arms))
            )
        text += (
            "Solid lines are repeats in which the arm is ahead of what it is held against, dashed lines those in which "
            "it is behind; below stands in how many it is ahead. Bars are means. Lines that all rise or all fall are "
            "what a small p means; lines that cross show that the split decides more than the arm."
        )
        if len(plots) < len(self.summary.primary):
            text += f" The first {MOST} of {len(self.summary.primary)} comparisons are drawn; the table has all runs."
        return text

    def frame(self) -> pd.DataFrame:
        """One row per finished run: ``arm, repeat, score``."""
        rows = [(r.arm, r.repeat, r.score) for r in self.summary.runs if math.isfinite(r.score)]
        order = {arm.name: i for i, arm in enumerate(self.summary.arms)}
        return pd.DataFrame(sorted(rows, key=lambda row: (order[row[0]], row[1])), columns=["arm", "repeat", "score"])

    def _plots(self) -> list[tuple[str, ...]]:
        """The arms of each plot from left to right: what an arm is held against, then the arm."""
        pairs: list[tuple[str, ...]] = [(c.reference, c.arm) for c in self.summary.primary][:MOST]
        return pairs or [tuple(arm.name for arm in self.summary.arms)[:MOST_ARMS]]

    def draw(self) -> Drawing:
        """Plots with a common axis of scores, up to four abreast."""
        scores: dict[str, dict[int, float]] = {arm.name: {} for arm in self.summary.arms}
        for run in self.summary.runs:
            if math.isfinite(run.score):
                scores[run.arm][run.repeat] = run.score
        plots = self._plots()
        across = min(len(plots), 4)
        down = -(-len(plots) // across)
        with house_style():
            height = 3.4 if len(plots) == 1 else 0.9 + 1.75 * down
            figure = Drawing(figsize=(WIDTH, height), layout="constrained")
            grid = figure.subplots(down, across, sharey=True, squeeze=False).flatten()
            for axes, arms in zip(grid, plots, strict=False):
                self._plot(axes, arms, scores, alone=len(plots) == 1)
            for axes in grid[len(plots) :]:
                axes.set_axis_off()
            figure.supylabel(f"test {shortened(self.summary.metric.title)}", fontsize=10)
            self._legend(figure)
        return figure

    def _plot(self, axes: Axes, arms: Sequence[str], scores: dict[str, dict[int, float]], alone: bool) -> None:
        pair = bool(self.summary.primary)
        for left, right in zip(range(len(arms) - 1), range(1, len(arms)), strict=True):
            before, after = scores[arms[left]], scores[arms[right]]
            for repeat in sorted(before.keys() & after.keys()):
                tint, dash = self._line(after[repeat] - before[repeat]) if pair else (INK, "-")
                y = [before[repeat], after[repeat]]
                axes.plot([left, right], y, color=tint, linestyle=dash, linewidth=1.2, alpha=0.75)
        for i, arm in enumerate(arms):
            mine = list(scores[arm].values())
            axes.plot([i] * len(mine), mine, linestyle="none", marker="o", markersize=3.6, color=INK, alpha=0.55)
            if mine:
                axes.hlines(fmean(mine), i - 0.26, i + 0.26, color=INK, linewidth=2.6)
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
            axes.set_xlabel(f"{c.paired.won} of {c.paired.n}", fontsize=9)

    def _line(self, difference: float) -> tuple[str, Stroke]:
        """Tint and dash of a repeat by who is ahead."""
        gain = difference if self.summary.metric.higher_is_better else -difference
        if gain == 0:
            return NEUTRAL, ":"
        return (AHEAD, "-") if gain > 0 else (BEHIND, "--")

    def _title(self, arms: Sequence[str]) -> str:
        """The arm, and below it what it is held against where that is not the same in all plots."""
        against, arm = arms
        if len({c.reference for c in self.summary.primary}) > 1:
            return f"{shortened(arm, 14)}\n− {shortened(against, 12)}"
        lines = textwrap.wrap(shortened(arm, 28), 14)
        return "\n".join(lines[:2] if len(lines) < 3 else [lines[0], shortened("".join(lines[1:]), 14)])

    def _legend(self, figure: Drawing) -> None:
        if not self.summary.primary:
            return
        references = {c.reference for c in self.summary.primary}
        figure.axes[0].add_line(Line2D([], [], color=AHEAD, linestyle="-", linewidth=1.4, label="arm ahead"))
        figure.axes[0].add_line(Line2D([], [], color=BEHIND, linestyle="--", linewidth=1.4, label="arm behind"))
        figure.axes[0].add_line(Line2D([], [], color=INK, linewidth=2.6, label="mean"))
        figure.legend(loc="outside upper left", ncols=3, handlelength=2.6, columnspacing=1.4)
        if len(references) == 1 and len(self._plots()) > 1:
            figure.supxlabel(f"left: {shortened(next(iter(references)))}, right: the arm above", fontsize=10)
