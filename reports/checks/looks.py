"""The check of looks that no stopping rule planned: the number of repeats was changed after results were seen."""

from __future__ import annotations

from mmcore.language import later, say
from reports.checks.evidence import MOST_NAMED, PASSED, Evidence, Found, not_applicable, not_run
from reports.checks.rule import Rule
from reports.numbers import counted, opened, percent, prose
from reports.verdicts.looks import LaterClaim, later_claim


def changed_after_a_look(evidence: Evidence) -> Found:
    """Claims that an earlier report with other repeats could have made, and did not; those on the metric first."""
    if not evidence.comparisons:
        return not_applicable(say("The study lists no comparison."))
    if not evidence.results.done:
        return not_run(say("No run finished."))
    found = [one for row in evidence.comparisons if (one := later_claim(evidence.results, row)) is not None]
    if not found:
        return PASSED
    primary = [one for one in found if one.row.component is None]
    left = len(found) - len(primary)
    named = [_named(one) for one in primary or found]
    more = [say("{n} more", n=len(named) - MOST_NAMED)] if len(named) > MOST_NAMED else []
    return "warning", prose(
        say("{named}.", named=opened(say("; ").join([*named[:MOST_NAMED], *more]))),
        say("The same holds for {comparisons} by component.", comparisons=counted(left, "comparison"))
        if primary and left
        else "",
        say(
            "The number of repeats was changed after these results had been seen. Each look used the whole of alpha: "
            "together they can make false claims in more than {alpha} of studies.",
            alpha=percent(evidence.results.study.alpha),
        ),
    )


def _named(one: LaterClaim) -> str:
    words = {"arm": one.row.arm, "reference": one.row.reference, "text": one.text}
    if one.row.component is None:
        return say("'{arm}' against '{reference}': {text}", **words)
    return say("'{arm}' against '{reference}' on '{component}': {text}", component=one.row.component, **words)


LOOK_RULES = (
    Rule(
        "ABL046",
        later("Repeats were changed after a look"),
        "A comparison is decided, and an earlier report of this study, with another number of repeats or another "
        "stopping rule, read some of the same runs of both arms and could have decided it, but did not decide it this "
        "way. The first such report counts. A report of a study in progress is no look if the repeats that were "
        "planned stay the same, nor is one with too few repeats for any claim, nor are the looks of a study that "
        "declares them (`repeats: {min, max}`). Reports are found in the same home; mmstudy cannot know of a report "
        "that was deleted or written into another home.",
        later(
            "Repeats added until a comparison is decided give chance another try: a false claim becomes more frequent "
            "with every look, although each report by itself holds alpha (docs/error_rates.md). The same happens if "
            "repeats are left out again."
        ),
        later(
            "Replicate the claim on repeats that no earlier look has read, whose number is fixed beforehand: "
            "--repeats 10@100 trains repeats 100 to 109. Report both studies. Next time, leave the number of repeats "
            "to a rule before the first look: --repeats 6..30 shares alpha among its looks."
        ),
        changed_after_a_look,
        about="runs",
    ),
)
