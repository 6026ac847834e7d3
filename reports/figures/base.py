"""What all figures have in common: a table of numbers, made once, and a drawing of it in the house's style."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import pandas as pd
from matplotlib.figure import Figure as Drawing

from reports.figures.style import house_style


class FigureBase(ABC):
    """A figure of a report: numbers as a tidy table, and a drawing of it.

    A subclass says ``name`` (a file's stem), ``title`` (its caption; marked by ``later``, or said) and ``value`` (the
    column of its table without which there is nothing to draw), and implements :meth:`numbers`, :meth:`drawn` and
    :attr:`description`. Seaborn draws; a figure touches no global state, since every seaborn function is given its
    axes.
    """

    name: str
    title: str
    value: str

    @property
    @abstractmethod
    def description(self) -> str:
        """What the figure shows, in words: for its caption and for assistive technology."""

    @abstractmethod
    def numbers(self) -> pd.DataFrame:
        """The table behind the figure, tidy; without rows where there is nothing to draw."""

    @abstractmethod
    def drawn(self) -> Drawing:
        """The drawing; called within the house's style, and only where the table has a ``value``."""

    @cached_property
    def _table(self) -> pd.DataFrame:
        return self.numbers()

    def frame(self) -> pd.DataFrame:
        """:meth:`numbers`, computed once."""
        return self._table

    def draw(self) -> Drawing:
        """:meth:`drawn` in the house's style, whatever the user's matplotlibrc says."""
        with house_style():
            return self.drawn()
