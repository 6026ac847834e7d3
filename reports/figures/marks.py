"""Marks that several figures draw, by seaborn on given axes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D

from reports.figures.style import INK, PAPER, colour, line, marker

STROKES = ("|", "x", "+", "1")
"""Marks that have no inside."""
DEEPEST = 0.5
"""Opacity of the deepest shade of a cell: text on it stays legible on a light and on a dark page."""


@contextmanager
def own_names(axes: Axes) -> Iterator[None]:
    """Keeps the names of both axes: seaborn would name them after columns, and hide a name where no tick has one.

    While it draws, both have a name: where one is missing, seaborn makes all ticks to look at theirs, which takes half
    of its time.
    """
    named = [(axis.label, axis.get_label_text()) for axis in (axes.xaxis, axes.yaxis)]
    for label, _ in named:
        label.set_text(" ")
    yield
    for label, text in named:
        label.set(text=text, visible=True)


class Curves:
    """Lines through the values as they are: seaborn computes no mean and no interval.

    One call of seaborn draws all lines of a plot: to prepare it takes as long as twenty of them.
    """

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self._x: list[np.ndarray] = []
        self._y: list[np.ndarray] = []
        self._looks: list[Mapping[str, Any]] = []
        self._in_order = True

    def curve(self, table: pd.DataFrame, x: str, y: str, **look: Any) -> None:
        """One line.

        Args:
            table: rows in the order of ``x``; none draw nothing. A NaN of ``y`` leaves a gap.
            look: of the line, in matplotlib's words.
        """
        x_N, y_N = table[x].to_numpy(float), table[y].to_numpy(float)
        known_N = np.isfinite(x_N) & np.isfinite(y_N)
        gap_N = np.isnan(y_N).cumsum()[known_N]
        x_N, y_N = x_N[known_N], y_N[known_N]
        self._in_order &= bool(np.all(np.diff(x_N) > 0))
        starts = np.flatnonzero(np.diff(gap_N)) + 1
        for piece_x, piece_y in zip(np.split(x_N, starts), np.split(y_N, starts), strict=True):
            if piece_x.size:
                self._x.append(piece_x)
                self._y.append(piece_y)
                self._looks.append(look)

    def band(
        self, table: pd.DataFrame, x: str, i: int, label: str, *, y: str = "mean", alpha: float = 0.16, **look: Any
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
        tint = look["color"]
        self.axes.fill_between(table[x], table["low"], table["high"], color=tint, alpha=alpha, linewidth=0)
        self.curve(table, x, y, label=label, **look)

    def draw(self) -> None:
        """Draw those that came since it was last called, in their order."""
        if not self._looks:
            return
        pieces = np.repeat(np.arange(len(self._x)), [len(x_N) for x_N in self._x])
        table = pd.DataFrame({"x": np.concatenate(self._x), "y": np.concatenate(self._y), "piece": pieces})
        # Seaborn takes a third longer to divide into pieces what is whole, and to sort what is in order.
        units = "piece" if len(self._x) > 1 else None
        before = len(self.axes.lines)
        with own_names(self.axes):
            sns.lineplot(
                table, x="x", y="y", ax=self.axes, estimator=None, legend=False, sort=not self._in_order, color=INK,
                units=units, markeredgewidth=0,
            )  # fmt: skip
        for drawn, own in zip(self.axes.lines[before:], self._looks, strict=True):
            drawn.set(**own)
        self._x, self._y, self._looks = [], [], []


@contextmanager
def curves(axes: Axes) -> Iterator[Curves]:
    """Draws at its end what it was given until then."""
    found = Curves(axes)
    yield found
    found.draw()


def curve(axes: Axes, table: pd.DataFrame, x: str, y: str, **look: Any) -> None:
    """A single line; see :meth:`Curves.curve`."""
    with curves(axes) as lines:
        lines.curve(table, x, y, **look)


def trace(axes: Axes, x_N: np.ndarray, y_N: np.ndarray, **look: Any) -> None:
    """The same line without seaborn, which takes ten times as long: for figures of many small plots.

    Args:
        x_N: rising. y_N: a NaN leaves a gap; without a number nothing is drawn.
        look: of the line, in matplotlib's words.
    """
    (known,) = np.nonzero(~np.isnan(y_N))
    for at in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        if at.size:
            axes.plot(x_N[at], y_N[at], **look)


def strands(axes: Axes, y_NX: np.ndarray, **look: Any) -> None:
    """A line for each row, over 0, 1, …; a NaN leaves out its place, and rows without a number draw nothing.

    Args:
        y_NX: one row a line. There may be a thousand on a page, for which seaborn takes three times as long.
        look: of the lines, in matplotlib's words.
    """
    for y_X in y_NX:
        (at,) = np.nonzero(~np.isnan(y_X))
        if at.size:
            axes.plot(at, y_X[at], markeredgewidth=0, **look)


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
    if shape in STROKES:
        faces = {"color": tint}
    else:
        faces = {"color": "none", "edgecolor": tint, "facecolor": np.where(filled, tint, PAPER).tolist()}
    look = {"linewidth": 1.5, "zorder": 3} | faces | shapes | look
    with own_names(axes):
        sns.scatterplot(table, x=x, y=y, ax=axes, s=np.square(size), legend=False, **look)


def bars(axes: Axes, x_N: np.ndarray, height_N: np.ndarray, half: float, **look: Any) -> None:
    """Bars from 0 upwards as one outline: matplotlib takes four times as long for a patch a bar.

    Args:
        x_N: rising. height_N: not below 0; NaN is no bar.
        half: of the room of a bar; it fills 80 % of it.
        look: of all, in matplotlib's words.
    """
    edges = (x_N[:, None] + 0.8 * half * np.array([-1.0, 1.0])).ravel()
    table = pd.DataFrame({"x": x_N, "height": np.nan_to_num(height_N)})
    with own_names(axes):
        # A histogram whose every other bin is a gap.
        sns.histplot(
            table, x="x", weights="height", bins=edges.tolist(), element="step", linewidth=0, legend=False, ax=axes,
            **look,
        )  # fmt: skip


def intervals(axes: Axes, table: pd.DataFrame, *, tint: str, line: float = 1.8, x: str = "mean", **look: Any) -> None:
    """A mark in each row, and the interval that it stands in.

    Args:
        table: columns ``x``, ``row``, ``low`` and ``high``; a mark without an interval has a NaN in both.
        line: width of the interval's line, in points.
        look: of the marks, as for :func:`dots`.
    """
    axes.hlines(table["row"], table["low"], table["high"], color=tint, linewidth=line)
    dots(axes, table, x, "row", tint=tint, **look)


def cells(axes: Axes, grid: pd.DataFrame, shades: Colormap, numbers: pd.DataFrame | None = None) -> None:
    """A heat map without names and without a bar of colours; a NaN leaves its cell empty.

    Args:
        grid: from −1, the first shade, to 1, the last. Row 0 is on top; the cell of row r and column c has its middle
            at ``(c + 0.5, r + 0.5)``.
        numbers: written into the cells, with their sign.
    """
    _Unseen(cast(Drawing, axes.figure))
    look: dict[str, Any] = {"cbar": False, "xticklabels": False, "yticklabels": False}
    if numbers is not None:
        look |= {"annot": numbers.map(_signed), "fmt": "", "annot_kws": {"color": INK, "fontsize": 9.0, "va": "top"}}
    with own_names(axes):
        sns.heatmap(grid, vmin=-1, vmax=1, cmap=shades, ax=axes, linewidths=2.0, linecolor=PAPER, **look)


def shades(below: str, above: str) -> Colormap:
    """From the colour of what is below 0 through nothing to the colour of what is above."""
    stops = ((0.0, below, DEEPEST), (0.5, below, 0.0), (0.5, above, 0.0), (1.0, above, DEEPEST))
    return LinearSegmentedColormap.from_list("shades", [(at, to_rgba(tint, alpha)) for at, tint, alpha in stops])


def _signed(value: float) -> str:
    """In five characters or fewer below ten thousand; nothing for NaN."""
    if math.isnan(value):
        return ""
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    text = f"{value:+.{digits}f}" if abs(value) < 99999.5 else f"{value:+.0e}"
    return text.lstrip("+-") if not float(text) else text.replace("-", "−")


class _Unseen(FigureCanvasBase):
    """Seaborn draws a heat map once to see whether names on its axes touch, by pyplot if need be. There are none yet,
    so nothing is drawn, and pyplot stays out of it."""

    def draw(self, *_: Any, **__: Any) -> None:
        self.figure.stale = False


def sign(axes: Axes, label: str, **look: Any) -> None:
    """A line or a mark that stands in the legend and nowhere else, in matplotlib's words."""
    axes.add_line(Line2D([], [], label=label, **look))


def name_rows(axes: Axes, names: Sequence[str], places: Sequence[float] | None = None) -> None:
    """Names at the left of rows 0, 1, … or at these places, the first on top, without an axis line."""
    axes.set_yticks(range(len(names)) if places is None else places, names)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
