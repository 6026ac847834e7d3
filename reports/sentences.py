"""Verdicts in plain words: every sentence that a report says about a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mmcore.result import Drawn
from reports.contents import ComparisonRow, MetricFacts, VerdictText
from reports.looks import adjusted, open_text, sequential_p
from reports.numerals import counted, interval, listing, number, percent, probability
from reports.statistics.floors import ENUMERATED, PATTERNS, needed
from reports.statistics.verdicts import Verdict
from reports.undecided import equals, undecided_cell, undecided_text


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
) -> VerdictText:
    """One comparison on the study's metric, told to a reader who knows no statistics.

    Args:
        row: the comparison.
        means: of the arm and of the reference, over the repeats in which both have a score.
        repeats: repeats that the study asks for.
        components: the same two arms compared per component.
        nothing_to_predict: components without any score.
        units, cost: sentences of :mod:`reports.effects`. lead: a sentence of :mod:`reports.dominance`.
    """
    opening, middle = _WORDS[row.decision.verdict]
    return VerdictText(
        arm=row.arm,
        reference=row.reference,
        verdict=row.decision.verdict,
        opening=opening,
        middle=middle,
        evidence=_evidence(row, means, metric, alpha, repeats),
        not_shown=_not_shown(row, metric, alpha, margin),
        parts=_parts(components, nothing_to_predict),
        units=units,
        cost=cost,
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
    opening, middle = _WORDS[row.decision.verdict]
    on = "" if row.component is None else f" on {row.component}"
    return f"{opening}'{row.arm}' {middle} '{row.reference}'{on}."


def _evidence(row: ComparisonRow, means: tuple[float, float], metric: MetricFacts, alpha: float, repeats: int) -> str:
    paired, decision = row.paired, row.decision
    n, difference = paired.n, paired.difference
    if n == 0:
        return f"Of {counted(repeats, 'repeat')} none has a score for both."
    text = f"Over {counted(n, 'paired repeat')} of {repeats}" if n != repeats else f"Over {counted(n, 'paired repeat')}"
    text += f", the mean {metric.title} is {number(means[0])} against {number(means[1])}"
    if difference.mean == 0:
        text += ": no difference"
    else:
        text += f": {number(abs(difference.mean))} {'higher' if difference.mean > 0 else 'lower'}"
    if n < 2 or math.isnan(difference.low):
        return text + "."
    edges = interval(difference.low, difference.high)
    text += f" ({percent(1 - alpha)} interval of the difference {edges}{adjusted(row.looks)})."
    if paired.tied == n:
        text += " The scores are equal in every repeat."
    else:
        text += f" '{row.arm}' was ahead in {paired.won} of {counted(n, 'repeat')}"
        text += f" and level in {paired.tied}." if paired.tied else "."
    p = f" {equals('p', paired.p, alpha)}"
    if decision.family > 1:
        p += f", and {probability(decision.p_holm, alpha)} after Holm's correction for {decision.family} comparisons"
    if not math.isnan(paired.effect_size):
        p += f"; effect size {number(paired.effect_size)}"
    return text + p + sequential_p(row.looks) + "."


def _not_shown(row: ComparisonRow, metric: MetricFacts, alpha: float, margin: float | None) -> str:
    paired, decision = row.paired, row.decision
    if waits := open_text(row):
        return waits
    match decision.verdict:
        case "better" | "worse":
            text = "Not shown: that the same holds on another corpus, or with other settings than this study's."
            if margin is not None and abs(paired.difference.mean) <= margin:
                text += (
                    f" The difference is real but small: within the ±{number(margin)} that this study counts as none."
                )
            return text
        case "equivalent":
            inside = interval(paired.narrow.low, paired.narrow.high)
            return (
                f"The {percent(1 - 2 * alpha)} interval of the difference, {inside}, lies within the "
                f"±{number(margin)} that this study counts as no difference. Not shown: that there is none at all."
            )
        case "undecided":
            return f"Not shown: that one is better, nor that both are equal. {undecided_text(row, alpha)}"
        case "too few repeats":
            return _too_few(row, alpha)


def _too_few(row: ComparisonRow, alpha: float) -> str:
    paired, decision = row.paired, row.decision
    least = needed(alpha, decision.family)
    asked = counted(decision.family, "comparison")
    if least is None:
        return f"With {asked} no number of repeats can show anything at {alpha:g}."
    text = ""
    if paired.n:
        text = f"With {counted(paired.n, 'paired repeat')} no p can be below {probability(paired.floor, alpha)}"
        if decision.family > 1:
            text += f", or {probability(decision.floor_holm, alpha)} after Holm's correction for {asked}"
        text += ", however large the effect. "
    text += f"To show anything at {alpha:g}, {asked} need{'s' if decision.family == 1 else ''} at least {least} repeats"
    return text + (f": {least - paired.n} more." if paired.n and least > paired.n else ".")


def _parts(components: Sequence[ComparisonRow], nothing: Sequence[str]) -> str:
    by_verdict: dict[str, list[str]] = {}
    for row in components:
        by_verdict.setdefault(row.decision.verdict, []).append(row.component or "")
    said = [
        f"{verdict} {'for' if verdict == 'too few repeats' else 'on'} {listing(by_verdict[verdict])}"
        for verdict in ("better", "worse", "equivalent", "undecided", "too few repeats")
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


def families_text(metric: MetricFacts, primary: int, by_component: int, overlap: float) -> str:
    """How comparisons were corrected, for the methods part of the page."""
    text = f"{counted(primary, 'comparison')} on {metric.title}"
    if by_component:
        text += f" and {counted(by_component, 'comparison')} by component are two families, each corrected by itself."
    else:
        text += f" {'is' if primary == 1 else 'are'} one family."
    if overlap > 0:
        text += " Since splits vary, better and worse must also hold for the interval's t-test after Holm."
    return text + " Corrections are Holm's. Claims of equivalence are not corrected for their number."


def how_tested(rows: Sequence[ComparisonRow]) -> str:
    """Which test made the p of comparisons, for captions: exact only where every sign pattern was read."""
    pairs = [row.paired.n for row in rows]
    sampled = f"{PATTERNS:,} of the possible sign patterns"
    if max(pairs, default=0) <= ENUMERATED:
        return "an exact sign-flip test, two-sided"
    if min(pairs) > ENUMERATED:
        return f"a two-sided sign-flip test over {sampled}"
    return f"a two-sided sign-flip test, exact up to {ENUMERATED} pairs and over {sampled} beyond"


def drawn_text(drawn: Drawn) -> str:
    """How the sides of the split came about, in a few words."""
    match drawn:
        case "corpus":
            return "given by the corpus"
        case "once":
            return "test drawn once, train and validation for each repeat"
        case "each_repeat":
            return "drawn for each repeat"


def covers_text(overlap: float, drawn: Drawn) -> str:
    """Which variation the intervals cover and which they do not."""
    match drawn:
        case "corpus":
            return (
                "Intervals cover the initialisation and the draw of the validation items. The corpus fixes its "
                "training and test items, so they do not cover other test items, and they do not cover another corpus."
            )
        case "once":
            return (
                "Intervals cover the initialisation and the draw of training and validation items. The test items are "
                "the same in all repeats, so they do not cover other test items, and they do not cover another corpus."
            )
        case "each_repeat":
            pass
    text = "Intervals cover the draw of the split and the initialisation; they do not cover another corpus."
    if overlap > 0:
        text += (
            f" Splits of different repeats share training data, so intervals use the Nadeau–Bengio correction with "
            f"n_test/n_train = {number(overlap)}."
        )
    return text


def paired_means(arm: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Means of both over the repeats in which both are numbers; NaN when there are none."""
    both = np.isfinite(arm) & np.isfinite(reference)
    if not both.any():
        return math.nan, math.nan
    return float(arm[both].mean()), float(reference[both].mean())
