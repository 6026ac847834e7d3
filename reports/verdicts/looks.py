"""Whether a verdict comes from repeats that were changed after a look: then chance had more than one try.

A user who sees ``undecided``, adds repeats and looks again tests the same comparison twice, each time at the whole of
alpha. Looks that the study declares (``repeats: {min, max}``) share alpha and are no such looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmcore.language import say
from reports.model.report import ComparisonRow
from reports.numbers import counted, listing
from reports.records.frame import StudyResults
from reports.records.looks import Look, LookedAt, before

OPEN = ("undecided", "too few repeats")
"""Verdicts that claim nothing."""


@dataclass(frozen=True)
class LaterClaim:
    """A claim that an earlier look at some of its runs could have made, and did not.

    Args:
        row: the comparison as it is decided now.
        looks: the same comparison at each earlier look, in their order; one or more.
    """

    row: ComparisonRow
    looks: tuple[LookedAt, ...]

    @property
    def text(self) -> str:
        """``undecided after 6 repeats, now better after 10``."""
        then = [
            say("{verdict} after {repeats}", verdict=say(one.verdict), repeats=counted(one.n, "repeat"))
            for one in self.looks
        ]
        now = say("now {verdict} after {n}", verdict=say(self.row.verdict), n=self.row.paired.n)
        return say(", ").join([listing(then), now])


def later_claim(results: StudyResults, row: ComparisonRow) -> LaterClaim | None:
    """What earlier looks found where a claim rests on repeats that were changed after them; None: nothing to doubt."""
    if not results.earlier_looks:
        return None
    now = {(run.arm, run.repeat): run.fingerprint for run in results.runs}
    seen = {(run.arm, run.fingerprint) for run in results.done if run.arm in (row.arm, row.reference)}
    return claim_after(before(results.earlier_looks, results.study, now), row, seen)


def claim_after(looks: Sequence[Look], row: ComparisonRow, seen: set[tuple[str, str]]) -> LaterClaim | None:
    """The same for looks that were taken before the repeats were planned as they are now.

    Only the first look counts that could have claimed something: if it made the same claim, whatever was added later
    could not make a false claim more likely.

    Args:
        seen: the finished runs of both arms: each arm with a fingerprint.
    """
    if row.verdict in OPEN:
        return None
    found = [one for look in looks if (one := _at(look, row, seen)) is not None]
    if not found or _implied(found[0].verdict, row):
        return None
    return LaterClaim(row, tuple(found))


def _at(look: Look, row: ComparisonRow, seen: set[tuple[str, str]]) -> LookedAt | None:
    """The comparison at a look that read some of the same runs of both arms, but not exactly these."""
    one = next(
        (c for c in look.comparisons if (c.arm, c.reference, c.component) == (row.arm, row.reference, row.component)),
        None,
    )
    if one is None or look.of(row.arm, row.reference) == seen:
        return None
    shared = {arm for arm, _ in look.of(row.arm, row.reference) & seen}
    return one if shared == {row.arm, row.reference} else None


def _implied(earlier: str, row: ComparisonRow) -> bool:
    """Whether an earlier verdict claims all that the one of now does."""
    return earlier == row.verdict or (row.decision.only_these_items and earlier == row.decision.side)


def later_claim_text(claim: LaterClaim | None) -> str:
    """What must be read before the numbers of such a verdict; empty where there is nothing to doubt."""
    if claim is None:
        return ""
    return say("The number of repeats was changed after a look: {text} (ABL046).", text=claim.text)
