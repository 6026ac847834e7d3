"""From a family of paired comparisons to verdicts, by fixed rules.

1. ``too few repeats``: even the smallest possible p, after Holm over the family, is above alpha.
2. ``better`` or ``worse``: the p after Holm is at most alpha, and the corrected interval leaves out 0; where splits
   vary between repeats, its t-test must do so after Holm as well.
3. ``equivalent``: a margin is set, and the interval at 1 − 2·alpha lies within ± margin (two one-sided tests,
   Schuirmann 1987).
4. ``undecided``: none of these, with about how many more repeats would decide, and for which verdict.

Why rule 2 asks for more where splits vary: repeats then share training data, so the sign-flip p is too small and Holm
on it corrects nothing. Six null comparisons of 16 repeats with n_test/n_train = 1/3 gave a false claim in 27 % of
simulated studies by the p after Holm and a plain 95 % interval, and in 5 % by this rule. docs/calibration.md has error
rates and power under other assumptions, and where they are above alpha.

In a sequential study the same rules hold at every look, with the sequential p, t-test and intervals of
:mod:`reports.statistics.sequential` in place of the plain ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri, stdtr

from reports.statistics.comparisons import Paired
from reports.statistics.floors import floor
from reports.statistics.intervals import t_quantile
from reports.statistics.multiplicity import holm

Verdict = Literal["better", "worse", "equivalent", "undecided", "too few repeats"]

FAR = 1000
"""More repeats than this are not worth naming."""

OVERLAP = "more repeats cannot decide this: the splits overlap too much; more groups would"
NO_DIFFERENCE = "more repeats cannot decide this at a difference of 0"


@dataclass(frozen=True)
class Decision:
    """A comparison within its family.

    Args:
        verdict: one of a closed list.
        p_holm: exact p after Holm over the family.
        p_t: p of the interval's t-test, after Holm as well where splits vary; both must be at most alpha.
        floor_holm: the smallest p after Holm that the family's numbers of pairs allow.
        family: number of comparisons in the family.
        more: for ``undecided``, about how many more repeats would decide at the observed difference and deviation;
            None elsewhere, and where :attr:`reason` says why no number can be given.
        would_be: the verdict that so many more repeats would give, ``better``, ``worse`` or ``equivalent``; None
            where ``more`` is.
        reason: plain words in place of ``more``: no number helps, or it is above :data:`FAR`.
    """

    verdict: Verdict
    p_holm: float
    p_t: float
    floor_holm: float
    family: int
    more: int | None = None
    would_be: Verdict | None = None
    reason: str | None = None


def decide(
    family: Sequence[Paired], *, alpha: float = 0.05, margin: float | None = None, higher_is_better: bool = True
) -> list[Decision]:
    """Verdicts of comparisons that are corrected together, in the order given.

    Args:
        family: the comparisons; one with n = 0 counts as well, it was asked.
        alpha: accepted chance of any false ``better`` or ``worse`` in the family.
        margin: differences within ± margin count as none; None: equivalence is not asked.
        higher_is_better: the metric's direction.
    """
    hurdles = _hurdles(family)
    # Holm never lowers a p when another one rises, so the family of floors is the best case.
    floors = holm([c.floor for c in family])
    decisions = []
    for paired, hurdle, floor_holm in zip(family, hurdles, floors, strict=True):
        verdict = _verdict(paired, hurdle, floor_holm, alpha, margin, higher_is_better)
        decision = Decision(verdict, hurdle.p, hurdle.p_t, floor_holm, len(family))
        if verdict == "undecided":
            more, reason = _more_repeats(paired, hurdle, alpha, margin)
            would_be = None if more is None else _would_be(paired, hurdle, alpha, paired.n + more, higher_is_better)
            decision = replace(decision, more=more, would_be=would_be, reason=reason)
        decisions.append(decision)
    return decisions


@dataclass(frozen=True)
class _Hurdle:
    """What must be at most alpha: the exact p and the interval's t-test, each with the factor that Holm put on it."""

    p: float
    factor: int
    p_t: float
    factor_t: int


def _hurdles(family: Sequence[Paired]) -> list[_Hurdle]:
    exact, t_tests = [c.p for c in family], [c.p_t for c in family]
    adjusted, adjusted_t = holm(exact), holm(t_tests)
    factors, factors_t = _factors(exact), _factors(t_tests)
    return [
        _Hurdle(
            adjusted[i],
            factors[i],
            adjusted_t[i] if paired.overlap > 0 else paired.p_t,
            factors_t[i] if paired.overlap > 0 else 1,
        )
        for i, paired in enumerate(family)
    ]


