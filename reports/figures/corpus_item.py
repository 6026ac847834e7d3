"""One item of a corpus over time: every stream below one another, what is absent hatched, targets at the bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from reports.figures.style import INK, NEUTRAL, WIDTH, colour, house_style, shortened

MOST_LINES = 4
"""Columns of a stream that have a plot each; more are drawn as one map."""
MOST_NAMED = 8
"""Classes that are named beside a plot; of more the codes are shown."""
STRONG = 3.0
"""Standard deviations from its mean at which a map's colour ends."""
_LEFT = {"ha": "right", "va": "center", "rotation": 0}


@dataclass(frozen=True)
class ItemStream:
    """One modality, or the targets over time, of one item.

    Args:
        name: of the modality or the targets.
        frame: ``time`` (seconds), or ``start`` and ``end``, or neither where rows are steps; then a column a feature,
            NaN where there is no value. None: the item lacks it.
        kinds: of the columns, in their order.
        labels: column to the names of its codes. units: column to its unit.
        target: whether it is, or holds, what is predicted; drawn in ink.
    """

    name: str
    frame: pd.DataFrame | None
    kinds: Sequence[str] = ()
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    target: bool = False


def draw_item(
    title: str, streams: Sequence[ItemStream], *, seconds: bool = True, max_gap: float = 5.0, told: str = ""
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
        told: a line at the bottom, for targets of the whole item.
    """
    panels = [panel for stream in streams for panel in _panels(stream)]
    first, last = _span(streams)
    heights = [1.0 if len(panel[1]) > 1 else 0.62 for panel in panels]
    with house_style():
        drawing = Drawing(figsize=(WIDTH * 1.5, 0.75 + sum(heights) + (0.25 if told else 0.0)), layout="constrained")
        grid = drawing.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=heights)
        axes: list[Axes] = list(grid[:, 0])
        for at, (panel, ax) in enumerate(zip(panels, axes, strict=True)):
            _draw(ax, *panel, at=at, span=(first, last), max_gap=max_gap if seconds else 1.5)
        axes[-1].set_xlim(first, last)
        axes[-1].set_xlabel("seconds" if seconds else "step")
        axes[0].set_title(shortened(title, 70), loc="left")
        drawing.align_ylabels(axes)
        if told:
            engine: Any = drawing.get_layout_engine()
            bottom = 0.25 / drawing.get_figheight()
            drawing.text(0.01, 0.0, shortened(told, 110), fontsize=9.5, color=INK, va="bottom")
            engine.set(rect=(0, bottom, 1, 1 - bottom))
    return drawing


def absent_spans(frame: pd.DataFrame | None, first: float, last: float, max_gap: float) -> list[tuple[float, float]]:
    """Where a stream has nothing, as (start, end), from ``first`` to ``last``.

    Args:
        frame: see :class:`ItemStream`. max_gap: distance of rows above which nothing is between them.
    """
    until = last
    if frame is None or not len(frame):
        return [(first, last)]
    rows: Any = frame[~_values(frame).isna().all(axis=1)]
    if not len(rows):
        return [(first, last)]
    if "start" in frame:
        begins, ends, gap = rows["start"].to_numpy(), np.maximum.accumulate(rows["end"].to_numpy()), 0.0
    else:
        begins = ends = _times(rows)
        # A row stands for the time until the next one, the last row too.
        last -= float(np.median(np.diff(begins))) if len(begins) > 1 else 0.0
        gap = max_gap
    spans = [(first, float(begins[0]))] if begins[0] > first else []
    for end, begin in zip(ends[:-1], begins[1:], strict=True):
        if begin - end > gap:
            spans.append((float(end), float(begin)))
    if ends[-1] < last:
        spans.append((float(ends[-1]), until))
    return spans


def _values(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=[name for name in ("time", "start", "end") if name in frame])


def _times(frame: pd.DataFrame) -> np.ndarray:
    name = next((name for name in ("time", "start") if name in frame), None)
    return frame.index.to_numpy(np.float64) if name is None else frame[name].to_numpy(np.float64)


def _span(streams: Sequence[ItemStream]) -> tuple[float, float]:
    ends: list[float] = []
    for stream in streams:
        frame: Any = stream.frame
        if frame is None or not len(frame):
            continue
        if "start" in frame:
            ends += [float(frame["start"].min()), float(frame["end"].max())]
        else:
            times = _times(frame)
            ends += [float(times.min()), float(times.max())]
    first, last = min(ends, default=0.0), max(ends, default=1.0)
    return (first, last) if last > first else (first - 0.5, first + 0.5)


Panel = tuple[ItemStream, list[str]]
"""A stream and the columns of it that one plot shows."""


def _panels(stream: ItemStream) -> list[Panel]:
    if stream.frame is None:
        return [(stream, [])]
    columns = _values(stream.frame).columns.tolist()
    wide = len(columns) > MOST_LINES or (len(columns) > 1 and set(stream.kinds) == {"embedding"})
    return [(stream, columns)] if wide else [(stream, [column]) for column in columns]


def _draw(
    ax: Axes, stream: ItemStream, columns: list[str], *, at: int, span: tuple[float, float], max_gap: float
) -> None:
    ax.tick_params(labelsize=8)
    name = shortened(stream.name, 18)
    absent = stream.frame is None
    for begin, end in absent_spans(stream.frame, *span, max_gap):
        ax.axvspan(begin, end, facecolor="none", edgecolor=NEUTRAL, hatch="////", linewidth=0, alpha=0.45)
    if absent or not columns:
        ax.set_yticks([])
        ax.text(0.5, 0.5, "absent", transform=ax.transAxes, ha="center", va="center", color=INK, fontsize=9)
        ax.set_ylabel(name, **_LEFT)
        return
    assert stream.frame is not None
    steps = _as_steps(stream.frame, max_gap)
    if len(columns) > 1:
        _map(ax, steps, columns)
        ax.set_ylabel(f"{name}\n{len(columns)} columns", **_LEFT)
        return
    column = columns[0]
    kinds = dict(zip(_values(stream.frame).columns, stream.kinds, strict=False))
    kind, tint = kinds.get(column, "continuous"), INK if stream.target else colour(at)
    if "start" in stream.frame:
        ax.hlines(stream.frame[column], stream.frame["start"], stream.frame["end"], color=tint, linewidth=2.2)
    else:
        _line(ax, steps, column, kind, tint)
    unit = f" ({stream.units[column]})" if stream.units.get(column) else ""
    ax.set_ylabel(name if column == stream.name else f"{name}\n{shortened(column, 20)}{unit}", **_LEFT)
    labels = stream.labels.get(column, ())
    if kind in ("binary", "categorical"):
        _class_ticks(ax, steps[column].to_numpy(), list(labels) or (["0", "1"] if kind == "binary" else []))
    else:
        ax.locator_params(axis="y", nbins=3)


def _as_steps(frame: pd.DataFrame, max_gap: float) -> pd.DataFrame:
    """With one column ``x``, and a row without values where a stream goes away: after a segment, within a gap."""
    values, later = _values(frame), np.append(_times(frame)[1:], np.inf)
    if "start" in frame:
        away, gone = frame["end"].to_numpy() < later, frame["end"].to_numpy()
    else:
        times = _times(frame)
        usual = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
        away, gone = (later - times > max_gap) & np.isfinite(later), times + usual
    holes = pd.DataFrame(np.nan, index=frame.index[away], columns=values.columns).assign(x=gone[away])
    both = pd.concat([values.assign(x=_times(frame)), holes]) if away.any() else values.assign(x=_times(frame))
    return both.sort_values("x", kind="stable").reset_index(drop=True)


def _line(ax: Axes, steps: pd.DataFrame, column: str, kind: str, tint: str) -> None:
    import seaborn as sns

    held = kind in ("binary", "categorical")
    known = steps[column].notna().to_numpy()
    alone = known & ~np.roll(known, 1) & ~np.roll(known, -1)
    # Seaborn leaves rows without a value out and would join what lies on either side, so each run is drawn by itself.
    runs = np.cumsum(~known)
    sns.lineplot(
        x=steps["x"][known], y=steps[column][known], units=runs[known], estimator=None, errorbar=None, ax=ax,
        color=tint, linewidth=1.1, drawstyle="steps-post" if held else "default", legend=False,
    )  # fmt: skip
    if alone.any():
        sns.scatterplot(x=steps["x"][alone], y=steps[column][alone], ax=ax, color=tint, s=8, legend=False)
    ax.set_xlabel("")


def _map(ax: Axes, steps: pd.DataFrame, columns: list[str]) -> None:
    import seaborn as sns

    values_TF = steps[columns].to_numpy(np.float64)
    known_TF = np.isfinite(values_TF)
    count_F = np.maximum(known_TF.sum(axis=0), 1)
    mean_F = np.where(known_TF, values_TF, 0).sum(axis=0) / count_F
    spread_F = np.sqrt(np.where(known_TF, (values_TF - mean_F) ** 2, 0).sum(axis=0) / count_F)
    scaled_TF = (values_TF - mean_F) / np.where(spread_F > 0, spread_F, 1.0)
    times = steps["x"].to_numpy(np.float64)
    gap = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    edges = np.append(times, times[-1] + gap)
    ax.pcolormesh(
        edges, np.arange(len(columns) + 1), np.ma.masked_invalid(scaled_TF.T), vmin=-STRONG, vmax=STRONG,
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
