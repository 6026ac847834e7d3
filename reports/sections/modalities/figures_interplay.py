"""Which modalities need one another: interaction of pairs, and what is left of the score without any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.marks import cells, dots, name_rows, shades
from reports.figures.style import COLOURS, INK, colour, legend_over_all, sheet, shortened
from reports.numbers import number, prose
from reports.records.rows import among, chosen
from reports.sections.modalities.dossier import Dossier
from reports.sections.modalities.figures_effects import OfOneArm
from reports.sections.yardstick import said_component

MOST_PAIRS, MOST_COMPONENTS = 28, 16
NUMBERS = 7
"""Columns that have room for numbers."""
SHADES = shades(COLOURS[1], COLOURS[0])
MARKS = {later("together"): "o", later("overlap"): "s", later("hinder"): "v"}
LOWEST = -0.3


class ModalityInterplay(OfOneArm):
    """The interaction index of every pair of modalities, by component."""

    name = "modality_interplay"
    title = later("Which modalities need one another")
    value = "index"

    @property
    def description(self) -> str:
        way = self.dossiers[0].said_way(self.dossiers[0].main) if self.dossiers else ""
        metric = _metric(self.dossiers)
        if self._retrained():
            drawn = say(
                "Shapley interaction index in {metric}, a row for each pair of modalities and a column for each "
                "component, every subset retrained.",
                metric=metric,
            )
        else:
            drawn = say(
                "Shapley interaction index in {metric}, a row for each pair of modalities and a column for each "
                "component, of the trained model, masked by {way}.",
                metric=metric,
                way=way,
            )
        return prose(
            drawn,
            say(
                "Blue: the two bring more together than the sum of what each brings; orange: less; deeper colours mean "
                "larger values. Marks: shown beyond chance and beyond the margin; circle together, square overlap "
                "(what one brings, the other brings, too), triangle hinder (not both bring anything)."
            ),
        )

    def _retrained(self) -> bool:
        return any(pair.retrained is not None for dossier in self.dossiers for pair in dossier.pairs)

    def numbers(self) -> pd.DataFrame:
        """One row per pair and component: ``arm, pair, component, index, low, high, n, word``."""
        rows = []
        for dossier in self.dossiers:
            for p in dossier.pairs:
                e = p.retrained.estimate if p.retrained else p.masked.get(dossier.main) if dossier.main else None
                if e is not None and e.n and not (self._retrained() and p.retrained is None):
                    component = dossier.yardstick.named(p.component)
                    rows.append((dossier.arm, f"{p.one} × {p.other}", component, e.mean, e.low, e.high, e.n, p.word))
        return pd.DataFrame(rows, columns=["arm", "pair", "component", "index", "low", "high", "n", "word"])

    def drawn(self) -> Drawing:
        """Pairs from top to bottom, all components together first."""
        frame = self.frame()
        pairs = list(dict.fromkeys(frame["pair"]))[:MOST_PAIRS]
        columns = list(dict.fromkeys(frame["component"]))[:MOST_COMPONENTS]
        grid = frame.pivot(index="pair", columns="component", values="index").reindex(pairs).reindex(columns=columns)
        figure, (axes,) = sheet(1.35 + 0.38 * max(len(pairs), 2))
        largest = max(np.nanmax(np.abs(grid.to_numpy(float))), 1e-12)
        cells(axes, grid / largest, SHADES, grid if len(columns) <= NUMBERS else None)
        for word, shape in MARKS.items():
            mine = among(chosen(frame, word=word), pair=pairs, component=columns)
            at = {"x": [columns.index(c) + 0.84 for c in mine["component"]],
                  "y": [pairs.index(p) + 0.22 for p in mine["pair"]]}  # fmt: skip
            dots(axes, pd.DataFrame(at), "x", "y", tint=INK, shape=shape, size=4.5, linewidth=0, label=say(word))
        slant = {"rotation": 35, "ha": "right"}
        axes.set_xticks(np.arange(len(columns)) + 0.5, [shortened(said_component(c), 14) for c in columns], **slant)
        axes.set_yticks(np.arange(len(pairs)) + 0.5, [shortened(p, 24) for p in pairs])
        axes.tick_params(length=0)
        legend_over_all(figure, loc="outside lower center", handletextpad=0.1)
        return figure


class ModalityAdditive(OfOneArm):
    """The score with interaction of modalities and without any, by component."""

    name = "modality_additive"
    title = later("How much needs interaction")
    value = "additive"

    @property
    def description(self) -> str:
        return say(
            "Score ({metric}) of the trained model as it is (filled circle) and of its additive "
            "projection (open square), which has no interaction of modalities (EMAP), by component: means "
            "over repeats. The bar between them is the score that needs interaction. A star: the interaction helps, "
            "beyond chance and beyond the margin. Skill below {lowest} is drawn at the edge.",
            metric=_metric(self.dossiers),
            lowest=number(LOWEST),
        )

    def numbers(self) -> pd.DataFrame:
        """One row per component: ``arm, component, score, additive, difference, low, high, n, shown``."""
        rows = [
            (
                d.arm, d.yardstick.named(a.component), a.score.mean, a.projected.mean, a.gap.estimate.mean,
                a.gap.estimate.low, a.gap.estimate.high, a.gap.paired.n, a.gap.sign > 0,
            )
            for d in self.dossiers for a in d.additive
        ]  # fmt: skip
        columns = ["arm", "component", "score", "additive", "difference", "low", "high", "n", "shown"]
        return pd.DataFrame(rows, columns=columns)

    def drawn(self) -> Drawing:
        """Components from top to bottom."""
        yardstick = self.dossiers[0].yardstick
        frame = self.frame().head(MOST_COMPONENTS).reset_index(names="row")
        whole, parts = ["score", "additive"], frame[["score", "additive"]]
        frame[whole] = parts.clip(lower=LOWEST) if yardstick.naive_is_zero else parts
        figure, (axes,) = sheet(1.1 + 0.3 * max(len(frame), 2))
        axes.axvline(0.0, color=INK, alpha=0.45, linewidth=0.9)
        axes.hlines(frame["row"], frame["additive"], frame["score"], color=colour(2), linewidth=5, alpha=0.35)
        dots(axes, frame, "score", "row", tint=colour(0), label=say("as it is"))
        dots(axes, frame, "additive", "row", tint=colour(1), shape="s", filled=False, label=say("without interaction"))
        stars = frame[frame["shown"]].assign(beside=frame[whole].max(axis=1) + 0.05)
        dots(axes, stars, "beside", "row", tint=INK, shape="*", size=8, linewidth=0)
        name_rows(axes, [shortened(said_component(c), 20) for c in frame["component"]])
        axes.get_yticklabels()[0].set_fontweight("bold")
        axes.set_xlabel(
            say(
                "{metric} (higher is better)" if yardstick.sign > 0 else "{metric} (lower is better)",
                metric=yardstick.title,
            )
        )
        legend_over_all(figure, 2, handletextpad=0.2)
        return figure


def _metric(dossiers: Sequence[Dossier]) -> str:
    return dossiers[0].yardstick.title if dossiers else say("score")
