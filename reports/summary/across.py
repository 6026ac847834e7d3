"""What holds over all data sets, where each of them has a verdict of its own, as a section."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmcore.language import later, say
from reports.model.report import ArmRow, ComparisonRow
from reports.model.section import Finding, Section, SectionTable, Tone, plain_table
from reports.numbers import counted, listing, number, prose
from reports.records.origin import counted_parts, several
from reports.statistics.across import SignTest, average_ranks, sign_test
from reports.statistics.multiplicity import holm
from reports.statistics.verdicts import Verdict
from reports.summary.undecided import P, equals

MOST_TOLD = 12
"""Pairs of arms that are described in words; the table has all."""
SIDES: tuple[Verdict, ...] = ("better", "worse", "equivalent", "undecided", "too few repeats")
"""Columns of counts; verdicts on these items count with the others, and the text says so."""


@dataclass(frozen=True)
class _Pair:
    """One arm against another over all data sets: verdicts, and the sign test with its p after Holm."""

    arm: str
    reference: str
    verdicts: Counter[Verdict]
    sign: SignTest
    p_holm: float


def across_section(
    rows: Sequence[ComparisonRow], arms: Sequence[ArmRow], part: str, *, alpha: float, higher_is_better: bool
) -> Section:
    """Wins, losses and undecided data sets of each pair, a sign test over data sets, and average ranks.

    Args:
        rows: one comparison a pair and data set. arms: with their estimates by data set. part: what a data set is.
    """
    pairs = _pairs(rows, higher_is_better)
    mean_DA = np.array([[e.mean for e in arm.components] for arm in arms]).T
    ranks, whole = average_ranks(mean_DA, higher_is_better=higher_is_better)
    ranked = sorted(zip([arm.name for arm in arms], ranks.tolist(), strict=True), key=lambda pair: pair[1])
    sets, families, parts = mean_DA.shape[0], len(pairs), several(part)
    return Section(
        key="across",
        title=say("Across {parts}", parts=parts),
        question=say("On how many of the {sets} {parts} does an arm do better?", sets=sets, parts=parts),
        lead=_lead(part, alpha, families),
        findings=tuple(_finding(pair, part, alpha, families) for pair in pairs[:MOST_TOLD]),
        figures=("across",),
        tables=(
            SectionTable(
                "counts",
                say("Verdicts and sign test over {parts}, one row a pair", parts=parts),
                plain_table(
                    (
                        later("arm"), later("against"), *SIDES, later("mean ahead"), later("behind"),
                        later("sign p"), later("sign p after Holm"),
                    ),
                    [
                        (p.arm, p.reference, *(p.verdicts[side] for side in SIDES), p.sign.ahead, p.sign.behind,
                         p.sign.p, p.p_holm)
                        for p in pairs
                    ],
                ),
                folded=False,
            ),
            SectionTable(
                "ranks",
                say(
                    "Average rank over the {whole} {parts} on which every arm has a score, 1 is the best",
                    whole=whole, parts=parts,
                ),
                plain_table((later("arm"), later("average rank")), [pair for pair in ranked if whole]),
            ),
        ),
        limits=_limits(rows, part, whole, sets, ranked),
    )  # fmt: skip


def _lead(part: str, alpha: float, families: int) -> str:
    """What the section counts and tests."""
    one, parts = say(part), several(part)
    corrected = (
        say(
            "Each {part} has a verdict of its own. They are corrected together for all {parts} of a pair (Holm), so "
            "that each pair has at most a {alpha} chance of any false “better” or “worse”; the {families} pairs are "
            "not corrected for one another.",
            part=one, parts=parts, alpha=f"{alpha:g}", families=families,
        )
        if families > 1
        else say(
            "Each {part} has a verdict of its own. They are corrected together for all {parts} of a pair (Holm), so "
            "that each pair has at most a {alpha} chance of any false “better” or “worse”.",
            part=one, parts=parts, alpha=f"{alpha:g}",
        )
    )  # fmt: skip
    return prose(
        corrected,
        say(
            "The sign test asks something else: whether the arm's mean is ahead on more {parts} than chance explains, "
            "each {part} counting once.",
            part=one,
            parts=parts,
        ),
    )


def _pairs(rows: Sequence[ComparisonRow], higher_is_better: bool) -> list[_Pair]:
    by_pair: dict[tuple[str, str], list[ComparisonRow]] = {}
    for row in rows:
        by_pair.setdefault((row.arm, row.reference), []).append(row)
    signs = [
        sign_test(np.array([row.paired.difference.mean for row in mine]), higher_is_better=higher_is_better)
        for mine in by_pair.values()
    ]
    return [
        _Pair(*pair, Counter(row.decision.side for row in mine if row.paired.n), sign, p_holm)
        for (pair, mine), sign, p_holm in zip(by_pair.items(), signs, holm([s.p for s in signs]), strict=True)
    ]


def _finding(pair: _Pair, part: str, alpha: float, families: int) -> Finding:
    sets, found = pair.verdicts.total(), pair.verdicts
    others = [say("{verdict} on {n}", verdict=say(side), n=found[side]) for side in SIDES[1:] if found[side]]
    words = {"arm": pair.arm, "reference": pair.reference, "n": found["better"], "sets": counted_parts(sets, part)}
    text = (
        say("'{arm}' is better than '{reference}' on {n} of {sets}, {others}.", others=listing(others), **words)
        if others
        else say("'{arm}' is better than '{reference}' on {n} of {sets}.", **words)
    )
    numbers = {"ahead": pair.sign.ahead, "behind": pair.sign.behind, "p": equals(P, pair.p_holm, alpha)}
    evidence = (
        say("Its mean is ahead on {ahead}, behind on {behind}: sign test {p} after Holm.", **numbers)
        if families > 1
        else say("Its mean is ahead on {ahead}, behind on {behind}: sign test {p}.", **numbers)
    )
    label, tone = _label(pair, alpha, families)
    return Finding(text, label, tone, evidence)


def _label(pair: _Pair, alpha: float, families: int) -> tuple[str, Tone]:
    """What the sign test says; the verdicts on single data sets may all agree where it can say nothing."""
    if pair.p_holm > alpha:
        # The most extreme of all splits of n data sets has p 2/2ⁿ.
        floor = families * 2.0 ** (1 - pair.sign.ahead - pair.sign.behind)
        return (later("too few for a sign test") if floor > alpha else later("sign test undecided")), "open"
    return (later("ahead"), "good") if pair.sign.ahead > pair.sign.behind else (later("behind"), "bad")


def _limits(
    rows: Sequence[ComparisonRow], part: str, whole: int, sets: int, ranked: Sequence[tuple[str, float]]
) -> str:
    said = [
        say(
            "The sign test takes the {parts} as drawn independently from those that matter: versions of one {part}, or "
            "a choice that favours an arm, make its p too small. It counts who is ahead, not by how much. An average "
            "rank changes with the other arms that take part (Demšar 2006; Benavoli, Corani & Mangili 2016), so ranks "
            "describe and no claim rests on them.",
            parts=several(part),
            part=say(part),
        )
    ]
    if whole and len(ranked) > 1:
        best, rank = ranked[0]
        said.append(say("The best average rank is that of '{arm}', {rank}.", arm=best, rank=number(rank)))
    if whole < sets:
        said.append(say("{sets} lack an arm and have no ranks.", sets=counted_parts(sets - whole, part)))
    if any(row.decision.only_these_items for row in rows):
        said.append(say("Verdicts that hold on the tested items alone count as better or worse here."))
    missing = sum(not row.paired.n for row in rows)
    if missing:
        without = counted(missing, "comparison")
        said.append(say("{comparisons} without a score in both arms are left out of the counts.", comparisons=without))
    return prose(*said)
