"""Looking at a comparison again and again while repeats are added, without more false claims than one look would make.

A study with ``repeats: {min: 6, max: 30, stop: decided}`` looks at its comparisons after 6, 7, … 30 repeats and goes on
only where nothing is decided. Were each look tested at alpha, far more than alpha of the studies of equally good arms
would end with a claim. Here the looks share alpha (:meth:`Rule.share`), and what a look may still claim is read off a
reference set of paths that are as likely as the observed one where both arms are equally good:

* sign-flip test: the 2ⁿ patterns of signs of the observed differences, followed from look to look (beyond 2¹⁶, a
  subgroup of so many). A path that crossed at an earlier look has used up its share, so the level is exact given the
  sizes of the differences, however strongly the looks depend on one another.
* t-tests: paths drawn from the model behind Nadeau & Bengio's correction, normal and with the study's overlap.

The *sequential p* is the smallest level of a ladder (:func:`ladder`) at which the rule would have stopped by now.
It never rises; where both arms are equally good it gets to a or below with a chance of at most a, whenever one stops
and for whatever reason. So Holm's correction applies to it as to any p, also for comparisons that stopped at
different looks, and to measures (components) that did not decide when to stop.

The sets of paths and what is spent on them: :mod:`reports.statistics.spending`. K looks, L levels, N pairs.

Source:
    Lan & DeMets 1983, "Discrete sequential boundaries for clinical trials" (spending alpha); Kim & DeMets 1987 (the
    power family); Jennison & Turnbull 1989 (repeated confidence intervals); Nadeau & Bengio 2003.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from reports.statistics.comparisons import Paired, compare, paired_differences
from reports.statistics.floors import ENUMERATED
from reports.statistics.intervals import Estimate
from reports.statistics.spending import critical_t, sign_flip_rungs, t_rungs

POWER = 1.5
"""Exponent of the spending function. 1 stops sooner, 3 and O'Brien–Fleming's stop later with more power at the end: at
30 repeats and an effect of 0.5 deviations 61, 64 and 71 % are found, at 2 deviations the mean number of repeats is 8.3,
9.2 and 11.2 (min 6). With little spent at few repeats, nothing hangs on the first looks either."""

SHOWN = (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.12, 0.1, 0.08, 0.06, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
"""Levels that nothing hangs on: a reader sees from them how far away a decision is."""

RUNGS = 32
"""Levels among alpha ÷ 1 … alpha ÷ m that the ladder holds at most."""


@dataclass(frozen=True)
class Rule:
    """When to look, and how much of alpha each look may have spent: declared before the first run.

    Args:
        least, most: repeats at the first and at the last look.
        step: repeats between looks; the last look is at ``most`` whatever the step.
    """

    least: int
    most: int
    step: int = 1

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of repeats at which the rule looks.

        Example:
            >>> Rule(6, 12, 4).looks
            (6, 10, 12)
        """
        return (*range(self.least, self.most, self.step), self.most)

    def share(self, look: int) -> float:
        """The share of alpha that may be spent by a look: (look ÷ most)^:data:`POWER`, 1 at the last look.

        Source:
            Kim & DeMets 1987, the power family. The shape is the same for every alpha, which lets the sequential p
            be read at any level.
        """
        return (look / self.most) ** POWER

    def deciding(self, alpha: float, comparisons: int) -> int | None:
        """The first look at which a family of so many comparisons could decide anything; None: not even the last."""
        found = (n for n in self.looks if comparisons * floor(n, self.share(n)) <= alpha)
        return next(found, None)


def floor(pairs: int, share: float) -> float:
    """The smallest sequential p that a look can give, before it is rounded up to the ladder; at most 1."""
    return min(1.0, 2.0 / 2 ** min(pairs, ENUMERATED) / share) if pairs else 1.0


def ladder(alpha: float, comparisons: int) -> tuple[float, ...]:
    """The levels at which the rule is followed, rising: what Holm asks for, alpha ÷ 1 … alpha ÷ m, and a few to show.

    Holm's own levels are on it exactly, so reading p off the ladder costs nothing for up to :data:`RUNGS`
    comparisons; for more, p is rounded up by at most a few percent.

    Args:
        alpha: the family's level. comparisons: m, 1 or more.
    """
    if comparisons <= RUNGS:
        parts = range(1, comparisons + 1)
    else:
        parts = sorted({round(x) for x in np.geomspace(1, comparisons, RUNGS).tolist()})
    # A hair below, so that i times alpha ÷ i is not above alpha by rounding.
    return tuple(sorted({alpha / part * (1 - 1e-12) for part in parts} | set(SHOWN)))


