"""The front of a search with several objectives."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.marks import curve, dots
from reports.figures.style import INK, MOST_ARMS, colour, marker, sheet, shortened
from reports.records.frame import StudyResults
from reports.records.rows import chosen
from reports.sections.search.estimates import front_frame, short_title, validated


class Front(FigureBase):
    """Two objectives against each other, with what was confirmed."""

    name = "search_front"
    title = later("The front of two objectives")
    value = "x"

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        self.searches = [s for s in results.search if len(s.search.objective) > 1]

    @property
    def description(self) -> str:
        return say(
            "Every trial by the first two objectives. Filled marks on the line are the front: no other trial is as "
            "good in both and better in one. Crosses are the scores of confirmed settings on fresh repeats, with "
            "intervals."
        )

    def numbers(self) -> pd.DataFrame:
        """``arm, trial, x, y, front, kind, x_low, x_high, y_low, y_high``; kind is trial or confirmed."""
        made = []
        for search in self.searches:
            made.append(front_frame(search).assign(arm=search.arm, kind="trial"))
            rows = []
            for arm, trial in search.confirmed.items():
                x, y = (validated(self.results, arm, one) for one in search.search.objective[:2])
                edges = {"x_low": x.low, "x_high": x.high, "y_low": y.low, "y_high": y.high}
                rows.append({"arm": arm, "trial": trial.number, "x": x.mean, "y": y.mean, "front": False})
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
            mine = chosen(frame, arm=search.arm, kind="trial")
            front = chosen(mine, front=True).sort_values("x")
            dots(axes, mine, "x", "y", tint=colour(i), shape=marker(i), size=5, filled=False, linewidth=1.0, zorder=2)
            look = {"marker": marker(i), "markersize": 7, "linewidth": 1.2, "label": shortened(search.arm)}
            curve(axes, front, "x", "y", color=colour(i), **look)
        again = chosen(frame, kind="confirmed")
        axes.hlines(again["y"], again["x_low"], again["x_high"], color=INK, linewidth=1.2)
        axes.vlines(again["x"], again["y_low"], again["y_high"], color=INK, linewidth=1.2)
        dots(axes, again, "x", "y", tint=INK, shape="X", size=7, linewidth=1.0)
        two = self.searches[0].search.objective[:2]
        xlabel, ylabel = (shortened(short_title(one), 30) for one in two)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.grid()
        return figure
