"""Scores by component: one line a component, one mark an arm with its interval, ticks for the naive baselines."""

from __future__ import annotations

import math
from itertools import cycle

import pandas as pd
from matplotlib.figure import Figure as Drawing

from mmcore.language import say
from reports.figures.base import FigureBase
from reports.figures.marks import STROKES, dots, intervals, name_rows
from reports.figures.style import INK, MOST_ARMS, colour, legend_above, marker, only_first, sheet, shortened
from reports.model.report import Summary
from reports.model.verdict import measure_words
from reports.numbers import opened, percent
from reports.records.rows import among, chosen


class ComponentScores(FigureBase):
    """The metric's measure for each component, arm by arm."""

    name = "components"
    value = "mean"

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self.title = say("Scores by component") if summary.native or summary.components else say("Scores")

    @property
    def description(self) -> str:
        summary = self.summary
        words = {"level": percent(summary.level), "direction": summary.metric.direction}
        if summary.native:
            text = say(
                "{measure} of each component on the test items: mean over repeats with its {level} interval, one mark "
                "for each arm. Small dark marks are naive baselines ({direction}).",
                measure=opened(measure_words(summary.metric.measure)),
                **words,
            )
        elif summary.components:
            text = say(
                "{metric} of each {part}: mean over repeats with its {level} interval, one mark for each arm "
                "({direction}).",
                metric=opened(summary.metric.title),
                part=say(summary.part),
                **words,
            )
        else:
            text = say(
                "{metric}: mean over repeats with its {level} interval, one mark for each arm ({direction}).",
                metric=opened(summary.metric.title),
                **words,
            )
        return text + only_first(len(summary.arms))

    def numbers(self) -> pd.DataFrame:
        """One row per arm or baseline and component: ``who, baseline, component, mean, low, high, n``.

        Empty where the components are data sets.
        """
        summary, rows = self.summary, []
        names = (summary.metric.title if summary.metric.component is None else None, *summary.components)
        for arm in summary.arms:
            for component, e in zip(names, (arm.score, *arm.components), strict=True):
                rows.append((arm.name, False, component, e.mean, e.low, e.high, e.n))
        for b in summary.baselines:
            for component, value in zip(names, (b.score, *b.components), strict=True):
                rows.append((b.name, True, component, value, math.nan, math.nan, None))
        if summary.across is not None:
            # Scores of data sets have scales of their own, which no common axis could hold.
            rows = []
        frame = pd.DataFrame(rows, columns=["who", "baseline", "component", "mean", "low", "high", "n"])
        return frame.dropna(subset=["component"]).reset_index(drop=True)

    def drawn(self) -> Drawing:
        """Components from top to bottom; those without any score are left out."""
        frame = self.frame().dropna(subset=["mean"])
        components = list(dict.fromkeys(chosen(frame, baseline=False)["component"]))
        frame = among(frame, component=components)
        frame = frame.assign(row=[float(components.index(c)) for c in frame["component"]])
        arms = [a.name for a in self.summary.arms][:MOST_ARMS]
        step = min(0.8 / max(len(arms), 1), 0.2)
        figure, (axes,) = sheet(1.2 + (0.32 + 0.14 * len(arms)) * max(len(components), 1))
        for b, shape in zip(self.summary.baselines, cycle(STROKES)):
            mine = chosen(frame, baseline=True, who=b.name)
            dots(axes, mine, "mean", "row", tint=INK, shape=shape, size=9, linewidth=1.4, alpha=0.75, label=b.name)
        for i, name in enumerate(arms):
            mine = chosen(frame, baseline=False, who=name)
            mine = mine.assign(row=mine["row"] + (i - (len(arms) - 1) / 2) * step)
            intervals(axes, mine, tint=colour(i), shape=marker(i), filled=i % 2 == 0, label=shortened(name))
        name_rows(axes, [shortened(str(c), 20) for c in components])
        if components[:1] == [self.summary.metric.title]:
            axes.get_yticklabels()[0].set_fontweight("bold")
        measure, direction = measure_words(self.summary.metric.measure), self.summary.metric.direction
        axes.set_xlabel(say("{measure} ({direction})", measure=measure, direction=direction))
        legend_above(axes)
        return figure