def compare_sequentially(
    arm: Sequence[float] | np.ndarray,
    reference: Sequence[float] | np.ndarray,
    rule: Rule,
    *,
    upto: int,
    alpha: float = 0.05,
    overlap: float = 0.0,
    higher_is_better: bool = True,
    comparisons: int = 1,
) -> tuple[Paired, ...]:
    """Compare two arms repeat by repeat at every look up to one: what holds at each, and does not change any more.

    As :func:`reports.statistics.comparisons.compare` over the repeats of the look, but ``p`` is the sequential p,
    ``p_t`` the t-test's, both intervals are repeated confidence intervals (they hold at all looks together), and
    ``floor`` is the smallest sequential p that was possible by this look.

    Args:
        arm, reference: one number a repeat, in order, from repeat 0; more than ``upto`` are not read. A repeat
            without a number in both is no pair: the look takes place without it, with its share of alpha.
        rule: the looks.
        upto: number of repeats that are there.
        alpha: level of the family. overlap: n_test / n_train where splits vary, else 0.
        comparisons: how many the family holds, for the ladder.

    Returns:
        One comparison for each look; () before the first.
    """
    a, b = np.asarray(arm, dtype=np.float64)[:upto], np.asarray(reference, dtype=np.float64)[:upto]
    looks = [n for n in rule.looks if n <= upto]
    if not looks:
        return ()
    both = np.isfinite(a) & np.isfinite(b)
    pairs, shares = [int(both[:n].sum()) for n in looks], [rule.share(n) for n in looks]
    levels = ladder(alpha, comparisons)
    at_alpha = int(np.searchsorted(levels, alpha, side="right")) - 1
    # Of all looks at once, as if no more pairs got lost: then one table serves every look.
    ahead = [pairs[-1] + n - looks[-1] for n in rule.looks[len(looks) :]]
    calendar = (pairs + ahead, [rule.share(n) for n in rule.looks], overlap)
    critical_KL = critical_t(*calendar, levels)
    one_sided_K1 = critical_t(*calendar, levels[at_alpha : at_alpha + 1], two_sided=False)
    d_1N = paired_differences(a, b)[None]
    p_K = [p_of(rung, levels) for rung in sign_flip_rungs(d_1N, pairs, shares, levels)[0]]
    p_t_K = [p_of(rung, levels) for rung in t_rungs(d_1N, pairs, overlap, critical_KL[: len(looks)])[0]]
    floors_K = np.minimum.accumulate([floor(n, share) for n, share in zip(pairs, shares, strict=True)])
    found = []
    for k, n in enumerate(looks):
        plain = compare(a[:n], b[:n], alpha=alpha, overlap=overlap, higher_is_better=higher_is_better)
        found.append(
            replace(
                plain,
                difference=_widened(plain.difference, overlap, critical_KL[k, at_alpha]),
                narrow=_widened(plain.narrow, overlap, one_sided_K1[k, 0]),
                p=p_K[k],
                p_t=p_t_K[k],
                floor=float(floors_K[k]),
            )
        )
    return tuple(found)


def before_looks(
    arm: Sequence[float] | np.ndarray,
    reference: Sequence[float] | np.ndarray,
    *,
    overlap: float = 0.0,
    higher_is_better: bool = True,
) -> Paired:
    """What repeats before the first look say: a mean difference, but no interval, and no p below 1."""
    plain = compare(arm, reference, overlap=overlap, higher_is_better=higher_is_better)
    unknown = replace(plain.difference, low=math.nan, high=math.nan)
    return replace(plain, difference=unknown, narrow=unknown, p=1.0, p_t=1.0, floor=1.0)


def p_of(rung: int, levels: Sequence[float]) -> float:
    """The level of a rung; 1 where none is reached."""
    return levels[rung] if rung < len(levels) else 1.0


def _widened(interval: Estimate, overlap: float, critical: float) -> Estimate:
    if interval.n < 2 or interval.deviation == 0:
        return interval
    half = float(critical) * interval.deviation * math.sqrt(1 / interval.n + overlap)
    return replace(interval, low=interval.mean - half, high=interval.mean + half)
