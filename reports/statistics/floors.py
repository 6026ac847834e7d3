"""What a number of repeats can show at best.

With n pairs there are 2ⁿ ways to flip signs, and the observed one and its mirror image always count as extreme: no
two-sided p can be below 2/2ⁿ, however large the effect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from reports.statistics.multiplicity import holm

ENUMERATED = 16
"""Up to this many pairs all 2ⁿ sign patterns are enumerated; beyond, :data:`PATTERNS` of them are drawn."""

PATTERNS = 2**ENUMERATED
"""Sign patterns that a p of more than :data:`ENUMERATED` pairs reads, the observed one among them."""


def floor(n: int) -> float:
    """The smallest two-sided sign-flip p that n pairs can give; 1 for n = 0.

    Where patterns are drawn rather than enumerated it stays at 1/2¹⁶, the smallest that the draw can show.
    """
    if n < 1:
        return 1.0
    return 2.0 / 2 ** min(n, ENUMERATED + 1)


def unpaired_floor(arm: int, reference: int) -> float:
    """The smallest two-sided permutation p that two samples of these sizes can give; 1 where one is empty.

    Of the ways to name the repeats the observed one is extreme, and with samples of one size so is its mirror image.
    Where relabellings are drawn rather than enumerated it is 1/2¹⁶, the smallest that the draw can show.

    Example:
        >>> unpaired_floor(3, 3), unpaired_floor(3, 4)
        (0.1, 0.02857142857142857)
    """
    if min(arm, reference) < 1:
        return 1.0
    ways = math.comb(arm + reference, arm)
    if ways > PATTERNS:
        return 1.0 / PATTERNS
    return min(1.0, (2.0 if arm == reference else 1.0) / ways)


def family_floors(sizes: Sequence[int]) -> list[float]:
    """The smallest p after Holm that each comparison of a family can give.

    Holm never lowers a p when another one of the family rises, so the family of floors is the best case. With m
    comparisons of n pairs each that is m · 2/2ⁿ.

    Args:
        sizes: pairs per comparison.
    """
    return holm([floor(n) for n in sizes])


def needed(alpha: float, comparisons: int = 1, paired: bool = True) -> int | None:
    """The smallest number of repeats with which m comparisons could decide anything at level alpha.

    Args:
        paired: whether arms are compared repeat by repeat; otherwise the number is of repeats of each arm.

    Returns:
        None where even the most extreme p that is ever computed cannot reach it.

    Example:
        >>> needed(0.05), needed(0.05, 7)
        (6, 9)
    """
    if not paired:
        enough = (n for n in range(2, ENUMERATED + 1) if comparisons * unpaired_floor(n, n) <= alpha)
        return next(enough, None)
    n = max(2, math.ceil(1 + math.log2(max(comparisons, 1) / alpha)))
    # The logarithm may round either way at a power of two.
    while n > 2 and comparisons * floor(n - 1) <= alpha:
        n -= 1
    while comparisons * floor(n) > alpha:
        if n > ENUMERATED + 1:
            return None
        n += 1
    return n
