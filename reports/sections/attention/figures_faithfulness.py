"""How far attention rollout can be believed: rank correlations by arm, with the lines at which the word changes."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.base import FigureBase
from reports.figures.marks import intervals, name_rows
from reports.figures.style import INK, MOST_ARMS, colour, legend_over_all, marker, only_first, sheet, shortened
from reports.numbers import percent, prose
from reports.records.frame import StudyResults
from reports.sections.attention.estimates import Attending, Correlation
from reports.sections.faithfulness import STRONG, WEAK

_WORDS: dict[Correlation, str] = {
    "occlusion": later("removing steps"),
    "gradient": later("gradient × input"),
    "beyond": later("… with nearness held fixed"),
    "nearness": later("nearness alone"),
}


class OfAttention(FigureBase):
    """A figure about the attention of all arms that were analysed; there may be none."""

    def __init__(self, results: StudyResults) -> None:
        self.found = Attending.of(results)

    @property
    def step(self) -> float:
        """Seconds between two steps; 1 where steps have no time."""
        return (self.found.step if self.found else None) or 1.0

    @property
    def arms(self) -> list[str]:
        """Arms in the table, in its order."""
        return list(dict.fromkeys(self.frame()["arm"]))


class AttentionFaithfulness(OfAttention):
    """Rank correlation of rollout with what matters, by arm."""

    name = "attention_faithfulness"
    title = later("How far attention can be believed")
    value = "rho"

    @property
    def description(self) -> str:
        arms, level = (len(self.found.arms), self.found.level) if self.found else (0, 0.95)
        ranked = say(self.found.ranked_of_all if self.found else "earlier steps")
        said = say(
            "Rank correlation, over {ranked}, of the weight that attention rollout gives them with how far "
            "outputs move when they are removed (circle: this decides the word), with gradient × input (square), "
            "and with the former while nearness is held fixed (diamond). Open triangle: the correlation of a picture "
            "that ignores the model and says that near steps matter more. Means over repeats with {level} "
            "intervals. Faithful: the circle's interval is right of {strong}; not faithful: left of "
            "{weak}.",
            ranked=ranked,
            level=percent(level),
            strong=STRONG,
            weak=WEAK,
        )
        return prose(said, only_first(arms).strip())

    def numbers(self) -> pd.DataFrame:
        """One row per arm and measure: ``arm, measure, rho, low, high, n, label``."""
        rows = []
        for arm in self.found.arms if self.found else ():
            assert self.found is not None
            label = self.found.faithfulness(arm).label
            for name, words in _WORDS.items():
                e = self.found.correlated(arm, name)
                if e.n:
                    rows.append((arm, words, e.mean, e.low, e.high, e.n, label))
        return pd.DataFrame(rows, columns=["arm", "measure", "rho", "low", "high", "n", "label"])

    def drawn(self) -> Drawing:
        """Arms from top to bottom, their measures below one another."""
        frame, arms = self.frame(), self.arms[:MOST_ARMS]
        figure, (axes,) = sheet(1.25 + 0.52 * len(arms))
        for edge in (WEAK, STRONG):
            axes.axvline(edge, color=INK, alpha=0.45, linewidth=0.9, linestyle=(0, (3, 2)))
        axes.axvline(0.0, color=INK, alpha=0.45, linewidth=0.9)
        for i, (measure, words) in enumerate(_WORDS.items()):
            mine = frame.loc[(frame["measure"] == words) & frame["arm"].isin(arms)]
            mine = mine.assign(row=[arms.index(arm) + (i - 1.5) * 0.17 for arm in mine["arm"]])
            look = {"shape": marker(i), "size": 5.5, "linewidth": 1.0, "filled": measure != "nearness"}
            intervals(axes, mine, x="rho", tint=colour(i), line=1.4, label=say(words), **look)
        name_rows(axes, [shortened(arm, 22) for arm in arms])
        axes.set_xlim(min([-0.1, *(frame["low"].dropna() - 0.02)]), 1.02)
        axes.set_xlabel(say("rank correlation with rollout"))
        legend_over_all(figure, 2, handletextpad=0.4)
        return figure
