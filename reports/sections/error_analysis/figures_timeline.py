"""A span of an item as plots below one another: truth and predictions, features, gates, shares and attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from mmcore.answers.answer import Answered
from mmcore.answers.error_analysis import Case, ErrorsResult
from mmcore.answers.parts import Numbers
from mmcore.language import later, say
from reports.figures.marks import bars, dots, trace
from reports.figures.style import INK, colour, line, marker, shortened

HEIGHTS = {"lines": 1.3, "features": 0.75, "gates": 0.9, "shares": 0.9, "attention": 0.8}
"""Inches of a plot by what it shows."""
PARTS = {
    "encoder": later("the encoder"), "head": later("the head"), "fusion": later("the fusion"),
    "before": later("the layers before fusion"),
}  # fmt: skip

_NAMES = {"gates": later("gates"), "shares": later("shares"), "attention": later("attention")}

Row = tuple[str, int]
"""A part of a case and a number in it: what one plot shows."""


class Timeline:
    """One span, with the predictions of some arms.

    Args:
        cases: arm to its case, all of one place. Truth and features are the first one's; gates, shares and attention
            are the last one's. order: arm to its place in the study, for its colour.
        of_labels: whether targets are labels, whose changes are no edits.
    """

    def __init__(self, cases: dict[str, Case], order: dict[str, int], of_labels: bool = False) -> None:
        self.cases, self.order = cases, order
        self.event = later("label change") if of_labels else later("edit")
        self.case, self.inside = next(iter(cases.values())), list(cases.values())[-1]
        self.x = times(self.case)
        self.half = float(self.x[1] - self.x[0]) / 2 if len(self.x) > 1 else 0.5

    def rows(self) -> list[Row]:
        """What there is to plot, from top to bottom."""
        rows = [("lines", n) for n in range(len(self.case.lines))]
        rows += [("features", n) for n in range(len(self.case.features))]
        return rows + [(part, 0) for part in ("gates", "shares", "attention") if getattr(self.inside, part)]

    def draw(self, row: Row, axes: Axes, names: Sequence[str], titled: bool) -> None:
        """One plot; it says so where this span lacks what the plot would show.

        Args:
            names: of the lines of gates, shares or attention, in the order of their colours.
            titled: whether predictions are named above their plot instead of beside it.
        """
        part, n = row
        low, high = self.case.span
        left, right = float(self.x[low] - self.half), float(self.x[high - 1] + self.half)
        axes.axvspan(left, right, color=INK, alpha=0.07, linewidth=0)
        axes.tick_params(labelsize=8)
        axes.locator_params(axis="y", nbins=3)
        if row not in self.rows():
            _nothing(axes, say("none"))
            return
        match part:
            case "lines":
                self._line(axes, n, titled)
            case "features":
                values = self.case.features[n].values
                self._curve(axes, values, color=INK, alpha=0.8, linewidth=1.0, marker=".", markersize=1.5)
                if np.isnan(np.array(values)).all():
                    _nothing(axes, say("absent"))
            case _:
                self._inside(axes, part, names)

    def label(self, row: Row, axes: Axes) -> None:
        """What a plot shows, written beside it; :meth:`draw` describes predictions."""
        part, n = row
        match part:
            case "lines":
                return
            case "features":
                feature = self.case.features[n]
                _beside(axes, shortened(feature.modality, 12), shortened(feature.feature, 16))
            case "attention" if self.inside.attention:
                first = self.inside.attention.rows[0]
                layer = say("{place} layer {n}", place=part_of(first.place), n=first.layer + 1)
                _beside(axes, say("attention"), layer)
            case _:
                _beside(axes, say(_NAMES[part]))

    def series(self, part: str) -> dict[str, Numbers]:
        """Lines by name of gates, shares or attention; {} where this span has none, or they have no name.

        Attention of all modalities together has none.
        """
        if part == "attention":
            seen = self.inside.attention
            return {name: one.row for one in seen.rows if (name := stream(one.place))} if seen else {}
        return getattr(self.inside, part) if part in ("gates", "shares") else {}

    def _line(self, axes: Axes, n: int, titled: bool) -> None:
        drawn = self.case.lines[n]
        look = {"drawstyle": "steps-mid" if drawn.kind != "continuous" else "default", "marker": "."}
        self._curve(axes, drawn.true, color=INK, linewidth=1.3, markersize=3.5, label=say("truth"), **look)
        for arm, case in self.cases.items():
            i = self.order[arm]
            look = {"color": colour(i), "linestyle": line(i), "marker": marker(i), "label": shortened(arm)}
            self._curve(axes, case.lines[n].predicted, linewidth=1.2, markersize=2.6, **look)
        if n == 0:
            edits = pd.DataFrame({"time": self.x[list(self.case.events)], "height": 0.02})
            look = {"shape": "|", "size": 5, "linewidth": 1.0, "alpha": 0.7, "label": say(self.event)}
            dots(axes, edits, "time", "height", tint=INK, transform=axes.get_xaxis_transform(), **look)
        unit = f" ({drawn.unit})" if drawn.unit else ""
        what = {"binary": say("probability"), "categorical": say("class")}.get(drawn.kind, "")
        names = (say("track {n}", n=drawn.track), shortened(drawn.parameter, 14) + unit, what)
        if titled:
            axes.set_title(shortened(" ".join(name for name in names if name), 30), loc="left", fontsize=8, pad=3)
        else:
            _beside(axes, *names)

    def _inside(self, axes: Axes, part: str, names: Sequence[str]) -> None:
        series = self.series(part)
        if series and all(np.isnan(np.array(values)).all() for values in series.values()):
            _nothing(axes, say("none"))
            return
        for name, values in series.items():
            i = names.index(name)
            self._curve(axes, values, color=colour(i + 3), linestyle=line(i), linewidth=1.3)
        if part == "attention" and (seen := self.inside.attention):
            for one in seen.rows:
                if not stream(one.place):
                    bars(axes, self.x, np.array(one.row), self.half, color=INK, alpha=0.55)
            axes.axvline(float(self.x[seen.at]), color=INK, linewidth=0.9, linestyle=":")

    def _curve(self, axes: Axes, values: Numbers, color: str, **look: Any) -> None:
        trace(axes, self.x, np.array(values), color=color, markeredgewidth=1.0, markeredgecolor=color, **look)

    def as_rows(self) -> list[tuple[Any, ...]]:
        """Rows of ``series, name, arm, time, value``; what all arms share has no arm."""
        found: list[tuple[Any, ...]] = []

        def add(series: str, name: str, arm: str | None, values: Numbers) -> None:
            found.extend((series, name, arm, at, v) for at, v in zip(self.x, values, strict=True))

        for n, one in enumerate(self.case.lines):
            name = f"track {one.track} {one.parameter}"
            add("truth", name, None, one.true)
            for arm, case in self.cases.items():
                add("prediction", name, arm, case.lines[n].predicted)
        for one in self.case.features:
            add("feature", f"{one.modality}: {one.feature}", None, one.values)
        found += [(self.event, self.event, None, self.x[place], 1.0) for place in self.case.events]
        for arm, case in self.cases.items():
            for series, lines in (("gate", case.gates), ("share", case.shares)):
                for name, values in lines.items():
                    add(series, name, arm, values)
            for one in case.attention.rows if case.attention else ():
                add("attention", f"{one.place} layer {one.layer + 1}", arm, one.row)
        return found


def whole_repeats(
    answers: Sequence[Answered[ErrorsResult]], component: str, whys: Sequence[str]
) -> dict[int, dict[str, dict[str, Case]]]:
    """By repeat and arm the case of each reason; arms that lack one of them are left out."""
    found: dict[int, dict[str, dict[str, Case]]] = {}
    for answer in sorted(answers, key=lambda a: a.repeat):
        cases = {c.why: c for c in answer.result.cases if c.component == component and c.why in whys}
        if len(cases) == len(whys):
            found.setdefault(answer.repeat, {})[answer.arm] = cases
    return found


def cropped(case: Case, around: int) -> Case:
    """The same with at most so many places on either side of its span."""
    first, end = case.span
    low, high = max(0, first - around), end + around

    def cut(values: Numbers) -> Numbers:
        return values[low:high]

    seen = case.attention
    if seen is not None:
        rows = tuple(one.model_copy(update={"row": cut(one.row)}) for one in seen.rows)
        seen = seen.model_copy(update={"at": seen.at - low, "rows": rows})
    lines = (one.model_copy(update={"true": cut(one.true), "predicted": cut(one.predicted)}) for one in case.lines)
    changes: dict[str, object] = {
        "start": case.start + low,
        "span": (first - low, end - low),
        "lines": tuple(lines),
        "features": tuple(one.model_copy(update={"values": cut(one.values)}) for one in case.features),
        "events": tuple(place - low for place in case.events if low <= place < high),
        "gates": {name: cut(values) for name, values in case.gates.items()},
        "shares": {name: cut(values) for name, values in case.shares.items()},
        "attention": seen,
    }
    return case.model_copy(update=changes)


def times(case: Case) -> np.ndarray:
    """Places of a case in seconds, or in steps where rows are those."""
    places = len(case.lines[0].true) if case.lines else 0
    return np.round((case.start + np.arange(places)) * (case.step or 1.0), 6)


def words_inside(cases: Sequence[Case], arm: str) -> list[str]:
    """What a description says of gates, shares and attention, of the arm to which they belong."""
    parts = []
    if any(case.gates for case in cases):
        parts.append(say("Gates: mean opening of each, of '{arm}'.", arm=arm))
    if any(case.shares for case in cases):
        parts.append(say("Shares: what the fusion of '{arm}' gives each modality.", arm=arm))
    seen = next((case.attention for case in cases if case.attention), None)
    if seen is not None:
        first = seen.rows[0]
        names = {"arm": arm, "part": say(PARTS[part_of(first.place)]), "layer": first.layer + 1}
        text = say("Attention of '{arm}': of {part}, layer {layer}, mean over heads", **names)
        if stream(first.place):
            text = say("{attention}, a line for each modality or pair of them that can be read there", attention=text)
        if seen.of > len(seen.rows):
            text = say("{attention} (the first {n} of {of})", attention=text, n=len(seen.rows), of=seen.of)
        parts.append(say("{attention}, from the step with the largest loss in the span (dotted line).", attention=text))
    return parts


def part_of(place: str) -> str:
    """The part of the model that a place of attention belongs to."""
    kind = place.partition("/")[0]
    return kind if kind in PARTS and "←" not in place else "fusion"


def stream(place: str) -> str:
    """Whose layer it is; empty where it is that of all modalities together."""
    return place if "←" in place else place.partition("/")[2]


def names_above(axes: Axes, names: Sequence[str]) -> None:
    """A legend above a plot and those to its right: at the ends of the lines names would lie on one another."""
    if not names:
        return
    shown = [shortened(name, 20) for name in names]
    across = max(1, min(4, len(shown), 60 // (max(len(name) for name in shown) + 7)))
    looks: list[dict[str, Any]] = [{"color": colour(i + 3), "linestyle": line(i)} for i in range(len(shown))]
    lines = [Line2D([], [], linewidth=1.3, **look) for look in looks]
    legend = axes.legend(
        lines, shown, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=across, fontsize=7.5, borderpad=0,
        borderaxespad=0.1, handlelength=2.2, columnspacing=1.2, labelspacing=0.3,
    )  # fmt: skip
    # The layout would squeeze the plot to the legend's width. An empty title keeps its height free.
    legend.set_in_layout(False)
    axes.set_title("\n".join(" " * -(-len(shown) // across)), fontsize=8, pad=3)


def _nothing(axes: Axes, word: str) -> None:
    axes.set_yticks([])
    axes.text(0.5, 0.4, word, transform=axes.transAxes, ha="center", fontsize=8)


def _beside(axes: Axes, *parts: str) -> None:
    axes.set_ylabel("\n".join(part for part in parts if part), fontsize=8, rotation=0, ha="right", va="center")
