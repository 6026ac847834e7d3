"""A small forest plot as an SVG element, drawn without a drawing library: a notebook shows it at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from mmcore.language import say
from reports.cards.card import Forest, Interval, clipped, remainder
from reports.cards.tints import TINTS

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _FOOT = 660, 250, 640, 24, 22, 40
"""Pixels: the whole, both edges of the plot, above it, a row, below it."""


def forest_svg(forest: Forest, most: int) -> str:
    """The element; empty where no row has a number.

    Args:
        most: rows that are drawn; the rest is counted.
    """
    rows = [row for row in forest.rows if math.isfinite(row.mean)]
    if not rows:
        return ""
    drawn = rows[:most]
    low, high = _span(drawn)

    def x(value: float) -> float:
        return round(_LEFT + (_RIGHT - _LEFT) * (min(max(value, low), high) - low) / (high - low), 1)

    bottom = _TOP + _ROW * len(drawn)
    parts = [_words(forest, bottom)]
    for tick in _ticks(low, high):
        parts.append(_rule(x(tick), bottom, 0.15))
        parts.append(f'<text x="{x(tick)}" y="{bottom + 15}" text-anchor="middle">{_tick(tick)}</text>')
    parts.append(_rule(x(0.0), bottom, 0.8))
    for i, row in enumerate(drawn):
        if row.margin is not None:
            left, right = x(-row.margin), x(row.margin)
            parts.append(
                f'<rect x="{left}" y="{_TOP + _ROW * i}" width="{right - left:.1f}" height="{_ROW}" '
                f'fill="{TINTS["open"]}" fill-opacity="0.18"/>'
            )
        y = _TOP + _ROW * i + _ROW // 2
        weight = ' font-weight="bold"' if row.strong else ""
        parts.append(f'<text x="0" y="{y + 4}"{weight}>{escape(clipped(row.label, 38))}</text>')
        if math.isfinite(row.low) and math.isfinite(row.high):
            parts.append(
                f'<line x1="{x(row.low)}" x2="{x(row.high)}" y1="{y}" y2="{y}" stroke="{TINTS[row.tone]}" '
                f'stroke-width="{2.6 if row.strong else 1.6}"/>'
            )
        parts.append(_mark(x(row.mean), y, row))
    height = bottom + _FOOT
    more = remainder(rows, most, "rows of a plot")
    foot = f'<p style="font-size:0.9em">{more}</p>' if more else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(clipped(forest.description, 600))}" fill="currentColor" '
        f'font-size="12" style="max-width:100%;font-family:inherit">{"".join(parts)}</svg>{foot}'
    )


def _words(forest: Forest, bottom: int) -> str:
    better, worse = say("better"), say("worse")
    left, right = (worse, better) if forest.higher_is_better else (better, worse)
    axis = escape(clipped(forest.axis, 60))
    return (
        f'<text x="{_LEFT}" y="14">← {left}</text><text x="{_RIGHT}" y="14" text-anchor="end">{right} →</text>'
        f'<text x="{(_LEFT + _RIGHT) // 2}" y="{bottom + 33}" text-anchor="middle">{axis}</text>'
    )


def _rule(x: float, bottom: int, opacity: float) -> str:
    return f'<line x1="{x}" x2="{x}" y1="{_TOP}" y2="{bottom}" stroke="currentColor" stroke-opacity="{opacity}"/>'


def _mark(x: float, y: int, row: Interval) -> str:
    """A circle for better, a triangle for worse, a square for equivalent; open where it is not decided for new items.

    Inside an open mark the page shows, and the interval's line.
    """
    tint, size = TINTS[row.tone], 5 if row.strong else 4
    look = f'stroke="{tint}" stroke-width="1.6" fill="{tint if row.filled else "none"}"'
    match row.tone:
        case "worse":
            points = f"{x - size},{y - size} {x + size},{y - size} {x},{y + size}"
            return f'<polygon points="{points}" {look}/>'
        case "equivalent":
            return f'<rect x="{x - size}" y="{y - size}" width="{2 * size}" height="{2 * size}" {look}/>'
        case _:
            return f'<circle cx="{x}" cy="{y}" r="{size}" {look}/>'


def _span(rows: Sequence[Interval]) -> tuple[float, float]:
    """What the axis covers: every number, 0 and the margins, with some room."""
    values = [value for row in rows for value in (row.mean, row.low, row.high) if math.isfinite(value)]
    margins = [row.margin for row in rows if row.margin is not None]
    low, high = min(0.0, *values, *(-m for m in margins)), max(0.0, *values, *margins)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers within the axis.

    Example:
        >>> _ticks(-0.1, 0.32)
        [-0.1, 0.0, 0.1, 0.2, 0.3]
    """
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.9)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, -math.floor(math.log10(step)))
    return [round(i * step, digits) + 0.0 for i in range(first, last + 1)]


def _tick(value: float) -> str:
    return f"{value:.10g}".replace("-", "−")
