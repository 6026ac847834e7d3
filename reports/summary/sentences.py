"""Verdicts in plain words: every sentence that a report says about a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

import numpy as np

from reports.model.report import ComparisonRow, MetricFacts, VerdictText
from reports.numbers import NOTHING, counted, interval, listing, number, percent, probability, two_digits
from reports.statistics.comparisons import Paired
from reports.statistics.floors import needed
from reports.statistics.intervals import Estimate
from reports.statistics.new_items import FEWEST
from reports.statistics.verdicts import THESE_ITEMS, Verdict
from reports.summary.looks import adjusted, open_text, sequential_p
from reports.summary.undecided import equals, undecided_cell, undecided_text

CORPUS = "on another corpus, or with other settings than this study's"
DATA = "on other data, or with other settings of the arms"
"""Where a verdict on scores of other code need not hold."""


def verdict_text(
    row: ComparisonRow,
    means: tuple[float, float],
    metric: MetricFacts,
    *,
    alpha: float,
    margin: float | None,
    repeats: int,
    components: Sequence[ComparisonRow],
    nothing_to_predict: Sequence[str],
    units: str = "",
    cost: str = "",
    lead: str = "",
    leaves_open: str = "",
    elsewhere: str = CORPUS,
) -> VerdictText:
    """A comparison on the study's metric in plain words; no knowledge of statistics is needed to read them.

    Args:
        row: the comparison.
        means: of the arm and of the reference, over the repeats in which both have a score.
        repeats: repeats of the study.
        components: the same two arms compared per component.
        nothing_to_predict: components without any score.
        elsewhere: where and how a verdict need not hold.
        units, cost: sentences of :mod:`reports.summary.effects`. lead: a sentence of :mod:`reports.verdicts.dominance`.
        leaves_open: what a verdict of better or worse does not show; empty: the usual sentence.
    """
    opening, middle = _WORDS[row.decision.side]
    return VerdictText(
        arm=row.arm,
        reference=row.reference,
        verdict=row.decision.verdict,
        opening=opening,
        middle=middle,
        evidence=_evidence(row, means, metric, alpha, repeats),
        not_shown=_not_shown(row, elsewhere, alpha, margin, leaves_open),
        parts=_parts(components, nothing_to_predict),
        units=units,
        cost=cost,
        closing=_closing(row),
        lead=lead,
    )


_WORDS: dict[Verdict, tuple[str, str]] = {
    "better": ("", "is better than"),
    "worse": ("", "is worse than"),
    "equivalent": ("", "is as good as"),
    "undecided": ("Undecided: whether ", "is better than"),
    "too few repeats": ("Too few repeats: nothing can be said about ", "against"),
}


def sentence(row: ComparisonRow) -> str:
    """A comparison's verdict in one sentence; on the metric it is the headline of its :class:`VerdictText`."""
    opening, middle = _WORDS[row.decision.side]
    on = "" if row.component is None else f" on {row.component}"
    return f"{opening}'{row.arm}' {middle} '{row.reference}'{on}{_closing(row)}."


def _closing(row: ComparisonRow) -> str:
    """The limits of a verdict: the tested items, or arms of which neither beats the naive prediction."""
    said = f" on these {row.tested or 'items'}" if row.decision.only_these_items else ""
    return said + (", where neither beats the naive prediction" if row.without_skill and _takes_sides(row) else "")


def _takes_sides(row: ComparisonRow) -> bool:
    return row.decision.side in ("better", "worse")


def _evidence(row: ComparisonRow, means: tuple[float, float], metric: MetricFacts, alpha: float, repeats: int) -> str:
    paired = row.paired
    n, difference = paired.n, paired.difference
    if n == 0:
        return f"No repeat has a score for both arms (0 of {repeats})." if paired.sizes is None else _no_score(row)
    text = f"{_over(row, repeats)}, the mean {metric.title} is {number(means[0])} against {number(means[1])}"
    if difference.mean == 0:
        text += ": no difference"
    else:
        text += f": {number(abs(difference.mean))} {'higher' if difference.mean > 0 else 'lower'}"
    if n < 2 or math.isnan(difference.low):
        return text + "."
    text += _edges(row, alpha)
    if paired.tied == paired.couples:
        text += " The scores are equal in every repeat."
    else:
        of = counted(paired.couples, "repeat" if paired.sizes is None else "couple")
        text += f" '{row.arm}' was ahead in {paired.won} of {of}"
        text += "" if paired.sizes is None else " of one repeat of either arm"
        text += f" and tied in {paired.tied}." if paired.tied else "."
    return f"{text} {_tests(row, alpha)}."


