"""What keeps a comparison undecided, and what would decide it, in plain words."""

from __future__ import annotations

from reports.model.report import ComparisonRow
from reports.numbers import counted, listing, probability
from reports.statistics.verdicts import THESE_ITEMS
from reports.summary.looks import at_the_end

BEFOREHAND = (
    "Fix the number of repeats beforehand, or leave it to --repeats MIN..MAX: adding repeats until a comparison is "
    "decided means looking at it again, and makes false claims more frequent (docs/error_rates.md)."
)
"""Stands before every number of further repeats."""
OF_OTHERS = (
    "Fix the number of repeats beforehand: adding repeats until a comparison is decided means looking at it again, and "
    "makes false claims more frequent (docs/error_rates.md)."
)
"""The same where mmstudy does not train the arms."""


def undecided_text(row: ComparisonRow, alpha: float) -> str:
    """Which test a comparison fails although it passes another, and about how many more repeats would decide it.

    Args:
        row: with the verdict ``undecided``.
    """
    parts = (_hurdle(row, alpha), _more(row), at_the_end(row.looks).strip())
    return " ".join(part for part in parts if part)


def _hurdle(row: ComparisonRow, alpha: float) -> str:
    """Empty if neither test shows a difference, even without correction."""
    paired, decision = row.paired, row.decision
    flip, t_test = paired.p <= alpha, paired.p_t <= alpha
    name = "sign-flip test" if paired.sizes is None else "permutation test"
    if flip and t_test:
        return _after_holm(row, alpha)
    if flip:
        corrected = (
            f", and {probability(decision.p_flip, alpha)} after Holm's correction" if decision.family > 1 else ""
        )
        why = ", which accounts for the training data that repeats share," if paired.overlap > 0 else ""
        return (
            f"The {name} speaks for a difference ({equals('p', paired.p, alpha)}{corrected}), but the t-test "
            f"of the interval{why} does not ({equals('p', paired.p_t, alpha)}); both must."
        )
    if t_test:
        return (
            f"The t-test of the interval speaks for a difference ({equals('p', paired.p_t, alpha)}), but the {name}, "
            f"which assumes no shape of the scores, does not ({equals('p', paired.p, alpha)}); both must."
        )
    return ""


def _after_holm(row: ComparisonRow, alpha: float) -> str:
    paired, decision = row.paired, row.decision
    after = (("p", decision.p_flip), ("p of the interval", decision.p_t))
    failed = [equals(name, p, alpha) for name, p in after if p > alpha]
    if not failed:
        # A sequential p is the smallest of all looks, the interval is that of the last one.
        return "Both tests spoke for a difference at an earlier look, but the interval at the last one holds 0."
    alone = (equals("p", paired.p, alpha), equals("p of the interval", paired.p_t, alpha))
    kept = [equals(name, p, alpha) for name, p in after if p <= alpha]
    though = f", though {kept[0]}" if kept and decision.p_flip <= alpha else ""
    return (
        f"Alone, this comparison would show a difference ({listing(alone)}), but not among the "
        f"{counted(decision.family, 'comparison')} that are corrected together: after Holm's correction "
        f"{listing(failed)}{though}. The interval is not corrected for them."
    )


def _more(row: ComparisonRow) -> str:
    """The number comes last: the sentence about its cost follows it."""
    decision = row.decision
    if decision.more is None:
        reason = decision.reason or ""
        return f"It would take {reason}." if reason.startswith("over") else f"{reason[:1].upper()}{reason[1:]}."
    if decision.would_be is not None and decision.would_be.endswith(THESE_ITEMS):
        return (
            "More test items would show more about other items of the corpus; more repeats would not. About "
            f"{counted(decision.more, 'more repeat')} would only show what holds on these {row.tested}: "
            f"{decision.would_be.removesuffix(THESE_ITEMS)}, if the difference and its standard deviation stay as "
            "observed."
        )
    each = "" if row.paired.sizes is None else " of each arm"
    text = (
        f"About {counted(decision.more, 'more repeat')}{each} would decide it as {decision.would_be}, if the "
        "difference and its standard deviation stay as observed."
    )
    return text if row.looks is not None else f"{BEFOREHAND if row.native else OF_OTHERS} {text}"


def undecided_cell(row: ComparisonRow) -> str:
    """The same in a table's cell: ``undecided (about 12 more repeats for better)``."""
    decision = row.decision
    if row.looks is not None and row.looks.next is not None:
        return f"undecided (next look at {row.looks.next})"
    if decision.would_be is not None and decision.would_be.endswith(THESE_ITEMS):
        return "undecided (more test items would show more)"
    if decision.more is not None:
        return f"undecided (about {counted(decision.more, 'more repeat')} for {decision.would_be})"
    return f"undecided ({decision.reason})"


def equals(name: str, p: float, alpha: float) -> str:
    """``p = 0.031``, ``p below 0.0001``; on its own side of alpha, whatever its digits."""
    return f"{name} = {probability(p, alpha)}".replace("= below", "below")
