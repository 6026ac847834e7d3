"""Verdicts in plain words: every sentence that a report says about a comparison."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import get_args

import numpy as np

from mmcore.language import later, say
from reports.model.report import ComparisonRow, MetricFacts, VerdictText
from reports.model.verdict import headline
from reports.numbers import NOTHING, counted, interval, listing, number, percent, probability, prose, two_digits
from reports.statistics.comparisons import Paired
from reports.statistics.verdicts import THESE_ITEMS, Verdict
from reports.summary.looks import adjusted, sequential_p
from reports.summary.not_shown import not_shown
from reports.summary.undecided import P, equals, undecided_cell

CORPUS = later("on another corpus, or with other settings than this study's")
DATA = later("on other data, or with other settings of the arms")
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
    opening, middle, ending = _frame(row.decision.side)
    return VerdictText(
        arm=row.arm,
        reference=row.reference,
        verdict=row.decision.verdict,
        opening=opening,
        middle=middle,
        evidence=_evidence(row, means, metric, alpha, repeats),
        not_shown=not_shown(row, elsewhere, alpha, margin, leaves_open),
        parts=_parts(components, nothing_to_predict),
        units=units,
        cost=cost,
        closing=ending + _limits(row),
        lead=lead,
    )


_FRAMES: dict[Verdict, str] = {
    "better": later("{arm} is better than {reference}"),
    "worse": later("{arm} is worse than {reference}"),
    "equivalent": later("{arm} is as good as {reference}"),
    "undecided": later("Undecided: whether {arm} is better than {reference}"),
    "too few repeats": later("Too few repeats: nothing can be said about {arm} against {reference}"),
}
"""A verdict around the names of both arms; every language names the arm first."""
_ARM, _REFERENCE = "\0", "\1"


def _frame(verdict: Verdict) -> tuple[str, str, str]:
    """The words before the arm, between both names, and behind the reference."""
    opening, _, rest = say(_FRAMES[verdict], arm=_ARM, reference=_REFERENCE).partition(_ARM)
    middle, _, ending = rest.partition(_REFERENCE)
    return opening, middle.strip(), ending


def sentence(row: ComparisonRow) -> str:
    """A comparison's verdict in one sentence; on the metric it is the headline of its :class:`VerdictText`."""
    opening, middle, ending = _frame(row.decision.side)
    on = "" if row.component is None else say(" on {component}", component=row.component)
    return headline(opening, row.arm, middle, row.reference, ending + on + _limits(row))


def _limits(row: ComparisonRow) -> str:
    """The limits of a verdict: the tested items, or arms of which neither beats the naive prediction."""
    tested = row.tested or say("items")
    said = say(" on these {tested}", tested=tested) if row.decision.only_these_items else ""
    return said + (say(", where neither beats the naive prediction") if row.without_skill and _claims(row) else "")


def _claims(row: ComparisonRow) -> bool:
    """Two arms that are equally useless are equivalent, too, and nobody may take that for two that are equally good."""
    return row.decision.side in ("better", "worse", "equivalent")


def _evidence(row: ComparisonRow, means: tuple[float, float], metric: MetricFacts, alpha: float, repeats: int) -> str:
    paired = row.paired
    n, difference = paired.n, paired.difference
    if n == 0:
        if paired.sizes is None:
            return say("No repeat has a score for both arms (0 of {repeats}).", repeats=repeats)
        return _no_score(row)
    known = n >= 2 and not math.isnan(difference.low)
    # "mean absolute error" has the word already; Japanese writes no space behind it.
    title = re.sub(rf"^{say('mean')}(?:\s+|(?=[^\x00-\x7f]))", "", metric.title)
    words = {
        "over": _over(row, repeats), "metric": title, "one": number(means[0]), "two": number(means[1]),
        "edges": _edges(row, alpha) if known else "",
    }  # fmt: skip
    size = number(abs(difference.mean))
    if difference.mean == 0:
        text = say("{over}, the mean {metric} is {one} against {two}: no difference{edges}.", **words)
    elif difference.mean > 0:
        text = say("{over}, the mean {metric} is {one} against {two}: {size} higher{edges}.", size=size, **words)
    else:
        text = say("{over}, the mean {metric} is {one} against {two}: {size} lower{edges}.", size=size, **words)
    return prose(text, _beyond(row), _ahead(row), _tests(row, alpha)) if known else text


def _over(row: ComparisonRow, repeats: int) -> str:
    """The repeats that a comparison rests on."""
    n, sizes = row.paired.n, row.paired.sizes
    if sizes is not None:
        return say(
            "Over {repeats} of '{arm}' and {n} of '{reference}', which are not paired",
            repeats=counted(sizes.arm, "repeat"),
            arm=row.arm,
            n=sizes.reference,
            reference=row.reference,
        )
    pairs = counted(n, "paired repeat")
    return (
        say("Over {repeats} of {planned}", repeats=pairs, planned=repeats)
        if n != repeats
        else say("Over {repeats}", repeats=pairs)
    )


def _no_score(row: ComparisonRow) -> str:
    sizes = row.paired.sizes
    without = [
        say("'{name}'", name=name)
        for name, n in ((row.arm, sizes and sizes.arm), (row.reference, sizes and sizes.reference))
        if not n
    ]
    return say("No repeat of {arms} has a score.", arms=listing(without))


