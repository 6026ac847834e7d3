"""Whether what a picture of a model shows is what the model uses: one rule and one set of words for all analyses.

A probe measures, in each run, the rank correlation between what is shown (gate × norm, attention rollout) and what
happens to the model when the shown thing is taken away. Here the correlations of several repeats become a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mmcore.language import say
from reports.model.section import Tone
from reports.numbers import counted, interval, number, percent
from reports.statistics.bounded import estimate_correlation
from reports.statistics.intervals import Estimate

STRONG = 0.5
"""From here on a picture is faithful: at ρ = 0.5 it puts two of three pairs in the right order (ρ is about 1.5 τ, and
τ = 1/3 is two pairs right for each one wrong), where a coin gets one of two."""
WEAK = 0.3
"""Below, a picture is not faithful: at ρ = 0.3 it orders three of five pairs rightly, hardly more than a coin."""

Label = Literal["faithful", "weakly faithful", "not faithful", "not shown"]

_TONES: dict[Label, Tone] = {
    "faithful": "good", "weakly faithful": "open", "not faithful": "bad", "not shown": "open",
}  # fmt: skip


def tone_of(label: Label) -> Tone:
    """How a label is coloured."""
    return _TONES[label]


def rule() -> str:
    """The rule in words, for a section's lead or limits."""
    return say(
        "Faithful: the whole interval of the rank correlation is at {strong} or above. Not faithful: all of it is "
        "below {weak}. Weakly faithful: above 0, and neither of these. Not shown: it is not above 0 after correction "
        "for the number of tests, or there are fewer than two repeats. At {strong} a picture puts two of three pairs "
        "in the right order, at {weak} three of five; a coin gets one of two. Means and intervals of rank "
        "correlations are computed on Fisher's scale (z).",
        strong=STRONG, weak=WEAK,
    )  # fmt: skip


@dataclass(frozen=True)
class Faithfulness:
    """How far a picture can be believed.

    Args:
        label: a word of the closed list. correlation: over repeats, with its interval, on Fisher's scale. level: of the
            interval.
    """

    label: Label
    correlation: Estimate
    level: float

    @property
    def tone(self) -> Tone:
        """How the label is coloured."""
        return tone_of(self.label)

    @property
    def evidence(self) -> str:
        """``ρ = 0.62, 95 % interval 0.51 to 0.71, 10 repeats``."""
        rho = self.correlation
        if not rho.n:
            return say("no run could be measured")
        if rho.n < 2:
            return say("ρ = {rho}, {repeats}", rho=number(rho.mean), repeats=counted(rho.n, "repeat"))
        return say(
            "ρ = {rho}, {level} interval {edges}, {repeats}",
            rho=number(rho.mean), level=percent(self.level), edges=interval(rho.low, rho.high),
            repeats=counted(rho.n, "repeat"),
        )  # fmt: skip


def judge(
    correlations: Sequence[float | None], overlap: float = 0.0, level: float = 0.95, p: float | None = None
) -> Faithfulness:
    """A word for the rank correlations of several repeats, one number each.

    Args:
        correlations: in −1 … 1; None and NaN are left out. overlap: of the splits, as ``StudyResults.overlap``.
        level: coverage of the interval.
        p: of the correlation against 0, corrected for the number of tests made together with this one: above
            1 − level no correlation is shown; None: this is the only test.

    Example:
        >>> judge([0.7, 0.72, 0.69]).label, judge([0.0, 0.0]).label, judge([0.9]).label
        ('faithful', 'not faithful', 'not shown')
    """
    rho = estimate_correlation([value for value in correlations if value is not None], level, overlap)
    return Faithfulness(_label(rho, p is None or p <= 1 - level), rho, level)


def _label(rho: Estimate, shown: bool) -> Label:
    if rho.n < 2:
        return "not shown"
    if rho.high < WEAK:
        return "not faithful"
    if rho.low <= 0 or not shown:
        return "not shown"
    return "faithful" if rho.low >= STRONG else "weakly faithful"
