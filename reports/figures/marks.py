"""Marks that several figures draw, by seaborn on given axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import Colormap
from matplotlib.figure import Figure as Drawing

from reports.figures.style import PAPER, colour, line, marker


@contextmanager
def own_names(axes: Axes) -> Iterator[None]:
    """Keeps the names of both axes: seaborn would name them after columns, and hide a name where no tick has one."""
    named = [(axis.label, axis.get_label_text()) for axis in (axes.xaxis, axes.yaxis)]
    yield
    for label, text in named:
        label.set(text=text, visible=True)


def curve(axes: Axes, table: pd.DataFrame, x: str, y: str, units: str | None = None, **look: Any) -> None:
    """A line through the values as they are: seaborn computes no mean and no interval.

    Args:
        table: rows in the order of ``x``; none draw nothing.
        units: the column that says to which of several lines a row belongs. Without it there is one line, in which a
            NaN of ``y`` leaves a gap.
        look: of the line, in matplotlib's words.
    """
    pieces = table[units] if units else table[y].isna().cumsum()
    known = table.assign(piece=pieces).dropna(subset=[x, y])
    if not known.empty:
        look = {"markeredgewidth": 0} | look
        with own_names(axes):
            sns.lineplot(known, x=x, y=y, ax=axes, units="piece", estimator=None, legend=False, **look)


def band(
    axes: Axes, table: pd.DataFrame, x: str, i: int, label: str, *, y: str = "mean", alpha: float = 0.16, **look: Any
) -> None:
    """A curve with marks and a band from ``low`` to ``high``; nothing for a table without rows.

    Args:
        table: columns ``x``, ``y``, ``low``, ``high``; a NaN leaves a gap.
        i: which colour, dash pattern and marker.
        label: for the legend.
        alpha: of the band.
        look: what differs from the usual line, in matplotlib's words.
    """
    if table.empty:
        return
    usual = {
        "color": colour(i), "linestyle": line(i), "marker": marker(i), "markersize": 5.5,
        "markevery": max(1, len(table) // 12), "linewidth": 1.8,
    }  # fmt: skip
    look = usual | look
    axes.fill_between(table[x], table["low"], table["high"], color=look["color"], alpha=alpha, linewidth=0)
    curve(axes, table, x, y, label=label, **look)


def dots(
    axes: Axes,
    table: pd.DataFrame,
    x: str,
    y: str,
    *,
    tint: str | Sequence[str],
    shape: str | Sequence[str] = "o",
    size: float | Sequence[float] = 6.5,
    filled: bool | Sequence[bool] = True,
    **look: Any,
) -> None:
    """Marks, filled or open.

    Args:
        table: columns ``x`` and ``y``. Rows without one of them are left out, and must not be there where a look is
            given row by row.
        tint, shape, size, filled: one for all rows, or one a row; size in points.
        look: anything else, in matplotlib's words.
    """
    shapes = {"marker": shape} if isinstance(shape, str) else {"style": shape, "markers": {s: s for s in shape}}
    look = {"linewidth": 1.5, "zorder": 3, "color": "none", "edgecolor": tint} | shapes | look
    faces = np.where(filled, tint, PAPER).tolist()
    with own_names(axes):
        sns.scatterplot(table, x=x, y=y, ax=axes, s=np.square(size), facecolor=faces, legend=False, **look)


def cells(axes: Axes, grid: pd.DataFrame, shades: Colormap | str, low: float, high: float, **look: Any) -> None:
    """A heat map without names and without a bar of colours; a NaN leaves its cell empty.

    Args:
        grid: row 0 is on top; the cell of row r and column c has its middle at ``(c + 0.5, r + 0.5)``.
        low, high: values of the first and the last shade.
        look: anything else in the words of ``sns.heatmap``, such as ``annot``.
    """
    _Unseen(cast(Drawing, axes.figure))
    usual = {"cbar": False, "xticklabels": False, "yticklabels": False, "linewidths": 2.0, "linecolor": PAPER}
    with own_names(axes):
        sns.heatmap(grid, vmin=low, vmax=high, cmap=shades, ax=axes, **(usual | look))


class _Unseen(FigureCanvasBase):
    """Seaborn draws a heat map once to see whether names on its axes touch, by pyplot if need be. There are none yet,
    so nothing is drawn, and pyplot stays out of it."""

    def draw(self, *_: Any, **__: Any) -> None:
        self.figure.stale = False


def name_rows(axes: Axes, names: Sequence[str], places: Sequence[float] | None = None) -> None:
    """Names at the left of rows 0, 1, … or at these places, the first on top, without an axis line."""
    axes.set_yticks(range(len(names)) if places is None else places, names)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
