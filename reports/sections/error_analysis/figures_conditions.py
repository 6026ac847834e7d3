"""Loss under a condition ÷ loss without it: a plot a component, a line a condition, a mark an arm."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mmcore.answers.error_analysis import ErrorsResult
from reports.figures.style import INK, PAPER, WIDTH, colour, house_style, marker, shortened
from reports.numbers import percent
from reports.records.frame import StudyResults
from reports.sections.arms.shown import told_arms
from reports.sections.error_analysis.estimates import Ratio, ratios

WIDEST = 30.0
"""Ratios beyond this, and below its inverse, stand at the edge: one of them would flatten all others."""


class ErrorConditions:
    """How many times the loss is, under each condition, of what it is without."""

    name = "errors_conditions"
    title = "Loss by condition"
    value = "ratio"

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        self.found: list[Ratio] = ratios(results) if results.answers(ErrorsResult) else []
        self.told = told_arms(results, {r.arm for r in self.found})

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        return (
            "Loss in a group of targets ÷ loss in the group that it is held against, by component: geometric mean over "
            f"repeats with {percent(1 - self.results.study.alpha)} intervals; 1, the thin line, is no difference. "
            "Small dark marks are the naive predictors: where a mark stands right of its own, the arm suffers more "
            "there than the targets are hard. Drawn are the reference and the best arm; the table has all."
        )

    def frame(self) -> pd.DataFrame:
        """One row per arm, component and condition's group: ``ratio, low, high, n, naive``."""
        rows = [
            (r.arm, r.component, r.place.condition, r.place.group, r.place.base, r.ratio, r.low, r.high, r.n, r.naive)
            for r in self.found
        ]
        columns = ["arm", "component", "condition", "group", "against", "ratio", "low", "high", "n", "naive"]
        return pd.DataFrame(rows, columns=columns)

    def draw(self) -> Drawing:
        """Two plots side by side on common axes; conditions from top to bottom."""
        places = list(dict.fromkeys(r.place for r in self.found))
        components = list(dict.fromkeys(r.component for r in self.found))
        # An arm has the same colour in all figures.
        order = {arm.name: i for i, arm in enumerate(self.results.study.arms)}
        across, down = min(2, len(components)), -(-len(components) // 2)
        widest = min(WIDEST, max(1.5, *(max(r.ratio, 1 / r.ratio) for r in self.found if r.arm in self.told)) * 1.3)
        with house_style():
            height = 0.9 + down * (0.5 + 0.27 * len(places))
            figure = Drawing(figsize=(WIDTH, height), layout="constrained")
            plots = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flatten()
            for axes, component in zip(plots, components, strict=False):
                axes.axvline(1.0, color=INK, alpha=0.45, linewidth=0.9)
                axes.set_title(shortened(component), loc="left")
                for place, arm in enumerate(self.told):
                    i = order[arm]
                    mine = [r for r in self.found if r.arm == arm and r.component == component]
                    y = np.array([places.index(r.place) for r in mine]) + (place - (len(self.told) - 1) / 2) * 0.3
                    ratio, low, high = (
                        np.clip([getattr(r, edge) for r in mine], 1 / widest, widest)
                        for edge in ("ratio", "low", "high")
                    )
                    axes.hlines(y, low, high, color=colour(i), linewidth=1.5)
                    axes.plot(
                        ratio, y, linestyle="none", marker=marker(i), markersize=4.5, color=colour(i),
                        markerfacecolor=colour(i) if i % 2 == 0 else PAPER, label=shortened(arm),
                    )  # fmt: skip
                naive = {r.place: r.naive for r in self.found if r.component == component and math.isfinite(r.naive)}
                axes.plot(
                    np.clip(list(naive.values()), 1 / widest, widest), [places.index(p) for p in naive],
                    linestyle="none", marker="|", markersize=8, color=INK, alpha=0.75, zorder=1.5,
                    label="naive predictors",
                )  # fmt: skip
                axes.set_xscale("log")
                axes.set_xlim(1 / widest, widest)
                axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if widest < 6 else (1.0, 3.0)))
                axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.3g}"))
                axes.xaxis.set_minor_formatter(NullFormatter())
                axes.set_yticks(range(len(places)), [shortened(p.label, 30) for p in places])
                axes.set_ylim(len(places) - 0.4, -0.6)
                axes.tick_params(axis="y", length=0, labelsize=8)
                axes.grid(axis="x")
            for axes in plots[len(components) :]:
                axes.set_axis_off()
            figure.supxlabel("loss ÷ loss in the group it is held against", fontsize=10)
            handles, labels = plots[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=3, columnspacing=1.4)
        return figure
