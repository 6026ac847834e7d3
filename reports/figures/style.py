"""How figures look: ink on paper, one column wide, told apart by marker and line as well as by colour."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from rich.cells import cell_len

from mmcore.language import language, later, say

NO_FONT = later(
    "A picture has boxes in place of letters that no font of this machine holds. Install a font that has them, such as "
    "Noto Sans CJK JP for Japanese, and draw the figure again."
)
INK = "#16191d"
"""Text and axes. On the page it becomes the colour of the text around the figure."""
PAPER = "#fefefe"
"""The inside of open markers. On the page it becomes the background."""
WIDTH = 5.0
"""Inches: a page's column, so that type keeps its size in print and stays legible on a phone."""

Dash = str | tuple[int, tuple[float, ...]]
"""A line style as matplotlib takes it: a name, or an offset with lengths of strokes and gaps."""

COLOURS = ("#2f6fb7", "#d1622b", "#2f8f6f", "#a457a8", "#8a7420", "#c23b58", "#4f8a9c", "#7a7f87")
"""Each at least 3 : 1 against white and against the dark page."""
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "h")
LINES: tuple[Dash, ...] = (
    "-",
    (0, (5, 2)),
    (0, (1.5, 1.5)),
    (0, (6, 2, 1.5, 2)),
    (0, (9, 3)),
    (0, (3, 1, 1, 1, 1, 1)),
)

VERDICT_MARKS = {"better": "o", "worse": "v", "equivalent": "s"}
"""By the side of a decision; filled where it holds for new items of the corpus, open where it holds for the tested
ones alone. What is not decided has an open grey mark or none."""
VERDICT_TINTS = {"better": "#2f8f6f", "worse": "#c23b58", "equivalent": "#2f6fb7"}
NEUTRAL = "#7a7f87"

MOST_ARMS = 8
"""Arms that are drawn: more cannot be told apart. The tables have them all."""

_RULES: dict[Any, Any] = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper", font_scale=1.08),
    "font.sans-serif": ["DejaVu Sans"],
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "grid.color": INK,
    "grid.alpha": 0.14,
    "legend.frameon": False,
    "patch.force_edgecolor": False,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",
    "svg.hashsalt": "mmstudy",
    # Names are a user's own words: a dollar sign in them is no formula.
    "text.parse_math": False,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Our rules on top of seaborn's and matplotlib's own, whatever the user's matplotlibrc says."""
    with mpl.rc_context(), warnings.catch_warnings():
        # Names may hold letters that our font lacks; the reader's browser sets the text, and has them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(_RULES)
        if language() != "en":
            mpl.rcParams["font.family"] = families()
        yield


OTHER_SCRIPTS = (
    "Noto Sans CJK JP", "Noto Sans JP", "IPAexGothic", "IPAGothic", "Hiragino Sans", "Yu Gothic", "MS Gothic",
    "Microsoft YaHei", "PingFang SC", "Malgun Gothic", "Noto Sans Arabic", "Noto Sans Devanagari", "Noto Sans Thai",
)  # fmt: skip
"""Fonts that are used where they are there, for letters that our font lacks."""


def families() -> list[str]:
    """Our font, and for letters that it lacks those of the usual fonts that are there.

    Without any of them text in an SVG is still right, since the reader's browser sets it; in a PNG it is boxes.
    """
    from matplotlib.font_manager import fontManager

    have = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in OTHER_SCRIPTS if name in have)]


def colour(i: int) -> str:
    """The i-th colour, in a circle."""
    return COLOURS[i % len(COLOURS)]


def marker(i: int) -> str:
    """The i-th marker, in a circle of the same length as the colours'."""
    return MARKERS[i % len(MARKERS)]


def line(i: int) -> Dash:
    """The i-th dash pattern; its circle is shorter than the colours', so pairs of both repeat late."""
    return LINES[i % len(LINES)]


