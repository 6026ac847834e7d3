"""Whether a gate shows what the model uses: it must correlate with the loss, and holding it must cost something."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mmcore.language import later
from reports.model.section import Tone
from reports.sections.faithfulness import Faithfulness, Label, judge, tone_of
from reports.statistics.bounded import estimate_correlation, p_of_correlations
from reports.statistics.comparisons import compare
from reports.statistics.intervals import Estimate

RULE = later(
    "A gate is judged by two rank correlations with what the model loses at that step without the modality behind it, "
    "and by one experiment. One correlation uses gate × norm, which is what passes, the other the gate alone. The "
    "word comes from gate × norm. But if the gate alone is 'not faithful', so is the word, because then the embedding "
    "norm carries the signal, not the gate. The experiment holds the gate at its mean in the trained model. If "
    "this is not shown to cost anything, the gate is not called faithful: it 'correlates, without effect' if the "
    "cost lies within the margin or holding the gate helps; otherwise its effect is not shown."
)
"""How two correlations and one experiment become one word, in words."""

NO_EFFECT, UNKNOWN_EFFECT = "correlates, without effect", "correlates, effect not shown"
GateLabel = Label | Literal["correlates, without effect", "correlates, effect not shown"]
EffectKind = Literal["costs", "none", "helps", "open"]


@dataclass(frozen=True)
class Effect:
    """What holding a gate at its mean costs, in the study's metric.

    Args:
        cost: score with the gate free − held, more is better, over repeats.
        margin: what counts as no difference; None: none is set.
        shown: whether the cost differs from 0 after correction.
    """

    cost: Estimate
    margin: float | None
    shown: bool

    @property
    def kind(self) -> EffectKind:
        """``none``: the whole interval lies within the margin; ``open``: neither a cost nor its absence is shown."""
        e, m = self.cost, self.margin
        if e.n < 2:
            return "open"
        if m is not None and -m <= e.low and e.high <= m:
            return "none"
        if self.shown and (e.low > 0 or e.high < 0):
            return "costs" if e.mean > 0 else "helps"
        return "open"


@dataclass(frozen=True)
class Belief:
    """Whether a gate says what the model uses.

    Args:
        label: a word of :mod:`reports.sections.faithfulness`, or one of the two for a gate without effect.
        passing, opening: the same question put to gate × norm, and to the gate alone. norm: ρ of the norm alone.
        effect: of holding the gate at its mean.
    """

    label: GateLabel
    passing: Faithfulness
    opening: Faithfulness
    norm: Estimate
    effect: Effect

    @property
    def tone(self) -> Tone:
        """How the label is coloured."""
        match self.label:
            case "correlates, without effect":
                return "bad"
            case "correlates, effect not shown":
                return "open"
            case label:
                return tone_of(label)

    @property
    def gate_is_silent(self) -> bool:
        """What passes would do, but the gate has little part in it."""
        return self.opening.label == "not faithful" and self.passing.label in ("faithful", "weakly faithful")

    @property
    def gate_has_no_part(self) -> bool:
        """That it has any part is not even shown: the gate's interval reaches down to 0, or lies below."""
        return self.gate_is_silent and self.opening.correlation.low <= 0


@dataclass(frozen=True)
class Corrected:
    """p of a gate's three tests, corrected for the number of tests; to be compared with alpha."""

    passing: float
    opening: float
    cost: float


def believe(
    passing: Sequence[float | None],
    opening: Sequence[float | None],
    norm: Sequence[float | None] = (),
    cost: Sequence[float | None] = (),
    overlap: float = 0.0,
    level: float = 0.95,
    margin: float | None = None,
    corrected: Corrected | None = None,
) -> Belief:
    """A word for what a gate shows and what holding it costs, over repeats: see :data:`RULE`.

    Args:
        passing: rank correlations of gate × norm with what the model loses. opening: of the gate alone; a gate that
            never moves has 0. norm: of the norm alone. One number a repeat; None and NaN are left out.
        cost: score with the gate free − held at its mean, more is better; in the same way.
        overlap: of the splits. level: of intervals. margin: of costs.
        corrected: p of the three tests; None: they are tested alone.

    Example:
        >>> believe([0.8, 0.81, 0.79], [0.7, 0.72, 0.71], cost=[0.1, 0.11, 0.12]).label
        'faithful'
        >>> believe([0.8, 0.81, 0.79], [0.7, 0.72, 0.71], cost=[0.0, 0.0, 0.0], margin=0.02).label
        'correlates, without effect'
    """
    known = np.array([np.nan if v is None else v for v in cost], float)
    held = compare(known, np.zeros_like(known), alpha=1 - level, overlap=overlap)
    p = corrected or Corrected(p_of_correlations(passing, overlap), p_of_correlations(opening, overlap), held.p_t)
    effect = Effect(held.difference, margin, p.cost <= 1 - level)
    of_passing = judge(passing, overlap, level, p.passing)
    of_opening = judge(opening, overlap, level, p.opening)
    label: GateLabel = of_passing.label
    if label in ("faithful", "weakly faithful") and of_opening.label in ("not faithful", "not shown"):
        label = of_opening.label
    if label in ("faithful", "weakly faithful") and effect.kind != "costs":
        label = UNKNOWN_EFFECT if effect.kind == "open" else NO_EFFECT
    of_norm = estimate_correlation([v for v in norm if v is not None], level, overlap)
    return Belief(label, of_passing, of_opening, of_norm, effect)
