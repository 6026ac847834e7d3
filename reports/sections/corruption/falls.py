"""Where an arm is above and below the naive predictors under damage, in words that rest on intervals over repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.model.section import Finding
from reports.numbers import counted, interval, listing, number, percent
from reports.sections.corruption.estimates import KIND_WORDS, Curve
from reports.statistics.intervals import Estimate, estimate

MOST_NAMED = 4
"""Intervals that stand below a sentence, of the lowest scores; the table has all."""


def fall(arm: str, curves: Sequence[Curve], level: float, overlap: float, questions: int = 1) -> Finding:
    """Whether an arm stays above the naive predictors, over all damage to all that it reads.

    A score counts as above or below the naive predictors' where the whole interval is, at a level corrected for the
    number of questions (Bonferroni). A curve is one question: it stays above where it does so at every level, and is
    below from a level on where it is at all levels from the strongest one down to this one (fixed sequence), so that
    its levels need no correction. Curves without a number are left out; with one repeat, and without any, nothing is
    shown.

    Args:
        curves: of the arm, of modalities that it reads. level: coverage of the intervals in the text. overlap: of the
            splits.
        questions: how many the section's share of alpha is divided by: see :func:`questions_of`.
    """
    known = {curve: curve.estimates(level, overlap) for curve in curves if len(curve.known_RL)}
    if not known:
        return Finding(f"Nothing is known about '{arm}' under damage: it has no score there.", "not known", "open")
    sure = 1 - (1 - level) / questions
    judged = {curve: curve.estimates(sure, overlap) for curve in known}
    undamaged = next(iter(judged.values()))[0]
    evidence = f"{_costs(list(known), level, overlap)} {_witnesses(known, level)}"
    if undamaged.high < 0:
        undamaged = next(iter(known.values()))[0]
        text = f"'{arm}' is below the naive predictors even without damage."
        clean = f"Undamaged: {_estimate_text(undamaged)}, {percent(level)} interval, {counted(undamaged.n, 'repeat')}."
        return Finding(text, "below undamaged", "bad", f"{clean} {evidence}")
    below = {curve: start for curve, leads in judged.items() if (start := _below(leads)) is not None}
    above = [curve for curve, leads in judged.items() if all(e.low > 0 for e in leads)]
    if len(above) == len(known):
        text = f"'{arm}' stays above the naive predictors under every damage that was tried."
        return Finding(text, "holds", "good", evidence)
    opening = ""
    if undamaged.low <= 0:
        opening = f"'{arm}' is not shown to be above the naive predictors, even without damage."
    if below:
        crossings = [f"{_named(curve)} ({_where(curve, start)})" for curve, start in sorted(below.items(), key=_first)]
        parts = [
            opening,
            f"'{arm}' {'is' if opening else 'falls'} below the naive predictors with {listing(crossings)}.",
        ]
    else:
        parts = [opening or f"It is not shown that '{arm}' falls below the naive predictors, nor that it stays above."]
    parts.append(_rest("It stays above with", above, known))
    parts.append(_rest("Not shown either way:", [c for c in known if c not in below and c not in above], known))
    label, tone = ("falls below", "bad") if below else ("not shown", "open")
    return Finding(" ".join(part for part in parts if part), label, tone, evidence)


def questions_of(curves: Mapping[str, Sequence[Curve]], families: int) -> int:
    """How many questions an arm's words answer, with those of all other arms that are named.

    Args:
        curves: by arm. families: how many share the section's alpha evenly.
    """
    return families * sum(1 + sum(len(curve.known_RL) > 0 for curve in mine) for mine in curves.values())


def _below(leads: Sequence[Estimate]) -> int | None:
    """The first level from which on the score is shown to be below, up to the strongest; None: it is not."""
    start = None
    for i in range(len(leads) - 1, -1, -1):
        if not leads[i].high < 0:
            break
        start = i
    return start


def _where(curve: Curve, start: int) -> str:
    """``from 17 % of the steps on``, or the strongest level alone."""
    level = _amount(curve.levels[start], curve.unit)
    return f"at {level}" if start == len(curve.levels) - 1 else f"from {level} on"


def _first(one: tuple[Curve, int]) -> float:
    curve, start = one
    return curve.levels[start] / curve.levels[-1]


def _rest(start: str, curves: Sequence[Curve], known: dict[Curve, list[Estimate]]) -> str:
    """Kinds with which it is so for all modalities, then single curves of other kinds; empty for none."""
    if not curves:
        return ""
    parts = []
    for kind, words in KIND_WORDS.items():
        mine = [curve for curve in curves if curve.kind == kind]
        if mine and len(mine) == sum(curve.kind == kind for curve in known):
            parts.append(words)
        else:
            parts += [_named(curve) for curve in mine]
    return f"{start} {listing(parts)}."


def _costs(curves: Sequence[Curve], level: float, overlap: float) -> str:
    steepest = max(curves, key=lambda c: estimate(c.cost_R).mean)
    cost = estimate(steepest.cost_R, level, overlap)
    spread = f"{percent(level)} interval {interval(cost.low, cost.high)}, n = {cost.n}"
    return f"Costs most: {_named(steepest)}, {number(cost.mean)} on average over all levels ({spread})."


def _witnesses(known: dict[Curve, list[Estimate]], level: float) -> str:
    """The lowest lead over the naive predictors of each curve, of the lowest curves."""
    lowest = []
    for curve, leads in known.items():
        at = min(range(len(leads)), key=lambda i: leads[i].mean)
        lowest.append((leads[at], f"{_named(curve)} at {_amount(curve.levels[at], curve.unit)}"))
    lowest.sort(key=lambda one: one[0].mean)
    listed = [f"{place} {_estimate_text(e)}" for e, place in lowest[:MOST_NAMED]]
    return f"Least ahead of the naive predictors ({percent(level)} intervals over repeats): {'; '.join(listed)}."


def _estimate_text(e: Estimate) -> str:
    return number(e.mean) + (f" ({interval(e.low, e.high)})" if e.n > 1 else "")


def _named(curve: Curve) -> str:
    return f"{KIND_WORDS[curve.kind]} of {curve.modality}"


def _amount(level: float, unit: str) -> str:
    """A level in words: ``17 % of the steps``, ``1.68 training standard deviations``."""
    share, _, whole = unit.partition("share of ")
    return f"{100 * level:.0f} % of {whole}" if whole else f"{level:.2f} {share}"
