"""The terms of a report, each in one or two plain sentences."""

from __future__ import annotations

from mmcore.measures import MEASURES

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
        "interval",
        "Where the true mean plausibly lies. An interval of a difference that leaves out 0 speaks for a difference. It "
        "is a t interval, with the Nadeau–Bengio correction where repeats draw their own splits.",
    ),
    (
        "p",
        "How often a difference at least this large would come up if the two arms were equally good and only chance "
        "decided which was ahead. Small p: chance is a poor explanation. It is an exact sign-flip test, two-sided.",
    ),
    (
        "Holm",
        "Who asks many questions gets some yes by luck. Holm's correction raises each p so that the chance of any "
        "false claim among all comparisons of a family stays within the accepted rate.",
    ),
    (
        "floor",
        "With n repeats no p can be below 2/2ⁿ, however large the effect. Where even that is too much the verdict is "
        "“too few repeats”.",
    ),
    (
        "effect size",
        "Mean difference divided by its standard deviation between repeats (Cohen's d_z): how steady the difference "
        "is. Above about 0.8 is usually called large.",
    ),
    (
        "equivalent",
        "The difference is shown to be smaller than the margin that the study set beforehand. Without a margin nothing "
        "can be called equivalent: a missing proof of a difference is no proof of equality.",
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
)
"""Term and meaning, in the order in which a reader meets them."""
