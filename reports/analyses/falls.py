"""Where an arm is above and below the naive predictors under damage, in words that rest on intervals over repeats."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analyses.robustness import KIND_WORDS, Curve
from reports.numerals import counted, interval, listing, number, percent
from reports.sections import Finding
from reports.statistics.intervals import Estimate, estimate

MOST_TOLD = 4
"""Intervals that stand below a sentence, of the lowest skills; the table has all."""


def fall(arm: str, curves: Sequence[Curve], level: float, overlap: float) -> Finding:
    """Whether an arm stays above the naive predictors, over all damage to all that it reads.

    A skill counts as above or below 0 where the whole interval is. Curves without a number are left out; with one
    repeat, and without any, nothing is shown.

    Args:
        curves: of the arm, of modalities that it reads. level: coverage of intervals. overlap: of the splits.
    """
    known = {curve: curve.estimates(level, overlap) for curve in curves if len(curve.known_RL)}
    if not known:
        return Finding(f"Nothing is known of '{arm}' under damage: it has no skill there.", "not known", "open")
    undamaged = next(iter(known.values()))[0]
    evidence = f"{_costs(list(known), level, overlap)} {_witnesses(known, level)}"
    if undamaged.high < 0:
        text = f"'{arm}' is below the naive predictors without any damage."
        told = f"Undamaged: {_told(undamaged)}, {percent(level)} interval, {counted(undamaged.n, 'repeat')}."
        return Finding(text, "below undamaged", "bad", f"{told} {evidence}")
    below = {curve: runs for curve, skills in known.items() if (runs := _below(skills))}
    above = [curve for curve, skills in known.items() if all(e.low > 0 for e in skills)]
    if len(above) == len(known):
        text = f"'{arm}' stays above the naive predictors under every damage that was tried."
        return Finding(text, "holds", "good", evidence)
    start = f"'{arm}' is not shown to be above the naive predictors, even without damage." if undamaged.low <= 0 else ""
    if below:
        told = [f"{_named(curve)} ({_where(curve, runs)})" for curve, runs in sorted(below.items(), key=_first)]
        parts = [start, f"'{arm}' {'is' if start else 'falls'} below the naive predictors with {listing(told)}."]
    else:
        parts = [start or f"That '{arm}' falls below the naive predictors is not shown, nor that it stays above."]
    parts.append(_rest("It stays above with", above, known))
    parts.append(_rest("Not shown either way:", [c for c in known if c not in below and c not in above], known))
    label, tone = ("falls below", "bad") if below else ("not shown", "open")
    return Finding(" ".join(part for part in parts if part), label, tone, evidence)


def _below(skills: Sequence[Estimate]) -> list[tuple[int, int]]:
    """Runs of levels, first and last, at which skill is shown to be below 0."""
    runs: list[tuple[int, int]] = []
    for i, e in enumerate(skills):
        if e.high < 0:
            runs = [*runs[:-1], (runs[-1][0], i)] if runs and runs[-1][1] == i - 1 else [*runs, (i, i)]
    return runs


def _where(curve: Curve, runs: Sequence[tuple[int, int]]) -> str:
    """``from 17 % of the steps on``, or between which levels where the skill is not shown to stay below."""
    last = len(curve.levels) - 1
    told = []
    for first, end in runs:
        start, stop = (_amount(curve.levels[i], curve.unit) for i in (first, end))
        if first == end:
            told.append(f"at {start}")
        else:
            told.append(f"from {start} on" if end == last else f"between {start} and {stop}")
    return listing(told)


def _first(one: tuple[Curve, list[tuple[int, int]]]) -> float:
    curve, runs = one
    return curve.levels[runs[0][0]] / curve.levels[-1]


def _rest(start: str, curves: Sequence[Curve], known: dict[Curve, list[Estimate]]) -> str:
    """Kinds with which it is so for all modalities, then single curves of other kinds; empty for none."""
    if not curves:
        return ""
    told = []
    for kind, words in KIND_WORDS.items():
        mine = [curve for curve in curves if curve.kind == kind]
        if mine and len(mine) == sum(curve.kind == kind for curve in known):
            told.append(words)
        else:
            told += [_named(curve) for curve in mine]
    return f"{start} {listing(told)}."


def _costs(curves: Sequence[Curve], level: float, overlap: float) -> str:
    steepest = max(curves, key=lambda c: estimate(c.cost_R).mean)
    cost = estimate(steepest.cost_R, level, overlap)
    told = f"{percent(level)} interval {interval(cost.low, cost.high)}, n = {cost.n}"
    return f"Costs most: {_named(steepest)}, {number(cost.mean)} of skill on average over all levels ({told})."


def _witnesses(known: dict[Curve, list[Estimate]], level: float) -> str:
    """The lowest skill of each curve, of the lowest curves."""
    lowest = []
    for curve, skills in known.items():
        at = min(range(len(skills)), key=lambda i: skills[i].mean)
        lowest.append((skills[at], f"{_named(curve)} at {_amount(curve.levels[at], curve.unit)}"))
    lowest.sort(key=lambda one: one[0].mean)
    told = [f"{place} {_told(e)}" for e, place in lowest[:MOST_TOLD]]
    return f"Lowest skill ({percent(level)} intervals over repeats): {'; '.join(told)}."


def _told(e: Estimate) -> str:
    return number(e.mean) + (f" ({interval(e.low, e.high)})" if e.n > 1 else "")


def _named(curve: Curve) -> str:
    return f"{KIND_WORDS[curve.kind]} of {curve.modality}"


def _amount(level: float, unit: str) -> str:
    """A level in words: ``17 % of the steps``, ``1.68 training deviations``."""
    share, _, whole = unit.partition("share of ")
    return f"{100 * level:.0f} % of {whole}" if whole else f"{level:.2f} {share}"
