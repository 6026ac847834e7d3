"""Skill over the level of damage: a row of plots for each kind, a column for each modality, a line for each arm."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.figures.style import INK, MOST_ARMS, WIDTH, colour, house_style, line, marker, only_first, shortened
from reports.numbers import percent
from reports.records.frame import StudyResults
from reports.sections.corruption.estimates import KIND_WORDS, Robustness
from reports.statistics.intervals import estimate

MOST_MODALITIES = 4
"""Columns that fit side by side."""
LOWEST = -0.5
"""Far below 0 every prediction is useless: how far is told by the table, and would flatten all other curves."""

_ROWS = {
    "noise": "noise",
    "drop": "dropped steps",
    "gap": "one gap",
    "lost": "modality lost",
    "delay": "delay",
}


class CorruptionCurves:
    """How fast the score falls as one modality gets worse."""

    name = "corruption"
    title = "Skill under damage"
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        self.found = Robustness.of(results)
        self._frame: pd.DataFrame | None = None

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        arms, modalities = (len(self.found.arms), len(self.found.modalities)) if self.found else (0, 0)
        left_out = (
            f" The first {MOST_MODALITIES} of {modalities} modalities are drawn."
            if modalities > MOST_MODALITIES
            else ""
        )
        return (
            f"{self._title()} on damaged test windows by the level of damage, one column a modality and one row a "
            f"kind: mean over repeats, bands are {percent(1 - self.results.study.alpha)} intervals. At 0 nothing is "
            f"damaged; beyond the thin line the arm is worse than the naive predictors.{self._cut()} Flat lines: the "
            f"arm does not read the modality.{left_out}{only_first(arms)}"
        )

    def _title(self) -> str:
        return f"Score ({self.found.yardstick.title})" if self.found else "Score"

    def _cut(self) -> str:
        cut = self.found is not None and self.found.yardstick.naive_is_zero
        return f" Curves are cut off at −{-LOWEST:g}." if cut else ""

    def frame(self) -> pd.DataFrame:
        """One row per arm, modality, kind and level: ``mean, low, high, n`` over repeats."""
        if self._frame is None:
            level, overlap = 1 - self.results.study.alpha, self.results.overlap
            rows = []
            for c in self.found.curves if self.found else ():
                for at, value_R in zip(c.levels, c.score_RL.T, strict=True):
                    e = estimate(value_R, level, overlap)
                    rows.append((c.arm, c.modality, c.kind, c.unit, c.reads, at, e.mean, e.low, e.high, e.n))
            columns = ["arm", "modality", "damage", "unit", "reads", "level", "mean", "low", "high", "n"]
            self._frame = pd.DataFrame(rows, columns=columns)
        return self._frame

    def draw(self) -> Drawing:
        """Kinds from top to bottom, modalities from left to right, on a common axis of scores."""
        found, frame = self.found, self.frame()
        assert found is not None, "only drawn where the frame has rows"
        modalities, arms = found.modalities[:MOST_MODALITIES], found.arms[:MOST_ARMS]
        kinds = [kind for kind in KIND_WORDS if any(c.kind == kind for c in found.curves)]
        unit = {c.kind: c.unit for c in found.curves}
        drawn = frame.query("arm in @arms and modality in @modalities")
        drawn_N = drawn[["mean", "low", "high"]].to_numpy(float)
        yardstick, naive = found.yardstick, float(np.nanmean([c.naive_R.mean() for c in found.curves]))
        drawn_N = np.append(drawn_N.ravel(), [] if np.isnan(naive) else [naive])
        bottom, top = np.nanmin(drawn_N), np.nanmax(drawn_N)
        if yardstick.naive_is_zero:
            bottom = max(LOWEST, bottom)
        with house_style():
            figure = Drawing(figsize=(WIDTH, 0.8 + 1.55 * len(kinds)), layout="constrained")
            plots = figure.subplots(len(kinds), len(modalities), sharey=True, sharex="row", squeeze=False)
            for row, kind in zip(plots, kinds, strict=True):
                for axes, modality in zip(row, modalities, strict=True):
                    axes.axhline(naive, color=INK, alpha=0.45, linewidth=0.9)
                    mine = drawn.loc[(drawn["damage"] == kind) & (drawn["modality"] == modality)]
                    for i, arm in enumerate(arms):
                        _band(axes, mine.query("arm == @arm"), i, shortened(arm))
                    axes.grid(axis="y")
                    axes.margins(x=0.04)
                    axes.locator_params(axis="x", nbins=4)
                row[0].set_ylabel(f"{_ROWS[kind]}\n{yardstick.measure.title}")
                row[len(modalities) // 2].set_xlabel(unit[kind])
            room = top - bottom
            plots[0][0].set_ylim(bottom - 0.04 * room, top + 0.06 * room)
            for axes, modality in zip(plots[0], modalities, strict=True):
                axes.set_title(shortened(modality, 44 // len(modalities)), loc="left")
            _legend(figure, plots[0][0])
        return figure


def _band(axes: Axes, curve: pd.DataFrame, i: int, label: str) -> None:
    axes.fill_between(curve["level"], curve["low"], curve["high"], color=colour(i), alpha=0.16, linewidth=0)
    axes.plot(
        curve["level"], curve["mean"], color=colour(i), linestyle=line(i), marker=marker(i), markersize=3.5,
        linewidth=1.5, label=label,
    )  # fmt: skip


def _legend(figure: Drawing, axes: Axes) -> None:
    """One legend for all plots, above them."""
    handles, labels = axes.get_legend_handles_labels()
    columns = max(1, min(4, len(labels), int(64 / (max(len(label) for label in labels) + 6))))
    figure.legend(handles, labels, loc="outside upper left", ncols=columns, handlelength=2.6, columnspacing=1.4)
