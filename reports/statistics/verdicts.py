"""From a family of paired comparisons to verdicts, by fixed rules.

A verdict is about new items of the corpus. The rules, in order:

1. ``too few repeats``: even the smallest possible p, after Holm over the family, is above alpha.
2. ``equivalent``: a margin is set, and the interval at 1 − 2·alpha lies within ± margin (two one-sided tests,
   Schuirmann 1987), whether or not the difference is shown to be other than 0.
3. ``better`` or ``worse``: the p after Holm is at most alpha, and the corrected interval leaves out 0; where splits
   vary between repeats, and where repeats are not paired, its t-test must do so after Holm as well.
4. ``undecided``: none of these, with about how many more repeats would decide, and for which verdict.

Where all repeats tested the same items, rules 2 and 3 must hold for two witnesses: the repeats, and the groups of items
(:mod:`reports.statistics.new_items`; their p after Holm over the family). If only the repeats speak, the verdict is the
weaker one: ``better on these items``, ``worse on these items`` or ``equivalent on these items``.

Why rule 3 requires more where splits vary: repeats then share training data, so the sign-flip p is too small and Holm
on it corrects nothing. Six null comparisons of 16 repeats with n_test/n_train = 1/3 gave a false claim in 27 % of
simulated studies by the p after Holm and a plain 95 % interval, and in 5 % by this rule. The permutation p of samples
that are not paired is too small where the smaller one varies more, so Welch's p is corrected for the family, too.
docs/error_rates.md has error rates and power under other assumptions, and where they are above alpha.

In a sequential study the same rules hold at every look, with the sequential p, t-test and intervals of
:mod:`reports.statistics.sequential` in place of the plain ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np
from scipy.special import ndtr, ndtri, stdtr

from mmcore.language import later
from reports.statistics.comparisons import Paired
from reports.statistics.floors import floor, unpaired_floor
from reports.statistics.intervals import t_quantile
from reports.statistics.multiplicity import holm

Verdict = Literal[
    "better",
    "worse",
    "equivalent",
    "better on these items",
    "worse on these items",
    "equivalent on these items",
    "undecided",
    "too few repeats",
]

WORDS: tuple[str, ...] = (
    later("better"), later("worse"), later("equivalent"), later("better on these items"), later("worse on these items"),
    later("equivalent on these items"), later("undecided"), later("too few repeats"),
)  # fmt: skip
"""Verdicts in their order, marked for the languages: a verdict is a key, and is said where it is shown."""

THESE_ITEMS = " on these items"
"""Ends the verdicts that hold for the tested items alone."""

FAR = 1000
"""More repeats than this are not worth naming."""

OVERLAP = later(
    "if the difference and its standard deviation stay as observed, more repeats cannot decide this: the splits "
    "overlap too much; more groups could"
)
NO_DIFFERENCE = later("more repeats cannot decide this at a difference of 0")
BEYOND = later("over 1000 more repeats")
"""More than :data:`FAR`, in words."""


@dataclass(frozen=True)
class Decision:
    """A comparison within its family.

    Args:
        verdict: one of a closed list.
        p: the largest p of the tests that the claim needs, before any correction.
        p_holm: the same after the corrections: at most alpha where the verdict is better or worse.
        p_flip: the sign-flip p after Holm over the family.
        p_t: p of the interval's t-test, after Holm as well where splits vary or repeats are not paired.
        p_items: p of the difference on new items, after Holm; None where repeats test items of their own, 1 where
            nothing is known of other items.
        floor_holm: the smallest p after Holm that the family's numbers of pairs allow.
        family: number of comparisons in the family.
        more: for ``undecided``, about how many more repeats would decide at the observed difference and standard
            deviation; None elsewhere, and where :attr:`reason` says why no number can be given.
        would_be: the verdict that so many more repeats would give; None where ``more`` is.
        reason: plain words in place of ``more``: no number helps, or it is above :data:`FAR`.
        in_the_end: the verdict of :data:`FAR` more repeats, of a verdict that holds on these items alone; else None.
    """

    verdict: Verdict
    p: float
    p_holm: float
    p_flip: float
    p_t: float
    p_items: float | None
    floor_holm: float
    family: int
    more: int | None = None
    would_be: Verdict | None = None
    reason: str | None = None
    in_the_end: Verdict | None = None

    @property
    def side(self) -> Verdict:
        """The verdict without its scope: ``better`` also where it holds on these items alone."""
        return cast(Verdict, self.verdict.removesuffix(THESE_ITEMS))

    @property
    def only_these_items(self) -> bool:
        """Whether the verdict holds for the tested items alone."""
        return self.verdict.endswith(THESE_ITEMS)


def decide(
    family: Sequence[Paired], *, alpha: float = 0.05, margin: float | None = None, higher_is_better: bool = True
) -> list[Decision]:
    """Verdicts of comparisons that are corrected together, in the order given.

    Args:
        family: the comparisons; one with n = 0 counts as well, because the study lists it.
        alpha: accepted chance of any false ``better`` or ``worse`` in the family.
        margin: differences within ± margin count as none; None: equivalence is not tested.
        higher_is_better: the metric's direction.
    """
    hurdles = _hurdles(family)
    # Holm never lowers a p when another one rises, so the family of floors is the best case.
    floors = holm([c.floor for c in family])
    return [
        _decision(paired, hurdle, _Rules(alpha, margin, higher_is_better), floor_holm, len(family))
        for paired, hurdle, floor_holm in zip(family, hurdles, floors, strict=True)
    ]


def _decision(paired: Paired, hurdle: _Hurdle, rules: _Rules, floor_holm: float, family: int) -> Decision:
    verdict = _verdict(paired, hurdle, floor_holm, rules)
    # What holds on these items alone was decided without the groups of items.
    items = paired.shared and not verdict.endswith(THESE_ITEMS)
    decision = Decision(
        verdict,
        p=max(paired.p, paired.p_t, *((_p_items(paired),) if items else ())),
        p_holm=max(hurdle.p, hurdle.p_t, *((hurdle.p_items,) if items else ())),
        p_flip=hurdle.p,
        p_t=hurdle.p_t,
        p_items=hurdle.p_items if paired.shared else None,
        floor_holm=floor_holm,
        family=family,
    )
    if verdict.endswith(THESE_ITEMS):
        return replace(decision, in_the_end=_at(paired, hurdle, rules, FAR))
    if verdict != "undecided":
        return decision
    more, reason = _more_repeats(paired, hurdle, rules)
    would_be = None if more is None else _at(paired, hurdle, rules, more)
    return replace(decision, more=more, would_be=would_be, reason=reason)


@dataclass(frozen=True)
class _Rules:
    """What a family is held to."""

    alpha: float
    margin: float | None
    higher_is_better: bool

    def side(self, mean: float) -> Verdict:
        return "better" if (mean > 0) == self.higher_is_better else "worse"

    def within(self, low: float, high: float) -> bool:
        """Whether an interval lies within the margin; never where there is none."""
        return self.margin is not None and -self.margin <= low and high <= self.margin


@dataclass(frozen=True)
class _Hurdle:
    """What must be at most alpha, each with the factor that Holm put on it: the exact p, the interval's t-test, and the
    test of new items."""

    p: float
    factor: int
    p_t: float
    factor_t: int
    p_items: float
    factor_items: int


def _hurdles(family: Sequence[Paired]) -> list[_Hurdle]:
    exact, t_tests, items = [c.p for c in family], [c.p_t for c in family], [_p_items(c) for c in family]
    adjusted, adjusted_t, adjusted_items = holm(exact), holm(t_tests), holm(items)
    factors, factors_t, factors_items = _factors(exact), _factors(t_tests), _factors(items)
    return [
        _Hurdle(
            adjusted[i],
            factors[i],
            adjusted_t[i] if _t_decides(paired) else paired.p_t,
            factors_t[i] if _t_decides(paired) else 1,
            adjusted_items[i],
            factors_items[i],
        )
        for i, paired in enumerate(family)
    ]


def _t_decides(paired: Paired) -> bool:
    """Whether the exact p may be too small, so that the t-test has to hold alpha for the whole family."""
    return paired.overlap > 0 or paired.sizes is not None


def _p_items(paired: Paired) -> float:
    """1 where nothing is known of other items."""
    return 1.0 if paired.new_items is None else paired.new_items.p


def _factors(p_values: Sequence[float]) -> list[int]:
    """By how much Holm multiplies each p, in the order given."""
    ranks = np.argsort(np.argsort(p_values, kind="stable"), kind="stable")
    return (len(p_values) - ranks).tolist()


def _verdict(paired: Paired, hurdle: _Hurdle, floor_holm: float, rules: _Rules) -> Verdict:
    if paired.n < 2 or floor_holm > rules.alpha:
        return "too few repeats"
    repeats = _by_repeats(paired, hurdle, rules)
    if repeats is None:
        return "undecided"
    return repeats if not paired.shared or _by_items(paired, hurdle, rules) == repeats else _on_these_items(repeats)


def _by_repeats(paired: Paired, hurdle: _Hurdle, rules: _Rules) -> Verdict | None:
    """What the repeats say; None: nothing."""
    if rules.within(paired.narrow.low, paired.narrow.high):
        return "equivalent"
    # In a sequential study a p is the smallest of all looks; the interval must leave out 0 at the look that is shown.
    leaves_out_0 = paired.difference.low > 0 or paired.difference.high < 0
    if hurdle.p <= rules.alpha and hurdle.p_t <= rules.alpha and leaves_out_0:
        return rules.side(paired.difference.mean)
    return None


def _by_items(paired: Paired, hurdle: _Hurdle, rules: _Rules) -> Verdict | None:
    """What the groups of items say of new ones; None: nothing."""
    found = paired.new_items
    if found is None:
        return None
    if rules.within(found.narrow.low, found.narrow.high):
        return "equivalent"
    return rules.side(found.difference.mean) if hurdle.p_items <= rules.alpha else None


def _on_these_items(verdict: Verdict) -> Verdict:
    return cast(Verdict, f"{verdict}{THESE_ITEMS}")


def _more_repeats(paired: Paired, hurdle: _Hurdle, rules: _Rules) -> tuple[int | None, str | None]:
    """About how many more repeats would decide the comparison, were all else as observed; or why none can be named."""
    if not _ever(paired, hurdle, rules):
        return None, NO_DIFFERENCE if paired.difference.mean == 0 and rules.margin is None else OVERLAP
    if _at(paired, hurdle, rules, FAR) is None:
        return None, BEYOND
    # Both p fall with n and the interval shrinks, so the first n that decides is found by halving.
    few, many = 0, FAR
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if _at(paired, hurdle, rules, middle) else (middle, many)
    return many, None


def _at(paired: Paired, hurdle: _Hurdle, rules: _Rules, more: int) -> Verdict | None:
    """The verdict of so many more repeats at the observed difference and standard deviation; None: no decision.

    The sign-flip p is taken as a paired t-test's, which it follows closely, and never below its floor; the permutation
    p of samples that are not paired likewise.
    """
    n, sizes = paired.n + more, paired.sizes
    mean, error, freedom = paired.difference.mean, paired.error(more), paired.freedom(more)
    p_t = _t_p(mean, error, freedom)
    if sizes is not None:
        p = max(unpaired_floor(sizes.arm + more, sizes.reference + more), p_t)
    else:
        p = max(floor(n), _t_p(mean, paired.difference.deviation * math.sqrt(1 / n), n - 1))
    if _inside(rules, mean, error, freedom):
        repeats: Verdict = "equivalent"
    elif hurdle.factor * p <= rules.alpha and hurdle.factor_t * p_t <= rules.alpha:
        repeats = rules.side(mean)
    else:
        return None
    if not paired.shared:
        return repeats
    found, items = paired.new_items, None
    if found is not None and not math.isnan(found.item_error):
        error, freedom = found.error(n), found.freedom(n)
        if _inside(rules, mean, error, freedom):
            items = "equivalent"
        elif hurdle.factor_items * _t_p(mean, error, freedom) <= rules.alpha:
            items = rules.side(mean)
    return repeats if items == repeats else _on_these_items(repeats)


def _inside(rules: _Rules, mean: float, error: float, freedom: float) -> bool:
    """Whether the interval at 1 − 2·alpha lies within the margin."""
    half = t_quantile(1 - 2 * rules.alpha, freedom + 1) * error
    return rules.within(mean - half, mean + half)


def _ever(paired: Paired, hurdle: _Hurdle, rules: _Rules) -> bool:
    """Whether any number of repeats would decide: what overlapping splits share stays however many there are."""
    size, lasting = abs(paired.difference.mean), paired.difference.deviation * math.sqrt(paired.overlap)
    if rules.margin is not None and size - float(ndtri(rules.alpha)) * lasting < rules.margin:
        return True
    return size > 0 and (lasting == 0 or hurdle.factor_t * 2 * float(ndtr(-size / lasting)) < rules.alpha)


def _t_p(mean: float, error: float, freedom: float) -> float:
    """Two-sided p of a mean with this standard error."""
    if mean == 0:
        return 1.0
    return 2 * float(stdtr(freedom, -abs(mean) / error)) if error else 0.0
