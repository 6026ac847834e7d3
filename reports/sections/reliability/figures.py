"""Reliability diagram: accuracy against confidence, a plot a component with classes."""

from __future__ import annotations

from statistics import fmean
from typing import cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.transforms import ScaledTranslation

from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.marks import Curves, sign
from reports.figures.style import INK, MOST_ARMS, colour, line, marker, only_first, sheet, shortened
from reports.numbers import number, prose
from reports.records.frame import StudyResults
from reports.records.rows import chosen
from reports.sections.reliability.section import calibration_by_run

MOST = 8
"""Components that are drawn; the table has all."""
FEWEST = 20
"""Predictions of a bin, over all repeats, below which its accuracy is too rough to draw."""


class Reliability(FigureBase):
    """How often predictions of a confidence are right."""

    name = "reliability"
    title = later("Reliability")
    value = "accuracy"

    def __init__(self, results: StudyResults) -> None:
        self.results = results

    @property
    def description(self) -> str:
        components = len(set(self.frame()["component"]))
        left_out = (
            say("The first {most} of {components} components are drawn.", most=MOST, components=components)
            if components > MOST
            else ""
        )
        said = say(
            "Accuracy of class predictions by their confidence, on test items: below the diagonal a model is too sure, "
            "above it not sure enough. Lines are over all repeats together, bands reach from the lowest repeat to the "
            "highest; bins with fewer than {fewest} predictions are not drawn. The number after each arm is its "
            "calibration error.",
            fewest=FEWEST,
        )
        return prose(said, only_first(len(self._arms())).strip(), left_out)

    def numbers(self) -> pd.DataFrame:
        """One row per arm, component and bin: ``component, arm, bin, confidence, accuracy, low, high, count, ece``.

        ``confidence`` and ``accuracy`` over all repeats together, ``low`` and ``high`` those of single repeats; ``ece``
        is the arm's calibration error on the component, mean over repeats.
        """
        rows = self.results.calibration
        places = cast(dict[tuple[str, str, int], np.ndarray], rows.groupby(["component", "arm", "bin"]).indices)
        count, sure, right = (rows[name].to_numpy(float) for name in ("count", "confidence", "accuracy"))
        errors: dict[tuple[str, str], list[float]] = {}
        for run in self.results.once(calibration_by_run):
            errors.setdefault((run.component, run.arm), []).append(run.error)
        order = {arm.name: i for i, arm in enumerate(self.results.study.arms)}
        components = {c: i for i, c in enumerate(dict.fromkeys(rows["component"]))}
        bins = []
        for component, arm, j in sorted(places, key=lambda key: (components[key[0]], order[key[1]], key[2])):
            here = places[component, arm, j]
            share = count[here] / count[here].sum()
            edges = right[here].min(), right[here].max()
            means = float((sure[here] * share).sum()), float((right[here] * share).sum())
            bins.append((component, arm, j, *means, *edges, int(count[here].sum()), fmean(errors[component, arm])))
        columns = ["component", "arm", "bin", "confidence", "accuracy", "low", "high", "count", "ece"]
        return pd.DataFrame(bins, columns=columns)

    def _arms(self) -> list[str]:
        """Arms that have anything to show, in the order of the study."""
        known = set(self.frame()["arm"])
        return [arm.name for arm in self.results.study.arms if arm.name in known]

    def drawn(self) -> Drawing:
        """One plot a component, two side by side, with the arms' errors in its legend."""
        frame, arms = self.frame(), self._arms()[:MOST_ARMS]
        components = list(dict.fromkeys(frame["component"]))[:MOST]
        across = 2 if len(components) > 1 else 1
        down = max(1, -(-len(components) // across))
        legend = 0.2 * len(arms)
        figure, plots = sheet((2.5 + legend) * down if across > 1 else 3.4 + legend, len(components), across)
        for axes, component in zip(plots, components, strict=False):
            _plot(figure, axes, chosen(frame, component=component), arms, 18 if across > 1 else 40)
            axes.set_title(shortened(component, 56 // across), loc="left")
        figure.supylabel(say("accuracy"), fontsize=10)
        return figure


def _plot(figure: Drawing, axes: Axes, frame: pd.DataFrame, arms: list[str], longest: int) -> None:
    start = min([*frame["confidence"], *frame["accuracy"], 0.9])
    lines = Curves(axes)
    lines.curve(pd.DataFrame({"x": [start, 1], "y": [start, 1]}), "x", "y", color=INK, alpha=0.45, linewidth=0.9)
    for i, arm in enumerate(arms):
        mine = chosen(frame, arm=arm)
        if mine.empty:
            continue
        # The bands of many arms lie over one another.
        look = {"alpha": 0.14 if len(arms) <= 3 else 0.06, "markersize": 5.5, "markevery": 1, "linewidth": 1.5}
        label = f"{shortened(arm, longest)} {number(mine['ece'].iloc[0])}"
        shown = mine.loc[mine["count"] >= FEWEST]
        if shown.empty:
            # The legend has the order in which the arms are drawn.
            lines.draw()
            sign(axes, label, color=colour(i), linestyle=line(i), marker=marker(i), markersize=5.5, linewidth=1.5)
        else:
            lines.band(shown, "confidence", i, label, y="accuracy", **look)
    lines.draw()
    axes.set_xlabel(say("confidence"))
    axes.grid()
    # Inches below the plot, whatever the layout makes of the plot's size.
    below = axes.transAxes + ScaledTranslation(-0.3, -0.48, figure.dpi_scale_trans)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=below,
        borderaxespad=0,
        handlelength=2.6,
        borderpad=0.2,
    )
