"""A search as it went on: every trial and the best so far, the best of n, and confirmation."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.marks import curve, curves, dots, intervals, name_rows
from reports.figures.style import INK, MOST_ARMS, NEUTRAL, colour, legend_above, only_first, sheet, shortened
from reports.numbers import prose
from reports.records.frame import StudyResults
from reports.records.rows import chosen
from reports.sections.search.estimates import (
    best_of_frame,
    confirmed_frame,
    history_frame,
    short_title,
    title,
)
from studies.search.results import SearchResult


class SearchHistory(FigureBase):
    """The objective of every trial in the order in which they were proposed, one plot a search."""

    name = "search_history"
    title = later("Trials and the best so far")
    value = "value"

    def __init__(self, results: StudyResults) -> None:
        self.searches = results.search

    @property
    def description(self) -> str:
        said = say(
            "{measured} of every trial in the order in which they were proposed. Filled marks were "
            "trained to the end; open marks were pruned and show the last value they reached. The line is the best "
            "of those that were trained to the end.",
            measured=_measured(self.searches),
        )
        return prose(said, only_first(len(self.searches)).strip())

    def numbers(self) -> pd.DataFrame:
        """One row an ended trial: ``arm, trial, order, state, value, best``."""
        return history_frame(self.searches)

    def drawn(self) -> Drawing:
        """One plot a search, on common axes."""
        frame, arms = self.frame(), [s.arm for s in self.searches][:MOST_ARMS]
        figure, plots = sheet(0.6 + 1.7 * len(arms), len(arms), sharex=True, sharey=True)
        for i, (axes, arm) in enumerate(zip(plots, arms, strict=True)):
            mine = chosen(frame, arm=arm)
            curve(axes, mine, "order", "best", color=INK, alpha=0.6, linewidth=1.3, drawstyle="steps-post")
            for state, shape in (("complete", "o"), ("pruned", "v")):
                look = {"shape": shape, "size": 5, "filled": state == "complete", "linewidth": 1.0}
                dots(axes, chosen(mine, state=state), "order", "value", tint=colour(i), **look)
            axes.set_title(shortened(arm, 48), loc="left")
            axes.grid(axis="y")
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        plots[-1].set_xlabel(say("trial, in the order of proposals"))
        figure.supylabel(_short(self.searches), fontsize=10)
        return figure


class BestOfN(FigureBase):
    """What a search of n trials would be expected to find."""

    name = "search_best_of"
    title = later("The best of n trials")
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.searches = results.search

    @property
    def description(self) -> str:
        said = say(
            "Expected best {measured} of n trials drawn from those of a search (unbiased; "
            "bands: 8 of 10 draws). If lines cross, the best arm depends on the length of the search. A pruned trial "
            "counts as the worst that was trained to the end.",
            measured=_measured(self.searches, False),
        )
        return prose(said, only_first(len(self.searches)).strip())

    def numbers(self) -> pd.DataFrame:
        """``arm, n, mean, low, high``."""
        return best_of_frame(self.searches)

    def drawn(self) -> Drawing:
        """All searches in one plot."""
        frame = self.frame()
        figure, (axes,) = sheet(3.4)
        with curves(axes) as lines:
            for i, arm in enumerate(list(dict.fromkeys(frame["arm"]))[:MOST_ARMS]):
                lines.band(chosen(frame, arm=arm), "n", i, shortened(arm), alpha=0.14, linewidth=1.7)
        axes.set(xlabel=say("trials"), ylabel=_short(self.searches))
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        axes.grid(axis="y")
        legend_above(axes)
        return figure


class SearchedAndConfirmed(FigureBase):
    """The score that won a search beside that of the same settings on fresh repeats."""

    name = "search_confirmed"
    title = later("Promised and confirmed")
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        self.searches = results.search

    @property
    def description(self) -> str:
        return say(
            "{measured}: open marks are the winner's score in its search, filled marks the score of "
            "its settings on fresh repeats, with interval. The distance is the winner's curse: the best of many "
            "trials is partly the luckiest.",
            measured=_measured(self.searches),
        )

    def numbers(self) -> pd.DataFrame:
        """``arm, trial, objective, searched, mean, low, high, n, lost``."""
        return confirmed_frame(self.results)

    def drawn(self) -> Drawing:
        """A row for each confirmed arm, first objective."""
        frame = chosen(self.frame(), objective=self.searches[0].search.objective[0].name).reset_index(drop=True)
        frame = frame.reset_index(names="row")
        figure, (axes,) = sheet(0.9 + 0.34 * max(1, len(frame)))
        intervals(axes, frame, tint=colour(0), line=1.6, size=7, linewidth=1.0)
        axes.hlines(frame["row"], frame["searched"], frame["mean"], color=NEUTRAL, linewidth=0.8, linestyle=":")
        dots(axes, frame, "searched", "row", tint=colour(1), shape="D", filled=False, linewidth=1.0)
        name_rows(axes, [shortened(str(a), 24) for a in frame["arm"]])
        axes.set_xlabel(_short(self.searches))
        return figure


def _measured(searches: Sequence[SearchResult], capital: bool = True) -> str:
    text = title(searches[0].search.objective[0])
    return text[:1].upper() + text[1:] if capital else text


def _short(searches: Sequence[SearchResult]) -> str:
    return say("{measure} (validation)", measure=shortened(short_title(searches[0].search.objective[0]), 24))
