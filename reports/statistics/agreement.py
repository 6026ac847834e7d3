"""How far repeats agree: on profiles, and on what differs between arms. N things that are rated, R repeats."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd


def icc(table_NR: np.ndarray) -> float:
    """ICC(3,1): the share of variance that lies between things rather than in how single repeats rate them.

    Two-way, consistency, single measures: a repeat that rates everything higher takes nothing away. 1: repeats agree
    but for such shifts; 0 and below: knowing one repeat's differences says nothing about another's.

    Args:
        table_NR: one row a thing (an arm, a modality, an item), one column a repeat. Rows and columns with a NaN are
            left out: first columns without any number, then rows that are not whole.

    Returns:
        NaN with fewer than two things or two repeats, and where all numbers are equal.

    Source: Shrout & Fleiss 1979, "Intraclass Correlations", ICC(3,1).

    Example:
        >>> icc(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
        1.0
    """
    table_NR = _whole(table_NR)
    N, R = table_NR.shape
    if N < 2 or R < 2:
        return math.nan
    things_N1, repeats_1R = table_NR.mean(1, keepdims=True), table_NR.mean(0, keepdims=True)
    rest_NR = table_NR - things_N1 - repeats_1R + table_NR.mean()
    between = R * float(things_N1.var(ddof=1))
    error = float((rest_NR**2).sum()) / ((N - 1) * (R - 1))
    whole = between + (R - 1) * error
    # What is left of equal numbers is rounding.
    if whole <= 1e-24 * max(1.0, float((table_NR**2).max())):
        return math.nan
    return (between - error) / whole


def mean_rank_correlation(table_NR: np.ndarray) -> float:
    """The mean of Spearman's ρ over all pairs of repeats: whether they rank the things alike.

    Args:
        table_NR: as for :func:`icc`.

    Returns:
        In −1 … 1; a pair in which one repeat rates all things alike counts as 0. NaN as :func:`icc` does, but for equal
        numbers.

    Source: Kendall & Babington Smith 1939, "The Problem of m Rankings": it is (R·W − 1) / (R − 1) of their W.
    """
    table_NR = _whole(table_NR)
    N, R = table_NR.shape
    if N < 2 or R < 2:
        return math.nan
    ranks_NR = pd.DataFrame(table_NR).rank().to_numpy()
    ranks_NR = ranks_NR - ranks_NR.mean(0)
    found = []
    for i, j in combinations(range(R), 2):
        size = math.sqrt(float((ranks_NR[:, i] ** 2).sum() * (ranks_NR[:, j] ** 2).sum()))
        found.append(float(ranks_NR[:, i] @ ranks_NR[:, j]) / size if size else 0.0)
    return sum(found) / len(found)


def _whole(table_NR: np.ndarray) -> np.ndarray:
    table_NR = np.asarray(table_NR, np.float64)
    if table_NR.ndim != 2:
        raise ValueError(f"table_NR must have two axes, got shape {table_NR.shape}")
    table_NR = table_NR[:, ~np.isnan(table_NR).all(0)]
    return table_NR[~np.isnan(table_NR).any(1)]
