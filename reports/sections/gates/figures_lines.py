"""Gates in lines: how far they open over all steps, and around edits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.figures.style import INK, MOST_ARMS, WIDTH, house_style, line, only_first, shortened
from reports.numbers import percent
from reports.records.frame import StudyResults
from reports.sections.gates.estimates import Gating
from reports.sections.gates.figures_dots import MOST_GATES, arms_told, pairs, shade

BINS_TOGETHER = 4
"""Bins of the histogram that are drawn as one: 0.04 wide, which smooths what a few steps leave ragged."""


class GateDistribution:
    """How far gates open, over features and steps."""

    name = "gates_distribution"
    title = "How far gates open"
    value = "share"

    def __init__(self, results: StudyResults) -> None:
        self.gating = Gating.of(results)

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        return (
            "Share of a gate's values, over features and test steps, by how far it is open: 0 shut, 1 open; mean over "
            "repeats, one line a gate. A gate that is ½ everywhere was hardly trained; values at the ends "
            f"hardly follow their input.{only_first(len(self.gating.arms) if self.gating else 0)}"
        )

    def frame(self) -> pd.DataFrame:
        """One row per arm, gate and bin: ``arm, gate, opening`` (the bin's middle), ``share`` (per 0.1)."""
        rows = []
        for gating, arm, gate in pairs(self.gating):
            share = gating.histogram(arm, gate)
            if len(share):
                wide = share.reshape(-1, BINS_TOGETHER).sum(1) * (len(share) / BINS_TOGETHER / 10)
                middle = (np.arange(len(wide)) + 0.5) / len(wide)
                rows += [(arm, gate, x, y) for x, y in zip(middle.tolist(), wide.tolist(), strict=True)]
        return pd.DataFrame(rows, columns=["arm", "gate", "opening", "share"])

    def draw(self) -> Drawing:
        """One plot an arm, two side by side, on common axes."""
        gating, frame = self.gating, self.frame()
        assert gating is not None
        highest = float(max(frame["share"]))

        def curve(axes: Axes, arm: str, gate: str, i: int) -> None:
            part = frame.query("arm == @arm and gate == @gate")
            tint = shade(gating, gate)
            axes.fill_between(part["opening"], 0, part["share"], color=tint, alpha=0.12, linewidth=0)
            axes.plot(part["opening"], part["share"], color=tint, linestyle=line(i), linewidth=1.8, label=gate)
            axes.set_xlim(0, 1)
            axes.set_ylim(0, 1.06 * highest)

        return _small_multiples(gating, gating.arms[:MOST_ARMS], "gate", "share of values per 0.1", curve)


class GatesAround:
    """Gates before and after edits."""

    name = "gates_around"
    title = "Gates around edits"
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.gating = Gating.of(results)
        self._frame: pd.DataFrame | None = None

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        level = percent(self.gating.level) if self.gating else ""
        return (
            "Mean gate by time from an edit (a step whose target has another class than the step before), less its "
            f"mean over the times that are drawn: mean over repeats, bands are {level} intervals. Edits stand close "
            f"together, so others lie within the picture.{arms_told(self.gating)}"
        )

    def frame(self) -> pd.DataFrame:
        """One row per arm, gate and time: ``arm, gate, time, mean, low, high, n``."""
        if self._frame is None:
            rows = [
                (arm, gate, lag * (gating.first(arm).step or 1.0), e.mean, e.low, e.high, e.n)
                for gating, arm, gate in pairs(self.gating)
                for lag, e in gating.around(arm, gate)
            ]
            self._frame = pd.DataFrame(rows, columns=["arm", "gate", "time", "mean", "low", "high", "n"])
        return self._frame

    def draw(self) -> Drawing:
        """One plot for each arm that is told about."""
        gating, frame = self.gating, self.frame()
        assert gating is not None

        def curve(axes: Axes, arm: str, gate: str, i: int) -> None:
            part = frame.query("arm == @arm and gate == @gate")
            tint = shade(gating, gate)
            axes.fill_between(part["time"], part["low"], part["high"], color=tint, alpha=0.16, linewidth=0)
            axes.plot(part["time"], part["mean"], color=tint, linestyle=line(i), linewidth=1.7, label=gate)
            if i == 0:
                axes.axvline(0.0, color=INK, alpha=0.45, linewidth=0.9)
                axes.axhline(0.0, color=INK, alpha=0.25, linewidth=0.9)

        unit = "steps" if gating.first(gating.arms[0]).step is None else "s"
        return _small_multiples(gating, gating.told, f"time from an edit ({unit})", "gate, less its mean", curve)


class GateDrift:
    """Gates over the epochs of training."""

    name = "gates_drift"
    title = "Gates while training"
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.gating = Gating.of(results)
        self.history = results.history.query("status == 'done'")

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        return (
            "Mean gate after each epoch of training, on a few validation windows, always the same: mean over repeats, "
            "bands reach from the lowest repeat to the highest. Gates begin near ½, those that share a sum of 1 near "
            "equal shares." + only_first(len(self.gating.arms) if self.gating else 0)
        )

    def frame(self) -> pd.DataFrame:
        """One row per arm, gate and epoch: ``arm, gate, epoch, mean, low, high, n``, all over repeats."""
        rows = []
        for _, arm, gate in pairs(self.gating):
            column = f"gate/{gate}"
            # Runs of an earlier version did not look.
            if column not in self.history:
                continue
            mine = self.history.query("arm == @arm").dropna(subset=[column])
            for epoch, values in mine.groupby("epoch")[column]:
                rows.append((arm, gate, epoch, values.mean(), values.min(), values.max(), len(values)))
        return pd.DataFrame(rows, columns=["arm", "gate", "epoch", "mean", "low", "high", "n"])

    def draw(self) -> Drawing:
        """One plot an arm, two side by side, on common axes."""
        gating, frame = self.gating, self.frame()
        assert gating is not None

        def curve(axes: Axes, arm: str, gate: str, i: int) -> None:
            part = frame.query("arm == @arm and gate == @gate")
            tint = shade(gating, gate)
            axes.fill_between(part["epoch"], part["low"], part["high"], color=tint, alpha=0.16, linewidth=0)
            axes.plot(part["epoch"], part["mean"], color=tint, linestyle=line(i), linewidth=1.7, label=gate)
            axes.locator_params(axis="x", integer=True)

        return _small_multiples(gating, gating.arms[:MOST_ARMS], "epoch", "mean gate", curve)


def _small_multiples(
    gating: Gating, arms: tuple[str, ...], x: str, y: str, curve: Callable[[Axes, str, str, int], None]
) -> Drawing:
    """One plot an arm, two side by side on common axes; ``curve`` draws one gate of one arm."""
    across = min(2, len(arms))
    down = -(-len(arms) // across)
    with house_style():
        figure = Drawing(figsize=(WIDTH, 1.0 + (2.3 if across == 1 else 2.0) * down), layout="constrained")
        plots = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flatten()
        for p, (axes, arm) in enumerate(zip(plots, arms, strict=False)):
            if len(arms) > 1:
                axes.set_title(shortened(arm, 48 // across), loc="left")
            for i, gate in enumerate(gating.all_gates[:MOST_GATES]):
                if gate in gating.gates(arm):
                    curve(axes, arm, gate, i)
            axes.grid(axis="y")
            if p % across == 0:
                axes.set_ylabel(y)
            if p + across >= len(arms):
                axes.set_xlabel(x)
                axes.tick_params(labelbottom=True)
        for axes in plots[len(arms) :]:
            axes.set_axis_off()
        handles = {label: h for axes in plots for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), [shortened(n) for n in handles], loc="outside upper left", ncols=4)
    return figure
