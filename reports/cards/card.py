"""A card: what is shown of a result at a glance, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mmcore.language import say_of
from reports.numbers import NOTHING

Tone = Literal["better", "worse", "equivalent", "open", "warning", "plain"]
"""What a line says: a decided verdict, an undecided one, a warning, or no judgement."""


@dataclass(frozen=True)
class Line:
    """One statement.

    Args:
        text: a sentence.
        tone: how it is marked.
        limited: whether the verdict holds for the tested items alone.
        detail: what stands behind it; smaller, and left out of a console.
    """

    text: str
    tone: Tone = "plain"
    limited: bool = False
    detail: str = ""


@dataclass(frozen=True)
class Grid:
    """A table of ready text.

    Args:
        columns: heads. rows: cells in their order.
        left: columns of words, by their place; the others are numbers and stand to the right.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: tuple[int, ...] = (0,)

    def known(self) -> Grid:
        """Without the columns that hold nothing but dashes; those of words stay.

        Example:
            >>> Grid(("arm", "score", "size"), (("a", "0.1", "–"), ("b", "–", ""))).known().columns
            ('arm', 'score')
        """
        places = range(len(self.columns))
        kept = [i for i in places if i in self.left or any(row[i] not in ("", NOTHING) for row in self.rows)]
        rows = tuple(tuple(row[i] for i in kept) for row in self.rows)
        left = tuple(place for place, i in enumerate(kept) if i in self.left)
        return Grid(tuple(self.columns[i] for i in kept), rows, left)


@dataclass(frozen=True)
class Interval:
    """A row of a forest plot.

    Args:
        label: its name.
        mean, low, high: in the metric's unit. No mark is drawn for a NaN mean, and no line for a NaN edge.
        tone: of the verdict.
        filled: whether it is decided for new items of the corpus.
        strong: whether it belongs to the study's metric rather than to a component.
        margin: half the width of the band of equivalence around 0; None: no margin holds for it.
    """

    label: str
    mean: float
    low: float
    high: float
    tone: Tone
    filled: bool
    strong: bool
    margin: float | None = None


@dataclass(frozen=True)
class Forest:
    """A forest plot.

    Args:
        rows: from top to bottom.
        axis: what the horizontal axis measures.
        higher_is_better: on which side of 0 the arm is better.
        description: in words, for assistive technology.
    """

    rows: tuple[Interval, ...]
    axis: str
    higher_is_better: bool
    description: str = ""


@dataclass(frozen=True)
class Card:
    """What is shown of an object.

    Args:
        title: what it is, with its name.
        subtitle: one sentence, or empty.
        lines: what it says, most important first.
        grids: tables.
        forest: a plot of differences.
        notes: small print; a console prints them too.
    """

    title: str
    subtitle: str = ""
    lines: tuple[Line, ...] = ()
    grids: tuple[Grid, ...] = ()
    forest: Forest | None = None
    notes: tuple[str, ...] = ()


def clipped(text: str, most: int) -> str:
    """Text of at most so many characters on one line, without characters that no page can show.

    Example:
        >>> clipped("a long\\nname", 8)
        'a long …'
    """
    line = " ".join("".join(c if c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def remainder(things: Sequence[object], shown: int, what: Literal["lines", "rows", "rows of a plot"]) -> str:
    """``and 3 more rows``; empty where all are shown."""
    more = len(things) - shown
    if more <= 0:
        return ""
    match what:
        case "lines":
            return say_of(more, "and 1 more line", "and {n} more lines")
        case "rows":
            return say_of(more, "and 1 more row", "and {n} more rows")
        case "rows of a plot":
            return say_of(more, "and 1 more row; the report has all", "and {n} more rows; the report has all")
