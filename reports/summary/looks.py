"""What a report says about looks, in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from reports.model.report import ArmRow, ComparisonRow, Looks, SequentialFacts
from reports.numbers import counted, duration, listing
from reports.statistics.sequential import POWER
from reports.verdicts.monitoring import Monitoring

MOST_NAMED = 8
"""Decided comparisons that are named one by one."""


def adjusted(looks: Looks | None) -> str:
    """The words after an interval or a p: ``, adjusted for up to 25 looks``; empty where repeats are fixed."""
    return "" if looks is None else f", adjusted for up to {counted(looks.planned, 'look')}"


def open_text(row: ComparisonRow) -> str | None:
    """Why a comparison is not decided yet and when the next look is; None where it does not wait for one."""
    if row.looks is None or row.looks.next is None:
        return None
    if not row.looks.done:
        return f"Nothing can be said before the first look, at {counted(row.looks.next, 'repeat')}."
    text = f"Not decided at {counted(row.looks.repeats, 'repeat')}. The study goes on; the next look is at "
    text += f"{row.looks.next}."
    if row.verdict == "too few repeats":
        text = f"No look so far could have shown an effect, however large. {text}"
    return text


def sequential_p(looks: Looks | None) -> str:
    """What a sequential p means; empty where repeats are fixed."""
    if looks is None:
        return ""
    return f". It is a sequential p: the smallest level at which {counted(len(looks.done), 'look')} would have stopped"


def looks_text(monitoring: Monitoring | None) -> str:
    """A sentence for methods parts and captions; empty where repeats are fixed."""
    if monitoring is None:
        return ""
    return (
        f" Repeats were added, from {monitoring.rule.least} to at most {monitoring.rule.most}, until a comparison was "
        "decided; p and intervals of differences are adjusted for the looks."
    )


def at_the_end(looks: Looks | None) -> str:
    """What to know before adding repeats; empty where their number is fixed."""
    return "" if looks is None else " The stopping rule ends here: more repeats need a new study."


def sequential_facts(
    monitoring: Monitoring, comparisons: Sequence[ComparisonRow], arms: Sequence[ArmRow]
) -> SequentialFacts:
    """How repeats were added.

    Args:
        comparisons: on the study's metric. arms: all of the study.
    """
    rule, most = monitoring.rule, monitoring.rule.most
    over = monitoring.waiting is None
    spared = [(most - monitoring.repeats(arm.name), arm.seconds) for arm in arms]
    known = [seconds for _, seconds in spared if not math.isnan(seconds)]
    # An arm that never finished is taken to need as long as the others.
    typical = fmean(known) if known else 0.0
    seconds = sum(n * (typical if math.isnan(s) else s) for n, s in spared) if over else 0.0
    runs, at_most = len(monitoring.asked), most * len(arms)
    step = "" if rule.step == 1 else f", every {rule.step}"
    parts = [
        f"Repeats were added only where a comparison was undecided, with looks at {rule.least} to {most} "
        f"repeats{step}. The rule was fixed beforehand and divides alpha among the looks (Lan and DeMets 1983): up to "
        f"a look at n repeats, (n/{most})^{POWER:g} of alpha may be spent.",
        _stops(comparisons),
    ]
    if over and runs < at_most:
        parts.append(
            f"{runs} runs were trained; {most} repeats of every arm would have been {at_most}. That saved one worker "
            f"about {duration(seconds)}."
        )
    elif over:
        parts.append(f"All {at_most} runs were needed: nothing was saved.")
    else:
        parts.append(
            f"So far the rule requires {runs} runs, of at most {at_most}; the next look is at {monitoring.waiting}."
        )
    parts.append(
        "Comparisons by component are read at the same looks; no repeats are added for them. p values and intervals of "
        "differences are adjusted for the looks. Where all repeats test the same items, those for new items are read "
        "once, at the last look. Means of arms and their intervals are not adjusted: they use every run of an arm, so "
        "the difference of two means may not be the difference that a look saw."
    )
    looks = monitoring.taken
    return SequentialFacts(
        rule.least, most, rule.step, looks, monitoring.waiting, runs, at_most, seconds, " ".join(p for p in parts if p)
    )


def _stops(comparisons: Sequence[ComparisonRow]) -> str:
    stopped = [c for c in comparisons if c.looks is not None and c.looks.stopped_at is not None]
    named = [
        f"'{c.arm}' against '{c.reference}' at {c.looks.stopped_at} ({c.verdict})"
        for c in stopped[:MOST_NAMED]
        if c.looks is not None
    ]
    if len(stopped) > MOST_NAMED:
        named.append(f"{len(stopped) - MOST_NAMED} more")
    left = len(comparisons) - len(stopped)
    text = f"Decided: {listing(named)}." if named else ""
    if left:
        text += f"{' ' if text else ''}{counted(left, 'comparison')} {'is' if left == 1 else 'are'} undecided."
    return text
