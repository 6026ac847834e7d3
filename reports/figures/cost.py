"""Cost against score: parameters, operations and time of each arm, and the arms that no other arm beats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.marks import curve, dots
from reports.figures.style import (
    INK,
    MOST_ARMS,
    NEUTRAL,
    colour,
    legend_over_all,
    log_scale,
    marker,
    sheet,
    shortened,
)
from reports.model.report import Summary
from reports.numbers import listing, percent, prose
from reports.records.rows import chosen

SAME = 1.02
"""Costs count as different from this ratio on: matched arms lie within it."""
COSTS = {
    "parameters": later("parameters"),
    "flops": later("FLOPs of a forward pass"),
    "seconds": later("seconds a run"),
}


@dataclass(frozen=True)
class Point:
    """An arm in one plot.

    Args:
        kind: of cost, a key of :data:`COSTS`.
        front: whether no other arm is at least as good for less.
    """

    kind: str
    arm: str
    cost: float
    score: float
    low: float
    high: float
    front: bool


class CostAgainstScore(FigureBase):
    """The study's metric over each cost by which arms differ."""

    name = "cost"
    value = "cost"

    def __init__(self, summary: Summary) -> None:
        self.title = say("Cost against score")
        self.summary = summary
        self._points = [p for kind in COSTS for p in _points(summary, kind)]
        """Only costs by which arms differ."""

    @property
    def description(self) -> str:
        metric, kinds, named = self.summary.metric, self._kinds(), self._named()
        text = say(
            "Mean {metric} with its {level} interval ({direction}) against the cost of an arm. Filled marks on the "
            "line are the Pareto front: judged by means, no other arm is at least as good for less.",
            metric=metric.title,
            level=percent(self.summary.level),
            direction=metric.direction,
        )
        absent = [say(title) for kind, title in COSTS.items() if kind not in kinds]
        arms, which = len(self.summary.arms), ""
        if len(named) < len({p.arm for p in self._points}):
            which = (
                say(
                    "Of {arms} arms the first {most} of those on a front are named, in colours of this figure's own; "
                    "the table has all.",
                    arms=arms,
                    most=MOST_ARMS,
                )
                if len(named) < len(self._best())
                else say(
                    "Of {arms} arms those on a front are named, in colours of this figure's own; the table has all.",
                    arms=arms,
                )
            )
        return prose(
            text,
            say("Time depends on the machine and its other load.") if "seconds" in kinds else "",
            say("Not drawn, because equal or unknown: {costs}.", costs=listing(absent)) if absent else "",
            which,
        )

    def numbers(self) -> pd.DataFrame:
        """One row per arm and cost: ``kind, arm, cost, score, low, high, front``."""
        columns = [field.name for field in fields(Point)]
        return pd.DataFrame([astuple(p) for p in self._points], columns=columns)

    def _kinds(self) -> list[str]:
        return list(dict.fromkeys(p.kind for p in self._points))

    def _best(self) -> list[str]:
        """Arms that are on any front, in the order of the study."""
        front = {p.arm for p in self._points if p.front}
        return [a.name for a in self.summary.arms if a.name in front]

    def _named(self) -> list[str]:
        """Arms with their own marks: all if readers can tell them apart, otherwise those on a front."""
        arms = [a.name for a in self.summary.arms]
        return arms if len(arms) <= MOST_ARMS else self._best()[:MOST_ARMS]

    def drawn(self) -> Drawing:
        """A plot for each cost, one above the other."""
        frame, kinds, named = self.frame(), self._kinds(), self._named()
        figure, plots = sheet(0.7 + 1.9 * max(len(kinds), 1), len(kinds))
        for axes, kind in zip(plots, kinds, strict=False):
            mine = chosen(frame, kind=kind)
            _cost_axis(axes, kind, mine["cost"].tolist())
            curve(
                axes, chosen(mine, front=True).sort_values(["cost", "score"]), "cost", "score", color=INK, alpha=0.45,
                linewidth=1.1, drawstyle="steps-post",
            )  # fmt: skip
            # Named arms last, so that no nameless mark hides them.
            _arms(axes, mine.loc[~mine["arm"].isin(named)], tint=NEUTRAL, size=5, line=1.0)
            for i, arm in enumerate(named):
                one = chosen(mine, arm=arm)
                _arms(axes, one, tint=colour(i), shape=marker(i), size=7.5, line=1.6, label=shortened(arm))
            axes.set(xlabel=say(COSTS[kind]), ylabel=shortened(self.summary.metric.title, 20))
            axes.grid(axis="y")
        legend_over_all(figure, handletextpad=0.3)
        return figure


def _arms(axes: Axes, arms: pd.DataFrame, *, tint: str, line: float, **look: Any) -> None:
    """Scores with their intervals; filled marks are on the front."""
    axes.vlines(arms["cost"], arms["low"], arms["high"], color=tint, linewidth=line)
    dots(axes, arms, "cost", "score", tint=tint, filled=arms["front"].tolist(), **look)


def _points(summary: Summary, kind: str) -> list[Point]:
    """The arms whose cost and score are known, if they differ in this cost at all."""
    sign = 1 if summary.metric.higher_is_better else -1
    costs = {arm.name: getattr(arm, kind) for arm in summary.arms if math.isfinite(arm.score.mean)}
    known = {name: float(c) for name, c in costs.items() if c is not None and math.isfinite(c) and c > 0}
    if not known or max(known.values()) <= SAME * min(known.values()):
        return []
    arms = [arm for arm in summary.arms if arm.name in known]
    front = pareto([known[a.name] for a in arms], [sign * a.score.mean for a in arms])
    return [
        Point(kind, a.name, known[a.name], a.score.mean, a.score.low, a.score.high, best)
        for a, best in zip(arms, front, strict=True)
    ]


def pareto(costs: Sequence[float], gains: Sequence[float]) -> list[bool]:
    """Which are on the front: no other costs no more and gains no less, and is better in one of the two.

    Args:
        costs: lower is better. gains: higher is better; both finite.
    """
    points = list(zip(costs, gains, strict=True))
    return [not any(c <= cost and g >= gain and (c, g) != (cost, gain) for c, g in points) for cost, gain in points]


def _cost_axis(axes: Axes, kind: str, costs: Sequence[float]) -> None:
    if max(costs) > 8 * min(costs):
        log_scale(axes, costs)
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    # Millions of parameters read well as "2 M", but "275 m" or "2 k" seconds do not.
    plain = FuncFormatter(lambda seconds, _: f"{seconds:,.6g}")
    axes.xaxis.set_major_formatter(plain if kind == "seconds" else EngFormatter(sep=" "))
    axes.margins(x=0.06)
