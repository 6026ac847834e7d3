"""What leaving a modality out costs: trained anew without it, and masked in the trained model, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.figures.style import INK, PAPER, WIDTH, colour, house_style, shortened
from reports.numbers import number
from reports.sections.modalities.dossier import Dossier
from reports.statistics.intervals import Estimate

MOST_MODALITIES, MOST_ROWS = 8, 16
FARTHEST, NEAREST = 1.25, -0.6
"""Loss of a score of 1 at best beyond these is written at the edge: one component that collapses would flatten all the
others."""
WAYS = ("trained anew", "share", "masked", "placebo")
_LABELS = {
    "trained anew": "trained anew without it", "share": "share over all subsets", "masked": "masked",
    "placebo": "a placebo in its place",
}  # fmt: skip


class ModalityEffects:
    """Usefulness and use of every modality, by component."""

    name = "modality_effects"
    title = "What leaving a modality out costs"
    value = "mean"

    def __init__(self, told: Sequence[Dossier]) -> None:
        self.told = told[:1]

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        dossier = self.told[0] if self.told else None
        if dossier is None:
            return ""
        ways = []
        if dossier.lattice:
            ways.append("circles: of models trained anew without it")
        if any(p.share for p in dossier.parts):
            ways.append("diamonds: its share, mean over all orders of adding modalities, each subset trained anew")
        if dossier.main:
            ways.append(f"squares: of the trained model with the modality masked by {dossier.way(dossier.main)}")
        if dossier.controlled:
            ways.append("triangles: of models trained anew with a placebo of the same size in its place")
        more = len(dossier.modalities) > MOST_MODALITIES or len(dossier.components) > MOST_ROWS
        return (
            f"What leaving a modality out costs '{dossier.arm}' in {dossier.yardstick.title}, one plot a modality and "
            "one row a component; "
            f"{'; '.join(ways)}. Lines are intervals over repeats. Right of the thin line the modality helps. "
            f"What lies beyond the edge is written there.{' The table has all.' if more else ''}"
        )

    def frame(self) -> pd.DataFrame:
        """One row per modality, component and way: ``arm, modality, component, way, mean, low, high, n``."""
        rows = []
        for dossier in self.told:
            for p in dossier.parts:
                tests = (p.gain, p.share, p.drop, p.placebo)
                for way, test in zip(WAYS, tests, strict=True):
                    if test is not None and test.paired.n:
                        rows.append(
                            (
                                dossier.arm,
                                p.modality,
                                dossier.yardstick.named(p.component),
                                way,
                                *_numbers(test.estimate),
                            )
                        )
        return pd.DataFrame(rows, columns=["arm", "modality", "component", "way", "mean", "low", "high", "n"])

    def draw(self) -> Drawing:
        """One plot below the other, on one scale."""
        frame = self.frame()
        dossier = self.told[0]
        components = [dossier.yardstick.named(c) for c in dossier.components][:MOST_ROWS]
        modalities = dossier.modalities[:MOST_MODALITIES]
        ways = [way for way in WAYS if way in set(frame["way"])]
        shown = frame[["low", "high", "mean"]].to_numpy(float)
        bounded = dossier.yardstick.bounded
        edges = (NEAREST, FARTHEST) if bounded else (float(np.nanmin(shown)), float(np.nanmax(shown)))
        with house_style():
            # Four labels are wider than the page: they take two lines.
            lines = 1 if len(ways) < len(WAYS) else 2
            height = 0.55 + 0.25 * lines + len(modalities) * (0.45 + 0.27 * len(components))
            figure = Drawing(figsize=(WIDTH, height), layout="constrained")
            plots = figure.subplots(len(modalities), 1, sharex=True, squeeze=False).flatten()
            for axes, name in zip(plots, modalities, strict=True):
                axes.set_title(shortened(name, 40), loc="left")
                axes.axvline(0.0, color=INK, alpha=0.45, linewidth=0.9)
                for i, way in enumerate(ways):
                    mine = frame.query("modality == @name and way == @way and component in @components")
                    y = [components.index(c) + 0.24 * (i - (len(ways) - 1) / 2) for c in mine["component"]]
                    _marks(axes, mine, y, WAYS.index(way), edges)
                axes.set_yticks(range(len(components)), [shortened(c, 18) for c in components])
                axes.get_yticklabels()[0].set_fontweight("bold")
                axes.set_ylim(len(components) - 0.45, -0.55)
                axes.tick_params(axis="y", length=0)
                axes.spines["left"].set_visible(False)
                axes.grid(axis="x")
            if bounded:
                low, high = max(NEAREST, min(-0.05, float(np.nanmin(shown)))), FARTHEST
                plots[-1].set_xlim(low - 0.05, min(high, max(0.1, float(np.nanmax(shown)))) + 0.12)
            plots[-1].set_xlabel(dossier.yardstick.lost)
            handles, labels = plots[0].get_legend_handles_labels()
            figure.legend(
                handles,
                labels,
                loc="outside upper left",
                ncols=-(-len(labels) // lines),
                handletextpad=0.2,
                columnspacing=1.0,
            )
        return figure


def _numbers(e: Estimate) -> tuple[float, float, float, int]:
    return e.mean, e.low, e.high, e.n


def _marks(axes: Axes, rows: pd.DataFrame, heights: list[float], i: int, edges: tuple[float, float]) -> None:
    nearest, farthest = edges
    shade, far = colour(i), farthest + 0.03
    inside = [nearest <= mean <= farthest for mean in rows["mean"]]
    for mean, low, high, y, fits in zip(rows["mean"], rows["low"], rows["high"], heights, inside, strict=True):
        if fits:
            axes.hlines(y, max(low, nearest), min(high, farthest), color=shade, linewidth=1.6)
        else:
            # Marks of one row would be written over one another: each way has its place along the edge.
            edge, side = (far - 0.2 * (len(WAYS) - 1 - i), "right") if mean > 0 else (nearest + 0.2 * i, "left")
            axes.text(
                edge, y, f"{number(mean)} {'›' if mean > 0 else '‹'}", color=shade, fontsize=8.5, ha=side, va="center"
            )
    xs = [mean for mean, fits in zip(rows["mean"], inside, strict=True) if fits]
    ys = [y for y, fits in zip(heights, inside, strict=True) if fits]
    axes.plot(
        xs, ys, linestyle="none", marker=("o", "D", "s", "^")[i], markersize=5.5, markeredgewidth=1.4, color=shade,
        markerfacecolor=shade if i == 0 else PAPER, label=_LABELS[WAYS[i]],
    )  # fmt: skip
