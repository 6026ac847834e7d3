"""One item of a corpus over time: every stream below one another, what is absent hatched, targets at the bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from mmcore.language import say
from reports.figures.marks import curve, dots
from reports.figures.style import INK, NEUTRAL, WIDTH, Sheet, colour, families, house_style, shortened

MOST_LINES = 4
"""Columns of a stream that have a plot each; more are drawn as one map."""
MOST_NAMED = 8
"""Classes that are named beside a plot; of more the codes are shown."""
STRONG = 3.0
"""Standard deviations from its mean at which a map's colour ends."""
LINE = 0.25
"""Inches of the line at the bottom."""
_LEFT = {"ha": "right", "va": "center", "rotation": 0}


@dataclass(frozen=True)
class ItemStream:
    """One modality, or the targets over time, of one item.

    Args:
        name: of the modality or the targets.
        frame: a column a feature, NaN where there is no value, besides those of ``times``. None: the item lacks it.
        times: names of the columns with times: one, or those of the starts and ends of segments; () where rows are
            steps.
        kinds: of the features, in their order.
        labels: column to the names of its codes. units: column to its unit.
        target: whether it is, or holds, what is predicted; drawn in ink.
    """

    name: str
    frame: pd.DataFrame | None
    times: tuple[str, ...] = ("time",)
    kinds: Sequence[str] = ()
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    target: bool = False


@dataclass(frozen=True)
class _Rows:
    """The rows of a stream, sorted by time.

    Args:
        begin_T: when a row is, or begins. end_T: when it ends; None where rows are points.
        values: the features.
    """

    begin_T: np.ndarray
    end_T: np.ndarray | None
    values: pd.DataFrame

    @classmethod
    def of(cls, stream: ItemStream) -> _Rows:
        """Rows without a time are left out."""
        if stream.frame is None:
            return cls(np.empty(0), None, pd.DataFrame())
        frame: Any = stream.frame.reset_index(drop=True)
        if not stream.times:
            return cls(np.arange(len(frame), dtype=np.float64), None, frame)
        frame = (
            frame.dropna(subset=list(stream.times)).sort_values(stream.times[0], kind="stable").reset_index(drop=True)
        )
        begin_T, *end = (frame[name].to_numpy(np.float64) for name in stream.times)
        return cls(begin_T, end[0] if end else None, frame.drop(columns=list(stream.times)))

    @property
    def usual(self) -> float:
        """Median distance of rows; 0 for one row."""
        return float(np.median(np.diff(self.begin_T))) if len(self.begin_T) > 1 else 0.0

    def absent(self, first: float, last: float, max_gap: float) -> list[tuple[float, float]]:
        """Where there is nothing, as (start, end), between ``first`` and ``last``; see :func:`draw_item`."""
        full = ~self.values.isna().all(axis=1).to_numpy()
        if not full.any():
            return [(first, last)]
        begin_T = self.begin_T[full]
        if self.end_T is not None:
            until_T, gap, margin = np.maximum.accumulate(self.end_T[full]), 0.0, 0.0
        else:
            # A row stands for the time until the next one, the last row too.
            until_T, gap, margin = begin_T, max_gap, self.usual
        spans = [(first, float(begin_T[0]))] if begin_T[0] > first else []
        holes = np.flatnonzero(begin_T[1:] - until_T[:-1] > gap)
        spans += [(float(until_T[at]), float(begin_T[at + 1])) for at in holes]
        if until_T[-1] + margin < last:
            spans.append((float(until_T[-1]), last))
        return spans

    def with_holes(self, max_gap: float) -> _Rows:
        """With a row without values where the stream goes away: after a segment, within a gap."""
        later_T = np.append(self.begin_T[1:], np.inf)
        if self.end_T is not None:
            away_T, gone_T = self.end_T < later_T, self.end_T
        else:
            away_T = (later_T - self.begin_T > max_gap) & np.isfinite(later_T)
            gone_T = self.begin_T + self.usual
        order = np.argsort(np.concatenate([self.begin_T, gone_T[away_T]]), kind="stable")
        holes = pd.DataFrame(np.nan, index=range(int(away_T.sum())), columns=self.values.columns)
        values = pd.concat([self.values, holes], ignore_index=True) if away_T.any() else self.values
        times_T = np.concatenate([self.begin_T, gone_T[away_T]])[order]
        return _Rows(times_T, None, values.iloc[order].reset_index(drop=True))


