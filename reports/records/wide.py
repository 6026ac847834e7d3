"""A long table of scores as many small ones, with a row for each repeat and a column for each arm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce

import numpy as np
import pandas as pd

Score = tuple[str, str | None, str]
"""What is measured: a metric, a component (None: of all), and on which items."""


class WideTables:
    """The scores on test items, cut by what they measure. A study has hundreds of such tables, of which a report reads
    some: each is made when it is first asked for.

    Args:
        scores: columns ``repeat``, ``split``, ``metric``, ``component``, ``items``, ``parameter``, ``value``.
        columns: what else the scores have, and what a table has as columns: ``arm`` or ``baseline``.
    """

    def __init__(self, scores: pd.DataFrame, columns: str) -> None:
        test = scores.loc[scores["split"] == "test"]
        self._title = columns
        self._repeat_N, self._value_N = np.asarray(test["repeat"], int), np.asarray(test["value"], float)
        named_N, names = pd.factorize(test[columns])
        in_order_C = np.array(names, object).argsort()
        self._names = np.array(names, object)[in_order_C]
        self._rank_N = in_order_C.argsort()[named_N]
        self._rows: dict[Score, dict[str | None, np.ndarray]] = {}
        for (metric, component, items, parameter), at in _places(test, "metric", "component", "items", "parameter"):
            self._rows.setdefault((str(metric), component, str(items)), {})[parameter] = at
        self._made: dict[tuple[Score, str | None], pd.DataFrame] = {}

    @property
    def rows(self) -> Mapping[Score, Mapping[str | None, np.ndarray]]:
        """Of each score the parameters (None: of all) in order of mention, with the places of their rows."""
        return self._rows

    def table(self, score: Score, parameter: str | None) -> pd.DataFrame | None:
        """One number per repeat (rows) and column, NaN where it is not known; None where nothing has such a score.

        What has values for parameters only gives a component the mean over its parameters.
        """
        found = self._rows.get(score, {})
        if (score, parameter) not in self._made:
            if parameter in found:
                made = self._wide(found[parameter])
            elif parameter is None and found:
                made = reduce(pd.DataFrame.add, [self._wide(at) for at in found.values()]) / len(found)
            else:
                return None
            self._made[score, parameter] = made
        return self._made[score, parameter]

    def _wide(self, at: np.ndarray) -> pd.DataFrame:
        """The scores at these places; only repeats and columns that have one, each in order."""
        repeats, row_N = np.unique(self._repeat_N[at], return_inverse=True)
        ranks, column_N = np.unique(self._rank_N[at], return_inverse=True)
        wide_RC = np.full((len(repeats), len(ranks)), np.nan)
        wide_RC[row_N, column_N] = self._value_N[at]
        titles = pd.Index(self._names[ranks], dtype=str, name=self._title)
        return pd.DataFrame(wide_RC, pd.Index(repeats, name="repeat"), titles)


def _places(table: pd.DataFrame, *columns: str) -> Iterator[tuple[tuple[str | None, ...], np.ndarray]]:
    """The rows that have the same words in these columns, in order of mention; what groups of pandas take five times
    as long for."""
    kind_N = np.zeros(len(table), int)
    words = []
    for column in columns:
        word_N, known = pd.factorize(table[column])
        # A word that is missing is −1 and becomes the last one.
        words.append([str(word) for word in known] + [None])
        kind_N = kind_N * len(words[-1]) + word_N % len(words[-1])
    kinds, first_K, kind_N = np.unique(kind_N, return_index=True, return_inverse=True)
    rows_K = np.split(kind_N.argsort(kind="stable"), np.bincount(kind_N, minlength=len(kinds)).cumsum()[:-1])
    for k in first_K.argsort():
        numbers = np.unravel_index(kinds[k], [len(own) for own in words])
        yield tuple(own[number] for own, number in zip(words, numbers, strict=True)), rows_K[k]
