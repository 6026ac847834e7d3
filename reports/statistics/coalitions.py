"""What each player of a coalition brings: exact Shapley values and pairwise interactions of a set function.

A set function is given on all 2ᴹ subsets of M players, the last axis S of an array: at index s the value of the subset
that has player m where bit m of s is 1, so index 0 is the empty set and the last index all players. All other axes
(repeats, components) are left as they are; NaN in a value makes those numbers NaN that need it.

S subsets, M players.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import comb, factorial

import numpy as np


def players(subsets: int) -> int:
    """M, from the number of subsets.

    Raises:
        ValueError: not a power of two.
    """
    if subsets < 1 or subsets & (subsets - 1):
        raise ValueError(f"a set function has 2ᴹ values, found {subsets}")
    return subsets.bit_length() - 1


def shapley(value_S: np.ndarray) -> np.ndarray:
    """Each player's average gain over all orders in which the players may come.

    Shape: (…, S) → (…, M). The values of all players add up to the gain of all over none.

    Source:
        Shapley 1953, "A value for n-person games".

    Example:
        >>> shapley(np.array([0.0, 1.0, 0.0, 3.0])).tolist()  # 1 alone, 3 together with the other
        [2.0, 1.0]
    """
    M = players(value_S.shape[-1])
    s = np.arange(value_S.shape[-1])
    columns = []
    for m in range(M):
        without = s[(s >> m & 1) == 0]
        weight = np.array([1 / (M * comb(M - 1, _size(t))) for t in without.tolist()])
        columns.append(((value_S[..., without | 1 << m] - value_S[..., without]) * weight).sum(-1))
    return np.stack(columns, -1) if columns else np.zeros((*value_S.shape[:-1], 0))


def interactions(value_S: np.ndarray) -> np.ndarray:
    """What each pair brings together beyond what both bring apart: the Shapley interaction index.

    Above 0 they need each other, below 0 they bring the same. NaN on the diagonal.

    Shape: (…, S) → (…, M, M), symmetric.

    Source:
        Grabisch & Roubens 1999, "An axiomatic approach to the concept of interaction among players in cooperative
        games", eq. 3, for pairs.

    Example:
        >>> interactions(np.array([0.0, 1.0, 0.0, 3.0]))[0, 1].item()
        2.0
    """
    M = players(value_S.shape[-1])
    s = np.arange(value_S.shape[-1])
    index = np.full((*value_S.shape[:-1], M, M), np.nan)
    for i in range(M):
        for j in range(i + 1, M):
            a, b = 1 << i, 1 << j
            t = s[(s & (a | b)) == 0]
            weight = np.array([factorial(k := _size(x)) * factorial(M - k - 2) / factorial(M - 1) for x in t.tolist()])
            both = value_S[..., t | a | b] - value_S[..., t | a] - value_S[..., t | b] + value_S[..., t]
            index[..., i, j] = index[..., j, i] = (both * weight).sum(-1)
    return index


def shapley_of_orders(value: Mapping[int, float], orders: Sequence[Sequence[int]]) -> np.ndarray:
    """Each player's average gain over some orders, where there are too many subsets for all: unbiased if drawn evenly.

    Args:
        value: by the bits of a subset; holds every subset that an order passes through.
        orders: each of all players.

    Returns:
        (M,). They add up to the gain of all over none, whatever the orders.

    Source:
        Castro, Gómez, Tejada 2009, "Polynomial calculation of the Shapley value based on sampling".

    Example:
        >>> shapley_of_orders({0: 0.0, 1: 1.0, 2: 0.0, 3: 3.0}, [(0, 1), (1, 0)]).tolist()
        [2.0, 1.0]
    """
    total_M = np.zeros(len(orders[0]))
    for order in orders:
        had = 0
        for m in order:
            total_M[m] += value[had | 1 << m] - value[had]
            had |= 1 << m
    return total_M / len(orders)


def last_gains(value_S: np.ndarray) -> np.ndarray:
    """What each player adds when all others are there: (…, S) → (…, M)."""
    whole = value_S.shape[-1] - 1
    return value_S[..., whole, None] - value_S[..., [whole ^ 1 << m for m in range(players(whole + 1))]]


def _size(subset: int) -> int:
    return subset.bit_count()
