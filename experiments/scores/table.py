"""A table of scores as it was read: the user's columns, and where each row came from."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Given:
    """What the source itself says of how to judge it; None: nothing.

    Args:
        arm, repeat, score: names of columns. reference: an arm. lower_is_better: the metric's direction.
        paired, overlap, shared: see :class:`reports.records.origin.Foreign`. why: how that is known, one sentence.
        undecidable: why nothing can be paired, or left unpaired, before it is said; empty: something can.
        pairs: the comparisons. alpha, margin: as in a study. question: heading of the report.
    """

    arm: str | None = None
    repeat: str | None = None
    score: str | None = None
    reference: str | None = None
    lower_is_better: bool | None = None
    paired: bool | None = None
    overlap: float | None = None
    shared: bool | None = None
    why: str = ""
    undecidable: str = ""
    pairs: tuple[tuple[str, str], ...] | None = None
    alpha: float | None = None
    margin: float | None = None
    question: str | None = None


@dataclass(frozen=True)
class ScoreTable:
    """Scores as they were read.

    Args:
        rows: the user's columns; text where the file has text.
        name: short, for the report's name. source: where it lies, for messages.
        line: of each row in its file, counted from 1; None where a source has no lines.
        unit: what ``line`` counts: ``line``, ``row``, ``run`` or ``trial``.
        notes: what was done while reading, in words: rows left out, columns joined.
        given: what the source itself says.
    """

    rows: pd.DataFrame
    name: str
    source: str
    line: tuple[int, ...] | None = None
    unit: str = "line"
    notes: tuple[str, ...] = ()
    given: Given = field(default_factory=Given)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [str(name) for name in self.rows.columns]

    def cells(self, name: str) -> list[object]:
        """A column, from top to bottom."""
        return list(self.rows[name])

    def distinct(self, name: str) -> int:
        """How many different texts a column holds."""
        return len({str(cell) for cell in self.cells(name)})

    def at(self, place: int) -> str:
        """Where a row stands, for messages."""
        return self.source if self.line is None else f"{self.source}:{self.line[place]}"
