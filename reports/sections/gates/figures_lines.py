"""Gates in lines: how far they open over all steps, and around edits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.marks import curves
from reports.figures.style import INK, MOST_ARMS, abreast, legend_over_all, only_first, shortened
from reports.numbers import prose
from reports.records.frame import StudyResults
from reports.records.rows import chosen
from reports.sections.gates.estimates import Gating
from reports.sections.gates.figures_dots import MOST_GATES, OfGates, arms_shown, pairs, shade

BINS_TOGETHER = 4
"""Bins of the histogram that are drawn as one: 0.04 wide, which smooths what a few steps leave ragged."""


class GateDistribution(OfGates):
    """How far gates open, over features and steps."""

    name = "gates_distribution"
    title = later("How far gates open")
    value = "share"

    @property
    def description(self) -> str:
        said = say(
            "Share of a gate's values, over features and test steps, by how far it is open: 0 shut, 1 open; mean over "
            "repeats, one line for each gate. A gate that is ½ everywhere was hardly trained; values at the ends "
            "hardly follow their input."
        )
        return prose(said, only_first(len(self.gating.arms) if self.gating else 0).strip())

    def numbers(self) -> pd.DataFrame:
        """One row per arm, gate and bin: ``arm, gate, opening`` (the bin's middle), ``share`` (per 0.1)."""
        rows = []
        for gating, arm, gate in pairs(self.gating):
            share = gating.histogram(arm, gate)
            if len(share):
                wide = share.reshape(-1, BINS_TOGETHER).sum(1) * (len(share) / BINS_TOGETHER / 10)
                middle = (np.arange(len(wide)) + 0.5) / len(wide)
                rows += [(arm, gate, x, y) for x, y in zip(middle.tolist(), wide.tolist(), strict=True)]
        return pd.DataFrame(rows, columns=["arm", "gate", "opening", "share"])

    def drawn(self) -> Drawing:
        """One plot an arm, two side by side, on common axes."""
        gating, frame = self.gating, self.frame()
        assert gating is not None
        # From the axis up: a band as wide as its curve is high.
        frame = frame.assign(low=0.0, high=frame["share"])
        names = ("opening", say("gate"), say("share of values per 0.1"))
        figure, plots = _by_arm(gating, frame, gating.arms[:MOST_ARMS], names, y="share", alpha=0.12, linewidth=1.8)
        plots[0].set(xlim=(0, 1), ylim=(0, 1.06 * float(max(frame["share"]))))
        return figure


class GatesAround(OfGates):
    """Gates before and after edits."""

    name = "gates_around"
    title = later("Gates around edits")

    def __init__(self, results: StudyResults) -> None:
        super().__init__(results)
        if self.of_labels:
            self.title = later("Gates around label changes")

    @property
    def description(self) -> str:
        said = say(
            "Mean gate by time from a label change (a step whose target has another class than the step before), minus "
            "its mean over the times that are drawn: mean over repeats, bands are {level} intervals. Label changes are "
            "close together, so the picture includes others."
            if self.of_labels
            else "Mean gate by time from an edit (a step whose target has another class than the step before), minus "
            "its mean over the times that are drawn: mean over repeats, bands are {level} intervals. Edits are close "
            "together, so the picture includes others.",
            level=self.level,
        )
        return prose(said, arms_shown(self.gating))

    def numbers(self) -> pd.DataFrame:
        """One row per arm, gate and time: ``arm, gate, time, mean, low, high, n``."""
        rows = [
            (arm, gate, lag * (gating.first(arm).step or 1.0), e.mean, e.low, e.high, e.n)
            for gating, arm, gate in pairs(self.gating)
            for lag, e in gating.around(arm, gate)
        ]
        return pd.DataFrame(rows, columns=["arm", "gate", "time", "mean", "low", "high", "n"])

    def drawn(self) -> Drawing:
        """One plot for each arm that the section describes."""
        gating, frame = self.gating, self.frame()
        assert gating is not None
        unit = say("steps") if gating.first(gating.arms[0]).step is None else "s"
        x = say("time from a label change ({unit})" if self.of_labels else "time from an edit ({unit})", unit=unit)
        names = ("time", x, say("gate minus its mean"))
        figure, plots = _by_arm(gating, frame, gating.shown, names)
        for axes in plots:
            axes.axvline(0.0, color=INK, alpha=0.45, linewidth=0.9)
            axes.axhline(0.0, color=INK, alpha=0.25, linewidth=0.9)
        return figure


class GateDrift(OfGates):
    """Gates over the epochs of training."""

    name = "gates_drift"
    title = later("Gates while training")

    @property
    def description(self) -> str:
        said = say(
            "Mean gate after each epoch of training, always on the same few validation windows: mean over repeats; "
            "bands reach from the lowest repeat to the highest. Gates begin near ½, or near equal shares if they share "
            "a sum of 1."
        )
        return prose(said, only_first(len(self.gating.arms) if self.gating else 0).strip())

    def numbers(self) -> pd.DataFrame:
        """One row per arm, gate and epoch: ``arm, gate, epoch, mean, low, high, n``, all over repeats."""
        rows, history = [], chosen(self.results.history, status="done")
        for _, arm, gate in pairs(self.gating):
            column = f"gate/{gate}"
            # Runs of an earlier version did not look.
            if column not in history:
                continue
            mine = chosen(history, arm=arm).dropna(subset=[column])
            for epoch, values in mine.groupby("epoch")[column]:
                rows.append((arm, gate, epoch, values.mean(), values.min(), values.max(), len(values)))
        return pd.DataFrame(rows, columns=["arm", "gate", "epoch", "mean", "low", "high", "n"])

    def drawn(self) -> Drawing:
        """One plot an arm, two side by side, on common axes."""
        gating, frame = self.gating, self.frame()
        assert gating is not None

        figure, plots = _by_arm(gating, frame, gating.arms[:MOST_ARMS], ("epoch", say("epoch"), say("mean gate")))
        plots[0].locator_params(axis="x", integer=True, min_n_ticks=1)
        return figure


def _by_arm(
    gating: Gating, frame: pd.DataFrame, arms: Sequence[str], axes_names: tuple[str, str, str], **look: Any
) -> tuple[Drawing, list[Axes]]:
    """One plot an arm, two side by side on common axes, a curve with its band for each gate.

    Args:
        axes_names: the column of the frame that is x, and the names of the axes.
        look: of a curve, as for :func:`band`.
    """
    column, x, y = axes_names
    figure, plots = abreast(arms, 1.0, 2.3 if len(arms) == 1 else 2.0, x, y)
    for axes, arm in zip(plots, arms, strict=True):
        if len(arms) == 1:
            axes.set_title("", loc="left")
        with curves(axes) as lines:
            for i, gate in enumerate(gating.all_gates[:MOST_GATES]):
                mine = frame.loc[(frame["arm"] == arm) & (frame["gate"] == gate)]
                usual = {"color": shade(gating, gate), "marker": "", "linewidth": 1.7}
                lines.band(mine, column, i, shortened(gate), **(usual | look))
    legend_over_all(figure, 4)
    return figure, plots
