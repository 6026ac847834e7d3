"""Where an arm is above and below the naive predictors under damage, in words that rest on intervals over repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmcore.language import say
from reports.model.section import Finding
from reports.numbers import counted, interval, listing, number, percent, prose
from reports.sections.corruption.estimates import KIND_WORDS, Curve, Unit
from reports.sections.joining import clauses
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
        return Finding(
            say("Nothing is known about '{arm}' under damage: it has no score there.", arm=arm),
            "not known",
            "open",
        )
    sure = 1 - (1 - level) / questions
    judged = {curve: curve.estimates(sure, overlap) for curve in known}
    undamaged = next(iter(judged.values()))[0]
    evidence = prose(_costs(list(known), level, overlap), _witnesses(known, level))
    if undamaged.high < 0:
        undamaged = next(iter(known.values()))[0]
        text = say("'{arm}' is below the naive predictors even without damage.", arm=arm)
        clean = say(
            "Undamaged: {undamaged}, {level} interval, {repeats}.",
            undamaged=_estimate_text(undamaged),
            level=percent(level),
            repeats=counted(undamaged.n, "repeat"),
        )
        return Finding(text, "below undamaged", "bad", prose(clean, evidence))
    below = {curve: start for curve, leads in judged.items() if (start := _below(leads)) is not None}
    above = [curve for curve, leads in judged.items() if all(e.low > 0 for e in leads)]
    if len(above) == len(known):
        text = say("'{arm}' stays above the naive predictors under every damage that was tried.", arm=arm)
        return Finding(text, "holds", "good", evidence)
    apart = not undamaged.low <= 0
    opening = say("'{arm}' is not shown to be above the naive predictors, even without damage.", arm=arm)
    if below:
        crossings = [_where(curve, start) for curve, start in sorted(below.items(), key=_first)]
        crossed = say(
            "'{arm}' falls below the naive predictors with {crossings}."
            if apart
            else "'{arm}' is below the naive predictors with {crossings}.",
            arm=arm,
            crossings=listing(crossings),
        )
        parts = [crossed] if apart else [opening, crossed]
    elif apart:
        parts = [
            say("It is not shown that '{arm}' falls below the naive predictors, nor that it stays above.", arm=arm)
        ]
    else:
        parts = [opening]
    open_ones = [c for c in known if c not in below and c not in above]
    if above:
        parts.append(say("It stays above with {damage}.", damage=_damage(above, known)))
    if open_ones:
        parts.append(say("Not shown either way: {damage}.", damage=_damage(open_ones, known)))
    label, tone = ("falls below", "bad") if below else ("not shown", "open")
    return Finding(prose(*parts), label, tone, evidence)


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
    """``noise of audio (from 17 % of the steps on)``, or the strongest level alone."""
    level = _amount(curve.levels[start], curve.unit)
    return say(
        "{damage} (at {level})" if start == len(curve.levels) - 1 else "{damage} (from {level} on)",
        damage=_named(curve),
        level=level,
    )


def _first(one: tuple[Curve, int]) -> float:
    curve, start = one
    return curve.levels[start] / curve.levels[-1]


def _damage(curves: Sequence[Curve], known: dict[Curve, list[Estimate]]) -> str:
    """Kinds of which all modalities are meant, then single curves of other kinds."""
    parts = []
    for kind, words in KIND_WORDS.items():
        mine = [curve for curve in curves if curve.kind == kind]
        if mine and len(mine) == sum(curve.kind == kind for curve in known):
            parts.append(say(words))
        else:
            parts += [_named(curve) for curve in mine]
    return listing(parts)


def _costs(curves: Sequence[Curve], level: float, overlap: float) -> str:
    steepest = max(curves, key=lambda c: estimate(c.cost_R).mean)
    cost = estimate(steepest.cost_R, level, overlap)
    return say(
        "Costs most: {damage}, {mean} on average over all levels ({level} interval {edges}, n = {n}).",
        damage=_named(steepest),
        mean=number(cost.mean),
        level=percent(level),
        edges=interval(cost.low, cost.high),
        n=cost.n,
    )


def _witnesses(known: dict[Curve, list[Estimate]], level: float) -> str:
    """The lowest lead over the naive predictors of each curve, of the lowest curves."""
    lowest = []
    for curve, leads in known.items():
        at = min(range(len(leads)), key=lambda i: leads[i].mean)
        amount = _amount(curve.levels[at], curve.unit)
        lowest.append((leads[at], say("{damage} at {level}", damage=_named(curve), level=amount)))
    lowest.sort(key=lambda one: one[0].mean)
    listed = [say("{damage} {lead}", damage=place, lead=_estimate_text(e)) for e, place in lowest[:MOST_NAMED]]
    return say(
        "Least ahead of the naive predictors ({level} intervals over repeats): {listed}.",
        level=percent(level),
        listed=clauses(listed),
    )


def _estimate_text(e: Estimate) -> str:
    mean = number(e.mean)
    return say("{mean} ({edges})", mean=mean, edges=interval(e.low, e.high)) if e.n > 1 else mean


def _named(curve: Curve) -> str:
    return say("{damage} of {modality}", damage=say(KIND_WORDS[curve.kind]), modality=curve.modality)


def _amount(level: float, unit: Unit) -> str:
    """A level in words: ``17 % of the steps``, ``1.68 training standard deviations``."""
    share = f"{100 * level:.0f} %"
    match unit:
        case "training standard deviations":
            return say("{level:.2f} training standard deviations", level=level)
        case "share of the steps":
            return say("{share} of the steps", share=share)
        case "share of the window":
            return say("{share} of the window", share=share)
        case "share of the items":
            return say("{share} of the items", share=share)
        case "seconds":
            return say("{level:.2f} seconds", level=level)
        case "steps":
            return say("{level:.2f} steps", level=level)
