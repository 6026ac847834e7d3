"""What a search shows while it runs: the best of n trials, the share of luck in it, and the front of several
objectives.

N trials, J objectives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln


@dataclass(frozen=True)
class BestOf:
    """The best of n trials that were drawn from those of a search.

    Args:
        n: trials drawn. mean: expected best. low, high: the best lies between them in 80 of 100 draws.
    """

    n: int
    mean: float
    low: float
    high: float


def best_of(values: Sequence[float] | np.ndarray, maximise: bool = True, band: float = 0.8) -> tuple[BestOf, ...]:
    """The expected best of n = 1 … N trials, over all ways to draw n of the N without putting back.

    Unbiased for the expected best of n independent trials, unlike the plug-in estimate (Dodge et al. 2019). Those of an
    adaptive sampler are not independent: there it says what the settings found are worth in any other order.

    Args:
        values: one number a finished trial; NaN is left out.
        maximise: the objective's direction.
        band: share of draws between ``low`` and ``high``, in (0, 1).

    Returns:
        One entry for each n; empty where there is no value.

    Source:
        Tang et al. 2020, "Showing Your Work Doesn't Always Work", eq. 3.
    """
    numbers = np.asarray(values, dtype=np.float64)
    sorted_N = np.sort(numbers[np.isfinite(numbers)]) * (1 if maximise else -1)
    sorted_N = np.sort(sorted_N)
    N = len(sorted_N)
    found = []
    for n in range(1, N + 1):
        # P(best ≤ i-th smallest) = C(i, n) / C(N, n), in logarithms since the counts overflow.
        i = np.arange(1, N + 1)
        below = np.where(i >= n, np.exp(_log_choose(np.maximum(i, n), n) - _log_choose(N, n)), 0.0)
        mean = float(np.diff(below, prepend=0.0) @ sorted_N)
        low, high = (sorted_N[np.searchsorted(below, q - 1e-12)] for q in ((1 - band) / 2, (1 + band) / 2))
        edges = (low, high) if maximise else (-high, -low)
        found.append(BestOf(n, mean if maximise else -mean, *map(float, edges)))
    return tuple(found)


def _log_choose(N: int | np.ndarray, n: int) -> np.ndarray:
    return gammaln(np.asarray(N) + 1.0) - gammaln(n + 1.0) - gammaln(np.asarray(N) - n + 1.0)


def flips(curves: dict[str, Sequence[BestOf]], maximise: bool = True) -> tuple[tuple[int, str, str], ...]:
    """Budgets at which another search takes the lead: (n, the leader from there, the leader before), smallest n first.

    Only budgets that all searches have spent are compared. A tie keeps the leader.

    Example:
        >>> early = [BestOf(1, 0.3, 0, 1), BestOf(2, 0.4, 0, 1)]
        >>> late = [BestOf(1, 0.1, 0, 1), BestOf(2, 0.5, 0, 1)]
        >>> flips({"early": early, "late": late})
        ((2, 'late', 'early'),)
    """
    shared = min((len(curve) for curve in curves.values()), default=0)
    sign, leader, found = (1 if maximise else -1), "", []
    for i in range(shared):
        scores = {name: sign * curve[i].mean for name, curve in curves.items()}
        best = max(scores, key=lambda name: scores[name])
        if leader and scores[best] > scores[leader]:
            found.append((i + 1, best, leader))
        if not leader or scores[best] > scores[leader]:
            leader = best
    return tuple(found)


def non_dominated(points_NJ: np.ndarray, maximise: Sequence[bool]) -> np.ndarray:
    """Which points no other point beats, (N,) of bool: as good in every objective and better in one.

    A point with NaN is never on the front. Equal points are on it together.
    """
    toward = _larger_is_better(points_NJ, maximise)
    known_N: np.ndarray = np.all(np.isfinite(toward), axis=1)
    front_N = known_N.copy()
    for i in np.flatnonzero(known_N):
        others = toward[known_N]
        beaten_by = np.all(others >= toward[i], axis=1) & np.any(others > toward[i], axis=1)
        front_N[i] = not np.any(beaten_by)
    return front_N


def _larger_is_better(points_NJ: np.ndarray, maximise: Sequence[bool]) -> np.ndarray:
    return np.asarray(points_NJ, dtype=np.float64) * np.where(np.asarray(maximise), 1.0, -1.0)


EDGE = 0.05
"""A winner this near to an end of its range, as a share of it, is at the edge: the optimum may lie beyond."""


def at_edge(value: float, low: float, high: float, log: bool = False) -> str | None:
    """``low`` or ``high`` where a value lies at that end of its range, else None.

    Example:
        >>> at_edge(0.0011, 0.001, 1.0, log=True), at_edge(0.5, 0.0, 1.0)
        ('low', None)
    """
    if log:
        value, low, high = math.log(value), math.log(low), math.log(high)
    share = (value - low) / (high - low)
    return "low" if share <= EDGE else "high" if share >= 1 - EDGE else None
