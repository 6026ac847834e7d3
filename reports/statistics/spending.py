"""Spending alpha over looks: which paths of a reference set cross at which look and level.

A *path* is a sequence of looks that is as likely as the observed one where both arms are equally good: a pattern of
signs of the observed differences, or differences drawn from a model. At level a, a look lets so many paths cross that
a · share of them have crossed by now, the most extreme ones first; see :mod:`reports.statistics.sequential`.

S studies, N paths or pairs, K looks, L levels, rising. A *rung* is the index of a level, L where no level is reached.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np

from mmcore.seeding import generator
from reports.statistics.floors import ENUMERATED
from reports.statistics.intervals import ROUNDING

PATHS = 2**16
"""Paths that are drawn for the t-tests: a rate of 5 % is met to ± 0.1 percentage points (one standard error)."""


def sign_flip_rungs(
    differences_SN: np.ndarray,
    pairs_K: Sequence[int],
    shares_K: Sequence[float],
    levels_L: Sequence[float],
    enumerated: int = ENUMERATED,
) -> np.ndarray:
    """The smallest level, as a rung, at which the sign-flip rule has stopped by each look; rungs_SK.

    Args:
        differences_SN: finite; N pairs in order.
        pairs_K: pairs at each look, not falling; equal numbers are looks between which no pair was added.
        shares_K: the share of alpha spent by each look, not falling, at most 1.
        levels_L: the ladder, rising.
        enumerated: up to so many pairs every pattern is followed; the signs of later pairs are products of earlier
            ones, so that the number of paths stays.

    Source:
        Hemerik & Goeman 2018, "Exact testing with random permutations", on subgroups.
    """
    studies = len(differences_SN)
    # One of each pair of mirror images: the first sign stays. Row 0 of the paths is the observed one.
    sums_SN = np.zeros((studies, 1))
    rungs_SN = np.full((studies, 1), len(levels_L), dtype=np.int16)
    found_SK = np.empty((studies, len(pairs_K)), dtype=np.int16)
    taken = 0
    for look, (pairs, share) in enumerate(zip(pairs_K, shares_K, strict=True)):
        for pair in range(taken, pairs):
            d_S1 = differences_SN[:, pair : pair + 1]
            if 0 < pair < enumerated:
                sums_SN = np.concatenate([sums_SN + d_S1, sums_SN - d_S1], axis=1)
                rungs_SN = np.concatenate([rungs_SN, rungs_SN], axis=1)
            else:
                sums_SN = sums_SN + d_S1 * _dependent_signs(sums_SN.shape[1], pair)
        taken = max(taken, pairs)
        # Sums in another order round differently: a tie must count as a tie.
        tolerance_S = ROUNDING * np.abs(differences_SN[:, :taken]).sum(axis=1)
        rungs_SN, _ = spend(np.abs(sums_SN), rungs_SN, share, levels_L, tolerance_S)
        found_SK[:, look] = rungs_SN[:, 0]
    return found_SK


@cache
def _dependent_signs(paths: int, pair: int) -> np.ndarray:
    """The sign of a later pair in each path: the product of half of the signs that vary freely.

    A path's free signs are the bits of its row. Since products of such patterns are such patterns, the paths are a
    subgroup of all sign flips, under which the test is exact; freely drawn patterns would be right on average only.
    """
    bits = paths.bit_length() - 1
    chosen = generator(0, "sequential signs", index=pair).choice(bits, size=bits // 2, replace=False)
    mask = sum(1 << int(bit) for bit in chosen)
    return 1.0 - 2.0 * (np.bitwise_count(np.arange(paths) & mask) % 2)


def spend(
    extreme_SN: np.ndarray, rungs_SN: np.ndarray, share: float, levels_L: Sequence[float], tolerance_S: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One look: which paths cross at which level, if at level a no more than share · a of them may have crossed by now.

    At each level the most extreme of the paths that have not crossed go next, as many as fit, ties together or not at
    all. A path that crosses at a level also crosses at every larger one.

    Args:
        extreme_SN: how extreme each path is at this look.
        rungs_SN: the smallest level at which each path crossed before.
        tolerance_S: what lies within it of one another is equal.

    Returns:
        The new rungs_SN, and critical_SL: what a path must exceed to cross at a level, rising as levels fall;
        infinite where not even one path fits.
    """
    studies, paths = extreme_SN.shape
    levels = len(levels_L)
    budget_L = [math.floor(level * share * paths + 1e-6) for level in levels_L]
    top_SM, before_SM, order_SM = _most_extreme(extreme_SN, rungs_SN, min(paths, max(budget_L) + 1))
    # How many paths crossed at each level or a smaller one, before this look.
    of_a_rung = np.bincount(
        (rungs_SN + (levels + 1) * np.arange(studies)[:, None]).ravel(), minlength=studies * (levels + 1)
    )
    crossed_SL = of_a_rung.reshape(studies, levels + 1).cumsum(axis=1)
    after_SM = before_SM.copy()
    critical_SL = np.empty((studies, levels))
    critical_S = np.full(studies, -np.inf)
    for level in reversed(range(levels)):
        # The first path that does not fit stands within these: at most as many crossed as this level lets cross.
        columns = min(paths, budget_L[level] + 1)
        fits_SM = (
            np.cumsum(before_SM[:, :columns] > level, axis=1, dtype=np.int32) + crossed_SL[:, level, None]
            <= budget_L[level]
        )
        fit_S = fits_SM.sum(axis=1)
        first_out_S = np.take_along_axis(top_SM, np.minimum(fit_S, columns - 1)[:, None], axis=1)[:, 0]
        first_out_S = np.where(fit_S == 0, np.inf, np.where(fit_S == paths, -np.inf, first_out_S))
        # What the larger levels leave out, this one leaves out as well.
        critical_S = np.maximum(critical_S, first_out_S)
        critical_SL[:, level] = critical_S
        after_SM[:, :columns][top_SM[:, :columns] > (critical_S + tolerance_S)[:, None]] = level
    found_SN = rungs_SN.copy()
    # Levels fall in the loop, so the last one written is the smallest of this look.
    np.put_along_axis(found_SN, order_SM, np.minimum(after_SM, before_SM), axis=1)
    return found_SN, critical_SL


