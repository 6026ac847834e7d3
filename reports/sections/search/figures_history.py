"""A search as it went on: every trial and the best so far, the best of n, and confirmation."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from reports.figures.style import (
    INK,
    MOST_ARMS,
    NEUTRAL,
    PAPER,
    WIDTH,
    colour,
    house_style,
    legend_above,
    line,
    marker,
    only_first,
    shortened,
)
from reports.records.frame import StudyResults
from reports.sections.search.estimates import (
    Search,
    best_of_frame,
    chosen,
    confirmed_frame,
    history_frame,
    objectives,
    title,
)


class SearchHistory:
    """The objective of every trial in the order in which they were proposed, one plot a search."""

    name = "search_history"
    title = "Trials and the best so far"
    value = "value"

    def __init__(self, results: StudyResults) -> None:
        self.searches = results.search

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        return (
            f"{_measured(self.searches)} of every trial in the order in which they were proposed. Filled marks were "
            "trained to the end, open ones were pruned and stand at the last value they reached; the line is the best "
            f"of those that were trained to the end.{only_first(len(self.searches))}"
        )

    def frame(self) -> pd.DataFrame:
        """One row an ended trial: ``arm, trial, order, state, value, best``."""
        return history_frame(self.searches)

    def draw(self) -> Drawing:
        """One plot a search, on common axes."""
        frame, arms = self.frame(), [s["arm"] for s in self.searches][:MOST_ARMS]
        with house_style():
            figure = Drawing(figsize=(WIDTH, 0.6 + 1.7 * len(arms)), layout="constrained")
            plots = figure.subplots(len(arms), 1, sharex=True, sharey=True, squeeze=False).flatten()
            for i, (axes, arm) in enumerate(zip(plots, arms, strict=True)):
                mine = frame.query("arm == @arm")
                for state, face in (("complete", colour(i)), ("pruned", PAPER)):
                    some = mine.query("state == @state")
                    axes.plot(
                        some["order"], some["value"], linestyle="none", marker="o" if state == "complete" else "v",
                        color=colour(i), markerfacecolor=face, markersize=5, label=state,
                    )  # fmt: skip
                axes.plot(mine["order"], mine["best"], color=INK, alpha=0.6, linewidth=1.3, drawstyle="steps-post")
                axes.set_title(shortened(arm, 48), loc="left")
                axes.grid(axis="y")
                axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            plots[-1].set_xlabel("trial, in the order of proposals")
            figure.supylabel(_short(self.searches), fontsize=10)
        return figure


class BestOfN:
    """What a search of n trials would be expected to find."""

    name = "search_best_of"
    title = "The best of n trials"
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.searches = results.search

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        return (
            f"Expected best {_measured(self.searches, False)} of n trials drawn from those of a search (unbiased; "
            "bands: 8 of 10 draws). Where lines cross, who is best depends on how long one searches. A pruned trial "
            f"counts as the worst that was trained to the end.{only_first(len(self.searches))}"
        )

    def frame(self) -> pd.DataFrame:
        """``arm, n, mean, low, high``."""
        return best_of_frame(self.searches)

    def draw(self) -> Drawing:
        """All searches in one plot."""
        frame = self.frame()
        arms = list(dict.fromkeys(frame["arm"]))[:MOST_ARMS]
        with house_style():
            figure = Drawing(figsize=(WIDTH, 3.4), layout="constrained")
            axes = figure.add_subplot()
            for i, arm in enumerate(arms):
                mine = frame.query("arm == @arm")
                axes.fill_between(mine["n"], mine["low"], mine["high"], color=colour(i), alpha=0.14, linewidth=0)
                axes.plot(
                    mine["n"], mine["mean"], color=colour(i), linestyle=line(i), marker=marker(i), markersize=5,
                    markevery=max(1, len(mine) // 8), linewidth=1.7, label=shortened(arm),
                )  # fmt: skip
            axes.set_xlabel("trials")
            axes.set_ylabel(_short(self.searches))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(axis="y")
            legend_above(axes)
        return figure


class SearchedAndConfirmed:
    """The score that won a search beside that of the same settings on fresh repeats."""

    name = "search_confirmed"
    title = "Promised and confirmed"
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        self.searches = results.search

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        return (
            f"{_measured(self.searches)}: open marks are what the winner had in its search, filled ones what its "
            "settings have on fresh repeats, with interval. The distance is the winner's curse: the best of many "
            "trials is partly the luckiest."
        )

    def frame(self) -> pd.DataFrame:
        """``arm, trial, objective, searched, mean, low, high, n, lost``."""
        return confirmed_frame(self.results)

    def draw(self) -> Drawing:
        """A row for each confirmed arm, first objective."""
        frame = chosen(self.frame(), objective=objectives(self.searches[0])[0][0])
        with house_style():
            figure = Drawing(figsize=(WIDTH, 0.9 + 0.34 * max(1, len(frame))), layout="constrained")
            axes = figure.add_subplot()
            for y, row in enumerate(frame.to_dict("records")):
                axes.hlines(y, row["low"], row["high"], color=colour(0), linewidth=1.6)
                axes.plot([row["searched"], row["mean"]], [y, y], color=NEUTRAL, linewidth=0.8, linestyle=":")
                axes.plot([row["mean"]], [y], marker="o", color=colour(0), markersize=7)
                axes.plot([row["searched"]], [y], marker="D", color=colour(1), markerfacecolor=PAPER, markersize=6.5)
            axes.set_yticks(range(len(frame)), [shortened(str(a), 24) for a in frame["arm"]])
            axes.invert_yaxis()
            axes.margins(y=0.15)
            axes.set_xlabel(_short(self.searches))
            axes.grid(axis="x")
        return figure


def _measured(searches: Sequence[Search], capital: bool = True) -> str:
    text = title(objectives(searches[0])[0][0])
    return text[:1].upper() + text[1:] if capital else text


def _short(searches: Sequence[Search]) -> str:
    return shortened(title(objectives(searches[0])[0][0]).removesuffix(" on validation items"), 24) + " (validation)"
