"""What a verdict leaves open, in plain words: other items, other data, and what more repeats or items would show."""

from __future__ import annotations

import math

from mmcore.language import say
from reports.model.report import ComparisonRow
from reports.numbers import counted, interval, number, percent, probability, prose
from reports.statistics.floors import needed
from reports.statistics.intervals import Estimate
from reports.statistics.new_items import FEWEST
from reports.statistics.verdicts import THESE_ITEMS
from reports.summary.looks import open_text
from reports.summary.undecided import P, equals, undecided_text


def not_shown(row: ComparisonRow, elsewhere: str, alpha: float, margin: float | None, leaves_open: str = "") -> str:
    """What a comparison does not show.

    Args:
        elsewhere: where and how a verdict need not hold. margin: the study's, in the metric's unit.
        leaves_open: what a verdict of better or worse does not show; empty: the usual sentence.
    """
    decision = row.decision
    if waits := open_text(row):
        return waits
    match decision.verdict:
        case "better" | "worse":
            return leaves_open or say("Not shown: that the same holds {elsewhere}.", elsewhere=say(elsewhere))
        case "better on these items" | "worse on these items":
            beyond = say("Nor is it shown for another corpus, or for other settings.")
            return prose(_only_these_items(row, alpha), beyond)
        case "equivalent":
            return prose(_within(row, alpha, margin), say("Not shown: that there is no difference at all."))
        case "equivalent on these items":
            return prose(_within(row, alpha, margin), _only_these_items(row, alpha))
        case "undecided":
            text = say("It is not shown that one is better, nor that both are equal.")
            return prose(text, undecided_text(row, alpha))
        case "too few repeats":
            return _too_few(row, alpha)


def _only_these_items(row: ComparisonRow, alpha: float) -> str:
    """Why a verdict does not hold for other items of the corpus, and what would show more."""
    new = row.paired.new_items
    text = say("Not shown: that the same holds for other items of this corpus.")
    if new is None or math.isnan(new.item_error):
        if new is not None and new.groups < FEWEST:
            why = say(
                "All repeats tested the same items, and nearly all of what is measured lies in one group, so nothing "
                "can be said about other items."
            )
        else:
            why = say(
                "All repeats tested the same items, and the runs did not record this measure item by item, so nothing "
                "can be said about other items."
            )
        return prose(text, why)
    decision = row.decision
    words = {"tested": row.tested, "why": _why_not_new(row, alpha)}
    if decision.in_the_end is not None and not decision.in_the_end.endswith(THESE_ITEMS):
        more = say(
            "All repeats tested the same {tested}, and {why}. More test items would show more, and so may more "
            "repeats.",
            **words,
        )
    else:
        more = say(
            "All repeats tested the same {tested}, and {why}. More test items would show more; more repeats would not.",
            **words,
        )
    return prose(text, more)


def _why_not_new(row: ComparisonRow, alpha: float) -> str:
    """What the groups of test items say against a verdict on new items."""
    new, decision = row.paired.new_items, row.decision
    assert new is not None
    if decision.side == "equivalent":
        return say(
            "for other items the {level} interval, {edges}, reaches beyond the margin",
            level=percent(1 - 2 * alpha),
            edges=interval(new.narrow.low, new.narrow.high),
        )
    p = equals(P, new.p if decision.p_items is None else decision.p_items, alpha)
    if decision.family > 1:
        p = say("{p} after Holm's correction", p=p)
    groups = counted(int(new.groups), "group")
    return say("their {groups} differ too much from one another to say ({p})", groups=groups, p=p)


def _within(row: ComparisonRow, alpha: float, margin: float | None) -> str:
    """That the difference lies within the margin, and whether it is shown to be other than 0."""
    decision, narrow = row.decision, narrow_of(row)
    text = say(
        "The {level} interval of the difference, {edges}, lies within the ±{margin} that this study counts as no "
        "difference.",
        level=percent(1 - 2 * alpha),
        edges=interval(narrow.low, narrow.high),
        margin=number(margin),
    )
    if decision.p_holm > alpha or decision.p > alpha:
        return text
    if decision.only_these_items:
        return prose(text, say("On these items the difference is real, but below the margin."))
    return prose(text, say("The difference is real, but below the margin."))


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
        return say(
            "With {compared}, no number of repeats can show anything at {alpha}.", compared=compared, alpha=f"{alpha:g}"
        )
    words = {"compared": compared, "least": least}
    match decision.family == 1, paired.sizes is None:
        case True, True:
            need = say("{compared} needs at least {least} repeats", **words)
        case True, False:
            need = say("{compared} needs at least {least} repeats of each arm", **words)
        case False, True:
            need = say("{compared} need at least {least} repeats", **words)
        case _:
            need = say("{compared} need at least {least} repeats of each arm", **words)
    if paired.n and least > paired.n:
        asked = say("To show anything at {alpha}, {need}: {n} more.", alpha=f"{alpha:g}", need=need, n=least - paired.n)
    else:
        asked = say("To show anything at {alpha}, {need}.", alpha=f"{alpha:g}", need=need)
    return prose(_floor_text(row, alpha, compared) if paired.n else "", asked)


def _floor_text(row: ComparisonRow, alpha: float, compared: str) -> str:
    """The smallest p that the repeats allow."""
    paired, decision = row.paired, row.decision
    sizes = paired.sizes
    repeats = (
        counted(paired.n, "paired repeat")
        if sizes is None
        else say("{n_arm} and {n_reference} repeats", n_arm=sizes.arm, n_reference=sizes.reference)
    )
    words = {"repeats": repeats, "p": probability(paired.floor, alpha)}
    if decision.family == 1:
        return say("With {repeats}, no p can be below {p}, however large the effect.", **words)
    return say(
        "With {repeats}, no p can be below {p}, or {corrected} after Holm's correction for {compared}, however large "
        "the effect.",
        corrected=probability(decision.floor_holm, alpha),
        compared=compared,
        **words,
    )