def _most_extreme(extreme_SN: np.ndarray, rungs_SN: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """So many of the paths, the most extreme first: how extreme, their rungs, and where they stand."""
    order_SM = np.argpartition(-extreme_SN, most - 1, axis=1)[:, :most]
    top_SM = np.take_along_axis(extreme_SN, order_SM, axis=1)
    sorted_SM = np.argsort(-top_SM, axis=1)
    order_SM = np.take_along_axis(order_SM, sorted_SM, axis=1)
    top_SM = np.take_along_axis(top_SM, sorted_SM, axis=1)
    return top_SM, np.take_along_axis(rungs_SN, order_SM, axis=1), order_SM


def critical_t(
    pairs_K: Sequence[int],
    shares_K: Sequence[float],
    overlap: float,
    levels_L: Sequence[float],
    *,
    two_sided: bool = True,
    paths: int = PATHS,
) -> np.ndarray:
    """What the corrected t (two-sided: its size) must exceed at each look and level; critical_KL.

    Differences are drawn as sqrt(ρ)·common + sqrt(1 − ρ)·own, both standard normal, with ρ = overlap / (1 + overlap):
    the correlation that Nadeau & Bengio 2003 (section 3) assume. t does not depend on their deviation. Infinite for
    looks at fewer than two pairs.
    """
    return _critical_t(tuple(pairs_K), tuple(shares_K), overlap, tuple(levels_L), two_sided, paths)


@lru_cache(maxsize=64)
def _critical_t(
    pairs_K: tuple[int, ...],
    shares_K: tuple[float, ...],
    overlap: float,
    levels_L: tuple[float, ...],
    two_sided: bool,
    paths: int,
) -> np.ndarray:
    rng = generator(0, "sequential t")
    correlation = overlap / (1 + overlap)
    # Pair by pair, so that looks which are added later change nothing at the ones before.
    common_1N, own_PN = rng.normal(size=(1, paths)), rng.normal(size=(max(*pairs_K, 1), paths))
    d_PN = math.sqrt(correlation) * common_1N + math.sqrt(1 - correlation) * own_PN
    sum_PN, squares_PN = d_PN.cumsum(axis=0), (d_PN**2).cumsum(axis=0)
    rungs_1N = np.full((1, paths), len(levels_L), dtype=np.int16)
    critical_KL = np.full((len(pairs_K), len(levels_L)), np.inf)
    for look, (pairs, share) in enumerate(zip(pairs_K, shares_K, strict=True)):
        if pairs < 2:
            continue
        mean_N = sum_PN[pairs - 1] / pairs
        variance_N = (squares_PN[pairs - 1] - pairs * mean_N**2) / (pairs - 1)
        t_N = mean_N / np.sqrt(variance_N * (1 / pairs + overlap))
        extreme_N = np.abs(t_N) if two_sided else t_N
        rungs_1N, critical_1L = spend(extreme_N[None], rungs_1N, share, levels_L, np.zeros(1))
        critical_KL[look] = critical_1L[0]
    return critical_KL


def t_rungs(differences_SN: np.ndarray, pairs_K: Sequence[int], overlap: float, critical_KL: np.ndarray) -> np.ndarray:
    """The smallest level, as a rung, at which the two-sided t-test has stopped by each look; rungs_SK."""
    looks, levels = critical_KL.shape
    found_SK = np.full((len(differences_SN), looks), levels, dtype=np.int16)
    for look, pairs in enumerate(pairs_K):
        if pairs >= 2:
            size_S1 = np.abs(t_of(differences_SN, pairs, overlap))[:, None]
            # Critical values rise as levels fall, so the levels that are not reached are the first ones.
            found_SK[:, look] = (size_S1 <= critical_KL[look]).sum(axis=1)
    return np.minimum.accumulate(found_SK, axis=1)


def t_of(differences_SN: np.ndarray, pairs: int, overlap: float) -> np.ndarray:
    """The corrected t of the first pairs, t_S; 0 where all are 0, infinite where all are equal and not 0."""
    d_SN = differences_SN[:, :pairs]
    mean_S, deviation_S = d_SN.mean(axis=1), d_SN.std(axis=1, ddof=1)
    # As in `estimate`: what is left of a deviation after rounding is none.
    deviation_S = np.where(deviation_S <= ROUNDING * np.abs(d_SN).max(axis=1), 0.0, deviation_S)
    error_S = deviation_S * math.sqrt(1 / pairs + overlap)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(mean_S == 0, 0.0, mean_S / error_S)
