"""The space of a search: which axes matter, and where along them the good settings lie."""

from __future__ import annotations

from statistics import fmean

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.figures.base import FigureBase
from reports.figures.marks import curve, dots, intervals, name_rows
from reports.figures.style import (
    INK,
    NEUTRAL,
    PAPER,
    colour,
    legend_over_all,
    log_ticks,
    marker,
    path_end,
    sheet,
    shortened,
)
from reports.records.frame import StudyResults
from reports.sections.search.estimates import (
    Search,
    chosen,
    coordinates,
    ended,
    importances_frame,
    numeric_axes,
    objectives,
    span,
)

MOST_AXES = 6
"""Axes that are drawn, the most important first."""
GOOD = 0.2
"""The share of trials that counts as the best in the plot of parallel lines."""


class Importances(FigureBase):
    """How much of the variation of the objective each axis explains."""

    name = "search_importances"
    title = "Which settings matter"
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.searches = results.search

    @property
    def description(self) -> str:
        return (
            "Share of the variation of the first objective that each axis explains, by two methods: fANOVA over all "
            "trials, and PED-ANOVA for what separates the best tenth. Marks are means over resampled trials, lines "
            "reach from the lowest to the highest: where they are long, the search is too small to say."
            + (f" The first of {len(self.searches)} searches is drawn; the table has all." if self.more else "")
        )

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
        frame = chosen(self.frame(), arm=search["arm"], objective=objectives(search)[0][0])
        methods = list(dict.fromkeys(frame["method"]))
        means = {a: fmean(frame.query("axis == @a")["mean"]) for a in dict.fromkeys(frame["axis"])}
        order = sorted(means, key=lambda a: -means[a])[: 2 * MOST_AXES]
        figure, (axes,) = sheet(0.9 + 0.42 * max(1, len(order)))
        for m, method in enumerate(methods):
            mine = frame.query("method == @method").set_index("axis").reindex(order)
            mine = mine.assign(row=np.arange(len(order)) + 0.18 * (2 * m - len(methods) + 1))
            intervals(axes, mine, tint=colour(m), line=1.5, shape=marker(m), linewidth=1.0, label=method)
        name_rows(axes, [shortened(str(a), 30) for a in order])
        axes.set_xlim(left=0)
        axes.set_xlabel("share of the variation")
        legend_over_all(figure)
        return figure


class _OfOneSearch(FigureBase):
    """The search with the most numeric axes: the first of those."""

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        whole = max(results.search, key=lambda s: len(numeric_axes(s)), default=None)
        self.search: Search | None = whole
        self.axes = numeric_axes(whole)[:MOST_AXES] if whole is not None else []

    @property
    def _whose(self) -> str:
        assert self.search is not None
        many = f" of the {len(self.results.search)} searches" if len(self.results.search) > 1 else ""
        return f"'{self.search['arm']}'{many}"

    @property
    def _ranked(self) -> bool:
        """Whether it is known how much each axis matters; else they come in the order of the space."""
        return self.search is not None and bool(self.search.get("importances"))

    def _log(self, axis: str) -> bool:
        assert self.search is not None
        bounds = span(self.search, axis)
        return bounds is not None and bounds[2]

    def _trials(self) -> pd.DataFrame:
        if self.search is None:
            return pd.DataFrame(columns=["trial", "value"])
        rows = [
            {"trial": t["number"], "value": t["values"][0]} | {a: coordinates(t).get(a, np.nan) for a in self.axes}
            for t in ended(self.search)
            if t["values"]
        ]
        return pd.DataFrame(rows, columns=["trial", "value", *self.axes])


