"""Gates in dots: whether they can be believed, while what they open wider, and for which components they matter."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.figures.style import (
    INK,
    MOST_ARMS,
    PAPER,
    WIDTH,
    colour,
    house_style,
    marker,
    only_first,
    shortened,
)
from reports.numbers import percent
from reports.records.frame import StudyResults
from reports.sections.faithfulness import STRONG, WEAK
from reports.sections.gates.estimates import Gating
from reports.statistics.intervals import Estimate

MOST_GATES = 4
"""Modalities that fit side by side, and in one plot."""
ALL = "together"
"""What stands for the points of all gates in one row."""
_KINDS = {"passing": ("gate × norm", "o"), "opening": ("gate alone", "D"), "norm": ("norm alone", "|")}


def shade(gating: Gating, gate: str) -> str:
    """A gate's colour in every figure about gates: further round the circle than the first arms'."""
    return colour(gating.all_gates.index(gate) + 3)


def pairs(gating: Gating | None, together: bool = False) -> Iterator[tuple[Gating, str, Any]]:
    """Every arm with each of its gates, and with None for all of them where ``together`` is asked for."""
    if gating is not None:
        for arm in gating.arms:
            for gate in (*gating.gates(arm), None) if together else gating.gates(arm):
                yield gating, arm, gate


class _Dots(ABC):
    """What figures about gates have in common."""

    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.gating = Gating.of(results)
        self._frame: pd.DataFrame | None = None

    @property
    def interval(self) -> str:
        """``95 % interval``."""
        return f"{percent(self.gating.level) if self.gating else ''} interval"

    def frame(self) -> pd.DataFrame:
        """The numbers, one row a dot."""
        if self._frame is None:
            self._frame = self.compute(self.gating)
        return self._frame

    @abstractmethod
    def compute(self, gating: Gating | None) -> pd.DataFrame:
        """The same, made anew."""


class GateFaithfulness(_Dots):
    """Rank correlations of what gates show with what the model loses."""

    name = "gates_faithfulness"
    title = "Gates against what the model loses"

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        arms = len(self.gating.arms) if self.gating else 0
        return (
            "Rank correlation ρ of what a gate shows with what the model loses where the modality behind it is masked: "
            f"dots are gate × norm with its {self.interval} over repeats, open diamonds the gate alone, ticks the norm "
            f"alone. From {STRONG} on (solid line) gates are faithful, below {WEAK} (dotted line) they are not; the "
            f"word stands at the right. '{ALL}': the points of all gates in one row.{only_first(arms)}"
        )

    def compute(self, gating: Gating | None) -> pd.DataFrame:
        """One row per arm, gate and kind: ``arm, gate, shown, mean, low, high, n, label``."""
        rows = []
        for known, arm, gate in pairs(gating, together=True):
            belief = known.belief(arm, gate)
            parts = (belief.passing.correlation, belief.opening.correlation, belief.norm)
            for kind, e in zip(_KINDS, parts, strict=True):
                rows.append((arm, gate or ALL, kind, *_numbers(e), belief.label))
        return pd.DataFrame(rows, columns=["arm", "gate", "shown", "mean", "low", "high", "n", "label"])

    def draw(self) -> Drawing:
        """One row an arm and gate, from top to bottom."""
        frame = self.frame()
        arms = list(dict.fromkeys(frame["arm"]))[:MOST_ARMS]
        rows = [(a, m) for a in arms for m in dict.fromkeys(frame.query("arm == @a")["gate"])]
        heights = [float(i) + 0.9 * arms.index(arm) for i, (arm, _) in enumerate(rows)]
        with house_style():
            figure = Drawing(figsize=(WIDTH, 1.3 + 0.3 * (heights[-1] + 1 if heights else 1)), layout="constrained")
            axes = figure.add_subplot()
            axes.axvline(STRONG, color=INK, alpha=0.5, linewidth=0.9)
            axes.axvline(WEAK, color=INK, alpha=0.5, linewidth=0.9, linestyle=":")
            axes.axvline(0.0, color=INK, alpha=0.25, linewidth=0.9)
            for k, (kind, (label, mark)) in enumerate(_KINDS.items()):
                part = frame.query("shown == @kind").set_index(["arm", "gate"]).loc[rows]
                tint = colour(0) if kind == "passing" else INK
                if kind == "passing":
                    axes.hlines(heights, part["low"], part["high"], color=tint, linewidth=1.8)
                # The gate alone a little lower: where the two agree, one would hide the other.
                y = [h + 0.24 * (kind == "opening") for h in heights]
                axes.plot(
                    part["mean"], y, linestyle="none", marker=mark, color=tint, label=label, zorder=4 - k,
                    markersize=(7, 5.5, 11)[k], markerfacecolor=(tint, PAPER, tint)[k], markeredgewidth=1.4,
                )  # fmt: skip
            labels = frame.query("shown == 'passing'").set_index(["arm", "gate"]).loc[rows]["label"]
            for y, word in zip(heights, labels, strict=True):
                axes.text(1.02, y, word, va="center", ha="left", fontsize=9, transform=axes.get_yaxis_transform())
            axes.set_yticks(heights, [shortened(m, 18) for _, m in rows])
            for arm in arms if len(arms) > 1 else ():
                top = min(h for h, (a, _) in zip(heights, rows, strict=True) if a == arm)
                axes.text(0.0, top - 0.62, shortened(arm, 36), fontsize=9.5, fontweight="bold", va="center",
                          transform=axes.get_yaxis_transform())  # fmt: skip
            axes.set_ylim((heights[-1] if heights else 0) + 0.7, -1.1 if len(arms) > 1 else -0.6)
            axes.set_xlim(min([-0.1, *(frame["mean"].dropna() - 0.05)]), 1.0)
            _plain_rows(axes)
            axes.set_xlabel("rank correlation ρ with the loss")
            handles, names = axes.get_legend_handles_labels()
            figure.legend(handles, names, loc="outside upper left", ncols=3, columnspacing=1.4, handletextpad=0.4)
        return figure


class GateConditions(_Dots):
    """While what is so gates open wider."""

    name = "gates_conditions"
    title = "When gates open wider"

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        return (
            "Mean gate at steps where something is so less the mean elsewhere, one plot a gate: mean over repeats "
            f"with its {self.interval}, not corrected for their number. Right of 0 the gate is open wider then. Tracks "
            "are numbered from 0." + arms_told(self.gating)
        )

    def compute(self, gating: Gating | None) -> pd.DataFrame:
        """One row per arm, gate and condition: ``arm, gate, condition, mean, low, high, n``."""
        rows = []
        for known, arm, gate in pairs(gating):
            rows += [(arm, gate, d.condition, *_numbers(d.difference)) for d in known.differences(arm, gate)]
        return pd.DataFrame(rows, columns=["arm", "gate", "condition", "mean", "low", "high", "n"])

    def draw(self) -> Drawing:
        """Modalities side by side, conditions from top to bottom, arms by mark."""
        gating = self.gating
        assert gating is not None
        frame = self.frame().query("arm in @gating.told")
        gates = [m for m in gating.all_gates if m in set(frame["gate"])][:MOST_GATES]
        conditions = list(dict.fromkeys(frame["condition"]))
        with house_style():
            figure = Drawing(figsize=(WIDTH, 1.3 + 0.3 * len(conditions)), layout="constrained")
            plots = figure.subplots(1, max(1, len(gates)), sharex=True, sharey=True, squeeze=False).flatten()
            for axes, gate in zip(plots, gates, strict=False):
                axes.set_title(shortened(gate, 44 // len(gates)), loc="left")
                axes.axvline(0.0, color=INK, alpha=0.45, linewidth=0.9)
                for i, arm in enumerate(gating.told):
                    part = frame.query("arm == @arm and gate == @gate")
                    y = [conditions.index(c) + 0.24 * (i - (len(gating.told) - 1) / 2) for c in part["condition"]]
                    _dots(axes, part, y, shade(gating, gate), i, shortened(arm))
                axes.set_yticks(range(len(conditions)), [shortened(c, 22) for c in conditions])
                axes.set_ylim(len(conditions) - 0.5, -0.5)
                axes.locator_params(axis="x", nbins=3)
                axes.margins(x=0.12)
                _plain_rows(axes)
            figure.supxlabel("gate while so, less gate else", fontsize=10)
            _arm_legend(figure, gating.told)
        return figure


class GateComponents(_Dots):
    """What is lost without each modality, by component, and whether its gate knows."""

    name = "gates_components"
    title = "Gates by component"

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        arm = f" of '{self.gating.told[-1]}'" if self.gating else ""
        return (
            f"By component{arm}: on the left what is lost where the modality behind a gate is masked, in units of the "
            "naive loss (1: as much as a naive predictor has); on the right the rank correlation of gate × norm with "
            "that loss, which says little where next to nothing is lost. Means over repeats with their "
            f"{self.interval}, one mark a gate."
        )

    def compute(self, gating: Gating | None) -> pd.DataFrame:
        """One row per arm, gate, component and ``what`` (increase, rho): ``mean, low, high, n``."""
        rows = []
        for known, arm, gate in pairs(gating):
            for component in known.first(arm).components:
                increase = known.component_increase(arm, gate, component)
                rho = known.component_rho(arm, gate, component)
                rows.append((arm, gate, component, "increase", *_numbers(increase)))
                rows.append((arm, gate, component, "rho", *_numbers(rho)))
        return pd.DataFrame(rows, columns=["arm", "gate", "component", "what", "mean", "low", "high", "n"])

    def draw(self) -> Drawing:
        """Two plots side by side, components from top to bottom, gates by mark."""
        gating = self.gating
        assert gating is not None
        arm = gating.told[-1]
        frame = self.frame().query("arm == @arm")
        components = list(dict.fromkeys(frame["component"]))
        gates = gating.gates(arm)[:MOST_GATES]
        step = 0.8 / max(len(gates), 1)
        with house_style():
            figure = Drawing(figsize=(WIDTH, 1.3 + 0.42 * len(components)), layout="constrained")
            plots = figure.subplots(1, 2, sharey=True)
            for axes, what, label in zip(plots, ("increase", "rho"), ("lost", "ρ of gate × norm"), strict=True):
                of_what = frame.query(f"what == '{what}'")
                axes.axvline(0.0, color=INK, alpha=0.45, linewidth=0.9)
                for i, gate in enumerate(gates):
                    part = of_what.query("gate == @gate")
                    y = [components.index(c) + step * (i - (len(gates) - 1) / 2) for c in part["component"]]
                    _dots(axes, part, y, shade(gating, gate), i, shortened(gate))
                axes.set_xlabel(label)
                axes.set_yticks(range(len(components)), [shortened(c, 18) for c in components])
                axes.set_ylim(len(components) - 0.5, -0.5)
                _plain_rows(axes)
            handles, names = plots[0].get_legend_handles_labels()
            figure.legend(handles, names, loc="outside upper left", ncols=4, columnspacing=1.4, handletextpad=0.4)
        return figure


def _dots(axes: Axes, part: pd.DataFrame, y: list[float], tint: str, i: int, label: str) -> None:
    axes.hlines(y, part["low"], part["high"], color=tint, linewidth=1.8)
    axes.plot(
        part["mean"], y, linestyle="none", marker=marker(i), markersize=6, color=tint, label=label,
        markerfacecolor=tint if i % 2 == 0 else PAPER, markeredgewidth=1.4,
    )  # fmt: skip


def _plain_rows(axes: Axes) -> None:
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")


def _arm_legend(figure: Drawing, arms: tuple[str, ...]) -> None:
    """Arms by mark alone: colours stand for gates."""
    if len(arms) < 2:
        return
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="none", marker=marker(i), color=INK, markerfacecolor=INK if i % 2 == 0 else PAPER)
        for i in range(len(arms))
    ]
    figure.legend(handles, [shortened(arm) for arm in arms], loc="outside upper left", ncols=2, handletextpad=0.4)


def arms_told(gating: Gating | None) -> str:
    """What a description must say when only some arms are drawn; empty otherwise."""
    if gating is None or len(gating.told) == len(gating.arms):
        return ""
    return f" Drawn: {' and '.join(gating.told)}; the table has all arms with gates."


def _numbers(e: Estimate) -> tuple[float, float, float, int]:
    return e.mean, (math.nan if e.n < 2 else e.low), (math.nan if e.n < 2 else e.high), e.n
