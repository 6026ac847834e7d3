"""Loss weights over the epochs, one plot an arm: how a weighting divided the training among loss components."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator

from mmcore.language import say
from reports.figures.base import FigureBase
from reports.figures.marks import curves
from reports.figures.style import INK, MOST_ARMS, abreast, colour, legend_over_all, only_first, shortened
from reports.records.frame import StudyResults
from reports.records.rows import chosen

PREFIX = "weight/"


class LossWeights(FigureBase):
    """Mean weight of each loss component by epoch, for arms whose weights change while training."""

    name = "loss_weights"
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.title = say("Loss weights")
        self.results = results

    @property
    def description(self) -> str:
        text = say(
            "Weight of each loss component in training, by epoch: mean over the epoch's steps and over finished "
            "repeats; bands reach from the lowest repeat to the highest. Weights of an arm add up to the number of its "
            "components that take part; 1 is an equal share. Arms with fixed weights are not shown. Colours stand for "
            "components, not for arms."
        )
        return text + only_first(len(self._arms()))

    def numbers(self) -> pd.DataFrame:
        """One row per arm, component and epoch: ``arm, component, epoch, mean, low, high, n``, all over repeats."""
        history, study = self.results.history, self.results.study
        history = chosen(history, status="done")
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
                    summary = (values.mean(), values.min(), values.max(), len(values))
                    rows.append((arm, column.removeprefix(PREFIX), epoch, *summary))
        return pd.DataFrame(rows, columns=["arm", "component", "epoch", "mean", "low", "high", "n"])

    def _arms(self) -> list[str]:
        """Arms that have weights to show, in the order of the study."""
        return list(dict.fromkeys(self.frame()["arm"]))

    def drawn(self) -> Drawing:
        """One plot an arm on common axes, two side by side; every component keeps its colour, line and mark."""
        frame, arms = self.frame(), self._arms()[:MOST_ARMS]
        components = list(dict.fromkeys(frame["component"]))
        figure, plots = abreast(arms, 1.0, 2.1, say("epoch"), say("weight"))
        for axes, arm in zip(plots, arms, strict=False):
            axes.axhline(1.0, color=INK, alpha=0.45, linewidth=0.9)
            with curves(axes) as lines:
                for j, component in enumerate(components):
                    mine = frame.loc[(frame["arm"] == arm) & (frame["component"] == component)]
                    # Further round the circle: the first arms of the other figures have the first colours.
                    lines.band(mine, "epoch", j, shortened(component), color=colour(j + 3), linewidth=1.7)
            axes.margins(x=0.05)
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        legend_over_all(figure, 4, handlelength=2.6)
        return figure