Panel = tuple[ItemStream, _Rows, list[str]]
"""A stream, its rows and the columns that one plot shows."""


def draw_item(
    title: str, streams: Sequence[ItemStream], *, seconds: bool = True, max_gap: float = 5.0, footer: str = ""
) -> Drawing:
    """Draw an item.

    A stream of up to four columns is lines, one plot a column; a wider one is a map with a row a column, each in its
    own standard deviations. Hatched: before a stream's first row, after its last, between rows more than ``max_gap``
    apart, between segments, and rows without any value.

    Args:
        title: above the figure.
        streams: from top to bottom.
        seconds: whether frames have times; else the axis counts steps.
        max_gap: seconds; a longer gap is absent for a model.
        footer: a line at the bottom, for targets of the whole item.
    """
    panels = [panel for stream in streams for panel in _panels(stream)]
    first, last = _span([rows for _, rows, _ in panels])
    heights = [1.0 if len(columns) > 1 else 0.62 for _, _, columns in panels]
    with house_style():
        mpl.rcParams["font.family"] = families()
        drawing = Sheet(figsize=(WIDTH * 1.5, 0.75 + sum(heights) + (LINE if footer else 0.0)), layout="constrained")
        grid = drawing.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)
        axes: list[Axes] = list(grid[:, 0])
        for at, (panel, ax) in enumerate(zip(panels, axes, strict=True)):
            _draw(ax, *panel, at=at, span=(first, last), max_gap=max_gap if seconds else 1.5)
        axes[-1].set_xlim(first, last)
        axes[-1].set_xlabel(say("seconds") if seconds else say("step"))
        axes[0].set_title(shortened(title, 70), loc="left")
        drawing.align_ylabels(axes)
        if footer:
            engine: Any = drawing.get_layout_engine()
            bottom = LINE / drawing.get_figheight()
            drawing.text(0.01, 0.0, shortened(footer, 110), fontsize=9.5, color=INK, va="bottom")
            engine.set(rect=(0, bottom, 1, 1 - bottom))
    return drawing


def absent_spans(stream: ItemStream, first: float, last: float, max_gap: float) -> list[tuple[float, float]]:
    """Where a stream has nothing, as (start, end), between ``first`` and ``last``; see :func:`draw_item`."""
    return _Rows.of(stream).absent(first, last, max_gap)


def _span(every: Sequence[_Rows]) -> tuple[float, float]:
    begins = [float(rows.begin_T[0]) for rows in every if len(rows.begin_T)]
    ends = [float((rows.begin_T if rows.end_T is None else rows.end_T).max()) for rows in every if len(rows.begin_T)]
    first, last = min(begins, default=0.0), max(ends, default=1.0)
    return (first, last) if last > first else (first - 0.5, first + 0.5)


def _panels(stream: ItemStream) -> list[Panel]:
    rows = _Rows.of(stream)
    columns = rows.values.columns.tolist()
    wide = len(columns) > MOST_LINES or (len(columns) > 1 and set(stream.kinds) == {"embedding"})
    if wide or not columns:
        return [(stream, rows, columns)]
    return [(stream, rows, [column]) for column in columns]


