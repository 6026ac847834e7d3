"""Rank correlation: of many short rows at once, and of one long one. N rows, S places."""

from __future__ import annotations

import math

import numpy as np

FEWEST = 5
"""Places below which a rank correlation says next to nothing: with four, one order in 24 is perfect by chance."""


def spearman(a_NS: np.ndarray, b_NS: np.ndarray, counted_NS: np.ndarray, fewest: int = FEWEST) -> np.ndarray:
    """Spearman's ρ of each row over its counted places, ties sharing the mean of their ranks.

    Args:
        a_NS, b_NS: finite wherever both count. counted_NS: bool. fewest: counted places that a row needs.

    Returns:
        rho_N in −1 … 1. 0 where a or b is the same at all counted places: it then has no information about the order of
        the other. NaN where fewer than ``fewest`` places count. Memory grows as N·S².

    Source: Spearman 1904; the same as ``scipy.stats.spearmanr`` where both vary.

    Example:
        >>> row = np.arange(6.0)[None]
        >>> spearman(row, -(row**2), np.ones((1, 6), bool)).tolist()
        [-1.0]
    """
    a_NS, b_NS = _centred_ranks(a_NS, counted_NS), _centred_ranks(b_NS, counted_NS)
    product_N = (a_NS * b_NS).sum(-1)
    size_N = np.sqrt((a_NS**2).sum(-1) * (b_NS**2).sum(-1))
    rho_N = np.divide(product_N, size_N, out=np.zeros_like(product_N), where=size_N > 0)
    # A root of a product rounds; a perfect order is 1 and no more.
    return np.where(counted_NS.sum(-1) < fewest, np.nan, rho_N.clip(-1.0, 1.0))


def spearman_of(a_S: np.ndarray, b_S: np.ndarray, fewest: int = FEWEST) -> float:
    """Spearman's ρ of one long row, over the places where both are numbers; memory grows as S.

    Returns:
        As :func:`spearman`: 0 where a or b is the same everywhere, NaN below ``fewest`` places.

    Example:
        >>> spearman_of(np.arange(6.0), -np.arange(6.0) ** 2)
        -1.0
    """
    both_S = np.isfinite(a_S) & np.isfinite(b_S)
    if both_S.sum() < fewest:
        return math.nan
    a_S, b_S = (_mean_ranks(x[both_S]) for x in (a_S, b_S))
    size = math.sqrt(float((a_S**2).sum() * (b_S**2).sum()))
    return max(-1.0, min(1.0, float(a_S @ b_S) / size)) if size else 0.0


def _mean_ranks(x_S: np.ndarray) -> np.ndarray:
    """Ranks less their mean, equal values sharing the mean of theirs."""
    _, place_S, times = np.unique(x_S, return_inverse=True, return_counts=True)
    return (times.cumsum() - (times - 1) / 2)[place_S] - (len(x_S) + 1) / 2


def _centred_ranks(x_NS: np.ndarray, counted_NS: np.ndarray) -> np.ndarray:
    """Mean rank less its mean; 0 where not counted."""
    there_NSS = counted_NS[:, None, :]
    below_NS = ((x_NS[:, None, :] < x_NS[:, :, None]) & there_NSS).sum(-1)
    equal_NS = ((x_NS[:, None, :] == x_NS[:, :, None]) & there_NSS).sum(-1)
    rank_NS = below_NS + (equal_NS + 1) / 2
    middle_N1 = (counted_NS.sum(-1, keepdims=True) + 1) / 2
    return np.where(counted_NS, rank_NS - middle_N1, 0.0)
