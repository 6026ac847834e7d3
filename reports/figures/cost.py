"""Cost against score: what an arm's score takes in parameters, operations and time, and which arms nobody beats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from reports.figures.style import INK, MOST_ARMS, NEUTRAL, PAPER, WIDTH, colour, house_style, marker, shortened
from reports.model.report import Summary
from reports.numbers import listing, percent

SAME = 1.02
"""Costs are told apart from this ratio on: what matching calls equal lies within it."""
COSTS = {"parameters": "parameters", "flops": "FLOPs of a forward pass", "seconds": "seconds a run"}


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


class CostAgainstScore:
    """The study's metric over each cost by which arms differ."""

    name = "cost"
    title = "Cost against score"
    value = "cost"

    def __init__(self, summary: Summary) -> None:
        self.summary = summary
        self._points = [p for kind in COSTS for p in _points(summary, kind)]
        """Only costs by which arms differ."""

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        metric, kinds, named = self.summary.metric, self._kinds(), self._named()
        text = (
            f"Mean {metric.title} with its {percent(self.summary.level)} interval ({metric.direction}) against what an "
            "arm costs. Filled marks on the line are the Pareto front: no other arm is at least as good for less, "
            "judged by means."
        )
        if "seconds" in kinds:
            text += " Time depends on the machine and on what else it did."
        absent = [title for kind, title in COSTS.items() if kind not in kinds]
        if absent:
            text += f" Not drawn, since equal or unknown: {listing(absent)}."
        if len(named) < len({p.arm for p in self._points}):
            which = (
                f"the first {MOST_ARMS} of those on a front" if len(named) < len(self._best()) else "those on a front"
            )
            text += f" Of {len(self.summary.arms)} arms {which} are named, in colours of this figure's own; the table "
            text += "has all."
        return text

    def frame(self) -> pd.DataFrame:
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
        """Arms with a mark of their own: all if they can be told apart, else those on a front."""
        arms = [a.name for a in self.summary.arms]
        return arms if len(arms) <= MOST_ARMS else self._best()[:MOST_ARMS]

    def draw(self) -> Drawing:
        """A plot for each cost, one above the other."""
        kinds = self._kinds()
        places = {name: i for i, name in enumerate(self._named())}
        with house_style():
            figure = Drawing(figsize=(WIDTH, 0.7 + 1.9 * max(len(kinds), 1)), layout="constrained")
            for i, kind in enumerate(kinds):
                axes = figure.add_subplot(len(kinds), 1, i + 1)
                mine = [p for p in self._points if p.kind == kind]
                _cost_axis(axes, [p.cost for p in mine])
                front = sorted((p.cost, p.score) for p in mine if p.front)
                axes.plot(*zip(*front, strict=True), color=INK, alpha=0.45, linewidth=1.1, drawstyle="steps-post")
                # Named arms last, so that no nameless mark hides them.
                for point in sorted(mine, key=lambda p: p.arm in places):
                    _mark(axes, point, places.get(point.arm))
                axes.set_xlabel(COSTS[kind])
                axes.set_ylabel(shortened(self.summary.metric.title, 20))
                axes.grid(axis="y")
            _legend(figure, places)
        return figure


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


def _cost_axis(axes: Axes, costs: Sequence[float]) -> None:
    if max(costs) > 8 * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.margins(x=0.06)


def _mark(axes: Axes, point: Point, place: int | None) -> None:
    """A mark with its interval; an arm without a place among the named ones is a small circle."""
    tint = NEUTRAL if place is None else colour(place)
    if math.isfinite(point.low) and math.isfinite(point.high):
        axes.vlines(point.cost, point.low, point.high, color=tint, linewidth=1.0 if place is None else 1.6)
    axes.plot(
        [point.cost], [point.score], linestyle="none", marker="o" if place is None else marker(place), color=tint,
        markersize=5 if place is None else 7.5, markerfacecolor=tint if point.front else PAPER, markeredgewidth=1.5,
    )  # fmt: skip


def _legend(figure: Drawing, places: Mapping[str, int]) -> None:
    """The named arms in the order of the study, whichever plots they are in."""
    if not figure.axes:
        return
    handles = [
        Line2D([], [], linestyle="none", marker=marker(i), color=colour(i), markersize=7.5, label=shortened(name))
        for name, i in places.items()
    ]
    longest = max(len(str(h.get_label())) for h in handles)
    columns = max(1, min(3, len(handles), int(60 / (longest + 6))))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns, columnspacing=1.4, handletextpad=0.3)
