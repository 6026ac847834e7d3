"""A search with several objectives: its front, and how that grew."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from reports.figures.base import FigureBase
from reports.figures.marks import curve, dots
from reports.figures.style import INK, MOST_ARMS, colour, legend_above, line, marker, sheet, shortened
from reports.numbers import percent
from reports.records.frame import StudyResults
from reports.sections.search.estimates import chosen, front_frame, hypervolume_frame, objectives, title, validated
from reports.statistics.search import REFERENCE


class Front(FigureBase):
    """Two objectives against each other, with what was confirmed."""

    name = "search_front"
    title = "The front of two objectives"
    value = "x"

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        self.searches = [s for s in results.search if len(s["objective"]) > 1]

    @property
    def description(self) -> str:
        return (
            "Every trial by the first two objectives. Filled marks on the line are the front: no other trial is as "
            "good in both and better in one. Crosses are what confirmed settings have on fresh repeats, with intervals."
        )

    def numbers(self) -> pd.DataFrame:
        """``arm, trial, x, y, front, kind, x_low, x_high, y_low, y_high``; kind is trial or confirmed."""
        made = []
        for search in self.searches:
            made.append(front_frame(search).assign(arm=search["arm"], kind="trial"))
            (one, _), (two, _) = objectives(search)[:2]
            rows = []
            for winner in search["confirmed"]:
                x, y = (validated(self.results, winner["arm"], name) for name in (one, two))
                edges = {"x_low": x.low, "x_high": x.high, "y_low": y.low, "y_high": y.high}
                rows.append({"arm": winner["arm"], "trial": winner["trial"], "x": x.mean, "y": y.mean, "front": False})
                rows[-1] |= {"kind": "confirmed", **edges}
            made.append(pd.DataFrame(rows))
        columns = ["arm", "trial", "x", "y", "front", "kind", "x_low", "x_high", "y_low", "y_high"]
        kept = [frame for frame in made if not frame.empty]
        return pd.concat(kept, ignore_index=True).reindex(columns=columns) if kept else pd.DataFrame(columns=columns)

    def drawn(self) -> Drawing:
        """All searches with several objectives in one plot."""
        frame = self.frame()
        figure, (axes,) = sheet(3.6)
        for i, search in enumerate(self.searches[:MOST_ARMS]):
            mine = chosen(frame, arm=search["arm"], kind="trial")
            front = chosen(mine, front=True).sort_values("x")
            dots(axes, mine, "x", "y", tint=colour(i), shape=marker(i), size=5, filled=False, linewidth=1.0, zorder=2)
            look = {"marker": marker(i), "markersize": 7, "linewidth": 1.2, "label": shortened(search["arm"])}
            curve(axes, front, "x", "y", color=colour(i), **look)
        again = frame.query("kind == 'confirmed'")
        axes.hlines(again["y"], again["x_low"], again["x_high"], color=INK, linewidth=1.2)
        axes.vlines(again["x"], again["y_low"], again["y_high"], color=INK, linewidth=1.2)
        dots(axes, again, "x", "y", tint=INK, shape="X", size=7, linewidth=1.0)
        (x, _), (y, _) = objectives(self.searches[0])[:2]
        xlabel, ylabel = (shortened(title(name).removesuffix(" on validation items"), 30) for name in (x, y))
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.grid()
        return figure


class Hypervolume(FigureBase):
    """How the front of a search with several objectives grew."""

    name = "search_hypervolume"
    title = "Hypervolume over time"
    value = "volume"

    def __init__(self, results: StudyResults) -> None:
        self.searches = [s for s in results.search if len(s["objective"]) > 1]

    @property
    def description(self) -> str:
        return (
            "Volume between a reference point and the front of all trials so far: it grows whenever a trial is found "
            f"that no other beats in everything. The reference lies, in each objective, {percent(REFERENCE)} of its "
            "range beyond the worst value of all trials, so that the ends of the front count as well."
        )

    def numbers(self) -> pd.DataFrame:
        """``arm, trial, volume``."""
        made = [hypervolume_frame(s).assign(arm=s["arm"]) for s in self.searches]
        return pd.concat(made) if made else pd.DataFrame(columns=["arm", "trial", "volume"])

    def drawn(self) -> Drawing:
        """All searches in one plot."""
        frame = self.frame()
        figure, (axes,) = sheet(2.6)
        for i, arm in enumerate(list(dict.fromkeys(frame["arm"]))[:MOST_ARMS]):
            look = {"color": colour(i), "linestyle": line(i), "linewidth": 1.5, "label": shortened(str(arm))}
            curve(axes, frame.query("arm == @arm"), "trial", "volume", drawstyle="steps-post", **look)
        axes.set(xlabel="trial", ylabel="hypervolume")
        axes.grid(axis="y")
        legend_above(axes)
        return figure
