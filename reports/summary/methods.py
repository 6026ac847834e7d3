"""How a study was judged, in words: which tests, which corrections, and what its intervals cover."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmcore.facts import Drawn
from mmcore.language import later, say
from reports.model.report import ComparisonRow, MetricFacts
from reports.numbers import counted, number, prose
from reports.records.origin import counted_parts, several
from reports.statistics.floors import ENUMERATED, PATTERNS


def families_text(
    metric: MetricFacts, primary: int, by_component: int, overlap: float, shared: bool = False, paired: bool = True
) -> str:
    """How comparisons were corrected, for the methods part of the page."""
    words = {"compared": counted(primary, "comparison"), "metric": metric.title}
    if by_component:
        text = say(
            "{compared} on {metric} and {parts} by component are two families, each corrected separately.",
            parts=counted(by_component, "comparison"),
            **words,
        )
    elif primary == 1:
        text = say("{compared} on {metric} is one family.", **words)
    else:
        text = say("{compared} on {metric} are one family.", **words)
    overlapping = say(
        "Since splits vary, a verdict of better or worse must also pass the interval's t-test after Holm."
    )
    unpaired = say(
        "Since repeats are not paired, a verdict of better or worse must also pass Welch's t-test after Holm."
    )
    same_items = say(
        "Since all repeats tested the same items, a verdict on new items must also pass the test of the spread between "
        "the groups of test items, after Holm."
    )
    return prose(
        text,
        overlapping if overlap > 0 else "",
        "" if paired else unpaired,
        same_items if shared else "",
        say("The correction is Holm's. Claims of equivalence are not corrected for their number."),
    )


def families_by_part(part: str, pairs: int, comparisons: int) -> str:
    """The same where each part has verdicts of its own."""
    return say(
        "{compared}: {pairs} of arms, each on {each}. The {parts} of a pair are one family, corrected by Holm; pairs "
        "are not corrected for one another. Claims of equivalence are not corrected for their number.",
        compared=counted(comparisons, "comparison"),
        pairs=counted(pairs, "pair"),
        each=counted_parts(comparisons // pairs, part),
        parts=several(part),
    )


def how_tested(rows: Sequence[ComparisonRow]) -> str:
    """Which test made the p of comparisons, for captions: exact only where every sign pattern was read."""
    sizes = [row.paired.sizes for row in rows if row.paired.sizes is not None]
    if sizes:
        if max(math.comb(one.arm + one.reference, one.arm) for one in sizes) <= PATTERNS:
            return say("a two-sided exact permutation test, with Welch's t-test beside it")
        return say(
            "a two-sided permutation test over {n} of the possible relabellings, with Welch's t-test beside it",
            n=f"{PATTERNS:,}",
        )
    pairs, patterns = [row.paired.n for row in rows], f"{PATTERNS:,}"
    if max(pairs, default=0) <= ENUMERATED:
        return say("an exact sign-flip test, two-sided")
    if min(pairs) > ENUMERATED:
        return say("a two-sided sign-flip test over {patterns} of the possible sign patterns", patterns=patterns)
    return say(
        "a two-sided sign-flip test, exact up to {exact} pairs and over {patterns} of the possible sign patterns "
        "beyond",
        exact=ENUMERATED,
        patterns=patterns,
    )


def drawn_text(drawn: Drawn) -> str:
    """How the sides of the split came about, in a few English words, for ``say`` to say."""
    match drawn:
        case "corpus":
            return later("given by the corpus")
        case "once":
            return later("test drawn once, train and validation for each repeat")
        case "each_repeat":
            return later("drawn for each repeat")


def covers_text(overlap: float, drawn: Drawn) -> str:
    """Which variation the intervals cover and which they do not."""
    match drawn:
        case "corpus":
            return say(
                "The corpus fixes its training and test items, so every repeat tested the same ones. Intervals of arms "
                "only cover the initialisation and the draw of the validation items. A verdict of better, worse or "
                "equivalent also holds for new items of the corpus, according to the spread between the groups of test "
                "items; one “on these items” holds for the tested items alone. No verdict covers training items from "
                "outside the corpus, or another corpus."
            )
        case "once":
            return say(
                "The test items are drawn once, so every repeat tested the same ones. Intervals of arms only cover the "
                "initialisation and the draw of training and validation items. A verdict of better, worse or "
                "equivalent also holds for new items of the corpus, according to the spread between the groups of test "
                "items; one “on these items” holds for the tested items alone. No verdict covers another corpus."
            )
        case "each_repeat":
            pass
    text = say(
        "Verdicts are about new items of this corpus: intervals cover the draw of the split and the initialisation. "
        "They do not cover another corpus."
    )
    if overlap <= 0:
        return text
    corrected = say(
        "Splits of different repeats share training data, so intervals use the Nadeau–Bengio correction with "
        "n_test/n_train = {ratio}.",
        ratio=number(overlap),
    )
    return prose(text, corrected)
