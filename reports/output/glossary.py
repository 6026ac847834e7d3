"""The terms of a report, each in one or two plain sentences."""

from __future__ import annotations

from mmcore.measures import MEASURES
from reports.statistics.floors import ENUMERATED, PATTERNS

TERMS: tuple[tuple[str, str], ...] = (
    ("arm", "A named variant of the model or its training. One arm is the reference that others are held against."),
    (
        "matched",
        "Scaled in width until the model has as many parameters, or needs as many operations, as the reference's: what "
        "then remains of a difference is not due to size.",
    ),
    (
        "repeat",
        "One draw of split and initialisation, the same for every arm. Arms are compared repeat by repeat, so what "
        "makes a repeat easy or hard for all of them cancels out.",
    ),
    ("skill", MEASURES["skill"].meaning),
    (
        "component",
        "A part of what is predicted, with a loss of its own. The study's skill is the mean over components.",
    ),
    (
        "verdict",
        "What is shown about new items of this corpus. Equivalent: the difference is shown to lie within the margin. "
        "Better or worse: every test of the difference that it needs speaks for it. “On these items”: it holds for "
        "the tested items alone; whether other items of the corpus would agree is open. Undecided: nothing is shown, "
        "which does not mean that the arms are equal.",
    ),
    (
        "new items",
        "Items of the same corpus that no run has seen. Where repeats draw their own test items, the repeats speak for "
        "new items. Where all repeats test the same ones, the spread between the groups of test items does.",
    ),
    (
        "interval",
        "Where the true mean plausibly lies. An interval of a difference that leaves out 0 speaks for a difference. "
        "It is a t interval, with the Nadeau–Bengio correction where repeats draw their own splits. Where all repeats "
        "test the same items, an arm's interval is about these items alone; that of a difference on new items also "
        "rests on the spread between the groups of test items.",
    ),
    (
        "deviation",
        "The standard deviation between repeats: how far a single repeat lies from the mean, typically. It does not "
        "shrink with more repeats; the interval of the mean does.",
    ),
    (
        "bootstrap interval",
        "An interval that assumes no shape of the scores: repeats are drawn again and again with replacement (BCa). "
        "With few repeats it is too narrow; verdicts do not rest on it.",
    ),
    (
        "interquartile mean",
        "The mean of the middle half of the repeats: a few broken or lucky ones do not move it.",
    ),
    (
        "p",
        "How often a difference at least this large would come up if the two arms were equally good and only chance "
        "decided which was ahead. Small p: chance is a poor explanation. A verdict needs several tests, and this is "
        "the largest of their p: the sign-flip test's, the interval's, and that of new items where all repeats test "
        "the same ones.",
    ),
    (
        "sign-flip p",
        "Of the test that changes the signs of the differences at random, two-sided: exact up to "
        f"{ENUMERATED} pairs of repeats; from {ENUMERATED + 1} on it reads {PATTERNS:,} of the possible sign patterns. "
        "It assumes no shape of the scores, but does not know that repeats share training data.",
    ),
    (
        "p of the interval",
        "Of the t-test that belongs to the interval, which knows that repeats share training data. Where splits vary "
        "it is corrected with Holm.",
    ),
    (
        "p of new items",
        "Of the test over groups of test items and repeats together, after Holm: would other items of the corpus "
        "agree? Known only where all repeats test the same items.",
    ),
    (
        "sequential p",
        "Stands for p where repeats are added until a comparison is decided: the smallest level at which the study's "
        "rule would have stopped by now. Looking often is paid for in it.",
    ),
    (
        "Holm",
        "Test often enough and something looks significant by chance. Holm's correction raises each p so that the "
        "chance of any false claim among all comparisons of a family stays within the accepted rate.",
    ),
    (
        "floor",
        f"With n repeats, up to {ENUMERATED}, no p can be below 2/2ⁿ, however large the effect; with more than that, "
        f"none below 1/{PATTERNS:,}. Where even that is too much the verdict is “too few repeats”.",
    ),
    (
        "effect size",
        "Mean difference divided by its standard deviation between repeats (Cohen's d_z): how steady the difference "
        "is; its interval in brackets. Cohen's thresholds (0.2 small, 0.5 medium, 0.8 large) are for d, which divides "
        "by the deviation of the scores; they do not hold for d_z, which pairing makes larger.",
    ),
    (
        "share of repeats won",
        "In how many of the repeats the arm was ahead; where it is a share, a tie counts half.",
    ),
    (
        "equivalent",
        "The difference is shown to be smaller than the margin that the study set beforehand, whether or not it is "
        "shown to be other than 0. Without a margin nothing can be called equivalent: a missing proof of a difference "
        "is no proof of equality.",
    ),
    (
        "undecided",
        "The runs fit a difference as well as none. The estimate of further repeats assumes that difference and "
        "deviation stay as observed; take it as an order of magnitude.",
    ),
    (
        "complete items",
        "Items that have every modality. Scores on all items include those that lack some, as they come in practice.",
    ),
    (
        "naive baselines",
        "Predictions without learning: persistence repeats the last value, constant says the training mean, majority "
        "the commonest class, prior its frequencies. An arm that does not beat them has learned nothing useful.",
    ),
    (
        "FLOPs",
        "Floating-point operations of one forward pass over one window: what the model costs to use, whatever the "
        "machine.",
    ),
    (
        "Pareto front",
        "The arms that no other arm beats on everything at once: none is at least as good for less, or better at the "
        "same cost.",
    ),
    (
        "average rank",
        "In each repeat the best arm has rank 1, the next 2, and so on; this is the mean over the repeats. It says how "
        "often an arm is ahead, not by how much.",
    ),
)
"""Term and meaning, in the order in which a reader meets them."""
