"""Scores by component: one line a component, one mark an arm with its interval, ticks for the naive baselines."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure as Drawing

from reports.figures.style import (
    INK,
    MOST_ARMS,
    PAPER,
    WIDTH,
    colour,
    house_style,
    legend_above,
    marker,
    only_first,
    shortened,
)
from reports.model.report import Summary
from reports.numbers import percent

BASELINE_MARKS = ("|", "x", "+", "1")


class ComponentScores:
    """The metric's measure for each component, arm by arm."""

    name = "components"
    title = "Scores by component"
    value = "mean"

    def __init__(self, summary: Summary) -> None:
        self.summary = summary

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        text = (
            f"{self.summary.metric.measure} of each component on the test items: mean over repeats with its "
            f"{percent(self.summary.level)} interval, one mark for each arm; small dark marks are naive baselines "
            f"({self.summary.metric.direction})."
        )
        return text[0].upper() + text[1:] + only_first(len(self.summary.arms))

    def frame(self) -> pd.DataFrame:
        """One row per arm or baseline and component: ``who, baseline, component, mean, low, high, n``."""
        summary, rows = self.summary, []
        names = (summary.metric.title if summary.metric.component is None else None, *summary.components)
        for arm in summary.arms:
            for component, e in zip(names, (arm.score, *arm.components), strict=True):
                rows.append((arm.name, False, component, e.mean, e.low, e.high, e.n))
        for b in summary.baselines:
            for component, value in zip(names, (b.score, *b.components), strict=True):
                rows.append((b.name, True, component, value, math.nan, math.nan, None))
        frame = pd.DataFrame(rows, columns=["who", "baseline", "component", "mean", "low", "high", "n"])
        return frame.dropna(subset=["component"]).reset_index(drop=True)

    def draw(self) -> Drawing:
        """Components from top to bottom; those without any score are left out."""
        frame = self.frame().dropna(subset=["mean"])
        components = list(dict.fromkeys(frame.query("not baseline")["component"]))
        frame = frame.query("component in @components")
        frame = frame.assign(height=[float(components.index(c)) for c in frame["component"]])
        arms = [a.name for a in self.summary.arms][:MOST_ARMS]
        step = min(0.8 / max(len(arms), 1), 0.2)
        row_height = 0.32 + 0.14 * len(arms)
        with house_style():
            figure = Drawing(figsize=(WIDTH, 1.2 + row_height * max(len(components), 1)), layout="constrained")
            axes = figure.add_subplot()
            for i, b in enumerate(self.summary.baselines):
                mine = frame.query("baseline and who == @b.name")
                axes.plot(
                    mine["mean"], mine["height"], linestyle="none", label=b.name,
                    color=INK, alpha=0.75, marker=BASELINE_MARKS[i % len(BASELINE_MARKS)], markersize=9,
                    markeredgewidth=1.4,
                )  # fmt: skip
            for i, name in enumerate(arms):
                mine = frame.query("not baseline and who == @name")
                y = mine["height"] + (i - (len(arms) - 1) / 2) * step
                axes.hlines(y, mine["low"], mine["high"], color=colour(i), linewidth=1.8)
                axes.plot(
                    mine["mean"], y, linestyle="none", marker=marker(i), markersize=6.5, color=colour(i),
                    markerfacecolor=colour(i) if i % 2 == 0 else PAPER, markeredgewidth=1.5, label=shortened(name),
                )  # fmt: skip
            axes.set_yticks(range(len(components)), [shortened(str(c), 20) for c in components])
            if len(components) and components[0] == self.summary.metric.title:
                axes.get_yticklabels()[0].set_fontweight("bold")
            axes.set_ylim(len(components) - 0.4, -0.6)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.grid(axis="x")
            axes.set_xlabel(f"{self.summary.metric.measure.replace('_', ' ')} ({self.summary.metric.direction})")
            legend_above(axes)
        return figure
