"""A card as HTML for a notebook: one element that needs nothing else, on a light and on a dark page.

Text takes the colour of the page; tints are marks and borders alone, and are seen on white and on black. Styles are
attributes, since a notebook may drop a style sheet. Every text is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Literal

from reports.cards.card import Card, Grid, Line, clipped, remainder
from reports.cards.forest import forest_svg
from reports.cards.tints import TINTS

LARGEST = 60_000
"""Bytes of an element at most: a notebook keeps every element that it has shown."""
MOST = ((12, 30), (8, 12), (4, 4), (1, 1))
"""Statements, and rows of a table, that are shown; the first pair that keeps the element small. The rest is counted."""
_TEXT, _DETAIL, _CELL = 400, 900, 100
"""Characters of a statement, of what stands behind it, and of a cell."""

_SOFT = "font-size:0.9em;opacity:0.8"


def card_html(card: Card) -> str:
    """The element; below 60 kB, however large the object is. A report has all that is only counted here."""
    html = ""
    for lines, rows in MOST:
        html = _element(card, lines, rows)
        if len(html.encode()) <= LARGEST:
            break
    return html


def _element(card: Card, lines: int, rows: int) -> str:
    parts = [f"<p><strong>{_text(card.title, _TEXT)}</strong>"]
    parts.append(f"<br>{_text(card.subtitle, _TEXT)}</p>" if card.subtitle else "</p>")
    parts += [_line(line) for line in card.lines[:lines]]
    parts += _more(card.lines, lines, "lines")
    if card.forest is not None:
        parts.append(forest_svg(card.forest, rows))
    for grid in card.grids:
        parts += [_grid(grid, rows), *_more(grid.rows, rows, "rows")]
    parts += [f'<p style="{_SOFT};margin:0.3em 0">{_text(note, _DETAIL)}</p>' for note in card.notes[:lines]]
    return f'<div class="mmstudy" style="max-width:52em;line-height:1.5">{"".join(parts)}</div>'


def _more(things: Sequence[object], shown: int, what: Literal["lines", "rows"]) -> list[str]:
    more = remainder(things, shown, what)
    return [f'<p style="{_SOFT}">{more}</p>'] if more else []


def _line(line: Line) -> str:
    style = f"border-left:4px {'dashed' if line.limited else 'solid'} {TINTS[line.tone]};padding:0.1em 0.9em"
    text, detail = _text(line.text, _TEXT), _text(line.detail, _DETAIL)
    if line.tone == "warning" and detail:
        folded = f'<summary>{text}</summary><span style="{_SOFT}">{detail}</span>'
        return f'<details style="{style};margin:0.4em 0">{folded}</details>'
    below = f'<br><span style="{_SOFT}">{detail}</span>' if detail else ""
    return f'<p style="{style};margin:0.6em 0">{text}{below}</p>'


def _grid(grid: Grid, rows: int) -> str:
    def cells(tag: str, row: tuple[str, ...]) -> str:
        sides = ("left" if i in grid.left else "right" for i in range(len(row)))
        return "".join(
            f'<{tag} style="text-align:{side};padding:0.2em 0.8em 0.2em 0">{_text(cell, _CELL)}</{tag}>'
            for side, cell in zip(sides, row, strict=True)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in grid.rows[:rows])
    return (
        '<div style="overflow-x:auto"><table style="font-variant-numeric:tabular-nums">'
        f"<thead><tr>{cells('th', grid.columns)}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _text(text: str, most: int) -> str:
    return escape(clipped(text, most))
