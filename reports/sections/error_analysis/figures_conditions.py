"""Loss under a condition ÷ loss without it: a plot a component, a line a condition, a mark an arm."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from mmcore.answers.error_analysis import ErrorsResult
from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.marks import dots, intervals, name_rows
from reports.figures.style import INK, colour, legend_over_all, log_scale, marker, sheet, shortened
from reports.numbers import percent
from reports.records.frame import StudyResults
from reports.sections.arms.shown import shown_arms
from reports.sections.error_analysis.estimates import Ratio, ratios

WIDEST = 30.0
"""Ratios beyond this, and below its inverse, stand at the edge: one of them would flatten all others."""


class ErrorConditions(FigureBase):
    """How many times the loss is, under each condition, of what it is without."""

    name = "errors_conditions"
    title = later("Loss by condition")
    value = "ratio"

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        self.found: list[Ratio] = ratios(results) if results.answers(ErrorsResult) else []
        self.shown = shown_arms(results, {r.arm for r in self.found})

    @property
    def description(self) -> str:
        return say(
            "Loss in a group of targets ÷ loss in the group that it is compared with, by component: geometric mean "
            "over repeats with {level} intervals; 1, the thin line, is no difference. "
            "Small dark marks are the naive predictors: an arm's mark to the right of them means that the arm loses "
            "more there than the targets' difficulty explains. The figure has the reference and the best arm; the "
            "table has all.",
            level=percent(1 - self.results.study.alpha),
        )

    def numbers(self) -> pd.DataFrame:
        """One row per arm, component and condition's group: ``ratio, low, high, n, naive``."""
        rows = [
            (r.arm, r.component, r.place.condition, r.place.group, r.place.base, r.ratio, r.low, r.high, r.n, r.naive)
            for r in self.found
        ]
        columns = ["arm", "component", "condition", "group", "against", "ratio", "low", "high", "n", "naive"]
        return pd.DataFrame(rows, columns=columns)

    def drawn(self) -> Drawing:
        """Two plots side by side on common axes; conditions from top to bottom."""
        frame, places = self.frame(), list(dict.fromkeys(r.place for r in self.found))
        frame = frame.assign(row=[float(places.index(r.place)) for r in self.found])
        components = list(dict.fromkeys(frame["component"]))
        # An arm has the same colour in all figures.
        order = {arm.name: i for i, arm in enumerate(self.results.study.arms)}
        widest = min(WIDEST, max(1.5, *(max(r.ratio, 1 / r.ratio) for r in self.found if r.arm in self.shown)) * 1.3)
        edges = ["ratio", "low", "high", "naive"]
        frame[edges] = frame[edges].clip(1 / widest, widest)
        across, down = min(2, len(components)), -(-len(components) // 2)
        height = 0.9 + down * (0.5 + 0.27 * len(places))
        figure, plots = sheet(height, len(components), across, sharex=True, sharey=True)
        for axes, component in zip(plots, components, strict=True):
            here = frame.loc[frame["component"] == component]
            log_scale(axes, [1 / widest, widest])
            axes.axvline(1.0, color=INK, alpha=0.45, linewidth=0.9)
            axes.set_title(shortened(component), loc="left")
            for at, arm in enumerate(self.shown):
                i, mine = order[arm], here.loc[here["arm"] == arm]
                mine = mine.assign(row=mine["row"] + (at - (len(self.shown) - 1) / 2) * 0.3)
                look = {"shape": marker(i), "size": 4.5, "filled": i % 2 == 0, "linewidth": 1.0}
                intervals(axes, mine, x="ratio", tint=colour(i), line=1.5, label=shortened(arm), **look)
            naive = here.drop_duplicates("row", keep="last")
            look = {"shape": "|", "size": 8, "linewidth": 1.0, "alpha": 0.75, "zorder": 1.5}
            dots(axes, naive, "naive", "row", tint=INK, label=say("naive predictors"), **look)
            axes.set_xlim(1 / widest, widest)
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if widest < 6 else (1.0, 3.0)))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.3g}"))
            axes.xaxis.set_minor_locator(NullLocator())
            name_rows(axes, [shortened(p.shown, 30) for p in places])
            axes.tick_params(axis="y", labelsize=8)
        figure.supxlabel(say("loss ÷ loss in the group it is compared with"), fontsize=10)
        legend_over_all(figure)
        return figure
