"""The terms of a report, each in one or two plain sentences."""

from __future__ import annotations

from mmcore.language import later, say
from mmcore.measures import MEASURES
from reports.model.report import Summary
from reports.numbers import prose
from reports.statistics.floors import ENUMERATED, PATTERNS

TERMS: tuple[tuple[str, str], ...] = (
    (
        later("arm"),
        later("A named variant of the model or its training. One arm is the reference that others are compared with."),
    ),
    (
        later("matched"),
        later(
            "Scaled in width until the model has as many parameters, or needs as many operations, as the reference. "
            "The difference that then remains is not due to size."
        ),
    ),
    (
        later("repeat"),
        later(
            "One draw of split and initialisation, the same for every arm. Arms are compared repeat by repeat, so "
            "effects that make a repeat easy or hard for all of them cancel out."
        ),
    ),
    (later("skill"), MEASURES["skill"].meaning),
    (
        later("component"),
        later("A part of the prediction, with its own loss. The study's skill is the mean over components."),
    ),
    (
        later("verdict"),
        later(
            "What is shown about new items of this corpus. Equivalent: the difference is shown to lie within the "
            "margin. Better or worse: every test that the verdict needs shows the difference. “On these items”: the "
            "verdict holds for the tested items alone; whether other items of the corpus would agree is open. "
            "Undecided: nothing is shown, which does not mean that the arms are equal."
        ),
    ),
    (
        later("new items"),
        later(
            "Items of the same corpus that no run has seen. If each repeat draws its own test items, the repeats show "
            "what holds for new items. If all repeats test the same items, the spread between the groups of test "
            "items shows it."
        ),
    ),
    (
        later("interval"),
        later(
            "Where the true mean plausibly lies. If the interval of a difference leaves out 0, that speaks for a "
            "difference. It is a t interval, with the Nadeau–Bengio correction if repeats draw their own splits. If "
            "all repeats test the same items, an arm's interval is about these items alone; the interval of a "
            "difference on new items also rests on the spread between the groups of test items."
        ),
    ),
    (
        later("standard deviation"),
        later(
            "The standard deviation between repeats: how far a single repeat typically lies from the mean. It does "
            "not shrink with more repeats; the interval of the mean does."
        ),
    ),
    (
        later("bootstrap interval"),
        later(
            "An interval that assumes no shape of the scores: repeats are drawn again and again with replacement "
            "(BCa). With few repeats it is too narrow; verdicts do not rest on it."
        ),
    ),
    (
        later("interquartile mean"),
        later("The mean of the middle half of the repeats. A few failed or lucky ones do not change it."),
    ),
    (
        later("p"),
        later(
            "How often a difference at least this large would come up if the two arms were equally good and only "
            "chance decided which was ahead. If p is small, chance is a poor explanation. A verdict needs several "
            "tests, and this is the largest of their p: from the sign-flip test (unpaired: the permutation test), "
            "from the interval and, if all repeats test the same items, from the test on new items."
        ),
    ),
    (
        later("sign-flip p"),
        later(
            "From the two-sided test that changes the signs of the differences at random. It is exact up to "
            "{exact} pairs of repeats; from {sampled} on it uses {patterns} of the possible sign patterns. "
            "It makes no assumption about the distribution of the scores, but does not account for training data that "
            "repeats share."
        ),
    ),
    (
        later("permutation p"),
        later(
            "Where repeats are not paired: from the two-sided test that hands the repeats of both arms out at random. "
            "It is exact up to {patterns} ways to do so; beyond, it uses as many of them. It assumes that equally "
            "good arms vary equally; Welch's t-test, which must agree, does not."
        ),
    ),
    (
        later("p of the interval"),
        later(
            "From the t-test that belongs to the interval. It accounts for training data that repeats share. If "
            "splits vary, or repeats are not paired, it is corrected with Holm."
        ),
    ),
    (
        later("p of new items"),
        later(
            "From the test over groups of test items and repeats together, after Holm: would other items of the "
            "corpus agree? It is only known if all repeats test the same items."
        ),
    ),
    (
        later("sequential p"),
        later(
            "Replaces p if repeats are added until a comparison is decided: the smallest level at which the study's "
            "rule would have stopped by now. It accounts for the number of looks."
        ),
    ),
    (
        later("Holm"),
        later(
            "Test often enough and something looks significant by chance. Holm's correction raises each p so that the "
            "chance of any false claim among all comparisons of a family stays within the accepted rate."
        ),
    ),
    (
        later("floor"),
        later(
            "With n repeats, up to {exact}, no p can be below 2/2ⁿ, however large the effect; with more repeats, "
            "none can be below 1/{patterns}. If even this smallest p is too large, the verdict is “too few repeats”."
        ),
    ),
    (
        later("effect size"),
        later(
            "Mean difference divided by its standard deviation between repeats (Cohen's d_z), with its interval in "
            "brackets. It shows how steady the difference is. Cohen's thresholds (0.2 small, 0.5 medium, 0.8 large) "
            "are for d, which divides by the standard deviation of the scores. They do not hold for d_z, which "
            "pairing makes larger."
        ),
    ),
    (
        later("share of repeats won"),
        later("The number of repeats in which the arm was ahead; where a share is given, a tie counts half."),
    ),
    (
        later("equivalent"),
        later(
            "The difference is shown to be smaller than the margin that the study set beforehand, whether or not it "
            "is shown to differ from 0. Without a margin nothing can be called equivalent: a missing proof of a "
            "difference is no proof of equality."
        ),
    ),
    (
        later("undecided"),
        later(
            "The runs are compatible with a difference and with none. The estimate of further repeats assumes that "
            "the difference and its standard deviation stay as observed; take it as an order of magnitude."
        ),
    ),
    (
        later("complete items"),
        later(
            "Items that have every modality. Scores on all items include items that lack some, as happens in practice."
        ),
    ),
    (
        later("naive baselines"),
        later(
            "Predictions without learning: persistence repeats the last value, constant predicts the training mean, "
            "majority the most frequent class, prior the class frequencies. An arm that does not beat them has learned "
            "nothing useful."
        ),
    ),
    (
        later("FLOPs"),
        later(
            "Floating-point operations of one forward pass over one window: the cost of using the model, on any "
            "machine."
        ),
    ),
    (
        later("Pareto front"),
        later(
            "The arms that no other arm beats in score and cost at once: none is at least as good for less, or better "
            "at the same cost."
        ),
    ),
    (
        later("average rank"),
        later(
            "In each repeat the best arm has rank 1, the next 2, and so on; this is the mean over the repeats. It "
            "says how often an arm is ahead, not by how much."
        ),
    ),
)
"""Term and meaning, in the order in which a reader meets them; both are said where they are shown."""
NUMBERS = {"exact": ENUMERATED, "sampled": ENUMERATED + 1, "patterns": f"{PATTERNS:,}"}
"""What meanings have in braces."""