def _edges(row: ComparisonRow, alpha: float) -> str:
    """The interval of the difference, in brackets; of these items where all repeats tested the same."""
    difference = row.paired.difference
    words = {
        "level": percent(1 - alpha), "edges": interval(difference.low, difference.high) + adjusted(row.looks)
    }  # fmt: skip
    if not row.paired.shared:
        return say(" ({level} interval of the difference {edges})", **words)
    return say(" ({level} interval of the difference on these {tested}: {edges})", tested=row.tested, **words)


def _beyond(row: ComparisonRow) -> str:
    """The interval for new items, a sentence; empty where repeats test their own."""
    claimed = row.paired.claimed
    if not row.paired.shared:
        return ""
    if math.isnan(claimed.low):
        return say("Nothing is known about new items.")
    return say("On new items of the corpus: {edges}.", edges=interval(claimed.low, claimed.high))


def _ahead(row: ComparisonRow) -> str:
    """In how many repeats the arm was ahead, a sentence."""
    paired = row.paired
    if paired.tied == paired.couples:
        return say("The scores are equal in every repeat.")
    words = {"arm": row.arm, "won": paired.won}
    if paired.sizes is None:
        words["of"] = counted(paired.couples, "repeat")
        if paired.tied:
            return say("'{arm}' was ahead in {won} of {of} and tied in {tied}.", tied=paired.tied, **words)
        return say("'{arm}' was ahead in {won} of {of}.", **words)
    words["of"] = counted(paired.couples, "couple")
    if paired.tied:
        return say(
            "'{arm}' was ahead in {won} of {of} of one repeat of either arm and tied in {tied}.",
            tied=paired.tied,
            **words,
        )
    return say("'{arm}' was ahead in {won} of {of} of one repeat of either arm.", **words)


def _tests(row: ComparisonRow, alpha: float) -> str:
    """The p of the claim, the largest of the tests that it needs, and the effect size; of both claims where test items
    are shared."""
    paired, decision = row.paired, row.decision

    def in_words(raw: float, corrected: float) -> str:
        p = equals(P, raw, alpha)
        if decision.family == 1:
            return p
        return say(
            "{p}, and {corrected} after Holm's correction for {n} comparisons",
            p=p,
            corrected=probability(corrected, alpha),
            n=decision.family,
        )

    effect, meaning = _effect(row), sequential_p(row.looks)
    if not paired.shared:
        return prose(say("{sentence}.", sentence=in_words(decision.p, decision.p_holm) + effect), meaning)
    here = in_words(max(paired.p, paired.p_t), max(decision.p_flip, decision.p_t))
    text = prose(say("On these items, {numbers}.", numbers=here + effect), meaning)
    new = paired.new_items
    if new is None or decision.p_items is None or math.isnan(new.difference.low):
        return text
    return prose(text, say("On new items of the corpus, {numbers}.", numbers=in_words(new.p, decision.p_items)))


def _effect(row: ComparisonRow) -> str:
    paired = row.paired
    if math.isnan(paired.effect_size):
        return ""
    size, edges = two_digits(paired.effect_size), effect_interval_text(paired)
    if paired.shared:
        # Repeats that test the same items hardly differ, so this is large, and says nothing of new items.
        return say("; effect size {size} ({edges}), in standard deviations between repeats on the same items",
                   size=size, edges=edges)  # fmt: skip
    return say("; effect size {size} ({edges})", size=size, edges=edges)


def effect_interval_text(paired: Paired) -> str:
    """The interval of an effect size: ``0.21 to 1.76``."""
    if math.isnan(paired.effect_low):
        return NOTHING
    return say("{low} to {high}", low=two_digits(paired.effect_low), high=two_digits(paired.effect_high))


def _parts(components: Sequence[ComparisonRow], nothing: Sequence[str]) -> str:
    by_verdict: dict[str, list[ComparisonRow]] = {}
    for row in components:
        by_verdict.setdefault(row.decision.verdict, []).append(row)
    said = [_part(verdict, _named(by_verdict[verdict])) for verdict in get_args(Verdict) if verdict in by_verdict]
    if said and nothing:
        said.append(say("nothing to predict in {components}", components=listing(tuple(nothing))))
    return say("By component: {parts}.", parts=say("; ").join(said)) if said else ""


def _named(rows: Sequence[ComparisonRow]) -> str:
    """Components in a sentence; those on which neither arm has skill say so, once where it holds for all."""

    def useless(components: str) -> str:
        return say("{component} (where neither beats the naive prediction)", component=components)

    names = [row.component or "" for row in rows]
    no_skill = [row.without_skill and _claims(row) for row in rows]
    if all(no_skill):
        return useless(listing(names))
    return listing([useless(name) if none else name for name, none in zip(names, no_skill, strict=True)])


def _part(verdict: Verdict, components: str) -> str:
    words = {"verdict": say(verdict.removesuffix(THESE_ITEMS)), "components": components}
    if verdict.endswith(THESE_ITEMS):
        return say("{verdict} on {components}, on these items", **words)
    if verdict == "too few repeats":
        return say("{verdict} for {components}", **words)
    return say("{verdict} on {components}", **words)


def comparison_verdict(row: ComparisonRow) -> str:
    """The verdict in a table's cell: ``undecided (about 12 more repeats for better)``."""
    return undecided_cell(row) if row.verdict == "undecided" else say(row.verdict)


def paired_means(arm: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Means of both over the repeats in which both are numbers; NaN when there are none."""
    both = np.isfinite(arm) & np.isfinite(reference)
    if not both.any():
        return math.nan, math.nan
    return float(arm[both].mean()), float(reference[both].mean())
