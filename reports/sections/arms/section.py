"""All arms against all, as a section: an overview beside the study's own comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mmcore.language import say
from reports.model.report import MetricFacts
from reports.model.section import Finding, Section, SectionTable, plain_table
from reports.numbers import counted, listing, number, prose
from reports.records.frame import StudyResults
from reports.sections.joining import quoted
from reports.statistics.comparisons import Paired
from reports.statistics.ranks import FEWEST_ARMS, Ranks, ranks
from reports.statistics.verdicts import Decision, decide
from reports.verdicts.contrast import contrasts
from reports.verdicts.monitoring import by_repeat

NAMED = 8
"""Arms of a group that are named; of a larger one the first and the last."""


@dataclass(frozen=True)
class EveryPair:
    """The arms of a study ranked by its metric, and every pair of them compared as one family.

    Args:
        pairs: both arms, their comparison and its verdict; () in a study that adds repeats, whose looks the tests of
            other pairs than the study's own do not know.
    """

    ranks: Ranks
    pairs: tuple[tuple[str, str, Paired, Decision], ...]


def every_pair(results: StudyResults) -> EveryPair:
    """Ranks and comparisons on the study's metric; nothing where arms share no repeats to be ranked in."""
    if not results.paired:
        return EveryPair(Ranks((), (), 0, ()), ())
    study, component = results.study, results.study.metric.component
    measure, higher = study.metric.measure.name, study.metric.measure.higher_is_better
    scores = by_repeat(results, measure, component)
    arms = [arm.name for arm in study.arms if np.isfinite(scores[arm.name]).any()]
    asked = list(combinations(arms, 2)) if study.sequential is None else []
    family = contrasts(results, measure, [(pair, component) for pair in asked])
    decided = decide(family, alpha=study.alpha, margin=study.margin, higher_is_better=higher)
    pairs = tuple((*pair, paired, found) for pair, paired, found in zip(asked, family, decided, strict=True))
    apart = {frozenset((a, b)) for a, b, _, found in pairs if found.verdict in ("better", "worse")}
    ranked = ranks(results.table(measure, component), lambda a, b: frozenset((a, b)) in apart, higher_is_better=higher)
    return EveryPair(ranked, pairs)


def all_arms(results: StudyResults, metric: MetricFacts) -> Section | None:
    """Ranks, and which arms are shown to differ; None below three arms with scores or two common repeats."""
    found = results.once(every_pair)
    if len(found.ranks.arms) < FEWEST_ARMS or found.ranks.n < 2:
        return None
    lead = say("In each repeat the arms are ranked by {metric}, the best first.", metric=metric.title)
    if found.pairs:
        tested = say(
            "Two arms are shown to differ if the tests of the verdicts say so, corrected for all "
            "{pairs} of arms (Holm).",
            pairs=counted(len(found.pairs), "pair"),
        )
        lead = prose(lead, tested)
    return Section(
        key="all_arms",
        title=say("All arms against all"),
        question=say("Which arms stand out when all are ranked together?"),
        lead=lead,
        findings=tuple(_findings(found)),
        figures=("average_ranks",),
        tables=(
            SectionTable(
                "ranks",
                say(
                    "Average rank by {metric} over {repeats}, 1 is the best",
                    metric=metric.title,
                    repeats=counted(found.ranks.n, "repeat"),
                ),
                plain_table(("arm", "average rank"), list(zip(found.ranks.arms, found.ranks.average, strict=True))),
            ),
            SectionTable(
                "pairs",
                say("Every pair of arms on {metric}, corrected together", metric=metric.title),
                plain_table(
                    ("arm", "against", "difference", "low", "high", "p after Holm", "verdict"),
                    [
                        (a, b, p.difference.mean, p.claimed.low, p.claimed.high, d.p_holm, d.verdict)
                        for a, b, p, d in found.pairs
                    ],
                ),
                folded=True,
            ),
        ),
        limits=_limits(found, results),
    )


def _findings(found: EveryPair) -> list[Finding]:
    ranked = found.ranks
    if len(set(ranked.average)) == 1:
        return [Finding(say("All arms have the same average rank, so there is nothing to rank."), "tied", "open")]
    shared = any(paired.shared for _, _, paired, _ in found.pairs)
    only_here = sum(decision.only_these_items for *_, decision in found.pairs)
    here = (
        say("On the tested items alone, {pairs} can be told apart.", pairs=counted(only_here, "pair"))
        if only_here
        else ""
    )
    first = [
        Finding(
            say(
                "'{arm}' ranks first with {average} on average.",
                arm=ranked.arms[0],
                average=number(ranked.average[0]),
            )
        )
    ]
    if not found.pairs:
        return first
    if ranked.alike == (ranked.arms,):
        none = say(
            "No two arms are shown to differ on new items of the corpus."
            if shared
            else "No two arms are shown to differ."
        )
        return [*first, Finding(none, "not told apart", "open", here)]
    return first + [Finding(_alike(_named(group), shared), evidence=here) for group in ranked.alike]


def _alike(group: str, shared: bool) -> str:
    if shared:
        return say("Not shown to differ on new items of the corpus: {group}.", group=group)
    return say("Not shown to differ: {group}.", group=group)


def _named(group: tuple[str, ...]) -> str:
    if len(group) <= NAMED:
        return listing([quoted(name) for name in group])
    return say("the {n} arms from '{first}' to '{last}'", n=len(group), first=group[0], last=group[-1])


def _limits(found: EveryPair, results: StudyResults) -> str:
    left = [arm.name for arm in results.study.arms if arm.name not in found.ranks.arms]
    few = found.ranks.n < results.study.repeats
    return prose(
        say("Ranks say how often an arm is ahead, not by how much. They depend on which other arms take part."),
        say(
            "Not shown to differ does not mean equal. The verdicts rest on the study's own comparisons."
            if found.pairs
            else "The study adds repeats by its own rule, so only its own comparisons are tested."
        ),
        say("Without a score and left out: {left}.", left=listing(left)) if left else "",
        say(
            "Only repeats in which every one of these arms has a score count, of {repeats}.",
            repeats=counted(results.study.repeats, "repeat"),
        )
        if few
        else "",
    )