def _factors(p_values: Sequence[float]) -> list[int]:
    """By how much Holm multiplies each p, in the order given."""
    ranks = np.argsort(np.argsort(p_values, kind="stable"), kind="stable")
    return (len(p_values) - ranks).tolist()


def _verdict(
    paired: Paired, hurdle: _Hurdle, floor_holm: float, alpha: float, margin: float | None, higher_is_better: bool
) -> Verdict:
    if paired.n < 2 or floor_holm > alpha:
        return "too few repeats"
    # In a sequential study a p is the smallest of all looks; the interval must leave out 0 at the look that is shown.
    leaves_out_0 = paired.difference.low > 0 or paired.difference.high < 0
    if hurdle.p <= alpha and hurdle.p_t <= alpha and leaves_out_0:
        return _side(paired, higher_is_better)
    if margin is not None and -margin <= paired.narrow.low and paired.narrow.high <= margin:
        return "equivalent"
    return "undecided"


def _side(paired: Paired, higher_is_better: bool) -> Verdict:
    return "better" if (paired.difference.mean > 0) == higher_is_better else "worse"


def _more_repeats(paired: Paired, hurdle: _Hurdle, alpha: float, margin: float | None) -> tuple[int | None, str | None]:
    """About how many more repeats would decide the comparison, were all else as observed; or why none can be named.

    Whichever comes first counts: ``better`` or ``worse``, for which both hurdles are asked, or ``equivalent``.
    """

    def decided(n: int) -> bool:
        return _claims(paired, hurdle, alpha, n) or (margin is not None and _within(paired, alpha, margin, n))

    if not _ever(paired, hurdle, alpha, margin):
        return None, NO_DIFFERENCE if paired.difference.mean == 0 and margin is None else OVERLAP
    if not decided(paired.n + FAR):
        return None, f"over {FAR} more repeats"
    # Both p fall with n and the interval shrinks, so the first n that decides is found by halving.
    few, many = 0, FAR
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if decided(paired.n + middle) else (middle, many)
    return many, None


def _would_be(paired: Paired, hurdle: _Hurdle, alpha: float, n: int, higher_is_better: bool) -> Verdict:
    """The verdict of n repeats that decide."""
    return _side(paired, higher_is_better) if _claims(paired, hurdle, alpha, n) else "equivalent"


def _claims(paired: Paired, hurdle: _Hurdle, alpha: float, n: int) -> bool:
    """Whether n repeats would be ``better`` or ``worse`` at the observed difference and deviation.

    The sign-flip p is taken as a paired t-test's, which it follows closely, and never below its floor.
    """
    p = max(floor(n), _t_p(paired, 1 / n, n))
    return hurdle.factor * p <= alpha and hurdle.factor_t * _t_p(paired, 1 / n + paired.overlap, n) <= alpha


def _within(paired: Paired, alpha: float, margin: float, n: int) -> bool:
    """Whether n repeats would be ``equivalent``: their interval at 1 − 2·alpha lies within ± margin."""
    half = t_quantile(1 - 2 * alpha, n) * paired.difference.deviation * math.sqrt(1 / n + paired.overlap)
    return abs(paired.difference.mean) + half <= margin


def _ever(paired: Paired, hurdle: _Hurdle, alpha: float, margin: float | None) -> bool:
    """Whether any number of repeats would decide: what overlapping splits share stays however many there are."""
    size, lasting = abs(paired.difference.mean), paired.difference.deviation * math.sqrt(paired.overlap)
    if margin is not None and size - float(ndtri(alpha)) * lasting < margin:
        return True
    return size > 0 and (lasting == 0 or hurdle.factor_t * 2 * float(ndtr(-size / lasting)) < alpha)


def _t_p(paired: Paired, factor: float, n: int) -> float:
    """Two-sided p of n repeats whose mean has the variance deviation² · factor."""
    size, deviation = abs(paired.difference.mean), paired.difference.deviation
    if size == 0:
        return 1.0
    return 2 * float(stdtr(n - 1, -size / (deviation * math.sqrt(factor)))) if deviation else 0.0
