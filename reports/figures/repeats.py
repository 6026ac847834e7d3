"""Scores by repeat: one line a repeat from arm to arm, since arms are compared repeat by repeat."""

from __future__ import annotations

import math
from statistics import fmean

import pandas as pd
import seaborn
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from reports.contents import Summary
from reports.figures.style import (
    INK,
    MOST_ARMS,
    WIDTH,
    colour,
    house_style,
    legend_above,
    marker,
    only_first,
    shortened,
)


class ScoresByRepeat:
    """The study's metric of every finished run, arms side by side."""

    name = "repeats"
    title = "Scores by repeat"
    value = "score"

    def __init__(self, summary: Summary) -> None:
        self.summary = summary

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        return (
            f"{self.summary.metric.title.capitalize()} of every finished run ({self.summary.metric.direction}). "
            "A line is one repeat: the same split and initialisation for every arm. Lines that all rise or all fall "
            "from one arm to the next are what a small p means; lines that cross show that the split decides more "
            "than the arm." + only_first(len(self.summary.arms))
        )

    def frame(self) -> pd.DataFrame:
        """One row per finished run: ``arm, repeat, score``."""
        return pd.DataFrame(self._rows(), columns=["arm", "repeat", "score"])

    def _rows(self) -> list[tuple[str, int, float]]:
        rows = [(r.arm, r.repeat, r.score) for r in self.summary.runs if math.isfinite(r.score)]
        order = {arm.name: i for i, arm in enumerate(self.summary.arms)}
        return sorted(rows, key=lambda row: (order[row[0]], row[1]))

    def draw(self) -> Drawing:
        """Arms from left to right in the order of the tables."""
        names = [arm.name for arm in self.summary.arms][:MOST_ARMS]
        rows = [(arm, repeat, score) for arm, repeat, score in self._rows() if arm in names]
        places = [float(names.index(arm)) for arm, _, _ in rows]
        points = pd.DataFrame({"place": places, "repeat": [r for _, r, _ in rows], "score": [s for _, _, s in rows]})
        with house_style():
            figure = Drawing(figsize=(WIDTH, 3.6), layout="constrained")
            axes = figure.add_subplot()
            if rows:
                seaborn.lineplot(
                    points, x="place", y="score", units="repeat", estimator=None, ax=axes,
                    color=INK, alpha=0.3, linewidth=1.0,
                )  # fmt: skip
            for i, name in enumerate(names):
                mine = [score for arm, _, score in rows if arm == name]
                if mine:
                    seaborn.scatterplot(
                        x=[float(i)] * len(mine), y=mine, color=colour(i), marker=marker(i), s=42, ax=axes
                    )
                    axes.hlines(fmean(mine), i - 0.22, i + 0.22, color=colour(i), linewidth=2.6)
            # Beside one another few names have room; slanted, more do.
            slant = sum(len(shortened(name)) for name in names) > 60
            labels = [shortened(name, 22 if slant else 64 // len(names)) for name in names]
            turned = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if slant else {}
            axes.set_xticks(range(len(names)), labels, **turned)
            axes.set_xlim(-0.5, len(names) - 0.5)
            axes.tick_params(axis="x", length=0)
            axes.set_xlabel("")
            axes.set_ylabel(f"test {self.summary.metric.title}")
            axes.grid(axis="y")
            axes.add_line(Line2D([], [], color=INK, alpha=0.3, linewidth=1.0, label="one repeat"))
            axes.add_line(Line2D([], [], color=INK, linewidth=2.6, label="mean of an arm"))
            legend_above(axes)
        return figure
