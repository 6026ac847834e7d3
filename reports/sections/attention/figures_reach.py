"""How far back attention reaches, and how far back the model really looks: a plot for each arm."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure as Drawing

from reports.figures.style import MOST_ARMS, WIDTH, colour, house_style, line, marker, only_first, shortened
from reports.numbers import percent
from reports.records.frame import StudyResults
from reports.sections.attention.estimates import Attending, Compared

_WORDS: dict[Compared, str] = {"rollout": "weight in rollout", "occlusion": "change of outputs when taken away"}


class AttentionReach:
    """Shares of rollout and of the effect of occlusion by distance in time."""

    name = "attention_reach"
    title = "How far back: shown and used"
    value = "mean"

    def __init__(self, results: StudyResults) -> None:
        self.found = Attending.of(results)
        self._frame: pd.DataFrame | None = None

    @property
    def description(self) -> str:
        """What the figure shows, in words."""
        arms, level = (len(self._arms()), self.found.level) if self.found else (0, 0.95)
        where = "just before" if not self.found or self.found.ranked_of_all == "earlier steps" else "around"
        return (
            f"Of what lies {where} an output, the share at each distance: in the weight that attention rollout "
            "gives (solid line, circles), and in the change of the output when that step is taken away from all "
            "modalities (dashed, squares). Where the lines agree, attention shows what is used. Both add up to 1 over "
            f"the distances drawn. Means over repeats; bands are {percent(level)} intervals.{only_first(arms)}"
        )

    def frame(self) -> pd.DataFrame:
        """One row per arm, measure and lag: ``arm, measure, lag, unit, mean, low, high, n``."""
        if self._frame is None:
            rows = []
            found = self.found
            for arm in found.arms if found else ():
                assert found is not None
                lags = found.lags(arm)
                for name, words in _WORDS.items() if len(lags) else ():
                    for lag, share_R in zip(lags.tolist(), found.reach(arm, name).T, strict=True):
                        e = found.shared(share_R)
                        rows.append((arm, words, lag, found.unit, e.mean, e.low, e.high, e.n))
            columns = ["arm", "measure", "lag", "unit", "mean", "low", "high", "n"]
            self._frame = pd.DataFrame(rows, columns=columns)
        return self._frame

    def _arms(self) -> list[str]:
        return list(dict.fromkeys(self.frame()["arm"]))

    def draw(self) -> Drawing:
        """One plot an arm on common axes, two side by side."""
        frame, arms = self.frame(), self._arms()[:MOST_ARMS]
        across = min(2, max(1, len(arms)))
        down = max(1, -(-len(arms) // across))
        with house_style():
            figure = Drawing(figsize=(WIDTH, 0.9 + 1.75 * down), layout="constrained")
            plots = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flatten()
            for axes, arm in zip(plots, arms, strict=False):
                axes.set_title(shortened(arm, 48 // across), loc="left")
                for i, words in enumerate(_WORDS.values()):
                    mine = frame.query("arm == @arm and measure == @words")
                    if not math.isnan(mine["low"].iloc[0]):
                        axes.fill_between(
                            mine["lag"], mine["low"], mine["high"], color=colour(i), alpha=0.16, linewidth=0
                        )
                    axes.plot(
                        mine["lag"], mine["mean"], color=colour(i), linestyle=line(i), marker=marker(i), markersize=4,
                        linewidth=1.6, label=words,
                    )  # fmt: skip
                axes.grid(axis="y")
            # Of two or three repeats intervals can be so wide that they would flatten the lines.
            highest = float(frame.query("arm in @arms")["mean"].to_numpy(float).max())
            plots[0].set_ylim(0, 1.6 * highest if highest > 0 else 1.0)
            for axes in plots[len(arms) :] if arms else ():
                axes.set_axis_off()
            for i, axes in enumerate(plots[: len(arms)]):
                if i % across == 0:
                    axes.set_ylabel("share")
                if i + across >= len(arms):
                    axes.set_xlabel(f"back in time ({frame['unit'].iloc[0]})")
                    axes.tick_params(labelbottom=True)
            handles, labels = plots[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper left", ncols=2, handlelength=2.6, columnspacing=1.4)
        return figure