def _over(row: ComparisonRow, repeats: int) -> str:
    """The repeats that a comparison rests on."""
    n, sizes = row.paired.n, row.paired.sizes
    if sizes is not None:
        return (
            f"Over {counted(sizes.arm, 'repeat')} of '{row.arm}' and {sizes.reference} of '{row.reference}', which "
            "are not paired"
        )
    return f"Over {counted(n, 'paired repeat')}" + (f" of {repeats}" if n != repeats else "")


def _no_score(row: ComparisonRow) -> str:
    sizes = row.paired.sizes
    without = [
        f"'{name}'" for name, n in ((row.arm, sizes and sizes.arm), (row.reference, sizes and sizes.reference)) if not n
    ]
    return f"No repeat of {listing(without)} has a score."


def _edges(row: ComparisonRow, alpha: float) -> str:
    """The interval of the difference, in brackets; of these items and of new ones where all repeats tested the same."""
    difference, claimed = row.paired.difference, row.paired.claimed
    edges = interval(difference.low, difference.high) + adjusted(row.looks)
    name = f"{percent(1 - alpha)} interval"
    if not row.paired.shared:
        return f" ({name} of the difference {edges})."
    new = "Nothing is known about new items" if math.isnan(claimed.low) else interval(claimed.low, claimed.high)
    beyond = new if math.isnan(claimed.low) else f"On new items of the corpus: {new}"
    return f" ({name} of the difference on these {row.tested}: {edges}). {beyond}."


def _tests(row: ComparisonRow, alpha: float) -> str:
    """The p of the claim, the largest of the tests that it needs, and the effect size; of both claims where test items
    are shared."""
    paired, decision = row.paired, row.decision
    after = f" after Holm's correction for {decision.family} comparisons" if decision.family > 1 else ""

    def in_words(raw: float, corrected: float) -> str:
        return equals("p", raw, alpha) + (f", and {probability(corrected, alpha)}{after}" if after else "")

    if not paired.shared:
        return f"{in_words(decision.p, decision.p_holm)}{_effect(row)}{sequential_p(row.looks)}"
    here = in_words(max(paired.p, paired.p_t), max(decision.p_flip, decision.p_t))
    text = f"On these items, {here}{_effect(row)}{sequential_p(row.looks)}"
    new = paired.new_items
    if new is None or decision.p_items is None or math.isnan(new.difference.low):
        return text
    return f"{text}. On new items of the corpus, {in_words(new.p, decision.p_items)}"


def _effect(row: ComparisonRow) -> str:
    paired = row.paired
    if math.isnan(paired.effect_size):
        return ""
    return f"; effect size {two_digits(paired.effect_size)} ({effect_interval_text(paired)})"


def effect_interval_text(paired: Paired) -> str:
    """The interval of an effect size: ``0.21 to 1.76``."""
    if math.isnan(paired.effect_low):
        return NOTHING
    return f"{two_digits(paired.effect_low)} to {two_digits(paired.effect_high)}"


def _not_shown(row: ComparisonRow, elsewhere: str, alpha: float, margin: float | None, leaves_open: str = "") -> str:
    decision = row.decision
    if waits := open_text(row):
        return waits
    match decision.verdict:
        case "better" | "worse":
            return leaves_open or f"Not shown: that the same holds {elsewhere}."
        case "better on these items" | "worse on these items":
            return f"{_only_these_items(row, alpha)} Nor is it shown for another corpus, or for other settings."
        case "equivalent":
            return f"{_within(row, alpha, margin)} Not shown: that there is no difference at all."
        case "equivalent on these items":
            return f"{_within(row, alpha, margin)} {_only_these_items(row, alpha)}"
        case "undecided":
            text = "It is not shown that one is better, nor that both are equal."
            return f"{text} {undecided_text(row, alpha)}"
        case "too few repeats":
            return _too_few(row, alpha)


