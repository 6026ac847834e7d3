"""Skill over the level of damage: a row of plots for each kind, a column for each modality, a line for each arm."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.marks import curves
from reports.figures.style import INK, MOST_ARMS, legend_over_all, only_first, sheet, shortened
from reports.numbers import percent, prose
from reports.records.frame import StudyResults
from reports.records.rows import among, chosen
from reports.sections.corruption.estimates import KIND_WORDS, Robustness
from reports.statistics.intervals import estimate

MOST_MODALITIES = 4
"""Columns that fit side by side."""
LOWEST = -0.5
"""Far below 0 every prediction is useless. Drawing how far would flatten all other curves; the table has it."""

_ROWS = {
    "noise": later("noise"),
    "drop": later("dropped steps"),
    "gap": later("one gap"),
    "lost": later("modality lost"),
    "delay": later("delay"),
}


class CorruptionCurves(FigureBase):
    """How fast the score falls as one modality gets worse."""

    name = "corruption"
    title = later("Skill under damage")
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        self.found = Robustness.of(results)

    @property
    def description(self) -> str:
        arms, modalities = (len(self.found.arms), len(self.found.modalities)) if self.found else (0, 0)
        cut = self.found is not None and self.found.yardstick.naive_is_zero
        return prose(
            say(
                "{score} on damaged test windows by the level of damage, one column for each modality and one row "
                "for each kind: mean over repeats, bands are {level} intervals. At 0 nothing is damaged; beyond the "
                "thin line the arm is worse than the naive predictors.",
                score=say("Score ({metric})", metric=self.found.yardstick.title) if self.found else say("Score"),
                level=percent(1 - self.results.study.alpha),
            ),
            say("Curves are cut off at −{lowest:g}.", lowest=-LOWEST) if cut else "",
            say("Flat lines: the arm does not read the modality."),
            say("The first {most} of {modalities} modalities are drawn.", most=MOST_MODALITIES, modalities=modalities)
            if modalities > MOST_MODALITIES
            else "",
            only_first(arms).strip(),
        )

    def numbers(self) -> pd.DataFrame:
        """One row per arm, modality, kind and level: ``mean, low, high, n`` over repeats."""
        level, overlap = 1 - self.results.study.alpha, self.results.overlap
        rows = []
        for c in self.found.curves if self.found else ():
            for at, value_R in zip(c.levels, c.score_RL.T, strict=True):
                e = estimate(value_R, level, overlap)
                rows.append((c.arm, c.modality, c.kind, c.unit, c.reads, at, e.mean, e.low, e.high, e.n))
        columns = ["arm", "modality", "damage", "unit", "reads", "level", "mean", "low", "high", "n"]
        return pd.DataFrame(rows, columns=columns)

    def drawn(self) -> Drawing:
        """Kinds from top to bottom, modalities from left to right, on a common axis of scores."""
        found, frame = self.found, self.frame()
        assert found is not None, "only drawn where the frame has rows"
        modalities, arms = found.modalities[:MOST_MODALITIES], found.arms[:MOST_ARMS]
        kinds = [kind for kind in KIND_WORDS if any(c.kind == kind for c in found.curves)]
        unit = {c.kind: c.unit for c in found.curves}
        drawn = among(frame, arm=arms, modality=modalities)
        drawn_N = drawn[["mean", "low", "high"]].to_numpy(float)
        yardstick, naive = found.yardstick, float(np.nanmean([c.naive_R.mean() for c in found.curves]))
        drawn_N = np.append(drawn_N.ravel(), [] if np.isnan(naive) else [naive])
        bottom, top = np.nanmin(drawn_N), np.nanmax(drawn_N)
        if yardstick.naive_is_zero:
            bottom = max(LOWEST, bottom)
        across = len(modalities)
        figure, plots = sheet(0.8 + 1.55 * len(kinds), len(kinds) * across, across, sharey=True, sharex="row")
        for axes, (kind, modality) in zip(plots, product(kinds, modalities), strict=True):
            axes.axhline(naive, color=INK, alpha=0.45, linewidth=0.9)
            mine = chosen(drawn, damage=kind, modality=modality)
            with curves(axes) as lines:
                for i, arm in enumerate(arms):
                    own = chosen(mine, arm=arm)
                    lines.band(own, "level", i, shortened(arm), markersize=3.5, markevery=1, linewidth=1.5)
            axes.grid(axis="y")
            axes.margins(x=0.04)
            axes.locator_params(axis="x", nbins=4)
            if kind == kinds[0]:
                axes.set_title(shortened(modality, 44 // across), loc="left")
            if modality == modalities[0]:
                axes.set_ylabel(f"{say(_ROWS[kind])}\n{say(yardstick.measure.title)}")
            if modality == modalities[across // 2]:
                axes.set_xlabel(say(unit[kind]))
        room = top - bottom
        plots[0].set_ylim(bottom - 0.04 * room, top + 0.06 * room)
        legend_over_all(figure, 4, handlelength=2.6)
        return figure
