"""The checks of scores that other code computed, in the order of their codes."""

from __future__ import annotations

from mmcore.language import later
from reports.checks import scores
from reports.checks.rule import Rule

SCORE_RULES = (
    Rule(
        "ABL043",
        later("Arms have unequal numbers of scores"),
        "In scores that mmstudy did not make, an arm has fewer scores than another, or none, on some data set; or "
        "paired arms lack different repeats. Empty, NaN and infinite scores count as missing.",
        later(
            "A paired comparison uses the repeats that both arms have, an unpaired one all of them. If scores are "
            "missing because runs failed, the runs that are left make the arm look better than it is."
        ),
        later("Find out why they are missing, and add them or say why they are not there."),
        scores.uneven,
        about="scores",
    ),
    Rule(
        "ABL044",
        later("Scores are the same in several repeats"),
        f"In scores that mmstudy did not make, an arm has one and the same score in {scores.FEWEST} or more repeats. "
        "Or every score of an arm stands in two or more repeats, although they have too many digits for chance.",
        later(
            "Then the repeats are no repeats: the seed has no effect, or one result stands in several rows. The "
            "interval of such an arm is too narrow, or has no width, and p is too small: they promise a certainty that "
            "is not there."
        ),
        later(
            "Check that every repeat is a training of its own. Give an arm that needs no training, such as a constant "
            "prediction, on several splits, or leave it out."
        ),
        scores.constant,
        about="scores",
    ),
)
