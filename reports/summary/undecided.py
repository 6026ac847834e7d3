"""What keeps a comparison undecided, and what would decide it, in plain words."""

from __future__ import annotations

from mmcore.language import later, say
from reports.model.report import ComparisonRow
from reports.numbers import counted, listing, opened, probability, prose
from reports.statistics.verdicts import BEYOND, THESE_ITEMS
from reports.summary.looks import at_the_end

BEFOREHAND = later(
    "Fix the number of repeats beforehand, or leave it to --repeats MIN..MAX: adding repeats until a comparison is "
    "decided means looking at it again, and makes false claims more frequent (docs/error_rates.md)."
)
"""Stands before every number of further repeats."""
OF_OTHERS = later(
    "Fix the number of repeats beforehand: adding repeats until a comparison is decided means looking at it again, and "
    "makes false claims more frequent (docs/error_rates.md)."
)
"""The same where mmstudy does not train the arms."""
P, P_OF_INTERVAL = "p", later("p of the interval")
"""Names of the two p."""


def undecided_text(row: ComparisonRow, alpha: float) -> str:
    """Which test a comparison fails although it passes another, and about how many more repeats would decide it.

    Args:
        row: with the verdict ``undecided``.
    """
    return prose(_hurdle(row, alpha), _more(row), at_the_end(row.looks))


def _hurdle(row: ComparisonRow, alpha: float) -> str:
    """Empty if neither test shows a difference, even without correction."""
    paired, decision = row.paired, row.decision
    flip, t_test = paired.p <= alpha, paired.p_t <= alpha
    test = say("sign-flip test") if paired.sizes is None else say("permutation test")
    if flip and t_test:
        return _after_holm(row, alpha)
    p, p_t = equals(P, paired.p, alpha), equals(P, paired.p_t, alpha)
    if flip:
        if decision.family > 1:
            p = say("{p}, and {corrected} after Holm's correction", p=p, corrected=probability(decision.p_flip, alpha))
        if paired.overlap > 0:
            return say(
                "The {test} speaks for a difference ({p}), but the t-test of the interval, which accounts for the "
                "training data that repeats share, does not ({p_t}); both must.",
                test=test,
                p=p,
                p_t=p_t,
            )
        return say(
            "The {test} speaks for a difference ({p}), but the t-test of the interval does not ({p_t}); both must.",
            test=test,
            p=p,
            p_t=p_t,
        )
    if t_test:
        return say(
            "The t-test of the interval speaks for a difference ({p_t}), but the {test}, which assumes no shape of the "
            "scores, does not ({p}); both must.",
            test=test,
            p=p,
            p_t=p_t,
        )
    return ""


def _after_holm(row: ComparisonRow, alpha: float) -> str:
    paired, decision = row.paired, row.decision
    after = ((P, decision.p_flip), (P_OF_INTERVAL, decision.p_t))
    failed = [equals(name, p, alpha) for name, p in after if p > alpha]
    if not failed:
        # A sequential p is the smallest of all looks, the interval is that of the last one.
        return say("Both tests spoke for a difference at an earlier look, but the interval at the last one holds 0.")
    alone = (equals(P, paired.p, alpha), equals(P_OF_INTERVAL, paired.p_t, alpha))
    kept = [equals(name, p, alpha) for name, p in after if p <= alpha]
    words = {"alone": listing(alone), "compared": counted(decision.family, "comparison"), "failed": listing(failed)}
    if kept and decision.p_flip <= alpha:
        return say(
            "Alone, this comparison would show a difference ({alone}), but not among the {compared} that are corrected "
            "together: after Holm's correction {failed}, though {kept}. The interval is not corrected for them.",
            kept=kept[0],
            **words,
        )
    return say(
        "Alone, this comparison would show a difference ({alone}), but not among the {compared} that are corrected "
        "together: after Holm's correction {failed}. The interval is not corrected for them.",
        **words,
    )


def _more(row: ComparisonRow) -> str:
    """The number comes last: the sentence about its cost follows it."""
    decision = row.decision
    if decision.more is None:
        reason = decision.reason or ""
        if reason == BEYOND:
            return say("It would take {repeats}.", repeats=say(BEYOND))
        return say("{sentence}.", sentence=opened(say(reason)))
    repeats = counted(decision.more, "more repeat")
    if decision.would_be is not None and decision.would_be.endswith(THESE_ITEMS):
        return say(
            "More test items would show more about other items of the corpus; more repeats would not. About {repeats} "
            "would only show what holds on these {tested}: {verdict}, if the difference and its standard deviation "
            "stay as observed.",
            repeats=repeats,
            tested=row.tested,
            verdict=say(decision.would_be.removesuffix(THESE_ITEMS)),
        )
    words = {"repeats": repeats, "verdict": say(str(decision.would_be))}
    text = (
        say(
            "About {repeats} would decide it as {verdict}, if the difference and its standard deviation stay as "
            "observed.",
            **words,
        )
        if row.paired.sizes is None
        else say(
            "About {repeats} of each arm would decide it as {verdict}, if the difference and its standard deviation "
            "stay as observed.",
            **words,
        )
    )
    return text if row.looks is not None else prose(say(BEFOREHAND if row.native else OF_OTHERS), text)


def undecided_cell(row: ComparisonRow) -> str:
    """The same in a table's cell: ``undecided (about 12 more repeats for better)``."""
    decision = row.decision
    if row.looks is not None and row.looks.next is not None:
        return say("undecided (next look at {look})", look=row.looks.next)
    if decision.would_be is not None and decision.would_be.endswith(THESE_ITEMS):
        return say("undecided (more test items would show more)")
    if decision.more is not None:
        return say(
            "undecided (about {repeats} for {verdict})",
            repeats=counted(decision.more, "more repeat"),
            verdict=say(str(decision.would_be)),
        )
    return say("undecided ({reason})", reason=say(str(decision.reason)))


def equals(name: str, p: float, alpha: float) -> str:
    """``p = 0.031``, ``p below 0.0001``; on its own side of alpha, whatever its digits.

    Args:
        name: of the p, one of :data:`P` and :data:`P_OF_INTERVAL`.
    """
    return (
        say("{name} below {p}", name=say(name), p="0.0001") if p < 0.0001 else f"{say(name)} = {probability(p, alpha)}"
    )
