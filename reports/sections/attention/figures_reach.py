"""How far back attention reaches, and how far back the model really looks: a plot for each arm."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure as Drawing

from mmcore.language import later, say
from reports.figures.marks import curves
from reports.figures.style import MOST_ARMS, abreast, legend_over_all, only_first
from reports.numbers import percent, prose
from reports.sections.attention.estimates import Compared
from reports.sections.attention.figures_faithfulness import OfAttention

_WORDS: dict[Compared, str] = {
    "rollout": later("weight in rollout"),
    "occlusion": later("change of outputs when removed"),
}


class AttentionReach(OfAttention):
    """Shares of rollout and of the effect of occlusion by distance in time."""

    name = "attention_reach"
    title = later("How far back: shown and used")
    value = "mean"

    @property
    def description(self) -> str:
        arms, level = (len(self.arms), self.found.level) if self.found else (0, 0.95)
        said = say(
            "Share of the steps just before an output, by distance: in the weight that attention rollout gives (solid "
            "line, circles), and in the change of the output when that step is removed from all modalities (dashed, "
            "squares). Where the lines agree, attention shows what is used. Both add up to 1 over the distances drawn. "
            "Means over repeats; bands are {level} intervals."
            if not self.found or self.found.ranked_of_all == "earlier steps"
            else "Share of the steps around an output, by distance: in the weight that attention rollout gives (solid "
            "line, circles), and in the change of the output when that step is removed from all modalities (dashed, "
            "squares). Where the lines agree, attention shows what is used. Both add up to 1 over the distances drawn. "
            "Means over repeats; bands are {level} intervals.",
            level=percent(level),
        )
        return prose(said, only_first(arms).strip())

    def numbers(self) -> pd.DataFrame:
        """One row per arm, measure and lag: ``arm, measure, lag, unit, mean, low, high, n``."""
        rows = []
        for arm in self.found.arms if self.found else ():
            assert self.found is not None
            lags = self.found.lags(arm)
            for name, words in _WORDS.items() if len(lags) else ():
                for lag, share_R in zip(lags.tolist(), self.found.reach(arm, name).T, strict=True):
                    e = self.found.shared(share_R)
                    rows.append((arm, words, lag, self.found.unit, e.mean, e.low, e.high, e.n))
        return pd.DataFrame(rows, columns=["arm", "measure", "lag", "unit", "mean", "low", "high", "n"])

    def drawn(self) -> Drawing:
        """One plot an arm on common axes, two side by side."""
        frame, arms = self.frame(), self.arms[:MOST_ARMS]
        frame = frame.loc[frame["arm"].isin(arms)]
        figure, plots = abreast(
            arms,
            0.9,
            1.75,
            say("back in time ({unit})", unit=self.found.unit_words if self.found else ""),
            say("share"),
        )
        for axes, arm in zip(plots, arms, strict=True):
            with curves(axes) as lines:
                for i, words in enumerate(_WORDS.values()):
                    mine = frame.loc[(frame["arm"] == arm) & (frame["measure"] == words)]
                    lines.band(mine, "lag", i, say(words), markersize=4, markevery=1, linewidth=1.6)
        # Of two or three repeats intervals can be so wide that they would flatten the lines.
        highest = float(frame["mean"].max())
        plots[0].set_ylim(0, 1.6 * highest if highest > 0 else 1.0)
        legend_over_all(figure, 2, handlelength=2.6)
        return figure