class Sheet(Drawing):
    """A drawing that a notebook shows by itself, with no backend chosen."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with house_style(), warnings.catch_warnings(record=True) as warned:
            # Here no browser sets the text: a letter that is missing is a box.
            warnings.filterwarnings("always", message="Glyph .* missing from font")
            self.savefig(buffer, format="png", dpi=110)
        if any("missing from font" in str(one.message) for one in warned):
            warnings.warn(say(NO_FONT), stacklevel=2)
        return buffer.getvalue()


def sheet(height: float, plots: int = 1, across: int = 1, **options: Any) -> tuple[Drawing, list[Axes]]:
    """An empty drawing, one column wide, and its plots line by line; what the last line has left over stays blank.

    Args:
        height: inches.
        plots: how many; 0 gives one, without axes.
        across: plots abreast.
        options: of ``Figure.subplots``, such as ``sharex``.
    """
    figure = Sheet(figsize=(WIDTH, height), layout="constrained")
    grid = figure.subplots(max(1, -(-plots // across)), across, squeeze=False, **options).flatten()
    for axes in grid[plots:]:
        axes.set_axis_off()
    return figure, list(grid[: max(1, plots)])


def abreast(names: Sequence[str], height: float, row: float, x: str, y: str) -> tuple[Drawing, list[Axes]]:
    """A drawing with a plot for each name, two side by side on common axes.

    Args:
        height, row: inches of the drawing without plots, and of a row of them.
        x, y: names of the axes, at the outer plots.
    """
    across = min(2, max(1, len(names)))
    rows = max(1, -(-len(names) // across))
    figure, plots = sheet(height + row * rows, len(names), across, sharex=True, sharey=True)
    for i, (axes, name) in enumerate(zip(plots, names, strict=False)):
        lowest = i + across >= len(names)
        axes.set_title(shortened(name, 48 // across), loc="left")
        axes.set(xlabel=x if lowest else "", ylabel="" if i % across else y)
        axes.tick_params(labelbottom=lowest)
        axes.grid(axis="y")
    return figure, plots


def legend_above(axes: Axes, columns: int = 3) -> None:
    """The legend over the plot, where it can hide nothing."""
    if named := _named([axes], columns, 60):
        axes.legend(
            **named, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0.4, handlelength=2.6, columnspacing=1.4,
            borderpad=0,
        )  # fmt: skip


def legend_over_all(figure: Drawing, columns: int = 3, **options: Any) -> None:
    """One legend for all plots, above them; a name that several have stands there once."""
    if named := _named(figure.axes, columns, 68):
        figure.legend(**named, **({"loc": "outside upper left", "columnspacing": 1.4} | options))


def _named(plots: Sequence[Axes], most: int, letters: int) -> dict[str, Any]:
    """What is named in these plots, in as many columns as fit into a line of so many letters; may be nothing."""
    found: dict[str, Any] = {}
    for axes in plots:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if not found:
        return {}
    columns = max(1, min(most, len(found)))
    # A column is as wide as its longest name and six letters for the mark.
    while columns > 1 and sum(max(map(cell_len, part)) + 6 for part in np.array_split(list(found), columns)) > letters:
        columns -= 1
    return {"handles": list(found.values()), "labels": list(found), "ncols": columns}


def log_scale(axes: Axes, values: Sequence[float]) -> None:
    """Scale the x axis by log, over all that will be drawn on it.

    Matplotlib widens the axis mark by mark. Over a single mark, whose place on a log axis is rounded, it ends at times
    with two equal limits, and warns or divides by zero. So the axis is told the whole range first.

    Args:
        values: what the axis shows; positive. Where they are all equal, a factor of two is shown on each side.
    """
    axes.set_xscale("log")
    if len(values):
        low, high = min(values), max(values)
        axes.update_datalim([(v, 0.0) for v in ((low, high) if low < high else (low / 2, high * 2))], updatey=False)


def log_ticks(axis: Axis, values: Sequence[float]) -> None:
    """Ticks of an axis by orders of magnitude, as plain numbers: some of each where few are spanned.

    Matplotlib's own labels are formulas, which we do not have set, since names may hold dollar signs.

    Args:
        axis: scaled by log already.
        values: what it shows; positive.
    """
    decades = math.log10(max(values) / min(values)) if len(values) else 0.0
    subs = (1.0, 2.0, 5.0) if decades < 1.5 else (1.0, 3.0) if decades < 2.5 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=6) if decades > 0.7 else MaxNLocator(3))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.3g}"))
    axis.set_minor_formatter(NullFormatter())


def path_end(path: str, most: int = 28) -> str:
    """The end of a dotted path that leaves room for the plot: what tells paths apart stands there."""
    return path if len(path) <= most else "…" + shortened(path.rpartition(".")[2], most - 1)


def shortened(name: str, most: int = 28) -> str:
    """A name that leaves room for the plot, without characters that XML forbids.

    Args:
        most: columns; a wide character, as of Japanese, takes two.
    """
    name = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    if cell_len(name) <= most:
        return name
    while cell_len(name) > most - 1:
        name = name[:-1]
    return name + "…"


def only_first(arms: int) -> str:
    """What a description must say when arms are left out, with a space before it; empty otherwise."""
    if arms <= MOST_ARMS:
        return ""
    return say(" The first {most} of {arms} arms are drawn; the table has all.", most=MOST_ARMS, arms=arms)
