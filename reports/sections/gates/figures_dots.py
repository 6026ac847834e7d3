"""Gates in dots: whether they can be believed, while what they open wider, and for which components they matter."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.marks import dots, intervals, name_rows, sign
from reports.figures.style import INK, MOST_ARMS, PAPER, colour, legend_over_all, marker, only_first, sheet, shortened
from reports.numbers import listing, percent, prose
from reports.records.frame import StudyResults
from reports.records.rows import among, chosen
from reports.sections.faithfulness import STRONG, WEAK
from reports.sections.gates.estimates import EDIT, LABEL_CHANGE, Gating
from reports.statistics.intervals import Estimate

MOST_GATES = 4
"""Modalities that fit side by side, and in one plot."""
ALL, ALL_SHOWN = "together", later("all gates")
"""What stands for the points of all gates in one row."""
_KINDS = {"passing": later("gate × norm"), "opening": later("gate alone"), "norm": later("norm alone")}


def shade(gating: Gating, gate: str) -> str:
    """A gate's colour in every figure about gates: further round the circle than the first arms'."""
    return colour(gating.all_gates.index(gate) + 3)


def pairs(gating: Gating | None, together: bool = False) -> Iterator[tuple[Gating, str, Any]]:
    """Every arm with each of its gates, and with None for all of them with ``together``."""
    if gating is not None:
        for arm in gating.arms:
            for gate in (*gating.gates(arm), None) if together else gating.gates(arm):
                yield gating, arm, gate


class OfGates(FigureBase):
    """A figure about the gates of all arms that have some; there may be none."""

    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.results = results
        self.gating = Gating.of(results)

    @property
    def level(self) -> str:
        """Of intervals: ``95 %``."""
        return percent(self.gating.level) if self.gating else ""

    @property
    def of_labels(self) -> bool:
        """Whether what happens to targets is a label change, and no edit."""
        return self.gating is not None and self.gating.of_labels


class GateFaithfulness(OfGates):
    """Rank correlations of what gates show with what the model loses."""

    name = "gates_faithfulness"
    title = later("Gates against what the model loses")

    @property
    def description(self) -> str:
        arms = len(self.gating.arms) if self.gating else 0
        said = say(
            "Rank correlation ρ of what a gate shows with what the model loses where the modality behind it is masked: "
            "dots are gate × norm with its {level} interval over repeats, open diamonds the gate alone, ticks the norm "
            "alone. From {strong} on (solid line) gates are faithful, below {weak} (dotted line) they are not; the "
            "word is at the right. '{all}': the points of all gates in one row.",
            level=self.level, strong=STRONG, weak=WEAK, all=say(ALL_SHOWN),
        )  # fmt: skip
        return prose(said, only_first(arms).strip())

    def numbers(self) -> pd.DataFrame:
        """One row per arm, gate and kind: ``arm, gate, shown, mean, low, high, n, label``."""
        rows = []
        for known, arm, gate in pairs(self.gating, together=True):
            belief = known.belief(arm, gate)
            parts = (belief.passing.correlation, belief.opening.correlation, belief.norm)
            for kind, e in zip(_KINDS, parts, strict=True):
                rows.append((arm, gate or ALL, kind, *_numbers(e), belief.label))
        return pd.DataFrame(rows, columns=["arm", "gate", "shown", "mean", "low", "high", "n", "label"])

    def drawn(self) -> Drawing:
        """One row an arm and gate, from top to bottom."""
        frame = self.frame()
        arms = list(dict.fromkeys(frame["arm"]))[:MOST_ARMS]
        rows = frame.loc[(frame["shown"] == "passing") & frame["arm"].isin(arms)].reset_index(drop=True)
        rows["row"] = [float(i) + 0.9 * arms.index(arm) for i, arm in enumerate(rows["arm"])]
        frame = rows[["arm", "gate", "row"]].merge(frame, on=["arm", "gate"])
        last = max(rows["row"], default=0.0)
        figure, (axes,) = sheet(1.3 + 0.3 * (last + 1))
        axes.axvline(STRONG, color=INK, alpha=0.5, linewidth=0.9)
        axes.axvline(WEAK, color=INK, alpha=0.5, linewidth=0.9, linestyle=":")
        axes.axvline(0.0, color=INK, alpha=0.25, linewidth=0.9)
        passing, opening, norm = (frame.loc[frame["shown"] == kind] for kind in _KINDS)
        intervals(axes, passing, tint=colour(0), size=7, linewidth=1.4, zorder=4, label=say(_KINDS["passing"]))
        # The gate alone a little lower: where the two agree, one would hide the other.
        lower = opening.assign(row=opening["row"] + 0.24)
        look = {"shape": "D", "size": 5.5, "filled": False, "linewidth": 1.4, "label": say(_KINDS["opening"])}
        dots(axes, lower, "mean", "row", tint=INK, **look)
        dots(
            axes, norm, "mean", "row", tint=INK, shape="|", size=11, linewidth=1.4, zorder=2, label=say(_KINDS["norm"])
        )
        across = axes.get_yaxis_transform()
        for y, word in zip(rows["row"], rows["label"], strict=True):
            axes.text(1.02, y, say(word), va="center", ha="left", fontsize=9, transform=across)
        name_rows(
            axes,
            [shortened(say(ALL_SHOWN) if gate == ALL else gate, 18) for gate in rows["gate"]],
            rows["row"].tolist(),
        )
        heads = rows.drop_duplicates("arm") if len(arms) > 1 else rows.iloc[:0]
        for arm, y in zip(heads["arm"], heads["row"], strict=True):
            look = {"fontsize": 9.5, "fontweight": "bold", "va": "center", "transform": across}
            axes.text(0.0, y - 0.62, shortened(arm, 36), **look)
        axes.set_ylim(last + 0.7, -1.1 if len(arms) > 1 else -0.6)
        axes.set_xlim(min([-0.1, *(frame["mean"].dropna() - 0.05)]), 1.0)
        axes.set_xlabel(say("rank correlation ρ with the loss"))
        legend_over_all(figure, handletextpad=0.4)
        return figure


class GateConditions(OfGates):
    """While what is so gates open wider."""

    name = "gates_conditions"
    title = later("When gates open wider")

    @property
    def description(self) -> str:
        said = say(
            "Mean gate at steps where a condition holds minus the mean elsewhere, one plot for each gate: mean over "
            "repeats with its {level} interval, not corrected for their number. Right of 0 the gate is open wider "
            "then. Tracks are numbered from 0.",
            level=self.level,
        )
        return prose(said, arms_shown(self.gating))

    def numbers(self) -> pd.DataFrame:
        """One row per arm, gate and condition: ``arm, gate, condition, mean, low, high, n``."""
        rows = []
        for known, arm, gate in pairs(self.gating):
            rows += [(arm, gate, d.condition, *_numbers(d.difference)) for d in known.differences(arm, gate)]
        return pd.DataFrame(rows, columns=["arm", "gate", "condition", "mean", "low", "high", "n"])

    def drawn(self) -> Drawing:
        """Modalities side by side, conditions from top to bottom, arms by mark."""
        gating = self.gating
        assert gating is not None
        frame = among(self.frame(), arm=gating.shown)
        gates = [m for m in gating.all_gates if m in set(frame["gate"])][:MOST_GATES]
        conditions = list(dict.fromkeys(frame["condition"]))
        figure, plots = sheet(1.3 + 0.3 * len(conditions), len(gates), max(1, len(gates)), sharex=True, sharey=True)
        for axes, gate in zip(plots, gates, strict=False):
            axes.set_title(shortened(gate, 44 // len(gates)), loc="left")
            axes.axvline(0.0, color=INK, alpha=0.45, linewidth=0.9)
            for i, arm in enumerate(gating.shown):
                part = frame.loc[(frame["arm"] == arm) & (frame["gate"] == gate)]
                shift = 0.24 * (i - (len(gating.shown) - 1) / 2)
                _dots(axes, part, "condition", conditions, shift, i, tint=shade(gating, gate))
            name_rows(axes, [shortened(say(c) if c in (EDIT, LABEL_CHANGE) else c, 22) for c in conditions])
            axes.locator_params(axis="x", nbins=3)
            axes.margins(x=0.12)
        figure.supxlabel(say("gate while the condition holds, minus gate elsewhere"), fontsize=10)
        if len(gating.shown) > 1:
            # Arms by mark alone: colours stand for gates.
            for i, arm in enumerate(gating.shown):
                face = INK if i % 2 == 0 else PAPER
                look = {"marker": marker(i), "color": INK, "markerfacecolor": face}
                sign(plots[0], shortened(arm), linestyle="none", **look)
            legend_over_all(figure, 2, handletextpad=0.4)
        return figure


class GateComponents(OfGates):
    """What is lost without each modality, by component, and whether its gate shows it."""

    name = "gates_components"
    title = later("Gates by component")

    @property
    def description(self) -> str:
        if self.gating is None:
            return ""
        return say(
            "By component of '{arm}': on the left, the loss from masking the modality behind a gate, in units of the "
            "naive loss (1: as much as a naive predictor has); on the right, the rank correlation of gate × norm with "
            "that loss, which says little if next to nothing is lost. Means over repeats with their "
            "{level} intervals, one mark for each gate.",
            arm=self.gating.shown[-1],
            level=self.level,
        )

    def numbers(self) -> pd.DataFrame:
        """One row per arm, gate, component and ``what`` (increase, rho): ``mean, low, high, n``."""
        rows = []
        for known, arm, gate in pairs(self.gating):
            for component in known.first(arm).components:
                increase = known.component_increase(arm, gate, component)
                rho = known.component_rho(arm, gate, component)
                rows.append((arm, gate, component, "increase", *_numbers(increase)))
                rows.append((arm, gate, component, "rho", *_numbers(rho)))
        return pd.DataFrame(rows, columns=["arm", "gate", "component", "what", "mean", "low", "high", "n"])

    def drawn(self) -> Drawing:
        """Two plots side by side, components from top to bottom, gates by mark."""
        gating = self.gating
        assert gating is not None
        arm = gating.shown[-1]
        frame = chosen(self.frame(), arm=arm)
        components = list(dict.fromkeys(frame["component"]))
        gates = gating.gates(arm)[:MOST_GATES]
        step = 0.8 / max(len(gates), 1)
        figure, plots = sheet(1.3 + 0.42 * len(components), 2, 2, sharey=True)
        for axes, what, label in zip(plots, ("increase", "rho"), (say("lost"), say("ρ of gate × norm")), strict=True):
            axes.axvline(0.0, color=INK, alpha=0.45, linewidth=0.9)
            for i, gate in enumerate(gates):
                part = frame.loc[(frame["what"] == what) & (frame["gate"] == gate)]
                shift = step * (i - (len(gates) - 1) / 2)
                look = {"tint": shade(gating, gate), "label": shortened(gate)}
                _dots(axes, part, "component", components, shift, i, **look)
            name_rows(axes, [shortened(c, 18) for c in components])
            axes.set_xlabel(label)
        legend_over_all(figure, 4, handletextpad=0.4)
        return figure


def _dots(
    axes: Axes, part: pd.DataFrame, column: str, names: list[str], shift: float, i: int, *, tint: str, **look: Any
) -> None:
    """Means with their intervals, each in the row of its name, moved down by ``shift`` rows."""
    part = part.assign(row=[names.index(name) + shift for name in part[column]])
    intervals(axes, part, tint=tint, shape=marker(i), size=6, filled=i % 2 == 0, linewidth=1.4, **look)


def arms_shown(gating: Gating | None) -> str:
    """What a description must say when only some arms are drawn; empty otherwise."""
    if gating is None or len(gating.shown) == len(gating.arms):
        return ""
    return say("Drawn: {shown}; the table has all arms with gates.", shown=listing(gating.shown))


def _numbers(e: Estimate) -> tuple[float, float, float, int]:
    return e.mean, (math.nan if e.n < 2 else e.low), (math.nan if e.n < 2 else e.high), e.n
