"""What a report says about looks, in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

from mmcore.language import later, say
from reports.model.report import ArmRow, ComparisonRow, Looks, SequentialFacts
from reports.numbers import counted, duration, listing, prose
from reports.statistics.sequential import POWER, Rule
from reports.verdicts.monitoring import Monitoring

MOST_NAMED = 8
"""Decided comparisons that are named one by one."""


def adjusted(looks: Looks | None) -> str:
    """The words after an interval or a p: ``, adjusted for up to 25 looks``; empty where repeats are fixed."""
    return "" if looks is None else say(", adjusted for up to {looks}", looks=counted(looks.planned, "look"))


def open_text(row: ComparisonRow) -> str | None:
    """Why a comparison is not decided yet and when the next look is; None where it does not wait for one."""
    if row.looks is None or row.looks.next is None:
        return None
    if not row.looks.done:
        return say(
            "Nothing can be said before the first look, at {repeats}.", repeats=counted(row.looks.next, "repeat")
        )
    text = say(
        "Not decided at {repeats}. The study goes on; the next look is at {next}.",
        repeats=counted(row.looks.repeats, "repeat"),
        next=row.looks.next,
    )
    if row.verdict == "too few repeats":
        return prose(say("No look so far could have shown an effect, however large."), text)
    return text


def sequential_p(looks: Looks | None) -> str:
    """A sentence about what a sequential p means; empty where repeats are fixed."""
    if looks is None:
        return ""
    taken = counted(len(looks.done), "look")
    return say("It is a sequential p: the smallest level at which {looks} would have stopped.", looks=taken)


def looks_text(monitoring: Monitoring | None) -> str:
    """A sentence for methods parts and captions; empty where repeats are fixed."""
    if monitoring is None:
        return ""
    return say(
        "Repeats were added, from {least} to at most {most}, until a comparison was decided; p and intervals of "
        "differences are adjusted for the looks.",
        least=monitoring.rule.least,
        most=monitoring.rule.most,
    )


def at_the_end(looks: Looks | None) -> str:
    """What to know before adding repeats; empty where their number is fixed."""
    return "" if looks is None else say("The stopping rule ends here: more repeats need a new study.")


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
    if over and runs < at_most:
        spent = say(
            "{runs} runs were trained; {most} repeats of every arm would have been {at_most}. That saved one worker "
            "about {duration}.",
            runs=runs,
            most=most,
            at_most=at_most,
            duration=duration(seconds),
        )
    elif over:
        spent = say("All {at_most} runs were needed: nothing was saved.", at_most=at_most)
    else:
        spent = say(
            "So far the rule requires {runs} runs, of at most {at_most}; the next look is at {waiting}.",
            runs=runs,
            at_most=at_most,
            waiting=monitoring.waiting,
        )
    text = prose(_rule_text(rule), _stops(comparisons), spent, say(_HOW_READ))
    looks = monitoring.taken
    return SequentialFacts(rule.least, most, rule.step, looks, monitoring.waiting, runs, at_most, seconds, text)


_HOW_READ = later(
    "Comparisons by component are read at the same looks; no repeats are added for them. p values and intervals of "
    "differences are adjusted for the looks. Where all repeats test the same items, those for new items are read "
    "once, at the last look. Means of arms and their intervals are not adjusted: they use every run of an arm, so "
    "the difference of two means may not be the difference that a look saw."
)


def _rule_text(rule: Rule) -> str:
    """When the rule looks, and what it spends."""
    words = {"least": rule.least, "most": rule.most}
    looks = (
        say(
            "Repeats were added only where a comparison was undecided, with looks at {least} to {most} repeats.",
            **words,
        )
        if rule.step == 1
        else say(
            "Repeats were added only where a comparison was undecided, with looks at {least} to {most} repeats, every "
            "{step}.",
            step=rule.step,
            **words,
        )
    )
    return prose(
        looks,
        say(
            "The rule was fixed beforehand and divides alpha among the looks (Lan and DeMets 1983): up to a look at n "
            "repeats, (n/{most})^{power} of alpha may be spent.",
            most=rule.most,
            power=f"{POWER:g}",
        ),
    )


def _stops(comparisons: Sequence[ComparisonRow]) -> str:
    stopped = [c for c in comparisons if c.looks is not None and c.looks.stopped_at is not None]
    named = [
        say(
            "'{arm}' against '{reference}' at {look} ({verdict})",
            arm=c.arm,
            reference=c.reference,
            look=c.looks.stopped_at,
            verdict=say(c.verdict),
        )
        for c in stopped[:MOST_NAMED]
        if c.looks is not None
    ]
    if len(stopped) > MOST_NAMED:
        named.append(say("{n} more", n=len(stopped) - MOST_NAMED))
    left = len(comparisons) - len(stopped)
    undecided = counted(left, "comparison")
    return prose(
        say("Decided: {named}.", named=listing(named)) if named else "",
        say("{comparisons} is undecided.", comparisons=undecided) if left == 1 else "",
        say("{comparisons} are undecided.", comparisons=undecided) if left > 1 else "",
    )