def _draw(
    ax: Axes,
    stream: ItemStream,
    rows: _Rows,
    columns: list[str],
    *,
    at: int,
    span: tuple[float, float],
    max_gap: float,
) -> None:
    ax.tick_params(labelsize=8)
    name = shortened(stream.name, 18)
    for begin, end in rows.absent(*span, max_gap):
        ax.axvspan(begin, end, facecolor="none", edgecolor=NEUTRAL, hatch="////", linewidth=0, alpha=0.45)
    if not columns or not len(rows.begin_T):
        ax.set_yticks([])
        ax.text(0.5, 0.5, say("absent"), transform=ax.transAxes, ha="center", va="center", color=INK, fontsize=9)
        ax.set_ylabel(name, **_LEFT)
        return
    if len(columns) > 1:
        _map(ax, rows.with_holes(max_gap))
        ax.set_ylabel(f"{name}\n{say('{n} columns', n=len(columns))}", **_LEFT)
        return
    column = columns[0]
    kind = dict(zip(rows.values.columns, stream.kinds, strict=False)).get(column, "continuous")
    tint = INK if stream.target else colour(at)
    values_T = rows.values[column].to_numpy(np.float64)
    if rows.end_T is not None:
        ax.hlines(values_T, rows.begin_T, rows.end_T, color=tint, linewidth=2.2)
    else:
        _line(ax, rows.with_holes(max_gap), column, kind, tint)
    unit = f" ({stream.units[column]})" if stream.units.get(column) else ""
    ax.set_ylabel(name if column == stream.name else f"{name}\n{shortened(column, 20)}{unit}", **_LEFT)
    if kind in ("binary", "categorical"):
        labels = list(stream.labels.get(column, ()))
        _class_ticks(ax, values_T, labels or (["0", "1"] if kind == "binary" else []))
    else:
        ax.locator_params(axis="y", nbins=3)


def _line(ax: Axes, rows: _Rows, column: str, kind: str, tint: str) -> None:
    table = pd.DataFrame({"time": rows.begin_T, "value": rows.values[column].to_numpy(np.float64)})
    style = "steps-post" if kind in ("binary", "categorical") else "default"
    curve(ax, table, "time", "value", color=tint, linewidth=1.1, drawstyle=style)
    known_T = table["value"].notna()
    alone_T = known_T & ~known_T.shift(1, fill_value=False) & ~known_T.shift(-1, fill_value=False)
    dots(ax, table.loc[alone_T], "time", "value", tint=tint, size=2.8, linewidth=0)


def _map(ax: Axes, rows: _Rows) -> None:
    values_TF = rows.values.to_numpy(np.float64)
    known_TF = np.isfinite(values_TF)
    count_F = np.maximum(known_TF.sum(axis=0), 1)
    mean_F = np.where(known_TF, values_TF, 0).sum(axis=0) / count_F
    spread_F = np.sqrt(np.where(known_TF, (values_TF - mean_F) ** 2, 0).sum(axis=0) / count_F)
    scaled_TF = (values_TF - mean_F) / np.where(spread_F > 0, spread_F, 1.0)
    edges = np.append(rows.begin_T, rows.begin_T[-1] + (rows.usual or 1.0))
    ax.pcolormesh(
        edges, np.arange(values_TF.shape[1] + 1), np.ma.masked_invalid(scaled_TF.T), vmin=-STRONG, vmax=STRONG,
        cmap=sns.color_palette("vlag", as_cmap=True), rasterized=True,
    )  # fmt: skip
    ax.set_yticks([])
    ax.invert_yaxis()


def _class_ticks(ax: Axes, codes: np.ndarray, labels: list[str]) -> None:
    seen = sorted({int(code) for code in codes[~np.isnan(codes)]})
    if labels and len(labels) <= MOST_NAMED:
        ax.set_yticks(range(len(labels)), [shortened(label, 14) for label in labels])
        ax.set_ylim(-0.4, len(labels) - 0.6)
    elif seen and len(seen) <= MOST_NAMED:
        ax.set_yticks(seen, [shortened(labels[code], 14) if code < len(labels) else str(code) for code in seen])
    else:
        ax.locator_params(axis="y", nbins=4, integer=True)
