"""Which modalities need one another: interaction of pairs, and what is left of the score without any."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from reports.figures.style import COLOURS, INK, PAPER, WIDTH, colour, house_style, shortened
from reports.numbers import number
from reports.sections.modalities.dossier import Dossier

MOST_PAIRS, MOST_COMPONENTS = 28, 16
NUMBERS = 7
"""Columns that have room for numbers."""
DEEPEST = 0.5
"""Opacity of the largest index: text on it stays legible on a light and on a dark page."""
TINTS = {"together": COLOURS[0], "overlap": COLOURS[1]}
MARKS = {"together": "o", "overlap": "s", "hinder": "v"}
LOWEST = -0.3


class ModalityInterplay:
    """The interaction index of every pair of modalities, by component."""

    name = "modality_interplay"
    title = "Which modalities need one another"
    value = "index"

    def __init__(self, told: Sequence[Dossier]) -> None:
        self.told = told[:1]

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        how = self._how()
        return (
            f"Shapley interaction index in {_metric(self.told)}, a row for each pair of modalities and a column for "
            f"each component, {how}. Blue: the two bring more together than the sum of what each brings; orange: less; "
            "the deeper, the larger. Marks: shown beyond chance and beyond the margin; circle "
            "together, square overlap (what one brings the other brings, too), triangle hinder (not both bring "
            "anything)."
        )

    def _how(self) -> str:
        if self._retrained():
            return "every subset trained anew"
        way = self.told[0].way(self.told[0].main) if self.told else ""
        return f"of the trained model, masked by {way}" if way else ""

    def _retrained(self) -> bool:
        return any(pair.retrained is not None for dossier in self.told for pair in dossier.pairs)

    def frame(self) -> pd.DataFrame:
        """One row per pair and component: ``arm, pair, component, index, low, high, n, word``."""
        rows = []
        for dossier in self.told:
            for p in dossier.pairs:
                e = p.retrained.estimate if p.retrained else p.masked.get(dossier.main) if dossier.main else None
                if e is not None and e.n and not (self._retrained() and p.retrained is None):
                    component = dossier.yardstick.named(p.component)
                    rows.append((dossier.arm, f"{p.one} × {p.other}", component, e.mean, e.low, e.high, e.n, p.word))
        return pd.DataFrame(rows, columns=["arm", "pair", "component", "index", "low", "high", "n", "word"])

    def draw(self) -> Drawing:
        """Pairs from top to bottom, all components together first."""
        frame = self.frame()
        pairs = list(dict.fromkeys(frame["pair"]))[:MOST_PAIRS]
        columns = list(dict.fromkeys(frame["component"]))[:MOST_COMPONENTS]
        frame = frame.query("pair in @pairs and component in @columns")
        numbers = len(columns) <= NUMBERS
        with house_style():
            figure = Drawing(figsize=(WIDTH, 1.35 + 0.38 * max(len(pairs), 2)), layout="constrained")
            axes = figure.add_subplot()
            largest = max(frame["index"].abs().max(), 1e-12)
            for pair, component, index, word in zip(
                frame["pair"], frame["component"], frame["index"], frame["word"], strict=True
            ):
                x, y = columns.index(component), pairs.index(pair)
                share = abs(index) / largest
                tint = TINTS["together" if index > 0 else "overlap"]
                axes.add_patch(
                    Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=tint, alpha=DEEPEST * share, linewidth=0)
                )
                if numbers:
                    axes.text(x, y + 0.08, _short(index), ha="center", va="center", fontsize=9)
                if word in MARKS:
                    axes.plot(x + 0.34, y - 0.28, marker=MARKS[word], markersize=4.5, color=INK, linestyle="none")
            axes.set_xlim(-0.55, len(columns) - 0.45)
            axes.set_ylim(len(pairs) - 0.45, -0.55)
            axes.set_xticks(range(len(columns)), [shortened(c, 14) for c in columns], rotation=35, ha="right")
            axes.set_yticks(range(len(pairs)), [shortened(p, 24) for p in pairs])
            axes.tick_params(length=0)
            for spine in axes.spines.values():
                spine.set_visible(False)
            found = [word for word in MARKS if word in set(frame["word"])]
            if found:
                handles = [
                    Line2D([], [], color=INK, marker=MARKS[w], linestyle="none", label=w, markersize=5) for w in found
                ]
                figure.legend(handles=handles, loc="outside lower center", ncols=3, handletextpad=0.1)
        return figure


class ModalityAdditive:
    """The score with interaction of modalities and without any, by component."""

    name = "modality_additive"
    title = "How much needs interaction"
    value = "additive"

    def __init__(self, told: Sequence[Dossier]) -> None:
        self.told = told[:1]

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        return (
            f"Score ({_metric(self.told)}) of the trained model as it is (filled circle) and of its additive "
            "projection (open square), from which all interaction of modalities is taken (EMAP), by component: means "
            "over repeats. The bar between them is what needs interaction. A star: the interaction helps, beyond "
            f"chance and beyond the margin. Skill below {number(LOWEST)} is drawn at the edge."
        )

    def frame(self) -> pd.DataFrame:
        """One row per component: ``arm, component, score, additive, difference, low, high, n, shown``."""
        rows = [
            (
                d.arm, d.yardstick.named(a.component), a.score.mean, a.projected.mean, a.gap.estimate.mean,
                a.gap.estimate.low, a.gap.estimate.high, a.gap.paired.n, a.gap.sign > 0,
            )
            for d in self.told for a in d.additive
        ]  # fmt: skip
        columns = ["arm", "component", "score", "additive", "difference", "low", "high", "n", "shown"]
        return pd.DataFrame(rows, columns=columns)

    def draw(self) -> Drawing:
        """Components from top to bottom."""
        frame = self.frame().head(MOST_COMPONENTS)
        with house_style():
            figure = Drawing(figsize=(WIDTH, 1.1 + 0.3 * max(len(frame), 2)), layout="constrained")
            axes = figure.add_subplot()
            axes.axvline(0.0, color=INK, alpha=0.45, linewidth=0.9)
            yardstick = self.told[0].yardstick
            lowest = LOWEST if yardstick.naive_is_zero else None
            score = frame["score"].clip(lower=lowest).to_numpy(float)
            additive = frame["additive"].clip(lower=lowest).to_numpy(float)
            y = range(len(frame))
            axes.hlines(y, additive, score, color=colour(2), linewidth=5, alpha=0.35)
            axes.plot(score, y, linestyle="none", marker="o", markersize=6.5, color=colour(0), label="as it is")
            axes.plot(
                additive, y, linestyle="none", marker="s", markersize=6.5, color=colour(1), markerfacecolor=PAPER,
                markeredgewidth=1.5, label="without interaction",
            )  # fmt: skip
            for at, shown in zip(y, frame["shown"], strict=True):
                if shown:
                    axes.plot(
                        max(score[at], additive[at]) + 0.05, at, marker="*", markersize=8, color=INK, linestyle="none"
                    )
            axes.set_yticks(list(y), [shortened(c, 20) for c in frame["component"]])
            axes.get_yticklabels()[0].set_fontweight("bold")
            axes.set_ylim(len(frame) - 0.45, -0.55)
            axes.tick_params(axis="y", length=0)
            axes.spines["left"].set_visible(False)
            axes.grid(axis="x")
            axes.set_xlabel(f"{yardstick.title} ({'higher' if yardstick.sign > 0 else 'lower'} is better)")
            figure.legend(loc="outside upper left", ncols=2, handletextpad=0.2)
        return figure


def _metric(told: Sequence[Dossier]) -> str:
    return told[0].yardstick.title if told else "score"


def _short(value: float) -> str:
    """Signed, two digits."""
    if math.isnan(value):
        return ""
    text = f"{value:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "−")
