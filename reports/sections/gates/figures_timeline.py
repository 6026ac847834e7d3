"""The gates of one test item over time, above what they read and what was predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from mmcore.answers.gates import TargetLine, Timeline
from reports.figures.style import INK, WIDTH, colour, house_style, line, shortened
from reports.records.frame import StudyResults
from reports.sections.gates.estimates import Gating
from reports.sections.gates.figures_dots import MOST_GATES, shade

TIMELINES = 2
"""Items that are drawn; the answers in the runs' folders have more."""


class GateTimeline:
    """One item: gates, the feature that each goes along with, true and predicted tracks, edits.

    Args:
        place: which of the drawn items, from 0.
    """

    title = "Gates over time"
    value = "value"

    def __init__(self, results: StudyResults, place: int) -> None:
        self.gating = Gating.of(results)
        self.place = place
        self.name = f"gates_timeline_{place + 1}"

    @property
    def _arm(self) -> str | None:
        return self.gating.told[-1] if self.gating else None

    @property
    def _line(self) -> Timeline | None:
        """The item's answer: of the best arm's first repeat."""
        if self.gating is None or self._arm is None:
            return None
        lines = self.gating.first(self._arm).timelines
        return lines[self.place] if self.place < len(lines) else None

    @property
    def _step(self) -> float | None:
        return self.gating.first(self._arm).step if self.gating and self._arm else None

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        if self.gating is None or self._line is None:
            return "No item."
        repeat = min(self.gating.by_arm[self._arm or ""])
        return (
            f"Test item '{self._line.item}' in repeat {repeat} of '{self._arm}': how far each gate is open; below, "
            "the raw feature with which each gate goes along most closely over all test items (normalised); then a "
            "track's true values (stepped line) and predicted ones (coloured). Ticks along the top are edits. Targets "
            "and edits stand where they happen, gates at the step that they help to predict, features where they were "
            "measured. "
            "Items are drawn by chance, not chosen."
        )

    def frame(self) -> pd.DataFrame:
        """One row per line and step: ``item, lane, name, time, value``."""
        told, rows = self._line, []
        if told is not None:
            for lane, name, values in _lines(told):
                for i, value in enumerate(values):
                    rows.append((told.item, lane, name, round((told.first + i) * (self._step or 1.0), 6), value))
            rows += [(told.item, "edits", "edit", round(s * (self._step or 1.0), 6), 1.0) for s in told.events]
        return pd.DataFrame(rows, columns=["item", "lane", "name", "time", "value"])

    def draw(self) -> Drawing:
        """Lanes below one another on one axis of time."""
        told, gating, frame = self._line, self.gating, self.frame()
        assert told is not None
        assert gating is not None
        gates = list(told.gates)[:MOST_GATES]
        features = [m for m in gates if m in told.features and not np.isnan(told.features[m].values).all()]
        targets = told.targets
        heights = [2.2, *[0.8] * len(features), *[1.2] * len(targets)]
        with house_style():
            figure = Drawing(figsize=(WIDTH, 0.9 + 0.72 * sum(heights)), layout="constrained")
            lanes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights).flatten()

            def curve(axes: Axes, lane: str, name: str, tint: str, dash: Any = "-", **more: Any) -> None:
                part = frame.query("lane == @lane and name == @name")
                axes.plot(part["time"], part["value"], color=tint, linestyle=dash, **{"linewidth": 1.3, **more})

            for i, m in enumerate(gates):
                curve(lanes[0], "gates", m, shade(gating, m), line(i), label=shortened(m), linewidth=1.6)
            lanes[0].set_ylabel("gate")
            for axes, m in zip(lanes[1:], features, strict=False):
                curve(axes, "features", m, shade(gating, m))
                _note(axes, told.features[m].name or f"length of {m}")
            for axes, target in zip(lanes[1 + len(features) :], targets, strict=False):
                curve(axes, "true", target.parameter, INK, drawstyle="steps-mid", linewidth=1.1, alpha=0.8)
                curve(axes, "predicted", target.parameter, colour(0), linewidth=1.5)
                _note(axes, _target_words(target))
                if target.kind != "continuous":
                    axes.set_ylim(-0.08, 1.25)
            edits = frame.query("lane == 'edits'")["time"].to_numpy()
            for axes in lanes:
                axes.grid(axis="x")
                axes.margins(x=0.01)
                axes.locator_params(axis="y", nbins=3)
            lanes[0].vlines(edits, 1.0, 1.05, color=INK, alpha=0.7, linewidth=0.8, clip_on=False,
                            transform=lanes[0].get_xaxis_transform())  # fmt: skip
            lanes[-1].set_xlabel("time (s)" if self._step else "step")
            handles, names = lanes[0].get_legend_handles_labels()
            figure.legend(handles, names, loc="outside upper left", ncols=4, handlelength=2.6)
        return figure


def _lines(told: Timeline) -> list[tuple[str, str, tuple[float, ...]]]:
    found = [("gates", name, values) for name, values in told.gates.items()]
    found += [("passing", name, values) for name, values in told.passing.items()]
    found += [("features", name, one.values) for name, one in told.features.items()]
    for target in told.targets:
        found += [("true", target.parameter, target.true), ("predicted", target.parameter, target.predicted)]
    return found


def _target_words(target: TargetLine) -> str:
    what = f"{target.parameter} of track {target.track}"
    match target.kind:
        case "binary":
            return f"{what}, chance of"
        case "categorical":
            return f"{what}, chance of the true one"
        case _:
            return what


def _note(axes: Axes, text: str) -> None:
    """A lane's name within the lane: beside it there is no room for long ones."""
    axes.text(0.005, 1.0, shortened(text, 44), transform=axes.transAxes, va="bottom", ha="left", fontsize=9)