_ONLY_OURS = frozenset({"matched", "skill", "complete items", "naive baselines", "FLOPs"})
"""Terms that only reports of runs by mmstudy's own training use."""


def terms_of(summary: Summary) -> tuple[tuple[str, str], ...]:
    """The terms of a report, with what its verdicts are about: other code draws its items in its own way.

    Returns:
        Names as they stand in :data:`TERMS`, which ``say`` says, and meanings that are said already. All for models
        that mmstudy trained. Else without the terms that only those have, and with words for
        verdict, repeat and component that hold for any scores.
    """
    if summary.native:
        return tuple((name, meaning_of(meaning)) for name, meaning in TERMS)
    own = {
        "arm": say("A named variant. One arm is the reference that others are compared with."),
        "repeat": say(_REPEAT if summary.paired else _UNPAIRED),
        "component": say("A {part}: a part of the scores that has comparisons of its own.", part=say(summary.part)),
        "verdict": prose(_about(summary), say(_KINDS)),
    }
    left_out = _ONLY_OURS if summary.shared else _ONLY_OURS | {"new items", "p of new items"}
    if not summary.paired:
        own |= {name: say(meaning, **NUMBERS) for name, meaning in _OF_UNPAIRED.items()}
        left_out |= {"sign-flip p", "average rank"}
    return tuple((name, own.get(name) or meaning_of(meaning)) for name, meaning in TERMS if name not in left_out)


def meaning_of(text: str) -> str:
    """A meaning of :data:`TERMS` in the reader's language, with its numbers."""
    return say(text, **NUMBERS) if "{" in text else say(text)


_REPEAT = later(
    "One run of every arm under one number, such as a seed. Arms are compared repeat by repeat, so effects that "
    "make a repeat easy or hard for all of them cancel out."
)
_UNPAIRED = later(
    "One run of an arm. Repeats of different arms have nothing in common, so arms are compared by their means."
)
_OF_UNPAIRED = {
    "interval": later(
        "Where the true mean plausibly lies. If the interval of a difference leaves out 0, that speaks for a "
        "difference. It is a t interval; that of a difference is Welch's, which lets arms vary unequally."
    ),
    "floor": later(
        "With n repeats of both arms, no p can be below 2 divided by the number of ways to choose n of 2n, however "
        "large the effect, and none below 1/{patterns}. If even this smallest p is too large, the verdict is “too few "
        "repeats”."
    ),
    "effect size": later(
        "Difference of means divided by the standard deviation of the scores within an arm, corrected for few repeats "
        "(Hedges' g), with its interval in brackets. Cohen's thresholds (0.2 small, 0.5 medium, 0.8 "
        "large) are for it, but repeats of a training vary so little that large values are common."
    ),
    "share of repeats won": later(
        "Of all couples of one repeat of either arm, the number in which the arm was ahead; where a share is given, "
        "a tie counts half."
    ),
}
"""Terms that mean something else where repeats are not paired."""
_KINDS = later(
    "Equivalent: the difference is shown to lie within the margin. Better or worse: every test that the verdict "
    "needs shows the difference. “On these items”: the verdict holds for the tested items alone. Undecided: "
    "nothing is shown, which does not mean that the arms are equal."
)


def _about(summary: Summary) -> str:
    """What verdicts are about, in the words of the report itself."""
    return summary.covers or say("What the repeats show.")
