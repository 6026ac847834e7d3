"""Marks that several figures draw, by seaborn on given axes."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from reports.figures.style import colour, line, marker


def band(
    axes: Axes, curve: pd.DataFrame, x: str, i: int, label: str, *, linewidth: float = 1.8, markersize: float = 5.5
) -> None:
    """A curve of means with a band from ``low`` to ``high``; nothing for a table without rows.

    Args:
        curve: columns ``x``, ``mean``, ``low``, ``high``; a NaN leaves a gap.
        i: which colour, dash pattern and marker.
        label: for the legend.
    """
    if curve.empty:
        return
    axes.fill_between(curve[x], curve["low"], curve["high"], color=colour(i), alpha=0.16, linewidth=0)
    sns.lineplot(
        curve, x=x, y="mean", ax=axes, estimator=None, color=colour(i), linestyle=line(i), marker=marker(i),
        markersize=markersize, markeredgewidth=0, markevery=max(1, len(curve) // 12), linewidth=linewidth, label=label,
        legend=False,
    )  # fmt: skip
