"""The space of a search: which axes matter, and where along them the good settings lie."""

from __future__ import annotations

from statistics import fmean

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.marks import dots, name_rows
from reports.figures.style import colour, legend_over_all, log_scale, log_ticks, marker, path_end, sheet, shortened
from reports.numbers import prose
from reports.records.frame import StudyResults
from reports.records.rows import chosen
from reports.sections.search.estimates import coordinates, importances_frame, numeric_axes, span
from studies.search.results import SearchResult

MOST_AXES = 6
"""Axes that are drawn, the most important first."""


class Importances(FigureBase):
    """How much of the variation of the objective each axis explains."""

    name = "search_importances"
    title = later("Which settings matter")
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.searches = results.search

    @property
    def description(self) -> str:
        said = say(
            "Share of the variation of the first objective that each axis explains, by two methods: fANOVA over all "
            "trials, and PED-ANOVA for what separates the best tenth. Marks are means over resampled trials, lines "
            "reach from the lowest to the highest: where they are long, the search is too small to say."
        )
        more = say("The first of {n} searches is drawn; the table has all.", n=len(self.searches))
        return prose(said, more if self.more else "")

    @property
    def more(self) -> bool:
        """Whether there are searches that are not drawn."""
        return len(self.searches) > 1

    def numbers(self) -> pd.DataFrame:
        """``arm, objective, method, axis, mean, low, high, n``."""
        return importances_frame(self.searches)

    def drawn(self) -> Drawing:
        """A row an axis, both methods beside each other."""
        search = self.searches[0]
        frame = chosen(self.frame(), arm=search.arm, objective=search.search.objective[0].name)
        methods = list(dict.fromkeys(frame["method"]))
        means = {a: fmean(chosen(frame, axis=a)["mean"]) for a in dict.fromkeys(frame["axis"])}
        order = sorted(means, key=lambda a: -means[a])[: 2 * MOST_AXES]
        figure, (axes,) = sheet(0.9 + 0.42 * max(1, len(order)))
        for m, method in enumerate(methods):
            mine = chosen(frame, method=method).set_index("axis").reindex(order)
            mine = mine.assign(row=np.arange(len(order)) + 0.18 * (2 * m - len(methods) + 1))
            axes.hlines(mine["row"], mine["low"], mine["high"], color=colour(m), linewidth=1.5)
            dots(axes, mine, "mean", "row", tint=colour(m), shape=marker(m), linewidth=1.0, label=method)
        name_rows(axes, [shortened(str(a), 30) for a in order])
        axes.set_xlim(left=0)
        axes.set_xlabel(say("share of the variation"))
        legend_over_all(figure)
        return figure


class Slices(FigureBase):
    """The objective along each axis, for the search with the most numeric axes: the first of those."""

    name = "search_slices"
    title = later("The objective along each axis")
    value = "value"

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        whole = max(results.search, key=lambda s: len(numeric_axes(s)), default=None)
        self.search: SearchResult | None = whole
        self.axes = numeric_axes(whole)[:MOST_AXES] if whole is not None else []

    @property
    def description(self) -> str:
        assert self.search is not None
        trials = say("Trials of '{arm}'", arm=self.search.arm)
        if len(self.results.search) > 1:
            trials = say("Trials of '{arm}' of the {n} searches", arm=self.search.arm, n=len(self.results.search))
        return say(
            "{trials} that were trained to the end: the first objective over each numeric axis. The ring is the best. "
            "If good settings crowd at an end, use a wider range."
            if self.search.importances is None
            else "{trials} that were trained to the end: the first objective over each numeric axis, the most "
            "important axes first. The ring is the best. If good settings crowd at an end, use a wider range.",
            trials=trials,
        )

    def numbers(self) -> pd.DataFrame:
        """``trial, value`` and a column an axis; empty without a numeric axis."""
        if self.search is None or not self.axes:
            return pd.DataFrame(columns=["trial", "value"])
        rows = [
            {"trial": t.number, "value": t.values[0]} | {a: coordinates(t).get(a, np.nan) for a in self.axes}
            for t in self.search.ended
            if t.values
        ]
        return pd.DataFrame(rows, columns=["trial", "value", *self.axes])

    def drawn(self) -> Drawing:
        """Small plots, two side by side, on one vertical axis."""
        frame = self.frame()
        assert self.search is not None
        best = frame.loc[frame["trial"].isin(self.search.best[:1])]
        figure, plots = sheet(0.5 + 1.9 * max(1, -(-len(self.axes) // 2)), len(self.axes), 2, sharey=True)
        for axes, axis in zip(plots, self.axes, strict=False):
            bounds = span(self.search, axis)
            if bounds is not None and bounds[2]:
                shown = frame[axis].dropna().tolist()
                log_scale(axes, shown)
                log_ticks(axes.xaxis, shown)
            dots(axes, frame, axis, "value", tint=colour(0), size=4.5, linewidth=1.0)
            dots(axes, best, axis, "value", tint=colour(1), size=11, filled=False, zorder=2)
            axes.set_xlabel(path_end(axis, 30))
            axes.grid(axis="y")
        return figure
