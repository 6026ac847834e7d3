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
from reports.numbers import counted, probability
from reports.statistics.floors import ENUMERATED, floor, needed
from studies.resolved import ResolvedStudy

if TYPE_CHECKING:
    from reports.statistics.sequential import Rule

Claims = Literal["new items", "these items only", "nothing"]

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


def prospects_of(study: ResolvedStudy, components: int, side: GroupCounts | str) -> Prospects:
    """What a study can decide at best.

    Args:
        study: with its comparisons; those of arms that a search is yet to find count as well.
        components: how many components the comparisons are repeated for, besides the metric itself.
        side: its test side; a text: why no split can be drawn.
    """
    families = [_family(study, len(study.pairs), METRIC)] if study.pairs else []
    if components and study.pairs:
        families.append(_family(study, components * len(study.pairs), COMPONENTS))
    sentences = list(_repeats_text(study, families))
    enough = bool(families) and families[0].enough
    least = families[0].needed if families else None
    if isinstance(side, str):
        return Prospects(False, least, None, "nothing", (*sentences, f"No run can be trained: {side}"))
    few = groups_text(side.drawn, side.groups, side.all_groups, study.repeats)
    claims: Claims = "these items only" if side.drawn != "each_repeat" and side.groups < 2 else "new items"
    return Prospects(enough, least, side.groups, claims, (*sentences, *([few] if few else [])))


METRIC = "on the study's metric"
COMPONENTS = "by component"


def asks(size: int, what: str, alpha: float, least: int | None) -> str:
    """How many repeats a family of comparisons needs, in words.

    Example:
        >>> asks(6, COMPONENTS, 0.05, 8)
        '6 comparisons by component at 0.05 need at least 8 repeats'
    """
    need = "needs" if size == 1 else "need"
    return f"{counted(size, 'comparison')} {what} at {alpha:g} {need} at least {least or 'more'} repeats"


def _family(study: ResolvedStudy, size: int, what: str) -> Family:
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


def _repeats_text(study: ResolvedStudy, families: Sequence[Family]) -> list[str]:
    """What the planned repeats cannot decide, and how many would; first on the metric, then by component."""
    short = [family for family in families if not family.enough]
    if not short:
        return _late_looks(study, families)
    repeats = counted(study.repeats, "repeat")
    parts = []
    for family in short:
        asked = asks(family.size, family.what, study.alpha, family.needed)
        if family.what == METRIC:
            smallest = f"the smallest possible p is {probability(family.floor, study.alpha)}"
            smallest += f" after Holm's correction for {family.size} comparisons" if family.size > 1 else ""
            parts.append(f"{repeats} cannot show which arm is better, whatever the result: {asked}; {smallest}.")
        else:
            parts.append(f"{repeats} cannot show which arm is better on any component: {asked}.")
    return [f"{' '.join(parts)} {_way_out(study, short)}"]


def _way_out(study: ResolvedStudy, short: Sequence[Family]) -> str:
    known = [family.needed for family in short]
    if any(n is None for n in known):
        return "No number of repeats is enough for so many comparisons: compare fewer arms."
    most = max(n for n in known if n is not None)
    ask = str(most) if study.sequential is None else f"{study.sequential.min}..{most}"
    return f"Ask for more (--repeats {ask}), or compare fewer arms."


def _late_looks(study: ResolvedStudy, families: Sequence[Family]) -> list[str]:
    """Looks of a sequential study that come too early to decide anything."""
    rule = study.sequential
    if rule is None or not families or families[0].needed is None or families[0].needed <= rule.min:
        return []
    return [
        f"The looks before {families[0].needed} repeats cannot show which arm is better: "
        f"{asks(families[0].size, METRIC, study.alpha, families[0].needed)} with this rule."
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
        return (
            f"The corpus has {counted(all_groups, 'group')}: each repeat tests {groups} of them, and all repeats "
            f"together test only these {all_groups}. What holds for so few groups may not hold for new ones. "
            "Record more groups, or name finer ones in items.csv."
        )
    if groups < 2:
        return (
            "All repeats test the same 1 group, so verdicts can hold for these items only, not for new ones. "
            f"{_MORE_TESTED[drawn]}"
        )
    if groups >= FEW_GROUPS:
        return ""
    freedom = min(repeats, groups) - 1
    return (
        f"All repeats test the same {groups} groups. A verdict about new items needs these groups to agree, and with "
        f"{counted(freedom, 'degree')} of freedom only a large difference can show that. {_MORE_TESTED[drawn]}"
    )


_MORE_TESTED: dict[Drawn, str] = {
    "corpus": "Mark more groups as test in the column split of items.csv, or drop the column.",
    "once": "Raise split.test, or record more groups.",
    "each_repeat": "",
}
