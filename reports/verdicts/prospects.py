"""What a study can decide at best, known before anything is trained: from its repeats, comparisons and test groups.

Two things set the limits. The sign-flip p cannot be below 2/2ⁿ with n repeats, and Holm's correction multiplies it by
the number of comparisons: with too few repeats no result can show which arm is better. And a verdict about new items
needs test groups that can disagree: where all repeats share their test items, the interval over groups and repeats has
min(repeats, groups) − 1 degrees of freedom, and with a single group there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mmcore.facts import Drawn
from mmcore.language import later, say
from reports.numbers import counted, probability, prose
from reports.statistics.floors import ENUMERATED, floor, needed
from studies.resolved import AnyStudy

if TYPE_CHECKING:
    from reports.statistics.sequential import Rule

Claims = Literal["new items", "these items only", "new seeds", "nothing"]
"""new seeds: of training code of which nothing else is known."""

FEW_GROUPS = 6
"""Fewer test groups than this are few: with 5, Student's t asks for 1.4 times the distance that many groups ask for,
with 3 for 2.2 times, with 2 for 6.5 times. And chance alone often makes all of them agree."""


@dataclass(frozen=True)
class GroupCounts:
    """Groups of a study's test side, as far as ``items.csv`` and the config say.

    Args:
        drawn: how it comes about.
        groups: test groups of one repeat.
        all_groups: groups of the whole corpus.
    """

    drawn: Drawn
    groups: int
    all_groups: int


@dataclass(frozen=True)
class Family:
    """Comparisons that are corrected together.

    Args:
        size: comparisons. what: which they are, in words.
        needed: repeats with which a result could show a difference; None: no number that is ever tested can.
        enough: whether the study plans so many.
        floor: the smallest p after Holm that the planned repeats allow.
    """

    size: int
    what: str
    needed: int | None
    enough: bool
    floor: float


@dataclass(frozen=True)
class Prospects:
    """What a study can decide.

    Args:
        can_decide: whether some result could show that an arm is better or worse on the study's metric.
        needed: repeats from which on one could; None: no number is enough, or nothing is compared.
        test_groups: test groups of a repeat; None where no split can be drawn.
        claims: what verdicts can be about.
        warnings: what limits them, a sentence or two each; () where nothing does.
    """

    can_decide: bool
    needed: int | None
    test_groups: int | None
    claims: Claims
    warnings: tuple[str, ...]


def prospects_of(study: AnyStudy, components: int, side: GroupCounts | str | None) -> Prospects:
    """What a study can decide at best.

    Args:
        study: with its comparisons; those of arms that a search is yet to find count as well.
        components: how many components the comparisons are repeated for, besides the metric itself.
        side: its test side; a text: why no split can be drawn; None: only the training code knows.
    """
    families = [_family(study, len(study.pairs), METRIC)] if study.pairs else []
    if components and study.pairs:
        families.append(_family(study, components * len(study.pairs), COMPONENTS))
    sentences = list(_repeats_text(study, families))
    enough = bool(families) and families[0].enough
    least = families[0].needed if families else None
    if side is None:
        return Prospects(enough, least, None, "new seeds", tuple(sentences))
    if isinstance(side, str):
        return Prospects(False, least, None, "nothing", (*sentences, say("No run can be trained: {why}", why=side)))
    few = groups_text(side.drawn, side.groups, side.all_groups, study.repeats)
    claims: Claims = "these items only" if side.drawn != "each_repeat" and side.groups < 2 else "new items"
    return Prospects(enough, least, side.groups, claims, (*sentences, *([few] if few else [])))


METRIC = later("on the study's metric")
COMPONENTS = later("by component")


def asks(size: int, what: str, alpha: float, least: int | None) -> str:
    """How many repeats a family of comparisons needs, in words.

    Example:
        >>> asks(6, COMPONENTS, 0.05, 8)
        '6 comparisons by component at 0.05 need at least 8 repeats'
    """
    words = {"compared": counted(size, "comparison"), "what": say(what), "alpha": f"{alpha:g}"}
    enough = say("more") if least is None else str(least)
    if size == 1:
        return say("{compared} {what} at {alpha} needs at least {enough} repeats", enough=enough, **words)
    return say("{compared} {what} at {alpha} need at least {enough} repeats", enough=enough, **words)


def _family(study: AnyStudy, size: int, what: str) -> Family:
    if study.sequential is None:
        least, smallest = needed(study.alpha, size), min(1.0, size * floor(study.repeats))
        return Family(size, what, least, smallest <= study.alpha, smallest)
    # The statistics of sequential studies load scipy, which other plans do without.
    from reports.statistics.sequential import Rule
    from reports.statistics.sequential import floor as sequential_floor

    rule = Rule(study.sequential.min, study.sequential.max, study.sequential.step)
    smallest = min(1.0, size * min(sequential_floor(look, rule.share(look)) for look in rule.looks))
    return Family(size, what, _needed_at_last(rule, study.alpha, size), smallest <= study.alpha, smallest)


def _needed_at_last(rule: Rule, alpha: float, size: int) -> int | None:
    """The first look that could decide; where none could, how many repeats the last look would have to have."""
    from reports.statistics.sequential import floor as sequential_floor

    first = rule.deciding(alpha, size)
    if first is not None:
        return first
    enough = (n for n in range(rule.most + 1, ENUMERATED + 1) if size * sequential_floor(n, 1.0) <= alpha)
    return next(enough, None)


def _repeats_text(study: AnyStudy, families: Sequence[Family]) -> list[str]:
    """What the planned repeats cannot decide, and how many would; first on the metric, then by component."""
    short = [family for family in families if not family.enough]
    if not short:
        return _late_looks(study, families)
    repeats = counted(study.repeats, "repeat")
    parts = []
    for family in short:
        asked = asks(family.size, family.what, study.alpha, family.needed)
        if family.what != METRIC:
            parts.append(
                say(
                    "{repeats} cannot show which arm is better on any component: {asked}.", repeats=repeats, asked=asked
                )
            )
            continue
        floor = probability(family.floor, study.alpha)
        smallest = (
            say("the smallest possible p is {p} after Holm's correction for {n} comparisons", p=floor, n=family.size)
            if family.size > 1
            else say("the smallest possible p is {p}", p=floor)
        )
        parts.append(
            say(
                "{repeats} cannot show which arm is better, whatever the result: {asked}; {smallest}.",
                repeats=repeats,
                asked=asked,
                smallest=smallest,
            )
        )
    return [prose(*parts, _way_out(study, short))]


def _way_out(study: AnyStudy, short: Sequence[Family]) -> str:
    known = [family.needed for family in short]
    if any(n is None for n in known):
        return say("No number of repeats is enough for so many comparisons: compare fewer arms.")
    most = max(n for n in known if n is not None)
    ask = str(most) if study.sequential is None else f"{study.sequential.min}..{most}"
    return say("Ask for more (--repeats {ask}), or compare fewer arms.", ask=ask)


def _late_looks(study: AnyStudy, families: Sequence[Family]) -> list[str]:
    """Looks of a sequential study that come too early to decide anything."""
    rule = study.sequential
    if rule is None or not families or families[0].needed is None or families[0].needed <= rule.min:
        return []
    return [
        say(
            "The looks before {needed} repeats cannot show which arm is better: {asked} with this rule.",
            needed=families[0].needed,
            asked=asks(families[0].size, METRIC, study.alpha, families[0].needed),
        )
    ]


def groups_text(drawn: Drawn, groups: int, all_groups: int, repeats: int) -> str:
    """What few test groups mean for verdicts; empty where there are enough.

    Args:
        drawn: how the test side comes about.
        groups: test groups of one repeat. all_groups: of the whole corpus.
        repeats: R.

    Example:
        >>> groups_text("once", 1, 5, 10)[:51]
        'All repeats test the same 1 group, so verdicts can '
    """
    if drawn == "each_repeat":
        if all_groups >= FEW_GROUPS:
            return ""
        return say(
            "The corpus has {all_groups}: each repeat tests {groups} of them, and all repeats together test only these "
            "{n}. What holds for so few groups may not hold for new ones. Record more groups, or name finer ones in "
            "items.csv.",
            all_groups=counted(all_groups, "group"),
            groups=groups,
            n=all_groups,
        )
    if groups < 2:
        return prose(
            say("All repeats test the same 1 group, so verdicts can hold for these items only, not for new ones."),
            say(_MORE_TESTED[drawn]),
        )
    if groups >= FEW_GROUPS:
        return ""
    freedom = min(repeats, groups) - 1
    return prose(
        say(
            "All repeats test the same {groups} groups. A verdict about new items needs these groups to agree, and "
            "with {degrees} of freedom only a large difference can show that.",
            groups=groups,
            degrees=counted(freedom, "degree"),
        ),
        say(_MORE_TESTED[drawn]),
    )


_MORE_TESTED: dict[Drawn, str] = {
    "corpus": later("Mark more groups as test in the column split of items.csv, or drop the column."),
    "once": later("Raise split.test, or record more groups."),
    "each_repeat": "",
}
