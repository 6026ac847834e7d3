"""Loss weights over the epochs, one plot an arm: how a weighting divided the training among loss components."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.figures.style import (
    INK,
    MOST_ARMS,
    WIDTH,
    colour,
    house_style,
    line,
    marker,
    only_first,
    shortened,
)
from reports.records.frame import StudyResults

PREFIX = "weight/"


class LossWeights:
    """Mean weight of each loss component by epoch, for arms whose weights change while training."""

    name = "loss_weights"
    title = "Loss weights"
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        self._frame: pd.DataFrame | None = None

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        return (
            "Weight of each loss component in training, by epoch: mean over the epoch's steps and over finished "
            "repeats, bands reach from the lowest repeat to the highest. Weights of an arm add up to the number of its "
            "components that take part; 1 is an equal share. Arms with fixed weights are not shown. "
            f"Colours stand for components, not for arms.{only_first(len(self._arms()))}"
        )

    def frame(self) -> pd.DataFrame:
        """One row per arm, component and epoch: ``arm, component, epoch, mean, low, high, n``, all over repeats."""
        if self._frame is None:
            self._frame = self._compute()
        return self._frame

    def _compute(self) -> pd.DataFrame:
        history, study = self.results.history, self.results.study
        history = history.query("status == 'done'")
        places = cast(dict[tuple[str, int], np.ndarray], history.groupby(["arm", "epoch"]).indices)
        columns = [str(c) for c in history.columns if str(c).startswith(PREFIX)]
        order = {arm.name: i for i, arm in enumerate(study.arms)}
        rows = []
        for arm, epoch in sorted(places, key=lambda key: (order[key[0]], key[1])):
            for column in columns:
                values = history[column].to_numpy(float)[places[arm, epoch]]
                values = values[~np.isnan(values)]
                if len(values):
                    # What the weights did, and no claim about more repeats; so no interval, which might fall below 0.
                    told = (values.mean(), values.min(), values.max(), len(values))
                    rows.append((arm, column.removeprefix(PREFIX), epoch, *told))
        return pd.DataFrame(rows, columns=["arm", "component", "epoch", "mean", "low", "high", "n"])

    def _arms(self) -> list[str]:
        """Arms that have weights to show, in the order of the study."""
        return list(dict.fromkeys(self.frame()["arm"]))

    def draw(self) -> Drawing:
        """One plot an arm on common axes, two side by side; every component keeps its colour, line and mark."""
        frame, arms = self.frame(), self._arms()[:MOST_ARMS]
        components = list(dict.fromkeys(frame["component"]))
        across = min(2, max(1, len(arms)))
        down = max(1, -(-len(arms) // across))
        with house_style():
            figure = Drawing(figsize=(WIDTH, 1.0 + 2.1 * down), layout="constrained")
            plots = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flatten()
            for axes, arm in zip(plots, arms, strict=False):
                axes.set_title(shortened(arm, 48 // across), loc="left")
                axes.axhline(1.0, color=INK, alpha=0.45, linewidth=0.9)
                for i, component in enumerate(components):
                    _band(axes, frame.query("arm == @arm and component == @component"), i, shortened(component))
                axes.grid(axis="y")
                axes.margins(x=0.05)
            for axes in plots[len(arms) :] if arms else ():
                axes.set_axis_off()
            for i, axes in enumerate(plots[: len(arms)]):
                if i % across == 0:
                    axes.set_ylabel("weight")
                if i + across >= len(arms):
                    axes.set_xlabel("epoch")
                    axes.tick_params(labelbottom=True)
                axes.xaxis.get_major_locator().set_params(integer=True)
            _legend(figure, plots[0])
        return figure


def _band(axes: Axes, curve: pd.DataFrame, i: int, label: str) -> None:
    if curve.empty:
        return
    # Further round the circle: the first arms of the other figures have the first colours.
    shade = colour(i + 3)
    axes.fill_between(curve["epoch"], curve["low"], curve["high"], color=shade, alpha=0.16, linewidth=0)
    axes.plot(
        curve["epoch"], curve["mean"], color=shade, linestyle=line(i), marker=marker(i), markersize=5,
        markevery=max(1, len(curve) // 8), linewidth=1.7, label=label,
    )  # fmt: skip


def _legend(figure: Drawing, axes: Axes) -> None:
    """One legend for all plots, above them."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = max(1, min(4, len(labels), int(64 / (max(len(label) for label in labels) + 6))))
        figure.legend(handles, labels, loc="outside upper left", ncols=columns, handlelength=2.6, columnspacing=1.4)