class Slices(_OfOneSearch):
    """The objective along each axis."""

    name = "search_slices"
    title = "The objective along each axis"
    value = "value"

    @property
    def description(self) -> str:
        return (
            f"Trials of {self._whose} that were trained to the end: the first objective over each numeric axis"
            f"{', the most important axes first' if self._ranked else ''}. The ring is the best. Good settings crowded "
            "at an end ask for a wider range."
        )

    def numbers(self) -> pd.DataFrame:
        """``trial, value`` and a column an axis."""
        return self._trials() if self.axes else pd.DataFrame(columns=["trial", "value"])

    def drawn(self) -> Drawing:
        """Small plots, two side by side, on one vertical axis."""
        frame = self.frame()
        assert self.search is not None
        best = frame.loc[frame["trial"].isin(self.search["best"][:1])]
        figure, plots = sheet(0.5 + 1.9 * max(1, -(-len(self.axes) // 2)), len(self.axes), 2, sharey=True)
        for axes, axis in zip(plots, self.axes, strict=False):
            if self._log(axis):
                axes.set_xscale("log")
                log_ticks(axes.xaxis, frame[axis].dropna().tolist())
            dots(axes, frame, axis, "value", tint=colour(0), size=4.5, linewidth=1.0)
            dots(axes, best, axis, "value", tint=colour(1), size=11, filled=False, zorder=2)
            axes.set_xlabel(path_end(axis, 30))
            axes.grid(axis="y")
        return figure


class Contour(_OfOneSearch):
    """The objective over the two most important axes."""

    name = "search_contour"
    title = "The objective over two axes"
    value = "value"

    @property
    def description(self) -> str:
        return (
            f"Trials of {self._whose} over the {'two most important' if self._ranked else 'first two'} numeric axes: "
            "the larger the mark, the better the first objective; lines of equal value are linear between trials, and "
            "only a hint where these are few."
        )

    def numbers(self) -> pd.DataFrame:
        """``trial, value`` and the two axes; empty with fewer than two axes or eight trials."""
        frame = self._trials().drop(columns=self.axes[2:]).dropna()
        return frame if len(self.axes) > 1 and len(frame) >= 8 else frame.iloc[:0]

    def drawn(self) -> Drawing:
        """Marks, and lines of equal value where trials do not lie on one line."""
        frame, (first, second) = self.frame(), self.axes[:2]
        assert self.search is not None
        rank = frame["value"].rank(pct=True, ascending=objectives(self.search)[0][1])
        figure, (axes,) = sheet(3.6)
        x, y = (np.log10(frame[a]) if self._log(a) else frame[a] for a in (first, second))
        try:
            lines = axes.tricontour(x, y, frame["value"], levels=6, colors=INK, linewidths=0.8, alpha=0.5)
            axes.clabel(lines, fontsize=8)
        except (RuntimeError, ValueError):
            pass  # All trials on one line: there is no surface between them, and the marks say so.
        sizes = 12 + 90 * rank.to_numpy() ** 3
        sns.scatterplot(x=x, y=y, s=sizes, color=colour(0), edgecolor=PAPER, linewidth=0.6, zorder=3, ax=axes)
        xlabel, ylabel = (path_end(a, 30) + (", power of ten" if self._log(a) else "") for a in (first, second))
        axes.set(xlabel=xlabel, ylabel=ylabel)
        # Contours would end the axes at the outermost trials, and cut their marks.
        axes.use_sticky_edges = False
        return figure


class ParallelCoordinates(_OfOneSearch):
    """Every trial as a line across the axes."""

    name = "search_parallel"
    title = "Trials across the axes"
    value = "value"

    @property
    def description(self) -> str:
        return (
            f"Trials of {self._whose}: each line is one, each vertical an axis from its lowest to its highest value, "
            f"the objective last. The best {100 * GOOD:.0f} % are coloured: where they bundle, a setting matters."
        )

    def numbers(self) -> pd.DataFrame:
        """``trial``, a column an axis and ``value``; empty with fewer than two axes."""
        frame = self._trials().dropna()
        return frame if len(self.axes) > 1 else frame.iloc[:0]

    def drawn(self) -> Drawing:
        """Lines between verticals; the best on top."""
        frame, search = self.frame(), self.search
        assert search is not None
        columns = [*self.axes, "value"]
        scaled = pd.DataFrame({c: np.log10(frame[c]) if c != "value" and self._log(c) else frame[c] for c in columns})
        width = (scaled.max() - scaled.min()).replace(0, 1)
        scaled = (scaled - scaled.min()) / width
        good = frame["value"].rank(pct=True, ascending=objectives(search)[0][1]) > 1 - GOOD
        figure, (axes,) = sheet(3.4)
        scaled.columns = range(len(columns))
        for which, tint, alpha, width in ((~good, NEUTRAL, 0.3, 0.8), (good, colour(1), 0.9, 1.4)):
            lines = scaled[which].melt(ignore_index=False, var_name="place").reset_index(names="trial")
            curve(axes, lines, "place", "value", "trial", color=tint, alpha=alpha, linewidth=width)
        for i, column in enumerate(columns):
            axes.axvline(i, color=INK, linewidth=0.8)
            _ends(axes, i, frame[column].to_numpy(float))
        names = [shortened(c.rpartition(".")[2] if c != "value" else "objective", 16) for c in columns]
        axes.set_xticks(range(len(columns)), names, rotation=25, ha="right")
        axes.set(yticks=[], ylim=(-0.12, 1.12))
        axes.spines["left"].set_visible(False)
        return figure


def _ends(axes: Axes, i: int, values: np.ndarray) -> None:
    for y, value, where in ((-0.03, values.min(), "top"), (1.03, values.max(), "bottom")):
        axes.text(i, y, f"{value:.3g}", ha="center", va=where, fontsize=8.5)
