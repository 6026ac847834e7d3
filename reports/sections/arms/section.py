"""All arms against all, as a section: an overview beside the study's own comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reports.model.report import MetricFacts
from reports.model.section import Finding, Section, SectionTable, plain_table
from reports.numbers import counted, listing, number
from reports.records.frame import StudyResults
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
    lead = f"In each repeat the arms are ranked by {metric.title}, the best first."
    if found.pairs:
        lead += (
            f" Two arms are shown to differ if the tests of the verdicts say so, corrected for all "
            f"{counted(len(found.pairs), 'pair')} of arms (Holm)."
        )
    return Section(
        key="all_arms",
        title="All arms against all",
        question="Which arms stand out when all are ranked together?",
        lead=lead,
        findings=tuple(_findings(found)),
        figures=("average_ranks",),
        tables=(
            SectionTable(
                "ranks",
                f"Average rank by {metric.title} over {counted(found.ranks.n, 'repeat')}, 1 is the best",
                plain_table(("arm", "average rank"), list(zip(found.ranks.arms, found.ranks.average, strict=True))),
            ),
            SectionTable(
                "pairs",
                f"Every pair of arms on {metric.title}, corrected together",
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
        return [Finding("All arms have the same average rank, so there is nothing to rank.", "tied", "open")]
    shared = any(paired.shared for _, _, paired, _ in found.pairs)
    beyond = " on new items of the corpus" if shared else ""
    only_here = sum(decision.only_these_items for *_, decision in found.pairs)
    here = f"On the tested items alone, {counted(only_here, 'pair')} can be told apart." if only_here else ""
    first = [Finding(f"'{ranked.arms[0]}' ranks first with {number(ranked.average[0])} on average.")]
    if not found.pairs:
        return first
    if ranked.alike == (ranked.arms,):
        return [*first, Finding(f"No two arms are shown to differ{beyond}.", "not told apart", "open", here)]
    groups = [Finding(f"Not shown to differ{beyond}: {_named(group)}.", evidence=here) for group in ranked.alike]
    return first + groups


def _named(group: tuple[str, ...]) -> str:
    if len(group) <= NAMED:
        return listing([f"'{name}'" for name in group])
    return f"the {len(group)} arms from '{group[0]}' to '{group[-1]}'"


def _limits(found: EveryPair, results: StudyResults) -> str:
    text = "Ranks say how often an arm is ahead, not by how much. They depend on which other arms take part. "
    if found.pairs:
        text += "Not shown to differ does not mean equal. The verdicts rest on the study's own comparisons."
    else:
        text += "The study adds repeats by its own rule, so only its own comparisons are tested."
    left = [arm.name for arm in results.study.arms if arm.name not in found.ranks.arms]
    if left:
        text += f" Without a score and left out: {listing(left)}."
    return text + (
        " Only repeats in which every one of these arms has a score count, of "
        f"{counted(results.study.repeats, 'repeat')}."
        if found.ranks.n < results.study.repeats
        else ""
    )
