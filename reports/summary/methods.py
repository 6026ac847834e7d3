"""How a study was judged, in words: which tests, which corrections, and what its intervals cover."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mmcore.facts import Drawn
from reports.model.report import ComparisonRow, MetricFacts
from reports.numbers import counted, number
from reports.statistics.floors import ENUMERATED, PATTERNS


def families_text(metric: MetricFacts, primary: int, by_component: int, overlap: float, shared: bool = False) -> str:
    """How comparisons were corrected, for the methods part of the page."""
    text = f"{counted(primary, 'comparison')} on {metric.title}"
    if by_component:
        text += f" and {counted(by_component, 'comparison')} by component are two families, each corrected separately."
    else:
        text += f" {'is' if primary == 1 else 'are'} one family."
    if overlap > 0:
        text += " Since splits vary, a verdict of better or worse must also pass the interval's t-test after Holm."
    if shared:
        text += (
            " Since all repeats tested the same items, a verdict on new items must also pass the test of the spread "
            "between the groups of test items, after Holm."
        )
    return text + " The correction is Holm's. Claims of equivalence are not corrected for their number."


def families_by_part(part: str, pairs: int, comparisons: int) -> str:
    """The same where each part has verdicts of its own."""
    each = comparisons // pairs
    return (
        f"{counted(comparisons, 'comparison')}: {counted(pairs, 'pair')} of arms, each on {counted(each, part)}. The "
        f"{part}s of a pair are one family, corrected by Holm; pairs are not corrected for one another. Claims of "
        "equivalence are not corrected for their number."
    )


def how_tested(rows: Sequence[ComparisonRow]) -> str:
    """Which test made the p of comparisons, for captions: exact only where every sign pattern was read."""
    sizes = [row.paired.sizes for row in rows if row.paired.sizes is not None]
    if sizes:
        ways = [math.comb(one.arm + one.reference, one.arm) for one in sizes]
        exact = " exact" if max(ways) <= PATTERNS else ""
        drawn = f" over {PATTERNS:,} of the possible relabellings" if max(ways) > PATTERNS else ""
        return f"a two-sided{exact} permutation test{drawn}, with Welch's t-test beside it"
    pairs = [row.paired.n for row in rows]
    sampled = f"{PATTERNS:,} of the possible sign patterns"
    if max(pairs, default=0) <= ENUMERATED:
        return "an exact sign-flip test, two-sided"
    if min(pairs) > ENUMERATED:
        return f"a two-sided sign-flip test over {sampled}"
    return f"a two-sided sign-flip test, exact up to {ENUMERATED} pairs and over {sampled} beyond"


def drawn_text(drawn: Drawn) -> str:
    """How the sides of the split came about, in a few words."""
    match drawn:
        case "corpus":
            return "given by the corpus"
        case "once":
            return "test drawn once, train and validation for each repeat"
        case "each_repeat":
            return "drawn for each repeat"


def covers_text(overlap: float, drawn: Drawn) -> str:
    """Which variation the intervals cover and which they do not."""
    match drawn:
        case "corpus":
            return (
                "The corpus fixes its training and test items, so every repeat tested the same ones. Intervals of arms "
                "only cover the initialisation and the draw of the validation items. A verdict of better, worse or "
                "equivalent also holds for new items of the corpus, according to the spread between the groups of test "
                "items; one “on these items” holds for the tested items alone. No verdict covers training items from "
                "outside the corpus, or another corpus."
            )
        case "once":
            return (
                "The test items are drawn once, so every repeat tested the same ones. Intervals of arms only cover the "
                "initialisation and the draw of training and validation items. A verdict of better, worse or "
                "equivalent also holds for new items of the corpus, according to the spread between the groups of test "
                "items; one “on these items” holds for the tested items alone. No verdict covers another corpus."
            )
        case "each_repeat":
            pass
    text = (
        "Verdicts are about new items of this corpus: intervals cover the draw of the split and the initialisation. "
        "They do not cover another corpus."
    )
    if overlap > 0:
        text += (
            f" Splits of different repeats share training data, so intervals use the Nadeau–Bengio correction with "
            f"n_test/n_train = {number(overlap)}."
        )
    return text
