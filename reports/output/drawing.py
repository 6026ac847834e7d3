"""The figures of a report, drawn by several processors at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING

import pandas as pd

from mmcore.forked import Copy, CopyFailedError, copies
from mmcore.garbage import keep, let_go, without_collection
from mmcore.language import say
from reports.model.report import Summary
from reports.output.tables import without_formulas
from reports.records.frame import StudyResults

if TYPE_CHECKING:
    from reports.figures.base import FigureBase

TOGETHER = 24
"""Figures whose garbage waits for one collection: 5 MB each. To look for it while they are drawn takes a seventh of the
time, and a copy of this process ends before there are so many."""
MANY = 8
"""Figures from which on other processors help: a copy of this process costs about as much as one figure."""


@dataclass(frozen=True)
class Drawn:
    """A finished figure.

    Args:
        svg: a file of its own. inline: an element of the page. csv: its numbers.
    """

    name: str
    title: str
    description: str
    svg: str
    inline: str
    csv: str


class Figures:
    """The figures of a report; while they are drawn elsewhere, this process may go on.

    Copies of this process draw where it runs one thread alone at the moment; see :mod:`mmcore.forked`.

    Args:
        summary, results: what they show.
    """

    def __init__(self, summary: Summary, results: StudyResults) -> None:
        # Drawing costs over a second of imports; JSON and text do without.
        from reports.output.drawable import drawable

        self._figures = drawable(summary, results)
        # What is there stays: to look through it each time that drawing leaves garbage takes a third of a second. Where
        # somebody else keeps objects so already, they are not ours to let go.
        self._keeps = keep()
        beside = min(copies(), len(self._figures)) if len(self._figures) >= MANY else 0
        self._copies = [Copy(partial(_drawn, self._figures[k::beside])) for k in range(beside)]

    def __enter__(self) -> Figures:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for copy in self._copies:
            copy.end()
        if self._keeps:
            let_go()

    def drawn(self) -> tuple[Drawn, ...]:
        """Those that have anything to show, in the order of the page; waits for them."""
        found: list[Drawn | None] = []
        try:
            for at in range(len(self._figures) if self._copies else 0):
                found.append(self._copies[at % len(self._copies)].next())
        except CopyFailedError:
            # The rest is drawn here; what is wrong shows again.
            pass
        found += _drawn(self._figures[len(found) :])
        return tuple(one for one in found if one is not None)


def _drawn(figures: Sequence[FigureBase]) -> Iterator[Drawn | None]:
    """Each figure; None for one without anything to show."""
    from reports.figures.svg import inline, rendered
    from reports.output.drawable import has_content

    drawn = 0
    with without_collection():
        for figure in figures:
            if not has_content(figure):
                yield None
                continue
            svg = rendered(figure)
            title = say(figure.title)
            embedded = inline(svg, figure.name, title, figure.description)
            drawn += 1
            if not drawn % TOGETHER:
                gc.collect()
            yield Drawn(figure.name, title, figure.description, svg, embedded, _csv(figure.frame()))


def _csv(frame: pd.DataFrame) -> str:
    return without_formulas(frame).to_csv(index=False, lineterminator="\n")
