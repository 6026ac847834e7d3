"""What leaving a modality out costs: retrained without it, and masked in the trained model, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.marks import intervals, name_rows
from reports.figures.style import INK, colour, legend_over_all, sheet, shortened
from reports.numbers import number, prose
from reports.records.rows import among, chosen
from reports.sections.joining import clauses
from reports.sections.modalities.dossier import Dossier
from reports.sections.yardstick import said_component

MOST_MODALITIES, MOST_ROWS = 8, 16
FARTHEST, NEAREST = 1.25, -0.6
"""Loss of a score of 1 at best beyond these is written at the edge: one component that collapses would flatten all the
others."""
WAYS = ("retrained", "share", "masked", "placebo")
_LABELS = {
    "retrained": later("retrained without it"), "share": later("share over all subsets"), "masked": later("masked"),
    "placebo": later("a placebo in its place"),
}  # fmt: skip


class OfOneArm(FigureBase):
    """A figure about the first arm that the section describes; there may be none."""

    def __init__(self, dossiers: Sequence[Dossier]) -> None:
        self.dossiers = dossiers[:1]


class ModalityEffects(OfOneArm):
    """Usefulness and use of every modality, by component."""

    name = "modality_effects"
    title = later("What leaving a modality out costs")
    value = "mean"

    @property
    def description(self) -> str:
        dossier = self.dossiers[0] if self.dossiers else None
        if dossier is None:
            return ""
        ways = [
            say("circles: of models retrained without it") if dossier.lattice else "",
            say("diamonds: its share, mean over all orders of adding modalities, each subset retrained")
            if any(p.share for p in dossier.parts)
            else "",
            say("squares: of the trained model with the modality masked by {way}", way=dossier.said_way(dossier.main))
            if dossier.main
            else "",
            say("triangles: of models retrained with a placebo of the same size in its place")
            if dossier.controlled
            else "",
        ]
        more = len(dossier.modalities) > MOST_MODALITIES or len(dossier.components) > MOST_ROWS
        return prose(
            say(
                "What leaving a modality out costs '{arm}' in {metric}, one plot for each modality and one row for "
                "each component; {ways}.",
                arm=dossier.arm,
                metric=dossier.yardstick.title,
                ways=clauses(ways),
            ),
            say(
                "Lines are intervals over repeats. Right of the thin line the modality helps. Values beyond the edge "
                "are written there."
            ),
            say("The table has all.") if more else "",
        )

    def numbers(self) -> pd.DataFrame:
        """One row per modality, component and way: ``arm, modality, component, way, mean, low, high, n``."""
        rows = []
        for dossier in self.dossiers:
            for p in dossier.parts:
                component = dossier.yardstick.named(p.component)
                for way, test in zip(WAYS, (p.gain, p.share, p.drop, p.placebo), strict=True):
                    if test is not None and test.paired.n:
                        e = test.estimate
                        rows.append((dossier.arm, p.modality, component, way, e.mean, e.low, e.high, e.n))
        return pd.DataFrame(rows, columns=["arm", "modality", "component", "way", "mean", "low", "high", "n"])

    def drawn(self) -> Drawing:
        """One plot below the other, on one scale."""
        frame = self.frame()
        dossier = self.dossiers[0]
        components = [dossier.yardstick.named(c) for c in dossier.components][:MOST_ROWS]
        modalities = dossier.modalities[:MOST_MODALITIES]
        ways = [way for way in WAYS if way in set(frame["way"])]
        shown = frame[["low", "high", "mean"]].to_numpy(float)
        lowest, highest = float(np.nanmin(shown)), float(np.nanmax(shown))
        bounded = dossier.yardstick.bounded
        edges = (NEAREST, FARTHEST) if bounded else (lowest, highest)
        # Four labels are wider than the page: they take two lines.
        lines = 1 if len(ways) < len(WAYS) else 2
        height = 0.55 + 0.25 * lines + len(modalities) * (0.45 + 0.27 * len(components))
        figure, plots = sheet(height, len(modalities), sharex=True)
        for axes, name in zip(plots, modalities, strict=True):
            axes.set_title(shortened(name, 40), loc="left")
            axes.axvline(0.0, color=INK, alpha=0.45, linewidth=0.9)
            for i, way in enumerate(ways):
                mine = among(chosen(frame, modality=name, way=way), component=components)
                row = [components.index(c) + 0.24 * (i - (len(ways) - 1) / 2) for c in mine["component"]]
                _marks(axes, mine.assign(row=row), WAYS.index(way), edges)
            name_rows(axes, [shortened(said_component(c), 18) for c in components])
            axes.get_yticklabels()[0].set_fontweight("bold")
        if bounded:
            plots[-1].set_xlim(max(NEAREST, min(-0.05, lowest)) - 0.05, min(FARTHEST, max(0.1, highest)) + 0.12)
        plots[-1].set_xlabel(dossier.yardstick.lost)
        legend_over_all(figure, 2 if lines == 2 else 3, handletextpad=0.2, columnspacing=1.0)
        return figure


def _marks(axes: Axes, rows: pd.DataFrame, i: int, edges: tuple[float, float]) -> None:
    """Estimates that lie within the edges with their intervals, the others as numbers at an edge."""
    nearest, farthest = edges
    inside = rows["mean"].between(nearest, farthest)
    cut = rows[inside].assign(low=rows["low"].clip(lower=nearest), high=rows["high"].clip(upper=farthest))
    look = {"shape": ("o", "D", "s", "^")[i], "size": 5.5, "filled": i == 0, "label": say(_LABELS[WAYS[i]])}
    intervals(axes, cut, tint=colour(i), line=1.6, **look)
    for mean, row in rows.loc[~inside, ["mean", "row"]].itertuples(index=False):
        # Marks of one row would be written over one another: each way has its place along the edge.
        right = mean > 0
        at = farthest + 0.03 - 0.2 * (len(WAYS) - 1 - i) if right else nearest + 0.2 * i
        text, side = f"{number(mean)} {'›' if right else '‹'}", "right" if right else "left"
        axes.text(at, row, text, color=colour(i), fontsize=8.5, ha=side, va="center")
