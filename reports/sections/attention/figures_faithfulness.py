"""How far attention rollout can be believed: rank correlations by arm, with the lines at which the word changes."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure as Drawing

from reports.figures.style import INK, MOST_ARMS, PAPER, WIDTH, colour, house_style, marker, only_first, shortened
from reports.numbers import percent
from reports.records.frame import StudyResults
from reports.sections.attention.estimates import Attending, Correlation
from reports.sections.faithfulness import STRONG, WEAK

_WORDS: dict[Correlation, str] = {
    "occlusion": "taking steps away",
    "gradient": "gradient × input",
    "beyond": "… with nearness held fixed",
    "nearness": "nearness alone",
}


class AttentionFaithfulness:
    """Rank correlation of rollout with what matters, by arm."""

    name = "attention_faithfulness"
    title = "How far attention can be believed"
    value = "rho"

    def __init__(self, results: StudyResults) -> None:
        self.found = Attending.of(results)
        self._frame: pd.DataFrame | None = None

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        arms, level = (len(self.found.arms), self.found.level) if self.found else (0, 0.95)
        ranked = self.found.ranked_of_all if self.found else "earlier steps"
        return (
            f"Rank correlation, over {ranked}, of the weight that attention rollout gives them with how far "
            "outputs move when they are taken away (circle: this decides the word), with gradient × input (square), "
            "and with the former once nearness is held fixed (diamond). Open triangle: what a picture gets that knows "
            f"nothing of the model and says that near steps matter more. Means over repeats with {percent(level)} "
            f"intervals. Faithful: the circle's interval is right of {STRONG}; not faithful: left of "
            f"{WEAK}.{only_first(arms)}"
        )

    def frame(self) -> pd.DataFrame:
        """One row per arm and measure: ``arm, measure, rho, low, high, n, label``."""
        if self._frame is None:
            rows = []
            for arm in self.found.arms if self.found else ():
                assert self.found is not None
                label = self.found.faithfulness(arm).label
                for name, words in _WORDS.items():
                    e = self.found.correlated(arm, name)
                    if e.n:
                        rows.append((arm, words, e.mean, e.low, e.high, e.n, label))
            self._frame = pd.DataFrame(rows, columns=["arm", "measure", "rho", "low", "high", "n", "label"])
        return self._frame

    def draw(self) -> Drawing:
        """Arms from top to bottom, their measures below one another."""
        frame = self.frame()
        arms = list(dict.fromkeys(frame["arm"]))[:MOST_ARMS]
        with house_style():
            figure = Drawing(figsize=(WIDTH, 1.25 + 0.52 * len(arms)), layout="constrained")
            axes = figure.add_subplot()
            for edge in (WEAK, STRONG):
                axes.axvline(edge, color=INK, alpha=0.45, linewidth=0.9, linestyle=(0, (3, 2)))
            axes.axvline(0.0, color=INK, alpha=0.45, linewidth=0.9)
            for i, words in enumerate(_WORDS.values()):
                mine = frame.query("measure == @words and arm in @arms")
                y = [arms.index(arm) + (i - 1.5) * 0.17 for arm in mine["arm"]]
                reach = [(m - a, b - m) if not math.isnan(a) else (0, 0) for m, a, b in _three(mine)]
                face = PAPER if words == _WORDS["nearness"] else colour(i)
                axes.errorbar(
                    mine["rho"].to_numpy(float), y, xerr=np.array(reach).reshape(-1, 2).T, fmt=marker((0, 1, 2, 3)[i]),
                    color=colour(i), markerfacecolor=face, markersize=5.5, elinewidth=1.4, label=words,
                )  # fmt: skip
            axes.set_yticks(range(len(arms)), [shortened(arm, 22) for arm in arms])
            axes.set_ylim(len(arms) - 0.45, -0.55)
            axes.set_xlim(min([-0.1, *(frame["low"].dropna() - 0.02)]), 1.02)
            axes.set_xlabel("rank correlation with rollout")
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="x")
            figure.legend(loc="outside upper left", ncols=2, columnspacing=1.4, handletextpad=0.4)
        return figure


def _three(rows: pd.DataFrame) -> list[tuple[float, float, float]]:
    return [tuple(row) for row in rows[["rho", "low", "high"]].to_numpy(float).tolist()]
