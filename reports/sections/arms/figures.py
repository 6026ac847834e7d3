"""Average ranks of all arms, with bars over those that are not shown to differ."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.marks import dots, name_rows
from reports.figures.style import INK, WIDTH, colour, sheet, shortened
from reports.model.report import MetricFacts
from reports.numbers import prose
from reports.records.frame import StudyResults
from reports.sections.arms.section import every_pair
from reports.statistics.ranks import FEWEST_ARMS

MOST = 40
"""Arms that are drawn, the best ones; the table has all."""
ROW = 0.25
"""Inches per arm."""
LANE = 0.14
"""Inches between bars that stand side by side."""


class AverageRanks(FigureBase):
    """Average rank of each arm, with bars that join neighbours if no two of them are shown to differ."""

    name = "average_ranks"
    title = later("Average ranks")
    value = "average_rank"

    def __init__(self, results: StudyResults, metric: MetricFacts) -> None:
        self.metric = metric
        self.ranks = results.once(every_pair).ranks

    @property
    def description(self) -> str:
        arms = len(self.ranks.arms)
        left_out = say("The first {most} of {arms} arms are drawn.", most=MOST, arms=arms) if arms > MOST else ""
        said = say(
            "Average rank by {metric} over {n} repeats, 1 is the best. A bar at the right joins "
            "arms if no two of them are shown to differ, according to the tests of the verdicts, corrected for all "
            "pairs.",
            metric=self.metric.title,
            n=self.ranks.n,
        )
        return prose(said, left_out)

    def numbers(self) -> pd.DataFrame:
        """One row an arm, the best first. Empty below three arms or two repeats."""
        found = self.ranks
        ranked = zip(found.arms, found.average, strict=True) if len(found.arms) >= FEWEST_ARMS and found.n > 1 else ()
        return pd.DataFrame([(arm, rank, found.n) for arm, rank in ranked], columns=["arm", "average_rank", "n"])

    def drawn(self) -> Drawing:
        """Arms from top to bottom, the best first; bars of arms that are alike in as few lanes as hold them."""
        frame = self.frame().head(MOST).reset_index(names="row")
        arms = list(frame["arm"])
        lanes = self._lanes(arms)
        beside = 0.3 + LANE * len(lanes)
        figure, (axes, bars) = sheet(
            0.8 + ROW * max(len(arms), 3), 2, 2, sharey=True, width_ratios=[WIDTH - beside, beside]
        )
        axes.hlines(frame["row"], 1, frame["average_rank"], color=INK, alpha=0.25, linewidth=0.9)
        dots(axes, frame, "average_rank", "row", tint=colour(0), size=7)
        name_rows(axes, [shortened(arm, 30) for arm in arms])
        axes.set_xlim(0.9, max(frame["average_rank"], default=1.0) + 0.15)
        axes.set_xlabel(say("average rank by {metric}, 1 is the best", metric=shortened(self.metric.title)))
        for lane, groups in enumerate(lanes):
            for first, last in groups:
                bars.vlines(lane, first - 0.22, last + 0.22, color=INK, linewidth=4)
        bars.set_xlim(-0.8, max(len(lanes), 1) - 0.2)
        bars.set_axis_off()
        return figure

    def _lanes(self, arms: list[str]) -> list[list[tuple[int, int]]]:
        """Groups as (first, last) rows; those of one lane leave a row between them free."""
        lanes: list[list[tuple[int, int]]] = []
        for group in self.ranks.alike:
            rows = [arms.index(arm) for arm in group if arm in arms]
            if len(rows) < 2:
                continue
            lane = next((lane for lane in lanes if lane[-1][1] < rows[0]), None)
            if lane is None:
                lane = []
                lanes.append(lane)
            lane.append((rows[0], rows[-1]))
        return lanes
