"""The gates of one test item over time, above what they read and what was predicted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from mmcore.answers.gates import TargetLine, Timeline
from mmcore.language import later, say
from reports.figures.marks import Curves, curves, dots
from reports.figures.style import INK, colour, legend_over_all, line, sheet, shortened
from reports.numbers import prose
from reports.records.frame import StudyResults
from reports.sections.gates.figures_dots import MOST_GATES, OfGates, shade

TIMELINES = 2
"""Items that are drawn; the answers in the runs' folders have more."""


class GateTimeline(OfGates):
    """One item: gates, the feature that each goes along with, true and predicted tracks, edits.

    Args:
        place: which of the drawn items, from 0.
    """

    title = later("Gates over time")
    value = "value"

    def __init__(self, results: StudyResults, place: int) -> None:
        super().__init__(results)
        self.place = place
        self.name = f"gates_timeline_{place + 1}"

    @property
    def _arm(self) -> str | None:
        return self.gating.shown[-1] if self.gating else None

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
    def _events(self) -> tuple[str, str]:
        """The lane, and the name, of what happens to targets."""
        return ("label changes", "label change") if self.of_labels else ("edits", "edit")

    @property
    def description(self) -> str:
        if self.gating is None or self._line is None:
            return say("No item.")
        repeat = min(self.gating.by_arm[self._arm or ""])
        return prose(
            say(
                "Test item '{item}' in repeat {repeat} of '{arm}': how far each gate is open; below, the raw feature "
                "that correlates most with each gate over all test items (normalised); then a track's true values "
                "(stepped line) and predicted ones (coloured).",
                item=self._line.item, repeat=repeat, arm=self._arm,
            ),
            say(
                "Ticks along the top are label changes. Targets and label changes are drawn at the time they happen, "
                "gates at the step that they help to predict, features at the time they were measured."
                if self.of_labels
                else "Ticks along the top are edits. Targets and edits are drawn at the time they happen, gates at the "
                "step that they help to predict, features at the time they were measured."
            ),
            say("Items are drawn by chance, not chosen."),
        )  # fmt: skip

    def numbers(self) -> pd.DataFrame:
        """One row per line and step: ``item, lane, name, time, value``."""
        timeline, rows = self._line, []
        if timeline is not None:
            for lane, name, values in _lines(timeline):
                for i, value in enumerate(values):
                    time = round((timeline.first + i) * (self._step or 1.0), 6)
                    rows.append((timeline.item, lane, name, time, value))
            lane, name = self._events
            rows += [(timeline.item, lane, name, round(s * (self._step or 1.0), 6), 1.0) for s in timeline.events]
        return pd.DataFrame(rows, columns=["item", "lane", "name", "time", "value"])

    def drawn(self) -> Drawing:
        """Lanes below one another on one axis of time."""
        timeline, gating, frame = self._line, self.gating, self.frame()
        assert timeline is not None
        assert gating is not None
        gates = list(timeline.gates)[:MOST_GATES]
        features = [m for m in gates if m in timeline.features and not np.isnan(timeline.features[m].values).all()]
        targets = timeline.targets
        heights = [2.2, *[0.8] * len(features), *[1.2] * len(targets)]
        figure, lanes = sheet(0.9 + 0.72 * sum(heights), len(heights), sharex=True, height_ratios=heights)

        def line_of(lines: Curves, lane: str, name: str, **look: Any) -> None:
            part = frame.loc[(frame["lane"] == lane) & (frame["name"] == name)]
            lines.curve(part, "time", "value", **look)

        with curves(lanes[0]) as lines:
            for i, m in enumerate(gates):
                look = {"color": shade(gating, m), "linestyle": line(i), "label": shortened(m)}
                line_of(lines, "gates", m, linewidth=1.6, **look)
        lanes[0].set_ylabel(say("gate"))
        for axes, m in zip(lanes[1:], features, strict=False):
            with curves(axes) as lines:
                line_of(lines, "features", m, color=shade(gating, m), linewidth=1.3)
            _note(axes, timeline.features[m].name or say("length of {modality}", modality=m))
        for axes, target in zip(lanes[1 + len(features) :], targets, strict=False):
            look = {"color": INK, "drawstyle": "steps-mid", "linewidth": 1.1, "alpha": 0.8}
            with curves(axes) as lines:
                line_of(lines, "true", target.parameter, **look)
                line_of(lines, "predicted", target.parameter, color=colour(0), linewidth=1.5)
            _note(axes, _target_words(target))
            if target.kind != "continuous":
                axes.set_ylim(-0.08, 1.25)
        for axes in lanes:
            axes.grid(axis="x")
            axes.margins(x=0.01)
            axes.locator_params(axis="y", nbins=3)
        edits = frame.loc[frame["lane"] == self._events[0]]
        look = {"shape": "|", "size": 6, "linewidth": 0.8, "alpha": 0.7, "clip_on": False}
        above = lanes[0].get_xaxis_transform()
        dots(lanes[0], edits.assign(height=1.03), "time", "height", tint=INK, transform=above, **look)
        lanes[-1].set_xlabel(say("time (s)") if self._step else say("step"))
        legend_over_all(figure, 4, handlelength=2.6)
        return figure


def _lines(timeline: Timeline) -> list[tuple[str, str, tuple[float, ...]]]:
    found = [("gates", name, values) for name, values in timeline.gates.items()]
    found += [("passing", name, values) for name, values in timeline.passing.items()]
    found += [("features", name, one.values) for name, one in timeline.features.items()]
    for target in timeline.targets:
        found += [("true", target.parameter, target.true), ("predicted", target.parameter, target.predicted)]
    return found


def _target_words(target: TargetLine) -> str:
    names = {"parameter": target.parameter, "track": target.track}
    match target.kind:
        case "binary":
            return say("{parameter} of track {track}, chance of", **names)
        case "categorical":
            return say("{parameter} of track {track}, chance of the true one", **names)
        case _:
            return say("{parameter} of track {track}", **names)


def _note(axes: Axes, text: str) -> None:
    """A lane's name within the lane: beside it there is no room for long ones."""
    axes.text(0.005, 1.0, shortened(text, 44), transform=axes.transAxes, va="bottom", ha="left", fontsize=9)
