"""What a reader does with finished results from Python: look at them, take a table, draw a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from mmcore.errors import RecordError, nearest
from reports.cards.card import Card
from reports.cards.shown import Shown
from reports.model.report import Summary
from reports.output.tables import tables
from reports.records.frame import StudyResults

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Reading(Shown):
    """Results with their meaning.

    Args:
        results: every number, as tidy tables.
        summary: what the numbers mean.
    """

    summary: Summary
    results: StudyResults

    def card(self) -> Card:
        """The summary's."""
        return self.summary.card()

    def to_frame(self, table: str = "comparisons") -> pd.DataFrame:
        """A table of the report, tidy and in full precision; by default one row per comparison, with its verdict.

        Args:
            table: ``comparisons``, ``arms``, ``scores`` (one row per arm, repeat and measure), ``runs``, ``checks``, or
                any other file stem of the report's ``tables/``.

        Raises:
            RecordError: there is no such table; the message lists all.
        """
        known = tables(self.summary, self.results)
        if table not in known:
            raise RecordError(f"the report has no table '{table}'", next_step=nearest(table, [*known]))
        return known[table].copy()

    def figure(self, name: str) -> Figure:
        """A figure of the report, drawn by matplotlib and not shown yet.

        Args:
            name: the file stem in the report's ``figures/``, e.g. ``forest``; :attr:`figures` lists all.

        Raises:
            RecordError: there is no such figure, or it has nothing to draw here; the message lists those that do.
        """
        from reports.output.drawable import drawable, has_content

        known = {figure.name: figure for figure in drawable(self.summary, self.results)}
        if name in known and has_content(known[name]):
            return known[name].draw()
        names = [other for other, figure in known.items() if has_content(figure)]
        rule = f"figure '{name}' has nothing to draw here" if name in known else f"the report has no figure '{name}'"
        raise RecordError(rule, next_step=nearest(name, names))

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures that have something to draw, in the order of the report."""
        from reports.output.drawable import drawable, has_content

        return tuple(figure.name for figure in drawable(self.summary, self.results) if has_content(figure))