def _only_these_items(row: ComparisonRow, alpha: float) -> str:
    """Why a verdict does not hold for other items of the corpus, and what would show more."""
    new, decision = row.paired.new_items, row.decision
    text = "Not shown: that the same holds for other items of this corpus."
    if new is None or math.isnan(new.item_error):
        why = (
            "nearly all of what is measured lies in one group"
            if new is not None and new.groups < FEWEST
            else "the runs did not record this measure item by item"
        )
        return f"{text} All repeats tested the same items, and {why}, so nothing can be said about other items."
    groups = counted(int(new.groups), "group")
    if decision.side == "equivalent":
        inside = interval(new.narrow.low, new.narrow.high)
        why = f"for other items the {percent(1 - 2 * alpha)} interval, {inside}, reaches beyond the margin"
    else:
        p = new.p if decision.p_items is None else decision.p_items
        corrected = " after Holm's correction" if decision.family > 1 else ""
        why = f"their {groups} differ too much from one another to say ({equals('p', p, alpha)}{corrected})"
    helps = decision.in_the_end is not None and not decision.in_the_end.endswith(THESE_ITEMS)
    return (
        f"{text} All repeats tested the same {row.tested}, and {why}. More test items would show more"
        f"{', and so may more repeats' if helps else '; more repeats would not'}."
    )


def _within(row: ComparisonRow, alpha: float, margin: float | None) -> str:
    """That the difference lies within the margin, and whether it is shown to be other than 0."""
    decision, narrow = row.decision, narrow_of(row)
    text = (
        f"The {percent(1 - 2 * alpha)} interval of the difference, {interval(narrow.low, narrow.high)}, lies within "
        f"the ±{number(margin)} that this study counts as no difference."
    )
    if decision.p_holm <= alpha and decision.p <= alpha:
        here = "On these items the difference" if decision.only_these_items else "The difference"
        text += f" {here} is real, but below the margin."
    return text


def narrow_of(row: ComparisonRow) -> Estimate:
    """The difference with the interval at 1 − 2·alpha that a claim of equivalence rests on."""
    paired = row.paired
    if paired.new_items is None or row.decision.only_these_items:
        return paired.narrow
    return paired.new_items.narrow


def _too_few(row: ComparisonRow, alpha: float) -> str:
    paired, decision = row.paired, row.decision
    least = needed(alpha, decision.family, paired.sizes is None)
    compared = counted(decision.family, "comparison")
    if least is None:
        return f"With {compared}, no number of repeats can show anything at {alpha:g}."
    text = ""
    if paired.n:
        sizes = paired.sizes
        with_them = (
            counted(paired.n, "paired repeat") if sizes is None else f"{sizes.arm} and {sizes.reference} repeats"
        )
        text = f"With {with_them}, no p can be below {probability(paired.floor, alpha)}"
        if decision.family > 1:
            text += f", or {probability(decision.floor_holm, alpha)} after Holm's correction for {compared}"
        text += ", however large the effect. "
    need = "needs" if decision.family == 1 else "need"
    text += f"To show anything at {alpha:g}, {compared} {need} at least {least} repeats"
    text += "" if paired.sizes is None else " of each arm"
    return text + (f": {least - paired.n} more." if paired.n and least > paired.n else ".")


def _parts(components: Sequence[ComparisonRow], nothing: Sequence[str]) -> str:
    by_verdict: dict[str, list[str]] = {}
    for row in components:
        name = row.component or ""
        if row.without_skill and _takes_sides(row):
            name += " (where neither beats the naive prediction)"
        by_verdict.setdefault(row.decision.verdict, []).append(name)
    said = [
        f"{verdict.removesuffix(THESE_ITEMS)} {'for' if verdict == 'too few repeats' else 'on'} "
        f"{listing(by_verdict[verdict])}{', on these items' if verdict.endswith(THESE_ITEMS) else ''}"
        for verdict in get_args(Verdict)
        if verdict in by_verdict
    ]
    if said and nothing:
        said.append(f"nothing to predict in {listing(tuple(nothing))}")
    return f"By component: {'; '.join(said)}." if said else ""


def comparison_verdict(row: ComparisonRow) -> str:
    """The verdict in a table's cell: ``undecided (about 12 more repeats for better)``."""
    if row.verdict != "undecided":
        return row.verdict
    return undecided_cell(row)


def paired_means(arm: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Means of both over the repeats in which both are numbers; NaN when there are none."""
    both = np.isfinite(arm) & np.isfinite(reference)
    if not both.any():
        return math.nan, math.nan
    return float(arm[both].mean()), float(reference[both].mean())
